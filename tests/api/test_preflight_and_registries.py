"""Towline's additions to the API: preflight, and settings of registries."""

import httpx

from parts.fakes import refused
from parts.live import Live
from towline.domain.account import ProjectRole
from towline.domain.causes import FindingCode
from towline.domain.proof import Verdict

PASSWORD = "p@ss:word"


def docker_secret(name: str, registry: str) -> dict[str, object]:
    docker = {"registry": registry, "username": "robot", "password": PASSWORD, "email": "robot@example.com"}
    return {"metadata": {"name": name}, "spec": {"type": "Docker", "docker": docker}}


def test_preflight_says_yes_with_what_would_run(live: Live, http: httpx.Client) -> None:
    registry = live.world.prover.registry("yes.example.com", robot=PASSWORD)
    image = registry.has("team/app:1.0")
    http.post("/v2/secrets/", headers=live.headers(), json=docker_secret("yes", "yes.example.com"))
    body = {"images": [{"image": "yes.example.com/team/app:1.0", "secret": "yes"}]}
    answer = http.post("/v2/preflight/", headers=live.headers(), json=body).json()
    assert answer["verdict"] == "yes"
    [item] = answer["items"]
    assert (item["pullable"], item["digest"], item["size"]) == (True, image.digest, image.size)
    assert (item["platform"], item["secret"], item["verdict"]) == ("linux/amd64", "yes", "verified")


def test_preflight_says_no_with_the_finding_for_the_image_that_is_to_blame(
    live: Live, http: httpx.Client
) -> None:
    live.world.prover.registry("no.example.com").has("app:1")
    images = [{"image": "no.example.com/app:1"}, {"image": "no.example.com/app:2"}, {"image": "Not an image"}]
    answer = http.post("/v2/preflight/", headers=live.headers(), json={"images": images}).json()
    assert answer["verdict"] == "no"
    assert [item.get("pullable") for item in answer["items"]] == [True, False, False]
    codes = [item["finding"]["code"] for item in answer["items"][1:]]
    assert codes == ["tag-not-found", "image-reference-invalid"]


def test_preflight_does_not_guess_when_a_registry_cannot_be_reached(live: Live, http: httpx.Client) -> None:
    live.world.prover.says(refused(FindingCode.REGISTRY_DNS, Verdict.UNKNOWN))
    body = {"images": [{"image": "nowhere.example.com/app:1"}]}
    answer = http.post("/v2/preflight/", headers=live.headers(), json=body).json()
    assert answer["verdict"] == "unknown"
    assert "pullable" not in answer["items"][0]


def test_preflight_of_a_package_asks_for_each_executable(live: Live, http: httpx.Client) -> None:
    live.world.prover.registry("pack.example.com").has("app:1")
    run = {"name": "app", "docker": {"image": "pack.example.com/app:1"}}
    package = {"metadata": {"name": "checked", "version": "1"}, "spec": {"executables": [run]}}
    assert http.post("/v2/packages/", headers=live.headers(), json=package).status_code == 201
    body = {"package": {"name": "checked", "version": "1"}}
    answer = http.post("/v2/preflight/", headers=live.headers(), json=body).json()
    assert [(item["executable"], item["pullable"]) for item in answer["items"]] == [("app", True)]
    absent = http.post("/v2/preflight/", headers=live.headers(), json={"package": {"name": "absent"}})
    assert absent.status_code == 404


def test_preflight_wants_images_or_a_package(live: Live, http: httpx.Client) -> None:
    both = {"images": [{"image": "a"}], "package": {"name": "b"}}
    for body in ({}, {"images": []}, {"images": [{}]}, both):
        answer = http.post("/v2/preflight/", headers=live.headers(), json=body)
        assert answer.status_code == 400
        assert answer.json()["field"].startswith(("images", "package"))


def test_settings_of_a_registry_are_put_shown_listed_and_forgotten(live: Live, http: httpx.Client) -> None:
    path = "/v2/registries/registry.example.com:5000/"
    body = {
        "metadata": {"name": "registry.example.com:5000"},
        "spec": {
            "plainHTTP": True,
            "proxy": "http://proxy.example.com:3128",
            "realmHosts": ["auth.example.com"],
        },
    }
    made = http.put(path, headers=live.headers(), json=body)
    assert made.status_code == 200
    assert made.json()["spec"] == body["spec"]
    assert http.get(path, headers=live.headers()).json() == made.json()
    listed = http.get("/v2/registries/", headers=live.headers()).json()["items"]
    assert [each["metadata"]["name"] for each in listed] == ["registry.example.com:5000"]
    assert http.delete(path, headers=live.headers()).json() == {"success": True}
    assert http.get(path, headers=live.headers()).status_code == 404


def test_wrong_settings_name_their_field(live: Live, http: httpx.Client) -> None:
    path = "/v2/registries/registry.example.com/"
    wrong = {
        "ca": {"spec": {"ca": "not a certificate"}},
        "proxy": {"spec": {"proxy": "http://user:pass@proxy"}},
        "realmHosts": {"spec": {"realmHosts": ["a b"]}},
        "metadata.name": {"metadata": {"name": "other.example.com"}},
    }
    for field, body in wrong.items():
        answer = http.put(path, headers=live.headers(), json=body)
        assert answer.status_code == 400
        assert field in answer.json()["field"]


def test_a_login_is_tried_and_not_kept(live: Live, http: httpx.Client) -> None:
    live.world.prover.registry("tried.example.com", robot=PASSWORD).has("app:1")
    before = http.get("/v2/secrets/", headers=live.headers()).json()
    login = {"registry": "https://tried.example.com/v2/", "username": "robot", "password": PASSWORD}
    right = http.post("/v2/credentials/verify/", headers=live.headers(), json=login).json()
    assert (right["verdict"], right["registry"]) == ("verified", "tried.example.com")
    wrong = http.post(
        "/v2/credentials/verify/", headers=live.headers(), json={**login, "password": "canary\n"}
    )
    assert (wrong.status_code, wrong.json()["verdict"]) == (200, "failing")
    assert wrong.json()["finding"]["code"] == "wrong-credentials"
    assert [each["field"] for each in wrong.json()["warnings"]] == ["password"]
    assert "canary" not in wrong.text
    image = {**login, "image": "elsewhere.example.com/app:1"}
    other = http.post("/v2/credentials/verify/", headers=live.headers(), json=image).json()
    assert other["finding"]["code"] == "secret-registry-mismatch"
    assert http.get("/v2/secrets/", headers=live.headers()).json() == before


def test_only_who_manages_secrets_may_try_logins(live: Live, http: httpx.Client) -> None:
    login = {"registry": "tried.example.com", "username": "robot", "password": PASSWORD}
    token = live.member("developer@example.com", role=ProjectRole.DEVELOPER)
    refused_ = http.post("/v2/credentials/verify/", headers=live.headers(token), json=login)
    assert refused_.status_code == 403


def test_a_login_to_try_names_what_is_wrong_with_it(live: Live, http: httpx.Client) -> None:
    for body, field in (
        ({"username": "robot"}, "password"),
        ({"password": "x"}, "username"),
        ({"registry": "ftp://x", "username": "robot", "password": "x"}, "registry"),
        ({"username": "a:b", "password": "x"}, "username"),
    ):
        answer = http.post("/v2/credentials/verify/", headers=live.headers(), json=body)
        assert answer.status_code == 400
        assert answer.json()["error"].startswith(field)
