"""``make demo``: tell the story; ``make demo-stop``: end it."""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from demo import place, registry
from demo.client import Client
from demo.place import DemoFailed, Unfit, say, wait_for

EMAIL = "demo@example.com"
_FAILURES = (
    DemoFailed, OSError, subprocess.CalledProcessError, http.client.HTTPException, ValueError, KeyError,
)  # fmt: skip
E153 = (
    "DEP_E153 (Could not pull either the docker image or the built package artifact "
    "for the component on the cloud)"
)


def main() -> int:
    """Run the demo, or stop it; return the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        stop()
        if sys.argv[1:] == ["stop"]:
            say("nothing of the demo runs now")
            return 0
        tell()
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return _ended(130)
    except _FAILURES as error:
        print(f"\nThe demo failed: {str(error) or type(error).__name__}", file=sys.stderr)
        if not isinstance(error, Unfit):
            print(f"\nThe server's last lines:\n{place.tail('towline')}", file=sys.stderr)
        return _ended(1) if os.environ.get("DEMO_EXIT") else 1
    return _ended(0) if os.environ.get("DEMO_EXIT") else 0


def _ended(code: int) -> int:
    """Stop everything; return ``code``, or 1 if something is left over. Further signals wait for that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        stop()
    except _FAILURES as error:
        print(f"\nNot everything could be stopped: {error}", file=sys.stderr)
        return code or 1
    say("stopped and cleaned up")
    return code


def _leave(*_: object) -> None:
    raise KeyboardInterrupt  # so that what was started ends, as with Ctrl-C


def tell() -> None:
    """Show everything, in order; raise DemoFailed where something is not as it should be."""
    place.need_programs()
    place.FOLDER.mkdir(mode=0o700)
    say("starting a private registry with a password, and pushing a small image to it")
    private = registry.run(secrets.token_urlsafe(12))
    say(f"the image is {private.image}")
    client, password = _serve()
    _show_running(client, private)
    refused = _show_refused(client, private)
    _show_corrected(client, private, guid=refused)
    if not os.environ.get("DEMO_EXIT"):
        _farewell(client.port, password)


