"""What a look at a cluster finds: its pull secrets, who uses them, and the pods that wait for images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from towline.domain.findings import Finding
from towline.domain.pasted import PastedEntry
from towline.domain.proof import Verdict


@dataclass(frozen=True, slots=True)
class KeyedEntry:
    """One entry of a pull secret under the key as it stands there."""

    key: str
    entry: PastedEntry


@dataclass(frozen=True, slots=True)
class PullSecret:
    """A pull secret of a namespace; ``problem`` says why nothing of it can be read."""

    namespace: str
    name: str
    entries: tuple[KeyedEntry, ...] = ()
    problem: str = ""

    @property
    def where(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ImageUse:
    """A container of a pod with its image; ``waits`` is the reason where the image is not there.

    ``finding`` is what the node's own words mean.
    """

    container: str
    image: str
    waits: str = ""
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class PodUse:
    """A pod, the secrets that it names, and its images. ``owner`` is what it is a copy of."""

    namespace: str
    name: str
    owner: str
    secrets: tuple[str, ...]
    images: tuple[ImageUse, ...]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """Everything that was read. ``accounts`` are the secrets that service accounts hand to their pods."""

    secrets: Sequence[PullSecret]
    pods: Sequence[PodUse]
    accounts: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class EntryReport:
    """What the registry says about one entry; ``image`` is empty where only the login was tried."""

    key: str
    username: str
    verdict: Verdict
    image: str = ""
    finding: Finding | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SecretReport:
    """One secret: what its entries are worth, who uses it, and where the same content stands again."""

    secret: PullSecret
    entries: tuple[EntryReport, ...] = ()
    used_by: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()

    @property
    def is_wrong(self) -> bool:
        """Whether something must be done about it."""
        return bool(self.secret.problem) or any(
            each.problem or each.verdict is Verdict.FAILING for each in self.entries
        )


@dataclass(frozen=True, slots=True)
class PodReport:
    """A pod that waits for an image: what the node said, and what a proof from here says.

    ``opens`` names the secret with which the image can be pulled from here.
    """

    pod: PodUse
    use: ImageUse
    finding: Finding | None = None
    opens: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScanReport:
    """The whole."""

    secrets: tuple[SecretReport, ...] = ()
    pods: tuple[PodReport, ...] = field(default=())
    looked_at: int = 0

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.pods and not any(each.is_wrong for each in self.secrets)
