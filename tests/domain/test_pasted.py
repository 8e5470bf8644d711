"""Pasted texts: every form that people have at hand, read back exactly; hostile ones never quoted."""

import base64
import json
import shlex

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from towline.domain.credential import IDENTITY_USER, Password
from towline.domain.errors import InvalidInput
from towline.domain.pasted import LARGEST, PastedForm
from towline.domain.pasting import read_pasted

USER, PASSWORD = "jane", "p:a'ss \"wörd$1\\"
KUBE = f"--docker-username={USER} --docker-password {shlex.quote(PASSWORD)} --docker-email=a@example.com"
CANARY = "Kanari-Obviously-A-Test"


def load_yaml(text):
    try:
        return list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InvalidInput("pasted", problem="is not YAML") from None


def read(text):
    return read_pasted(text, load_yaml=load_yaml)


def auth(user=USER, password=PASSWORD):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def config(registry="reg.example.com:5000", **more):
    return {"auths": {registry: {"auth": auth()}}, **more}


def secret(kind="kubernetes.io/dockerconfigjson", key=".dockerconfigjson", content=None):
    packed = base64.b64encode(json.dumps(content or config()).encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "regcred"},
        "type": kind,
        "data": {key: packed},
    }


FORMS = {
    "config.json": (json.dumps(config()), PastedForm.CONFIG_JSON),
    "config.json with a BOM": ("\ufeff" + json.dumps(config(), indent=2) + "\r\n", PastedForm.CONFIG_JSON),
    "legacy dockercfg": (json.dumps(config()["auths"]), PastedForm.CONFIG_JSON),
    "config.json in base64": (
        base64.b64encode(json.dumps(config()).encode()).decode(),
        PastedForm.CONFIG_JSON,
    ),
    "secret as YAML": (yaml.safe_dump(secret()), PastedForm.KUBERNETES),
    "secret as JSON": (json.dumps(secret()), PastedForm.KUBERNETES),
    "secret of the old kind": (
        yaml.safe_dump(secret("kubernetes.io/dockercfg", ".dockercfg", config()["auths"])),
        PastedForm.KUBERNETES,
    ),
    "secret with stringData": (
        yaml.safe_dump({**secret(), "data": None, "stringData": {".dockerconfigjson": json.dumps(config())}}),
        PastedForm.KUBERNETES,
    ),
    "a list": (json.dumps({"kind": "List", "items": [secret()]}), PastedForm.KUBERNETES),
    "two documents": (yaml.safe_dump_all([{"kind": "Pod"}, secret()]), PastedForm.KUBERNETES),
    "docker login": (
        f"docker login -u {USER} -p {shlex.quote(PASSWORD)} reg.example.com:5000",
        PastedForm.LOGIN_COMMAND,
    ),
    "sudo podman login": (
        f"sudo podman login reg.example.com:5000 --username={USER} --password={shlex.quote(PASSWORD)}",
        PastedForm.LOGIN_COMMAND,
    ),
    "login over lines": (
        "\\\n  ".join(
            ["$ docker login ", f"-u {USER} ", f"-p {shlex.quote(PASSWORD)} ", "reg.example.com:5000"]
        ),
        PastedForm.LOGIN_COMMAND,
    ),
    "kubectl": (
        f"kubectl create secret docker-registry regcred --docker-server=reg.example.com:5000 -n x {KUBE}",
        PastedForm.KUBECTL_COMMAND,
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_credential_back_exactly(name):
    text, form = FORMS[name]
    pasted = read(text)
    assert pasted.form is form
    [entry] = pasted.usable
    assert (entry.registry, entry.username, entry.password.reveal()) == (
        "reg.example.com:5000",
        USER,
        PASSWORD,
    )
    assert entry.how
    assert PASSWORD not in repr(pasted)


def test_names_and_addresses_come_along():
    [entry] = read(FORMS["kubectl"][0]).usable
    assert (entry.name, entry.email) == ("regcred", "a@example.com")
    assert read(FORMS["secret as YAML"][0]).usable[0].name == "regcred"


@pytest.mark.parametrize(
    "text", [auth(), auth().rstrip("="), f'"{auth()}"', f"{USER}:{PASSWORD}".replace(" ", "")]
)
def test_a_bare_value_names_no_registry(text):
    [entry] = read(text).usable
    assert entry.registry == ""
    assert entry.username == USER
    assert entry.password.reveal().startswith("p:a'ss")


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "https://registry-1.docker.io"]
)
def test_docker_hub_has_many_names(key):
    [entry] = read(json.dumps({"auths": {key: {"auth": auth()}}})).usable
    assert entry.is_hub


