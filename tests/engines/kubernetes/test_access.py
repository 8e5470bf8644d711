"""Signing in to a cluster: files, plugins, tokens that run out, and what is said when it cannot be done."""

from __future__ import annotations

import gc
import json
import ssl
import sys
import warnings
from typing import TYPE_CHECKING

import pytest

from parts.kube.workloads import workload
from parts.registry import certificate
from towline.domain.errors import InvalidInput
from towline.domain.workload import ReplicaState
from towline.engines.kubernetes import access
from towline.engines.kubernetes.cluster import Cluster, ClusterUnreachable
from towline.engines.kubernetes.seen import SeenPod

if TYPE_CHECKING:
    from pathlib import Path

    from parts.kube.lab import Kubernetes


def kubeconfig(cluster: Kubernetes, user: dict[str, object]) -> str:
    """Write a kubeconfig whose user signs in in that way; return its path."""
    config = json.loads(cluster.api.kubeconfig())
    config["users"][0]["user"] = user
    path = cluster.folder / "own"
    path.write_text(json.dumps(config))
    return str(path)


def plugin(folder: Path, version: str) -> dict[str, object]:
    """Return a user whose plugin prints the token in a file, if it is spoken to in its version."""
    script = folder / "plugin.py"
    script.write_text(
        "import json, os, pathlib, sys\n"
        f"info = json.loads(os.environ.get('KUBERNETES_EXEC_INFO') or '{{}}')\n"
        f"asked = info.get('apiVersion', '{version}')\n"
        f"token = pathlib.Path('{folder / 'token'}').read_text()\n"
        f"assert asked == '{version}', asked\n"
        "print(json.dumps({'apiVersion': asked, 'kind': 'ExecCredential', 'status': {'token': token}}))\n"
    )
    return {"exec": {"apiVersion": version, "command": sys.executable, "args": [str(script)]}}


@pytest.mark.parametrize("way", ["tokenFile", "v1beta1", "v1"])
async def test_a_token_that_ran_out_is_renewed_while_the_engine_works(cluster: Kubernetes, way: str) -> None:
    token = cluster.folder / "token"
    token.write_text(cluster.api.token)
    version = f"client.authentication.k8s.io/{way}"
    user = {"tokenFile": str(token)} if way == "tokenFile" else plugin(cluster.folder, version)
    engine = cluster.engine_on(Cluster(access.configuration(kubeconfig(cluster, user))))
    await engine.start()
    await engine.apply(workload())
    cluster.api.token = "the next token"
    token.write_text(cluster.api.token)
    cluster.api.cut_streams()
    await engine.apply(workload(generation=2))
    assert {fact.state for fact in await engine.inventory()} == {ReplicaState.RUNNING}
    assert {fact.generation for fact in await engine.inventory()} == {1, 2}
    await engine.close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("[1, 2", "is no kubeconfig"),
        ("[]", "is no kubeconfig"),
        ("{}", "current context"),
        ('{"clusters": [{"name": "x", "cluster": {"server": 3}}], "contexts": []}', "is no kubeconfig"),
        ('{"clusters": [], "contexts": [], "users": []}', "current context"),
        ('{"clusters": [], "contexts": [], "users": [], "current-context": "x"}', "Context 'x' not found"),
    ],
)
def test_a_kubeconfig_that_is_none_is_named_with_what_would_be_right(tmp_path, content, said) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidInput) as caught:
        access.configuration(str(path))
    assert caught.value.field == "kubernetes_kubeconfig"
    assert said in caught.value.problem
    assert caught.value.rule


@pytest.mark.parametrize(
    "broken",
    [
        {"certificate-authority": "/no/such/file"},
        {"certificate-authority-data": "%%%"},
        {"certificate-authority-data": "bm90IGEgY2VydGlmaWNhdGU="},
    ],
    ids=str,
)
def test_certificates_that_cannot_be_read_are_told_before_anything_starts(tmp_path, broken) -> None:
    """The library leaves the file that it writes such data to for the collector to close."""
    path = tmp_path / "kubeconfig"
    config = {
        "current-context": "prod",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", **broken}}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    }
    path.write_text(json.dumps(config))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(InvalidInput) as caught:
            access.cluster(str(path))
        assert "'prod'" in caught.value.problem
        del caught
        gc.collect()


def service_account(folder: Path, token: str, authority: str = "") -> Path:
    """Write the files that the kubelet gives to every pod; return their folder."""
    account = folder / "serviceaccount"
    account.mkdir()
    for name, content in {"token": token, "namespace": "towline", "ca.crt": authority}.items():
        (account / name).write_text(content)
    return account


async def test_in_a_cluster_the_pods_own_account_is_used_and_its_token_read_again_when_it_was_renewed(
    cluster: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(cluster.folder)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.chain, made.key)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(await cluster.api.listen_with(tls)))
    account = service_account(cluster.folder, cluster.api.token, made.ca_pem)
    engine = cluster.engine_on(Cluster(access.configuration(account=account)))
    await engine.start()
    await engine.apply(workload())
    cluster.api.token = "what the kubelet wrote next"
    (account / "token").write_text(f"{cluster.api.token}\n")
    cluster.api.cut_streams()
    await engine.apply(workload(generation=2))
    assert {fact.generation for fact in await engine.inventory()} == {1, 2}
    assert cluster.api.refused >= 1
    await engine.close()