def _serve() -> tuple[Client, str]:
    say("starting towline serve: SQLite, embedded engine")
    password = secrets.token_urlsafe(12)
    data = str(place.FOLDER / "data")
    words = ["--email", EMAIL, "--password-stdin", "--organization", "demo", "--project", "demo"]
    subprocess.run(
        [place.towline(), "admin", "create-user", "--data", data, *words],
        input=password.encode(), check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    keep = place.FOLDER / "password"
    keep.touch(mode=0o600)
    keep.write_text(f"{password}\n")
    client = Client(registry.free_port())
    (place.FOLDER / "port").write_text(str(client.port))
    place.start("towline", place.serve(data, client.port))
    wait_for("the server", lambda: client.ask("GET", "/readyz")[0] == 200 or None)
    client.sign_in(EMAIL, password)
    say(f"the server answers at http://127.0.0.1:{client.port}")
    return client, password


def _show_running(client: Client, private: registry.Registry) -> None:
    say("creating docker pull secret 'good', package 'hello' and deployment 'hello' through the API")
    document = client.secret(
        "good", registry=private.address, username=registry.USER, password=private.password
    )
    say(f"the secret was tried at its registry: {_verdict(document, 'verified')}")
    client.package("hello", image=private.image, secret="good")
    client.deploy("hello", package="hello")
    _running(client, "hello")
    line = wait_for("the container's log", lambda: client.log("hello") or None)
    if "hello from a private image" not in line:
        raise DemoFailed(f"the log says something else: {line}")
    say(f"its log: {line}")


def _show_refused(client: Client, private: registry.Registry) -> str:
    """Show the refusal; return the refused deployment's guid."""
    print()
    say("now the same with a wrong password: secret, package and deployment 'typo'")
    document = client.secret("typo", registry=private.address, username=registry.USER, password="not-it")
    say(f"the secret was tried at its registry: {_verdict(document, 'failing')}")
    client.package("typo", image=private.image, secret="typo")
    client.deploy("typo", package="typo")
    status = wait_for("the refusal", lambda: _with_error(client.status("typo")))
    finding = status["findings"][0]
    if status["error_codes"] != ["DEP_E153"] or finding["code"] != "wrong-credentials":
        raise DemoFailed(f"expected DEP_E153 and wrong-credentials, saw {status}")
    say(f"{status['phase']}, {status['status']}: {E153}")
    print(f"\n          finding   {finding['code']}: {finding['title']}")
    print(f"          detail    {finding['detail']}")
    for number, seen in enumerate(finding["evidence"]):
        label = "evidence" if number == 0 else ""
        outcome = f"{seen.get('status', 'no answer')} {seen.get('error', '')}".strip()
        where = f"{seen['method']} {seen['origin']}{seen['path']}"
        print(f"          {label:9} {where} (authorization: {seen['sent']}) -> {outcome}")
    print(f"          fix       {finding['fix']}\n")
    return str(client.call("GET", "/v2/deployments/typo/")["metadata"]["guid"])


def _show_corrected(client: Client, private: registry.Registry, *, guid: str) -> None:
    say("correcting the secret, and touching nothing else")
    login = {"registry": private.address, "username": registry.USER, "password": private.password}
    document = client.secret("typo", **login, method="PUT")
    say(f"the secret was tried at its registry: {_verdict(document, 'verified')}")
    _running(client, "typo")
    if client.call("GET", "/v2/deployments/typo/")["metadata"]["guid"] != guid:
        raise DemoFailed("another deployment of that name runs")
    say("the same deployment went on by itself")


def _running(client: Client, name: str) -> None:
    last = ""

    def seen() -> Any:
        nonlocal last
        status = client.status(name)
        now = f"{status['phase']}, {status['status']}"
        if now != last:
            say(f"deployment '{name}': {now}")
            last = now
        _check_engine(status)
        return status if now == "Succeeded, Running" else None

    wait_for(f"deployment {name!r} to run", seen)


def _check_engine(status: Any) -> None:
    """Raise Unfit when this machine runs no containers: waiting would not change that."""
    for finding in status.get("findings", ()):
        if finding["code"] == "engine-unreachable":
            raise Unfit(f"{finding['detail']}\n{finding['fix']}")


def _with_error(status: Any) -> Any:
    return status if status["status"] == "Error" else None


def _verdict(document: Any, expected: str) -> str:
    verdict = document["status"]["verdict"]
    if verdict != expected:
        raise DemoFailed(f"the secret's verdict is {verdict}, not {expected}: {document['status']}")
    return str(verdict)


def _farewell(port: int, password: str) -> None:
    print(f"""
All seen. The server and the registry go on running.
  console   http://127.0.0.1:{port}
  sign in   {EMAIL}  password {password}  (kept in .demo/password)
  CLI       .venv/bin/towline login http://127.0.0.1:{port} --email {EMAIL}
  stop      make demo-stop
""")


def stop() -> None:
    """End what an earlier run left: its containers, through the API if that can be, server and registry.

    Raises DemoFailed, and keeps the folder, while anything of it still runs.
    """
    if not place.FOLDER.exists():
        return
    say("stopping the demo that runs")
    containers = place.FOLDER / "data" / "engine" / "containers"
    if _holds(containers):
        try:
            _end_containers(containers)
        except _FAILURES as error:
            say(f"the server does not end its containers ({error}); ending them without it")
    for name in ("towline", "registry"):
        place.stop(name)
    if _holds(containers):
        place.end_monitors(containers)
    left = place.left_over()
    if left:
        raise DemoFailed(f"still there: {', '.join(left)}")
    shutil.rmtree(place.FOLDER)


def _end_containers(containers: Path) -> None:
    """Ask the server to end its containers; one that is gone is started again, as only it can end them."""
    client = Client(int((place.FOLDER / "port").read_text()))
    if client.ask("GET", "/readyz")[0] != 200:
        place.stop("towline")
        data = str(place.FOLDER / "data")
        place.start("towline", place.serve(data, client.port))
        wait_for("the server", lambda: client.ask("GET", "/readyz")[0] == 200 or None)
    client.sign_in(EMAIL, (place.FOLDER / "password").read_text().strip())
    for each in client.call("GET", "/v2/deployments/?limit=100")["items"]:
        client.call("DELETE", f"/v2/deployments/{each['metadata']['name']}/")
    wait_for("the containers to end", lambda: None if _holds(containers) else True, seconds=40)


def _holds(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


if __name__ == "__main__":
    sys.exit(main())
