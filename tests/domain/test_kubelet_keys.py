"""Which keys of a pull secret the kubelet takes for an image."""

import pytest

from towline.domain.image import ImageReference
from towline.domain.readers.keys import by_pattern

HUB = "https://index.docker.io/v1/"


def that_open(keys, image):
    return [match.key for match in by_pattern(keys, image)]


@pytest.mark.parametrize(
    ("key", "image", "opens"),
    [
        ("registry.example.com", "registry.example.com/team/app:1", True),
        ("https://registry.example.com/v2/", "registry.example.com/team/app:1", True),
        ("registry.example.com/v1", "registry.example.com/team/app:1", False),
        ("registry.example.com", "registry.example.com:443/team/app:1", False),
        ("registry.example.com:5000", "registry.example.com:5000/team/app:1", True),
        ("*.example.com", "registry.example.com/team/app:1", True),
        ("*.example.com", "a.b.example.com/team/app:1", False),
        ("registry.example.com/team", "registry.example.com/teamwork/x:1", True),
        ("registry.example.com/team", "registry.example.com/other/x:1", False),
        ("docker.io", "nginx:1", True),
        ("docker.io/acme", "acme/app:1", True),
        (HUB, "nginx:1", True),
        ("registry-1.docker.io", "nginx:1", False),
        (HUB, "ghcr.io/acme/app:1", False),
        ("registry.example.com/v1/v2/app", "registry.example.com/app:1", False),
        ("registry.example.com/team/", "registry.example.com/team:1", False),
        ("index.docker.io/acme", "acme/app:1", False),
    ],
)
def test_a_key_opens_what_the_kubelet_says(key, image, opens):
    assert that_open([key], ImageReference.parse(image)) == ([key] if opens else [])


def test_longer_paths_come_first_and_the_fallback_only_where_nothing_matches():
    keys = ["docker.io", "docker.io/acme", HUB]
    assert that_open(keys, ImageReference.parse("acme/app:1")) == ["docker.io/acme", "docker.io"]
    assert that_open([HUB, "ghcr.io"], ImageReference.parse("acme/app:1")) == [HUB]