def test_a_pod_without_its_variables_is_told_which_one_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(InvalidInput, match="KUBERNETES_SERVICE_HOST"):
        access.configuration(account=service_account(tmp_path, "token"))


def entries(name: str, cluster: dict[str, object], user: dict[str, object]) -> dict[str, object]:
    """Return a kubeconfig with one context."""
    return {
        "clusters": [{"name": name, "cluster": cluster}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": user}],
    }


def test_several_kubeconfigs_are_one_and_their_paths_are_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As kubectl reads them: the first entry of a name counts, and what is not there is passed over."""
    one, two = tmp_path / "one" / "config", tmp_path / "two" / "config"
    for path in (one, two):
        path.parent.mkdir()
    shop = {"server": "https://shop.example.com", "certificate-authority": "ca.pem"}
    one.write_text(json.dumps(entries("shop", shop, {"tokenFile": "token"})))
    other = {"server": "https://other.example.com", "certificate-authority": "ca.pem"}
    plugin = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "bin/login"}}
    second = entries("lab", other, plugin) | {"current-context": "shop"}
    second["clusters"] = [*second["clusters"], {"name": "shop", "cluster": other}]  # type: ignore[misc]
    two.write_text(json.dumps(second))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{one}::{two}")
    account = service_account(tmp_path, "token")
    found = access.configuration(account=account)
    assert found.cluster.server == "https://shop.example.com", "and not the pod's own account"
    assert found.cluster.certificate_auth == str(one.parent / "ca.pem")
    assert found.user is not None
    assert found.user.token_file == str(one.parent / "token")
    lab = access.configuration(context="lab")
    assert lab.user is not None
    assert lab.user.exec is not None
    assert lab.user.exec.command == str(two.parent / "bin" / "login")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{tmp_path / 'neither'}")
    with pytest.raises(InvalidInput, match="current context"):
        access.configuration(account=account)


async def test_a_certificate_of_another_name_and_a_proxy_are_taken_as_the_kubeconfig_says(
    cluster: Kubernetes,
) -> None:
    made = certificate(cluster.folder)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.chain, made.key)
    port = await cluster.api.listen_with(tls)
    path = cluster.folder / "named"
    authority = {"server": f"https://localhost:{port}", "certificate-authority": "ca.pem"}
    (cluster.folder / "ca.pem").write_text(made.ca_pem)
    user: dict[str, object] = {"token": cluster.api.token}
    for named in ({}, {"tls-server-name": "127.0.0.1"}):
        path.write_text(json.dumps(entries("x", authority | named, user) | {"current-context": "x"}))
        reached = access.cluster(str(path))
        if named:
            assert b"v1.32" in await reached.glance("version")
        else:
            with pytest.raises(ClusterUnreachable, match="certificate"):
                await reached.glance("version")
        await reached.close()
    through = {"server": "http://api.example.com", "proxy-url": cluster.api.url}
    path.write_text(json.dumps(entries("x", through, user) | {"current-context": "x"}))
    reached = access.cluster(str(path))
    await reached.list(SeenPod)
    assert cluster.api.count("/api/v1/pods") == 1
    await reached.close()


@pytest.mark.parametrize("printed", ["try again later", "{}", '{"status": null}'])
async def test_a_program_that_prints_no_token_is_a_cluster_out_of_reach(
    cluster: Kubernetes, printed: str
) -> None:
    """It may be the network that it had no answer from: a stream that ended for it would never come again."""
    (cluster.folder / "token").write_text(cluster.api.token)
    user = plugin(cluster.folder, "client.authentication.k8s.io/v1")
    script = cluster.folder / "plugin.py"
    good = script.read_text()
    script.write_text(f"print({printed!r})")
    reached = access.cluster(kubeconfig(cluster, user))
    with pytest.raises(ClusterUnreachable, match="printed no token"):
        await reached.glance("version")
    script.write_text(good)
    assert b"v1.32" in await reached.glance("version")
    await reached.close()


async def test_more_streams_than_any_pool_holds_leave_room_for_requests(cluster: Kubernetes) -> None:
    path = cluster.folder / "many"
    path.write_text(cluster.api.kubeconfig())
    names = [f"shop-{number}" for number in range(40)]
    for name in ("apps", *names):
        cluster.api.objects.create(("namespaces", "", name), {"metadata": {}}, manager="kubectl")
    engine = cluster.engine_on(
        Cluster(access.configuration(str(path))),
        namespace="apps",
        mapped={f"project-{name}": name for name in names},
    )
    await engine.start()
    await engine.apply(workload())
    assert cluster.api.count("watch=1") == 5 * 41
    await engine.close()
