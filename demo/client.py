"""Towline's API, as any client uses it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from demo.place import DemoFailed


@dataclass
class Client:
    """One signed-in user in one project."""

    port: int
    token: str = ""
    project: str = ""

    def sign_in(self, email: str, password: str) -> None:
        """Sign in and take the first project."""
        login = self.call("POST", "/user/login?type=med", {"email": email, "password": password})
        self.token = login["data"]["token"]
        self.project = self.call("GET", "/v2/users/me/")["spec"]["projects"][0]["guid"]

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the JSON answer of a call that must succeed."""
        status, content = self.ask(method, path, body)
        if status >= 300:
            raise DemoFailed(
                f"{method} {path} was answered {status}: {content.decode(errors='replace')[:500]}"
            )
        return json.loads(content) if content else None

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Return status and content; status 0 when nothing listens."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers |= {"Authorization": f"Bearer {self.token}", "project": self.project}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except ConnectionRefusedError:
            return 0, b""
        finally:
            connection.close()

    def secret(self, name: str, *, registry: str, username: str, password: str, method: str = "POST") -> Any:
        """Create a docker pull secret, or replace it with ``PUT``; return its document."""
        docker = {
            "registry": registry,
            "username": username,
            "password": password,
            "email": "demo@example.com",
        }
        body = {"kind": "Secret", "metadata": {"name": name}, "spec": {"type": "Docker", "docker": docker}}
        return self.call(method, f"/v2/secrets/{name}/" if method == "PUT" else "/v2/secrets/", body)

    def package(self, name: str, *, image: str, secret: str) -> None:
        """Create a package of one executable that pulls ``image`` with ``secret``."""
        pull = {"depends": {"kind": "secret", "nameOrGUID": secret}}
        run = {"name": "app", "type": "docker", "docker": {"image": image, "pullSecret": pull}}
        spec = {"runtime": "cloud", "cloud": {"replicas": 1}, "executables": [run]}
        body = {"kind": "Package", "metadata": {"name": name, "version": "v1"}, "spec": spec}
        self.call("POST", "/v2/packages/", body)

    def deploy(self, name: str, *, package: str) -> None:
        """Create a deployment of a package."""
        depends = {"kind": "package", "nameOrGUID": package, "version": "v1"}
        body = {
            "kind": "Deployment",
            "metadata": {"name": name, "depends": depends},
            "spec": {"runtime": "cloud"},
        }
        self.call("POST", "/v2/deployments/", body)

    def status(self, name: str) -> Any:
        """Return a deployment's status."""
        return self.call("GET", f"/v2/deployments/{name}/?guid=")["status"]

    def log(self, name: str) -> str:
        """Return the newest line that the container logged; empty when there is none yet."""
        path = f"/v2/deployments/{name}/logs/?replica=0&executable=app&follow=false&tail=1"
        status, content = self.ask("GET", path)
        return content.decode(errors="replace").strip() if status == 200 else ""
