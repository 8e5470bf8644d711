"""Where added engines may be, and what opens them."""

import pytest

from parts.registry import certificate
from towline.domain.credential import Password
from towline.domain.engine import EngineKeys, engine_name, platform_named
from towline.domain.errors import InvalidInput
from towline.engines.docker.address import EngineAddress
from towline.engines.kubernetes import access

NONE = EngineKeys()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("unix:///run/docker-2.sock", "unix:///run/docker-2.sock"),
        ("tcp://127.0.0.1:2375", "tcp://127.0.0.1:2375"),
        ("tcp://[::1]:2375", "tcp://[::1]:2375"),
        ("ssh://towline@rack.example.com", "ssh://towline@rack.example.com:22/var/run/docker.sock"),
        ("ssh://rack:2222/run/user/1000/docker.sock", "ssh://rack:2222/run/user/1000/docker.sock"),
    ],
)
def test_an_address_is_shown_whole(text: str, shown: str) -> None:
    assert str(EngineAddress.added(text, NONE)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://127.0.0.1:2375",
        "unix://relative.sock",
        "tcp://10.0.0.7:2375",
        "tcp://docker.example.com",
        "tcp://user:secret@127.0.0.1:2375",
        "tcp://127.0.0.1:2375/path",
        "tcp://169.254.169.254:80",
        "tcp://metadata.google.internal:80",
        "tcp://2852039166:80",
        "ssh://169.254.169.254",
        "ssh://user:secret@rack.example.com",
        "ssh://-oProxyCommand=touch@rack.example.com",
        "ssh://-oProxyCommand=touch",
        "ssh://rack.example.com/run/a b.sock",
        "ssh://rack.example.com/run/a:b.sock",
        "ssh://rack.example.com/../x,y",
        "ssh://rack.example.com:99999",
    ],
)
def test_what_leads_astray_or_tells_passwords_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        EngineAddress.added(text, NONE)
    assert refused.value.field == "spec.address"
    assert "secret" not in str(refused.value)


def test_metadata_is_refused_over_tls_too(tmp_path) -> None:
    issued = certificate(tmp_path)
    with pytest.raises(InvalidInput, match="link-local or metadata"):
        EngineAddress.added("tcp://169.254.169.254:2376", EngineKeys(ca=issued.ca_pem))


def test_keys_are_taken_in_pem_and_belong_together(tmp_path) -> None:
    issued = certificate(tmp_path)
    chain, key = issued.chain.read_text(), Password(issued.key.read_text())
    whole = EngineKeys(issued.ca_pem, chain, key)
    address = EngineAddress.added("tcp://10.0.0.7", whole)
    assert (address.port, address.url) == (2376, "https://10.0.0.7:2376")
    assert "PRIVATE" not in repr(address)
    assert EngineAddress.added("tcp://10.0.0.7:1", EngineKeys(ca=issued.ca_pem)).tls() is not None
    (tmp_path / "second").mkdir()
    other = Password(certificate(tmp_path / "second").key.read_text())
    for broken, field in (
        (EngineKeys("no pem", chain, key), "spec.tls.ca"),
        (EngineKeys(issued.ca_pem, chain, other), "spec.tls.cert"),
        (EngineKeys(issued.ca_pem, "no pem", key), "spec.tls.cert"),
    ):
        with pytest.raises(InvalidInput) as refused:
            EngineAddress.added("tcp://10.0.0.7", broken)
        assert refused.value.field == field
    with pytest.raises(InvalidInput) as refused:
        EngineAddress.added("unix:///run/docker.sock", whole)
    assert refused.value.field == "spec.tls"


KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: prod
contexts: [{name: prod, context: {cluster: prod, user: towline}}]
clusters: [{name: prod, cluster: {server: "https://10.0.0.1:6443"}}]
users: [{name: towline, user: {token: obviously-a-test-token}}]
"""


def test_a_kubeconfig_that_stands_alone_is_taken() -> None:
    config = access.given_configuration(Password(KUBECONFIG))
    assert (config.cluster.server, config.user.token) == ("https://10.0.0.1:6443", "obviously-a-test-token")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("token: obviously-a-test-token", "exec: {apiVersion: v1, command: touch}"),
        ("token: obviously-a-test-token", "auth-provider: {name: gcp}"),
        ("token: obviously-a-test-token", "tokenFile: /etc/shadow"),
        ("token: obviously-a-test-token", "client-certificate: /etc/shadow, client-key: /etc/shadow"),
        ('"https://10.0.0.1:6443"', '"https://10.0.0.1:6443", certificate-authority: /etc/shadow'),
        ('"https://10.0.0.1:6443"', '"https://10.0.0.1:6443", insecure-skip-tls-verify: true'),
        ("https://10.0.0.1:6443", "http://10.0.0.1:8080"),
        ("https://10.0.0.1:6443", "https://169.254.169.254"),
        ("current-context: prod", "current-context: other"),
        ("apiVersion: v1", "]["),
        (KUBECONFIG, "just text"),
    ],
)
def test_a_kubeconfig_that_runs_reads_or_leads_elsewhere_is_refused(old: str, new: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        access.given_configuration(Password(KUBECONFIG.replace(old, new)))
    assert refused.value.field == "spec.kubeconfig"
    assert "obviously" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "Rack", "-a", "a-", "a" * 41, "embedded", "docker", "a_b"])
def test_names_that_no_added_engine_may_have(name: str) -> None:
    with pytest.raises(InvalidInput):
        engine_name(name)


def test_platforms_are_written_as_os_and_architecture() -> None:
    assert platform_named("linux/arm64/v8", field="x").variant == "v8"
    with pytest.raises(InvalidInput):
        platform_named("arm64", field="spec.platform")
