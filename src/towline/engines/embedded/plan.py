"""Working out how a container is to be run, from what the deployment wishes and what its image says."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.engines import identity
from towline.engines.embedded import bundle, layerview
from towline.engines.embedded.containers import Container
from towline.engines.embedded.instances import Run
from towline.engines.wording import hostname

if TYPE_CHECKING:
    from pathlib import Path

    from towline.domain.workload import Workload, WorkloadExecutable
    from towline.engines.embedded.containers import Place
    from towline.engines.embedded.disks import Disks
    from towline.engines.embedded.images import LocalImage

_STOP_SIGNAL = re.compile(r"(?:SIG)?([A-Z0-9]+?)(?:([+-])(\d{1,2}))?")


def run(
    place: Place,
    *,
    workload: Workload,
    executable: WorkloadExecutable,
    image: LocalImage,
    host: bundle.Host,
    bundle_folder: Path,
    disks: Disks,
) -> Run:
    """Return how the container at ``place`` is to be run; reads the image's user database.

    Raises EngineFailed when the image's user does not exist, or when there is no command.
    """
    who = identity.identify(
        image.config.user,
        passwd=layerview.read_text(image.layers, "etc/passwd"),
        group=layerview.read_text(image.layers, "etc/group"),
        uid=executable.uid,
        gid=executable.gid,
    )
    if not host.id_range and (who.uid, who.gid) != (0, 0):
        raise EngineFailed(_only_root(who))
    names = bundle.Names(
        place.container,
        hostname=hostname(workload.deployment_name, place.replica),
        bundle=str(bundle_folder),
    )
    return Run(
        Container(place, image=image.digest, stop_seconds=workload.stop_seconds),
        hostname=names.hostname,
        command=next(iter(bundle.command_line(executable, image.config)), ""),
        layers=image.layers,
        configuration=bundle.configuration(executable, image.config, identity=who, names=names, host=host),
        restart=workload.restart,
        stop_signal=stop_signal(image.config.stop_signal),
        probe=executable.probe,
        volumes=tuple(disks.volume(mount, owner=(who.uid, who.gid)) for mount in executable.mounts),
    )


def stop_signal(text: str) -> int:
    """Return the number of a STOPSIGNAL such as ``SIGINT``, ``2``, ``RTMIN+3``; SIGTERM if it is none."""
    if text.isascii() and text.isdigit():
        return int(text) if 0 < int(text) < signal.NSIG else signal.SIGTERM
    found = _STOP_SIGNAL.fullmatch(text.upper())
    named = signal.Signals.__members__.get(f"SIG{found[1]}") if found else None
    if found is None or named is None:
        return signal.SIGTERM
    offset = int(found[3] or 0) * (-1 if found[2] == "-" else 1)
    return named + offset if 0 < named + offset < signal.NSIG else signal.SIGTERM


def _only_root(who: identity.Identity) -> Finding:
    return Finding(
        FindingCode.ENGINE_ERROR,
        detail=f"the image runs as {who.uid}:{who.gid}, and Towline's user has its own id only",
        fix_hint="Install uidmap and grant Towline's user a range of ids (usermod --add-subuids 100000-165535"
        " --add-subgids 100000-165535 USER), or run towline as root.",
    )