@pytest.mark.parametrize(
    ("entry", "more", "says", "advice"),
    [
        ({}, {"credsStore": "desktop"}, "credential helper 'desktop'", "docker-credential-desktop get"),
        (
            {},
            {"credHelpers": {"r.example.com": "ecr-login"}},
            "'ecr-login'",
            "docker-credential-ecr-login get",
        ),
        ({"registrytoken": "x"}, {}, "registry token", ""),
        ({}, {}, "neither auth nor username", ""),
        ({"auth": "%%%"}, {}, "is not base64", ""),
        ({"auth": base64.b64encode(b"nocolon").decode()}, {}, "holds no colon", ""),
        ({}, {"credsStore": "x; rm -rf /"}, "neither auth nor username", ""),
    ],
)
def test_an_entry_that_holds_nothing_says_why_and_what_to_run(entry, more, says, advice):
    pasted = read(json.dumps({"auths": {"r.example.com": entry}, **more}))
    [found] = pasted.entries
    assert not pasted.usable
    assert says in found.problem
    assert advice in found.advice
    assert bool(advice) == bool(found.advice)


@pytest.mark.parametrize("entry", [{"identitytoken": "x"}, {"identitytoken": "x", "auth": auth(USER, "")}])
def test_an_identity_token_is_read_under_the_name_that_helpers_give_it(entry):
    [found] = read(json.dumps({"auths": {"r.example.com": entry}})).usable
    assert (found.username, found.password) == (IDENTITY_USER, Password("x"))


def test_a_password_counts_more_than_the_identity_token_beside_it():
    [found] = read(json.dumps({"auths": {"r.example.com": {"identitytoken": "x", "auth": auth()}}})).usable
    assert (found.username, found.password) == (USER, Password(PASSWORD))


def test_the_pseudo_keys_of_docker_hubs_browser_login_are_passed_over():
    hub = "https://index.docker.io/v1/"
    keys = {f"{hub}{end}": {"auth": auth()} for end in ("", "access-token", "refresh-token")}
    assert [each.registry for each in read(json.dumps({"auths": keys})).entries] == ["docker.io"]


def test_several_registries_are_told_apart():
    text = json.dumps(
        {"auths": {"a.example.com": {"auth": auth()}, "b.example.com": {"auth": auth("eve", "x")}}}
    )
    assert [(each.registry, each.username) for each in read(text).usable] == [
        ("a.example.com", USER),
        ("b.example.com", "eve"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("echo x | docker login -u jane --password-stdin r.example.com", "pipe"),
        ("docker login -u jane --password-stdin < file", "pipe"),
        ("docker login -u jane -p $TOKEN r.example.com", "shell variable"),
        ("docker login -u jane -p $(cat token) r.example.com", "shell variable"),
        ("docker login -u jane r.example.com", "no password"),
        ("kubectl create secret docker-registry x --from-file=.dockerconfigjson=c.json", "--from-file"),
        ("kubectl create secret docker-registry x --docker-username=jane", "no --docker-username or"),
    ],
)
def test_a_command_without_its_password_says_where_it_is(text, says):
    [entry] = read(text).entries
    assert says in entry.problem


@pytest.mark.parametrize("password", ["1$", "$HOME", "a`b", "$(x)", "\\$", "it's"])
def test_what_a_shell_takes_as_it_is_is_a_password(password):
    [entry] = read(f"docker login -p {shlex.quote(password)} -u robot r.example.com").usable
    assert (entry.username, entry.password.reveal()) == ("robot", password)


def test_a_command_without_a_registry_is_for_docker_hub():
    pasted = read("docker login -u jane -p secret")
    assert pasted.usable[0].is_hub
    assert "Docker Hub" in pasted.notes[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ('{"auths": {', "line 1, column"),
        ('{"auths": {},}', "line 1, column 14"),
        ("kind: [", "is not YAML"),
        ("x" * (LARGEST + 1), "larger than 64 KiB"),
        (json.dumps({"auths": {f"r{n}.example.com": {} for n in range(101)}}), "names 101 registries"),
        ("[" * 5000, None),
        ('{"a":' * 5000, "pasted"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_place(text, says):
    if says is None:
        assert read(text).form is PastedForm.UNKNOWN
        return
    with pytest.raises(InvalidInput, match=says):
        read(text)


@pytest.mark.parametrize(
    "text",
    ["hello world", "{}", '{"a": 1}', "https://reg.example.com", yaml.safe_dump(secret(kind="Opaque"))],
)
def test_what_is_something_else_is_explained(text):
    pasted = read(text)
    assert not pasted.entries
    assert pasted.notes


@given(
    st.text(max_size=300), st.sampled_from(["", '{"auths": ', "docker login ", "kind: Secret\n", "kubectl "])
)
def test_no_text_does_harm_or_is_quoted(text, before):
    said = []
    try:
        pasted = read(f"{before}{text}{CANARY}")
        said += [*pasted.notes, *(entry.problem + entry.how for entry in pasted.entries)]
    except InvalidInput as error:
        said.append(str(error))
    assert not any(CANARY in each for each in said)


@given(
    st.text(st.characters(exclude_characters=":", exclude_categories=["Cc", "Cs"]), min_size=1),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
)
def test_any_credential_comes_back_from_a_config(user, password):
    text = json.dumps({"auths": {"r.example.com": {"auth": auth(user, password)}}})
    [entry] = read(text).usable
    assert (entry.username, entry.password.reveal()) == (user, password)
