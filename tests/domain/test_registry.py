import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.domain.errors import InvalidInput
from towline.domain.image import ImageReference
from towline.domain.registry import HUB_KEY, RegistryAddress


@pytest.mark.parametrize(
    "name",
    [
        "docker.io",
        "index.docker.io",
        "https://index.docker.io/v1/",
        "https://index.docker.io/v1",
        "http://index.docker.io/v2/",
        "registry-1.docker.io",
        "registry.hub.docker.com",
        "hub.docker.com",
        "Docker.IO",
        "https://docker.io:443/",
    ],
)
def test_docker_hub_is_stored_under_its_one_right_key(name):
    assert RegistryAddress.parse(name).key == HUB_KEY


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("https://reg.example.com", "reg.example.com"),
        ("reg.example.com", "reg.example.com"),
        ("REG.Example.com.", "reg.example.com"),
        ("reg.example.com:5000", "reg.example.com:5000"),
        ("https://reg.example.com:5000/v2/", "reg.example.com:5000"),
        ("http://reg.example.com", "http://reg.example.com"),
        ("reg.example.com/team", "reg.example.com/team"),
        ("https://reg.example.com/team/", "reg.example.com/team"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("[::1]:5000", "[::1]:5000"),
        (" reg.example.com ", "reg.example.com"),
    ],
)
def test_a_private_registry_is_normalised_to_the_key_docker_writes(text, key):
    address = RegistryAddress.parse(text)
    assert address.key == key
    assert RegistryAddress.parse(key) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "ftp://reg.example",
        "https://user:pass@reg.example",
        "reg.example?x=1",
        "reg.example#f",
        "reg.example:0",
        "reg.example:99999",
        "reg.example:",
        "reg example",
        "reg_example",
        "-reg.example",
        "[::1",
        "[zz]:5",
        "reg.example/UPPER",
        "docker.io/org",
        "reg.example/../x",
        "reg\u00e9.example",
        "reg.example\x00",
    ],
)
def test_a_malformed_address_is_refused_naming_the_field(text):
    with pytest.raises(InvalidInput) as caught:
        RegistryAddress.parse(text)
    assert caught.value.field == "spec.docker.registry"
    assert caught.value.rule


@pytest.mark.parametrize(
    ("stored", "image", "covered"),
    [
        ("reg.example", "reg.example/app", True),
        ("reg.example", "reg.example:443/app", True),
        ("http://reg.example", "reg.example:80/app", True),
        ("reg.example", "reg.example:5000/app", False),
        ("reg.example", "reg.example.evil.com/app", False),
        ("reg.example", "evil-reg.example/app", False),
        ("reg.example/team", "reg.example/team/app", True),
        ("reg.example/team", "reg.example/teamwork/app", False),
        ("reg.example/team", "reg.example/other", False),
        ("docker.io", "nginx", True),
        ("docker.io", "index.docker.io/org/app", True),
        ("docker.io", "reg.example/nginx", False),
        ("REG.example:5000", "Reg.Example:5000/app", True),
    ],
)
def test_a_credential_covers_only_images_of_its_own_registry(stored, image, covered):
    assert RegistryAddress.parse(stored).covers(ImageReference.parse(image)) is covered


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("[::1]", True), ("10.0.0.1", False),
     ("reg.example", False)],
)  # fmt: skip
def test_loopback_is_told_by_the_host_alone(host, loopback):
    assert RegistryAddress.parse(f"{host}:5000").is_loopback is loopback


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused_and_its_key_means_the_same(text):
    try:
        address = RegistryAddress.parse(text)
    except InvalidInput:
        return
    assert RegistryAddress.parse(address.key) == address
