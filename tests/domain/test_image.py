import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.domain.errors import InvalidInput
from towline.domain.image import ImageReference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "reference"),
    [
        ("nginx", "docker.io", "library/nginx", "latest"),
        ("nginx:1.27", "docker.io", "library/nginx", "1.27"),
        ("index.docker.io/org/app", "docker.io", "org/app", "latest"),
        ("docker.io/nginx", "docker.io", "library/nginx", "latest"),
        ("org/app:v1", "docker.io", "org/app", "v1"),
        ("localhost/app", "localhost", "app", "latest"),
        ("localhost:5000/team/app:1", "localhost:5000", "team/app", "1"),
        ("reg.example.com/app", "reg.example.com", "app", "latest"),
        ("reg:5000/app", "reg:5000", "app", "latest"),
        ("host:5000", "docker.io", "library/host", "5000"),
        ("[::1]:5000/app:1", "[::1]:5000", "app", "1"),
        (f"reg.example/app@{DIGEST}", "reg.example", "app", DIGEST),
        (f"reg.example/app:1.0@{DIGEST}", "reg.example", "app", DIGEST),
        ("registry/x", "docker.io", "registry/x", "latest"),
        ("a.b/c__d/e-_-f".replace("-_-", "--"), "a.b", "c__d/e--f", "latest"),
    ],
)
def test_a_reference_is_normalised_as_docker_does(text, registry, repository, reference):
    image = ImageReference.parse(text)
    assert (image.registry, image.repository, image.reference) == (registry, repository, reference)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("https://reg.example/app", "has no scheme ('https://')"),
        ("docker://reg.example/app", "has no scheme ('docker://')"),
        ("reg.example/App", "capital letters"),
        ("reg.example/app:", "not a tag"),
        ("reg.example/app:-x", "not a tag"),
        ("reg.example/app:" + "t" * 129, "not a tag"),
        ("reg.example/app@sha256:abc", "not a digest"),
        ("reg.example/app@sha256:" + "A" * 64, "not a digest"),
        ("a" * 64, "image id"),
        (" nginx", "blanks"),
        ("nginx\n", "blanks"),
        ("reg.example:99999/app", "port 99999"),
        ("reg_x.example:50/app", "not a registry host"),
        ("reg.example/", "names no repository"),
        ("reg.example//app", "not a repository path"),
        ("reg.example/" + "a" * 256, "256 characters long"),
        ("nginx\x1b[31m", "no image name has"),
    ],
)
def test_a_malformed_reference_is_refused_with_its_problem(text, told):
    with pytest.raises(InvalidInput) as caught:
        ImageReference.parse(text, field="spec.image")
    assert told in str(caught.value)
    assert caught.value.field == "spec.image"


@pytest.mark.parametrize("text", ["nginx:1.27", "org/app:v1", "reg.example:5000/a/b:c", f"nginx@{DIGEST}"])
def test_the_familiar_form_is_what_people_write(text):
    assert ImageReference.parse(text).familiar() == text


def test_a_pinned_image_is_asked_for_by_digest_and_keeps_its_tag():
    image = ImageReference.parse("reg.example/app:1").pinned(DIGEST)
    assert image.reference == DIGEST
    assert str(image) == f"reg.example/app:1@{DIGEST}"


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused_and_never_crashes(text):
    try:
        image = ImageReference.parse(text)
    except InvalidInput:
        return
    assert ImageReference.parse(str(image)) == image
