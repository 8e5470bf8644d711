"""The API server: HTTP on loopback, strict about what it is sent, and with faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web
from lightkube.resources import apps_v1, core_v1, networking_v1, policy_v1, rbac_authorization_v1

from parts.kube.objects import Kept, Objects

MODELS = {
    "clusterrolebindings": rbac_authorization_v1.ClusterRoleBinding,
    "clusterroles": rbac_authorization_v1.ClusterRole,
    "ingresses": networking_v1.Ingress,
    "namespaces": core_v1.Namespace,
    "networkpolicies": networking_v1.NetworkPolicy,
    "persistentvolumeclaims": core_v1.PersistentVolumeClaim,
    "poddisruptionbudgets": policy_v1.PodDisruptionBudget,
    "rolebindings": rbac_authorization_v1.RoleBinding,
    "roles": rbac_authorization_v1.Role,
    "secrets": core_v1.Secret,
    "serviceaccounts": core_v1.ServiceAccount,
    "services": core_v1.Service,
    "pods": core_v1.Pod,
    "deployments": apps_v1.Deployment,
}
_ENDED_BY_OTHERS = ("deployments", "namespaces", "pods", "replicasets")
"""Kinds that a delete only marks: a controller or the node takes them away."""
_ABOUT = {
    "version": {"major": "1", "minor": "32", "gitVersion": "v1.32.13"},
    "api/v1": {"kind": "APIResourceList", "groupVersion": "v1"},
    "apis/apps/v1": {"kind": "APIResourceList", "groupVersion": "apps/v1"},
}
_END: Any = None


@dataclass
class Fault:
    """What is done to the next requests whose ``METHOD path`` holds ``text``."""

    text: str
    times: int
    status: int = 0
    retry_after: str = ""
    cut: bool = False
    delay: float = 0
    html: bool = False
    message: str = "made to fail"


@dataclass
class ApiServer:
    """One cluster's API."""

    objects: Objects = field(default_factory=Objects)
    token: str = "the-token"
    username: str = "system:serviceaccount:towline:towline"
    faults: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    refused: int = 0
    bodies: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    log_source: Callable[[Kept, Mapping[str, str], web.StreamResponse | None], Awaitable[Any]] | None = None
    allowed: Callable[[Mapping[str, Any]], bool] = lambda _: True
    bookmarks_after: float = 5.0
    url: str = ""
    _streams: set[asyncio.Queue[Any]] = field(default_factory=set)
    _logs: list[web.Request] = field(default_factory=list)
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
        self.objects.listeners.add(self._changed)

    async def listen_with(self, tls: ssl.SSLContext) -> int:
        """Listen by HTTPS as well; return the port."""
        assert self._runner is not None
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port: int = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return port

    async def stop(self) -> None:
        """Stop listening."""
        self.cut_streams()
        if self._runner is not None:
            await self._runner.cleanup()

    def kubeconfig(self) -> str:
        """Return a kubeconfig for this server."""
        return json.dumps(
            {
                "current-context": "test",
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "clusters": [{"name": "test", "cluster": {"server": self.url}}],
                "users": [{"name": "test", "user": {"token": self.token}}],
            }
        )

    def fail(self, text: str, *, times: int = 1, **how: Any) -> None:
        """Make the next requests fail."""
        self.faults.append(Fault(text, times, **how))

    def cut_streams(self) -> None:
        """Break every watch in the middle."""
        for queue in self._streams:
            queue.put_nowait(_END)

    def cut_logs(self) -> None:
        """Break every log that is followed, as a proxy on the way does after a while."""
        for request in self._logs:
            if request.transport is not None:
                request.transport.abort()

    def compact(self) -> None:
        """Forget the history: whoever watches from before must list again."""
        self.objects.version += 1
        self.objects.oldest = self.objects.version
        self.objects.history.clear()

    def count(self, text: str) -> int:
        """Return how many requests held ``text``."""
        return sum(text in line for line in self.seen)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        line = f"{request.method} {request.path_qs}"
        self.seen.append(line)
        for fault in self.faults:
            if fault.times > 0 and fault.text in line:
                fault.times -= 1
                if fault.cut:
                    assert request.transport is not None
                    request.transport.abort()
                    return web.Response(status=500)
                if fault.delay:
                    await asyncio.sleep(fault.delay)
                    break
                if fault.html:
                    return web.Response(text="<html>sign in</html>", content_type="text/html")
                headers = {"Retry-After": fault.retry_after} if fault.retry_after else None
                return _status(fault.status, "Faulty", fault.message, headers=headers)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            self.refused += 1
            return _status(401, "Unauthorized", "Unauthorized")
        return await self._route(request, request.path.strip("/").split("/"))

    async def _route(self, request: web.Request, parts: list[str]) -> web.StreamResponse:  # noqa: PLR0911
        if parts[-1].endswith("reviews") and request.method == "POST":
            return await self._review(request, parts[-1])
        if "/".join(parts) in _ABOUT:
            return web.json_response(_ABOUT["/".join(parts)])
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        plural, name = rest[0], rest[1] if len(rest) > 1 else ""
        if len(rest) > 2 and rest[2] == "log":
            return await self._log(request, namespace, name)
        if request.method == "GET" and not name:
            watching = request.query.get("watch") in ("1", "true")
            return await (self._watch if watching else self._list)(request, plural, namespace)
        match request.method:
            case "GET":
                kept = self.objects.get(plural, namespace, name)
                return web.json_response(kept.shown()) if kept else _not_found(plural, name)
            case "POST":
                return await self._create(request, plural, namespace)
            case "PATCH":
                merged = request.content_type == "application/merge-patch+json"
                return await (self._merge if merged else self._apply)(request, (plural, namespace, name))
            case "DELETE":
                return await self._delete(request, (plural, namespace, name))
        return _status(405, "MethodNotAllowed", "the server does not allow this method")

    async def _review(self, request: web.Request, plural: str) -> web.Response:
        review = await request.json()
        status: dict[str, Any] = {"userInfo": {"username": self.username}}
        if plural == "selfsubjectaccessreviews":
            status = {"allowed": self.allowed(review)}
        return web.json_response({**review, "status": status}, status=201)

    async def _list(self, request: web.Request, plural: str, namespace: str) -> web.Response:
        found = [kept for kept in self.objects.of(plural, namespace) if _matches(request, kept.labels)]
        if (wanted := request.query.get("fieldSelector", "")).startswith("type="):
            found = [kept for kept in found if kept.leaves.get(("f:type",)) == wanted.removeprefix("type=")]
        found = [kept for kept in found if _is_selected(request, kept.shown())]
        limit = int(request.query.get("limit", "100000"))
        start = int(request.query.get("continue", "0"))
        metadata: dict[str, Any] = {"resourceVersion": str(self.objects.version)}
        if start + limit < len(found):
            metadata["continue"] = str(start + limit)
        items = [kept.shown() for kept in found[start : start + limit]]
        return web.json_response({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        version = int(request.query.get("resourceVersion", "0"))
        queue: asyncio.Queue[Any] = asyncio.Queue()
        queue.plural, queue.namespace = plural, namespace  # type: ignore[attr-defined]
        self._streams.add(queue)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        try:
            await response.prepare(request)
            if version < self.objects.oldest:
                gone = {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410}
                await _send(response, "ERROR", gone | {"message": f"too old resource version: {version}"})
                return response
            for _, change, body, labels in list(self.objects.since(version, plural)):
                if _matches(request, labels) and namespace in ("", body["metadata"].get("namespace")):
                    await _send(response, change if _is_selected(request, body) else "DELETED", body)
            await self._stream(request, response, queue)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._streams.discard(queue)
        return response

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, queue: asyncio.Queue[Any]
    ) -> None:
        end = asyncio.get_running_loop().time() + float(request.query.get("timeoutSeconds", "300"))
        while (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(min(self.bookmarks_after, left)):
                    news = await queue.get()
            except TimeoutError:
                body = {"kind": "Bookmark", "metadata": {"resourceVersion": str(self.objects.version)}}
                await _send(response, "BOOKMARK", body | {"spec": {"containers": None}, "status": {}})
                continue
            if news is _END:
                if request.transport is not None:
                    request.transport.abort()
                return
            change, body, labels = news
            if _matches(request, labels):
                await _send(response, change if _is_selected(request, body) else "DELETED", body)

    def _changed(self, change: str, plural: str, kept: Kept) -> None:
        news = (change, kept.shown(), kept.labels)
        for queue in self._streams:
            if queue.plural == plural and queue.namespace in ("", kept.key[1]):  # type: ignore[attr-defined]
                queue.put_nowait(news)

    async def _create(self, request: web.Request, plural: str, namespace: str) -> web.Response:
        body = json.loads(await request.read())
        key = (plural, namespace, body["metadata"]["name"])
        if refusal := _schema_problem(key, body) or self._uninhabitable(namespace):
            return refusal
        if self.objects.get(*key) is not None:
            return _status(409, "AlreadyExists", f'{plural} "{key[2]}" already exists')
        if request.query.get("dryRun"):
            return web.json_response(body, status=201)
        self.bodies.append((plural, body))
        kept = self.objects.create(key, body, manager=request.query.get("fieldManager", "unknown"))
        return web.json_response(kept.shown(), status=201)

    def _uninhabitable(self, namespace: str) -> web.Response | None:
        if not namespace:
            return None
        kept = self.objects.get("namespaces", "", namespace)
        if kept is None:
            return _not_found("namespaces", namespace)
        if kept.deleted:
            message = f"unable to create new content in namespace {namespace} because it is being terminated"
            return _status(403, "Forbidden", message)
        return None

    async def _merge(self, request: web.Request, key: tuple[str, str, str]) -> web.Response:
        patch = json.loads(await request.read())
        kept = self.objects.get(*key)
        if kept is None:
            return _not_found(key[0], key[2])
        version = patch.get("metadata", {}).get("resourceVersion")
        if version is not None and version != str(kept.version):
            return _status(409, "Conflict", f'Operation cannot be fulfilled on {key[0]} "{key[2]}"')
        self.bodies.append((key[0], patch))
        self.objects.merge(key, patch, manager=request.query.get("fieldManager", "unknown"))
        shown = kept.shown()
        metadata = {name: part for name, part in shown["metadata"].items() if name in ("name", "annotations")}
        if refusal := _schema_problem(key, {**shown, "metadata": metadata}):
            return refusal
        return web.json_response(shown)

    async def _apply(self, request: web.Request, key: tuple[str, str, str]) -> web.Response:  # noqa: PLR0911
        body = json.loads(await request.read())
        if request.content_type != "application/apply-patch+yaml":
            return _status(415, "UnsupportedMediaType", "the body was in an unknown format")
        if not (manager := request.query.get("fieldManager")):
            return _status(422, "Invalid", "fieldManager: Required value: is required for apply patch")
        if refusal := _schema_problem(key, body) or self._is_another(key, body):
            return refusal
        if refusal := _frozen(self.objects.get(*key), body):
            return refusal
        if key[1] and self.objects.get("namespaces", "", key[1]) is None:
            return _not_found("namespaces", key[1])
        if request.query.get("dryRun"):
            return web.json_response(body)
        self.bodies.append((key[0], body))
        forced = request.query.get("force") == "true"
        outcome = self.objects.apply(key, body, manager=manager, force=forced)
        if isinstance(outcome, str):
            return _status(409, "Conflict", f'Apply failed with 1 conflict: conflict with "{outcome}"')
        kept, fresh = outcome
        return web.json_response(kept.shown(), status=201 if fresh else 200)

    def _is_another(self, key: tuple[str, str, str], body: Mapping[str, Any]) -> web.Response | None:
        """Refuse to apply to another object than the one whose uid was given."""
        uid, known = body["metadata"].get("uid"), self.objects.get(*key)
        if not uid or (known is not None and known.uid == uid):
            return None
        return _status(409, "Conflict", f"uid mismatch: the provided object specified uid {uid}")

    async def _delete(self, request: web.Request, key: tuple[str, str, str]) -> web.Response:
        kept = self.objects.kept.get(key)
        if kept is None:
            return _not_found(key[0], key[2])
        options = await request.json() if request.can_read_body else {}
        wanted = options.get("preconditions", {}).get("uid", kept.uid)
        if wanted != kept.uid:
            return _status(409, "Conflict", f"the UID in the precondition ({wanted}) is not {kept.uid}")
        if request.query.get("dryRun"):
            return web.json_response(kept.shown())
        if key[0] in _ENDED_BY_OTHERS:
            self.objects.begin_deletion(kept)
        else:
            self.objects.delete(kept)
        return web.json_response(kept.shown())

    async def _log(self, request: web.Request, namespace: str, name: str) -> web.StreamResponse:
        kept = self.objects.get("pods", namespace, name)
        if kept is None:
            return _not_found("pods", name)
        assert self.log_source is not None
        problem = await self.log_source(kept, request.query, None)
        if isinstance(problem, str):
            return _status(400, "BadRequest", problem)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        self._logs.append(request)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self.log_source(kept, request.query, response)
        self._logs.remove(request)
        return response


async def _send(response: web.StreamResponse, change: str, body: Mapping[str, Any]) -> None:
    await response.write(json.dumps({"type": change, "object": body}).encode() + b"\n")


def _matches(request: web.Request, labels: Mapping[str, str]) -> bool:
    wanted = request.query.get("labelSelector", "")
    return all(
        labels.get(pair.partition("=")[0]) == pair.partition("=")[2] if "=" in pair else pair in labels
        for pair in wanted.split(",")
        if pair
    )


def _is_selected(request: web.Request, body: Mapping[str, Any]) -> bool:
    """Whether an object has the phase that is asked for; of other fields nothing is known here."""
    phase = request.query.get("fieldSelector", "").partition("status.phase=")[2]
    return not phase or body.get("status", {}).get("phase", "Pending") == phase


def _schema_problem(key: tuple[str, str, str], body: Mapping[str, Any]) -> web.Response | None:
    """Refuse what the published schema does not know, as a server-side apply does."""
    model = MODELS[key[0]]
    try:
        typed = msgspec.convert(body, model)
    except msgspec.ValidationError as error:
        return _status(500, "", f"failed to create typed patch object: {error}")
    if json.loads(msgspec.json.encode(typed)) != body:
        return _status(500, "", "failed to create typed patch object: field not declared in schema")
    if body["metadata"]["name"] != key[2]:
        return _status(400, "BadRequest", "the name of the object does not match the name on the URL")
    if key[0] == "deployments":
        chosen = body["spec"]["selector"]["matchLabels"]
        if chosen.items() - body["spec"]["template"]["metadata"]["labels"].items():
            return _status(422, "Invalid", "selector does not match template labels")
    return None


def _frozen(kept: Kept | None, body: Mapping[str, Any]) -> web.Response | None:
    """Refuse to change what never changes once it is written."""
    now = kept.shown() if kept is not None else {}
    selector, wanted = now.get("spec", {}).get("selector"), body.get("spec", {}).get("selector")
    is_other = body["kind"] == "Deployment" and selector not in (None, wanted)
    if is_other or now.get("type", body.get("type")) != body.get("type"):
        field = "spec.selector" if is_other else "type"
        said = f'{body["kind"]} "{body["metadata"]["name"]}" is invalid: {field}: Invalid value: '
        return _status(422, "Invalid", f"{said}field is immutable")
    return None


def _status(code: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    return web.json_response(body | {"reason": reason, "code": code}, status=code, headers=headers)


def _not_found(plural: str, name: str) -> web.Response:
    return _status(404, "NotFound", f'{plural} "{name}" not found')
