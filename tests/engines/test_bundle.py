"""The runtime's configuration, without running anything."""

from __future__ import annotations

from typing import Any

import pytest
from engines_given import executable

from parts.layers import Config
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.errors import EngineFailed
from towline.domain.package import Limits
from towline.engines.embedded import bundle
from towline.engines.embedded.bundle import Host, Names
from towline.engines.identity import Identity

ROOT = Host("amd64", user_namespace=False, open_files=1 << 20, limits_swap=True)
USER = Host("amd64", user_namespace=True, open_files=4096, id_range=False)
NAMES = Names("dep-a.1.main.0", hostname="shop-0", bundle="/data/bundle")
APP = Identity(1000, 1000, groups=(50,), home="/srv/app")


def made(*, image: Config | None = None, identity: Identity = APP, host: Host = ROOT, **changes: Any) -> Any:
    return bundle.configuration(
        executable(**changes), image or Config(), identity=identity, names=NAMES, host=host
    )


@pytest.mark.parametrize(
    ("entrypoint", "command", "expected"),
    [
        ((), (), ("/image-entry", "image-command")),
        (("/entry",), (), ("/entry",)),
        ((), ("command",), ("/image-entry", "command")),
        (("/entry",), ("command",), ("/entry", "command")),
    ],
)
def test_entrypoint_and_command_follow_kubernetes_rules(
    entrypoint: tuple[str, ...], command: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    image = Config(entrypoint=("/image-entry",), cmd=("image-command",))
    assert bundle.command_line(executable(entrypoint=entrypoint, command=command), image) == expected


def test_an_image_without_a_command_is_a_finding() -> None:
    with pytest.raises(EngineFailed) as caught:
        made(image=Config(entrypoint=(), cmd=()))
    assert caught.value.finding.code is FindingCode.COMMAND_NOT_FOUND


def test_the_packages_variables_replace_the_images_and_keep_their_equals_signs() -> None:
    image = Config(environment={"A": "image", "B": "image"})
    variables = made(image=image, environment={"A": Password("x=y")})["process"]["env"]
    assert "A=x=y" in variables
    assert "B=image" in variables
    assert "HOME=/srv/app" in variables
    assert f"PATH={bundle.DEFAULT_PATH}" in variables
    assert len({variable.partition("=")[0] for variable in variables}) == len(variables)


def test_root_has_dockers_capabilities_without_raw_sockets_and_nobody_gains_any() -> None:
    process = made(identity=Identity(0, 0))["process"]
    assert len(process["capabilities"]["effective"]) == 13
    assert {"CAP_SYS_ADMIN", "CAP_NET_RAW"}.isdisjoint(process["capabilities"]["bounding"])
    assert process["noNewPrivileges"] is True
    assert process["terminal"] is False


def test_a_user_other_than_root_starts_without_capabilities() -> None:
    capabilities = made()["process"]["capabilities"]
    assert capabilities["effective"] == capabilities["permitted"] == capabilities["ambient"] == []


def test_the_network_is_the_hosts_and_everything_else_is_the_containers() -> None:
    kinds = {namespace["type"] for namespace in made()["linux"]["namespaces"]}
    assert kinds == {"pid", "ipc", "uts", "mount", "cgroup"}


def test_limits_become_control_group_settings() -> None:
    resources = made(limits=Limits(cpu=0.5, memory=64))["linux"]["resources"]
    assert resources["memory"] == {"limit": 64 << 20, "swap": 64 << 20}
    assert resources["cpu"] == {"quota": 50_000, "period": 100_000}
    assert resources["devices"] == [{"allow": False, "access": "rwm"}]


def test_a_normal_users_container_asks_for_nothing_that_needs_root() -> None:
    configuration = made(host=USER, identity=Identity(0, 0), limits=Limits(memory=64))
    assert "resources" not in configuration["linux"]
    assert "cgroupsPath" not in configuration["linux"]
    assert "oomScoreAdj" not in configuration["process"]
    sys_mount = next(mount for mount in configuration["mounts"] if mount["destination"] == "/sys")
    assert sys_mount["options"][0] == "rbind"
    assert "ro" in sys_mount["options"]
    assert "/sys/fs/cgroup" in configuration["linux"]["maskedPaths"]
    terminals = next(mount for mount in configuration["mounts"] if mount["destination"] == "/dev/pts")
    assert "gid=5" not in terminals["options"]


def test_open_files_never_exceed_what_the_host_allows() -> None:
    limit = next(rule for rule in made(host=USER)["process"]["rlimits"] if rule["type"] == "RLIMIT_NOFILE")
    assert limit["soft"] == limit["hard"] == 4096


def test_the_kernels_dangerous_files_are_masked_or_read_only() -> None:
    linux = made()["linux"]
    assert {"/proc/kcore", "/proc/keys", "/sys/firmware"} <= set(linux["maskedPaths"])
    assert {"/proc/sys", "/proc/sysrq-trigger"} <= set(linux["readonlyPaths"])


def test_name_service_files_are_mounted_read_only() -> None:
    mounts = {mount["destination"]: mount for mount in made()["mounts"]}
    for name in ("hosts", "resolv.conf"):
        assert mounts[f"/etc/{name}"]["source"] == f"/data/bundle/{name}"
        assert "ro" in mounts[f"/etc/{name}"]["options"]


def test_system_calls_are_refused_unless_listed() -> None:
    profile = made()["linux"]["seccomp"]
    listed = {
        name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]
    }
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {"read", "execve", "clone", "socket", "futex"} <= listed
    forbidden = {
        "mount",
        "umount2",
        "unshare",
        "setns",
        "pivot_root",
        "bpf",
        "init_module",
        "finit_module",
        "kexec_load",
        "keyctl",
        "add_key",
        "io_uring_setup",
        "perf_event_open",
        "userfaultfd",
        "reboot",
        "open_by_handle_at",
        "settimeofday",
        "swapon",
        "quotactl",
        "move_mount",
        "fsopen",
    }
    assert listed & forbidden == set()


def test_no_rule_compares_one_argument_twice() -> None:
    for rule in made()["linux"]["seccomp"]["syscalls"]:
        indexes = [condition["index"] for condition in rule.get("args", ())]
        assert len(indexes) == len(set(indexes)), "a runtime would take these as alternatives"
