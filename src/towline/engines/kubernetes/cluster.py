"""Talking to one cluster's API: the one file that calls lightkube's client.

Its generic client knows how to reach and sign in to a cluster (kubeconfig, service account, exec plugins) and
is used for that; paths, watches and retries are ours: its own watch asks for no bookmarks and splits lines
where JSON does not. Every request made here may be repeated, so what time may mend is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar
from urllib.parse import quote

import httpx2
import msgspec
from lightkube.core.exceptions import ConfigError
from lightkube.core.generic_client import BasicRequest, GenericAsyncClient

from towline.engines.kubernetes.paths import object_path, path_of, selectors
from towline.engines.kubernetes.reaching import TIMEOUT, Reaching
from towline.engines.kubernetes.seen import ManagedMetadata, Metadata

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig

FIELD_MANAGER = "towline"
ATTEMPTS = 5
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
PAGE = 500
GLANCE = 5.0
LONGEST_LINE = 256 << 10
NO_ACCOUNT_YET = "error looking up service account"
STREAM_SILENCE = 150.0
"""A watch is told a version about every minute; one that says nothing for longer hangs."""

_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_TRIED_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class ClusterRefused(Exception):
    """The API server said no; the text is its own and holds no credential."""

    def __init__(
        self, status: int, *, reason: str = "", message: str = "", pause: float | None = None
    ) -> None:
        self.status = status
        self.reason = reason
        self.message = message
        self.pause = pause
        super().__init__(f"{status} {reason}: {message}")

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed by and by: a new namespace has no service account at first."""
        if self.reason == "AlreadyExists":
            return False
        return self.status in _TRIED_AGAIN or (self.status == 403 and NO_ACCOUNT_YET in self.message)

    @property
    def is_gone(self) -> bool:
        """Whether the version asked for is no longer kept: list again."""
        return self.status == 410


class ClusterUnreachable(Exception):
    """The API server does not answer, or not as one."""


class Kind(Protocol):
    """A kind of object that is read."""

    PATH: ClassVar[str]
    PLURAL: ClassVar[str]

    @property
    def metadata(self) -> Metadata:
        """The object's name and history."""


K = TypeVar("K", bound=Kind)


class _Status(msgspec.Struct, frozen=True):
    reason: str | None = None
    message: str | None = None
    code: int | None = None
    details: Mapping[str, Any] | None = None


class _Applied(msgspec.Struct, frozen=True):
    metadata: ManagedMetadata


class _Change(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Page(Generic[K]):
    """Every object of a kind, as of one version."""

    items: tuple[K, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Change(Generic[K]):
    """One line of a watch: ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``."""

    type: str
    object: K


@dataclass(slots=True)
class Tally:
    """How many requests were made, by method and plural; for tests and figures."""

    requests: dict[str, int] = field(default_factory=dict)

    def note(self, method: str, plural: str) -> None:
        """Count one."""
        key = f"{method} {plural}"
        self.requests[key] = self.requests.get(key, 0) + 1


class Cluster:
    """One cluster's API."""

    def __init__(self, config: SingleConfig) -> None:
        self._client: Any = GenericAsyncClient(Reaching(), config)  # not all its methods tell their types
        self.server = config.cluster.server
        self.tally = Tally()

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.close()

    async def apply(self, document: Any, *, plural: str, manager: str = FIELD_MANAGER) -> ManagedMetadata:  # noqa: ANN401
        """Apply a whole document by server-side apply and return what it became.

        Fields that others took are taken back: what Towline wrote down is Towline's. With a ``uid`` in its
        metadata it is applied to that object and to no other.
        """
        path = object_path(document.apiVersion, plural, document.metadata.namespace, document.metadata.name)
        params = {"fieldManager": manager, "force": "true"}
        request = BasicRequest("PATCH", path, params=params, data=document, headers={"Content-Type": _APPLY})
        applied: _Applied = _decoded(await self._asked(request, plural=plural), _Applied)
        return applied.metadata

    async def create(self, document: Any, *, plural: str, manager: str) -> ManagedMetadata:  # noqa: ANN401
        """Make an object that is not there yet; raise ClusterRefused, 409 ``AlreadyExists``, where one is."""
        path = object_path(document.apiVersion, plural, document.metadata.namespace)
        request = BasicRequest("POST", path, params={"fieldManager": manager}, data=document)
        created: _Applied = _decoded(await self._asked(request, plural=plural), _Applied)
        return created.metadata

    async def amend(
        self, kind: type[K], name: str, *, namespace: str, changes: Mapping[str, Any], manager: str
    ) -> K:
        """Change some fields of an object by a JSON merge patch (RFC 7386); return what it became.

        With ``metadata.resourceVersion`` among them it is refused, 409, when the object has changed.
        """
        path = path_of(kind, namespace, name)
        headers = {"Content-Type": _MERGE}
        request = BasicRequest("PATCH", path, params={"fieldManager": manager}, data=changes, headers=headers)
        amended: K = _decoded(await self._asked(request, plural=kind.PLURAL, once=True), kind)
        return amended

    async def get(self, kind: type[K], name: str, *, namespace: str | None = None) -> K | None:
        """Return one object, None where there is none."""
        path = path_of(kind, namespace, name)
        try:
            found: K = _decoded(await self._asked(BasicRequest("GET", path), plural=kind.PLURAL), kind)
        except ClusterRefused as refusal:
            if refusal.status == 404:
                return None
            raise
        return found

    async def list(
        self, kind: type[K], *, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> Page[K]:
        """Return every object that matches, page by page; begins anew when the pages grew too old."""
        items: list[K] = []
        params = selectors(labels, fields) | {"limit": str(PAGE)}
        while True:
            request = BasicRequest("GET", path_of(kind, namespace), params=dict(params))
            try:
                page = _decoded(await self._asked(request, plural=kind.PLURAL), _list_of(kind))
            except ClusterRefused as refusal:
                if not refusal.is_gone or "continue" not in params:
                    raise
                items.clear()
                del params["continue"]
                continue
            items.extend(page.items or ())
            if not page.metadata.further:
                return Page(tuple(items), page.metadata.resource_version)
            params["continue"] = page.metadata.further

    async def watch(
        self,
        kind: type[K],
        version: str,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        seconds: int = 300,
    ) -> AsyncIterator[Change[K]]:
        """Yield changes after ``version`` until the server ends the stream, with bookmarks between.

        Raises ClusterRefused (410 also from within a stream that began well) and ClusterUnreachable.
        """
        params = selectors(labels, fields) | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        request = BasicRequest(
            "GET", path_of(kind, namespace), params=params, timeout=_streaming(STREAM_SILENCE)
        )
        self.tally.note("WATCH", kind.PLURAL)
        async for line in self._lines(request):
            change = _decoded(line, _Change)
            if change.type == "ERROR":
                status = _decoded(change.object, _Status)
                raise ClusterRefused(
                    status.code or 500, reason=status.reason or "", message=status.message or ""
                )
            yield Change(change.type, _decoded(change.object, kind))

    async def delete(
        self, kind: type[K], name: str, *, namespace: str, uid: str = "", pods_first: bool = False
    ) -> bool:
        """Delete an object, and then what it owns; return False where there was none.

        ``pods_first``: it stays until all that it owns is gone. With ``uid`` that very object: another one of
        its name is left alone, as if there were none.
        """
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        options["propagationPolicy"] = "Foreground" if pods_first else "Background"
        if uid:
            options["preconditions"] = {"uid": uid}
        request = BasicRequest("DELETE", path_of(kind, namespace, name), data=options)
        try:
            await self._asked(request, plural=kind.PLURAL, once=bool(uid))
        except ClusterRefused as refusal:
            if refusal.status == 404 or (uid and refusal.status == 409):
                return False
            raise
        return True

    async def log(self, pod: str, *, namespace: str, **options: str) -> AsyncIterator[bytes]:
        """Yield a container's log in lines; ``options`` are those of the API."""
        path = f"api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/log"
        silence = None if options.get("follow") else TIMEOUT
        request = BasicRequest("GET", path, params=options, timeout=_streaming(silence))
        self.tally.note("GET", "log")
        async for line in self._lines(request, keep_ends=True):
            yield line

    async def ask(
        self,
        method: str,
        path: str,
        *,
        document: Any = None,  # noqa: ANN401
        plural: str = "",
        params: Mapping[str, str] | None = None,
    ) -> bytes:
        """Make any other request that may be repeated; return the answer's body. A PATCH is an apply."""
        headers = {"Content-Type": _APPLY} if method == "PATCH" else None
        request = BasicRequest(method, path, params=dict(params or {}), data=document, headers=headers)
        return await self._asked(request, plural=plural or path)

    async def glance(self, path: str) -> bytes:
        """Read something once, soon: whoever asks will ask again."""
        self.tally.note("GET", path)
        return await self._once(BasicRequest("GET", path, timeout=httpx2.Timeout(GLANCE)))

    async def _asked(self, request: BasicRequest, *, plural: str, once: bool = False) -> bytes:
        """Make a request; try again what time may mend, as long as the server asks.

        ``once``: a conflict is final, as the request is about one version of the object.
        """
        pause = FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            self.tally.note(request.method, plural)
            try:
                return await self._once(request)
            except ClusterRefused as refusal:
                if not refusal.may_pass or attempt == ATTEMPTS or (once and refusal.status == 409):
                    raise
                wanted = refusal.pause
            except ClusterUnreachable:
                if attempt == ATTEMPTS:
                    raise
                wanted = None
            await asyncio.sleep(min(wanted if wanted is not None else pause, LONGEST_PAUSE))
            pause *= 2
        raise ClusterUnreachable("no answer")

    async def _once(self, request: BasicRequest) -> bytes:
        with _translated():
            response = await self._client.send(self._client.build_adapter_request(request))
            content = bytes(response.content)
        if response.status_code >= 300:
            raise _refusal(response, content)
        return content

    async def _lines(self, request: BasicRequest, *, keep_ends: bool = False) -> AsyncIterator[bytes]:
        with _translated():
            response = await self._client.send(self._client.build_adapter_request(request), stream=True)
        try:
            if response.status_code >= 300:
                with _translated():
                    content = await response.aread()
                raise _refusal(response, content)
            rest = b""
            with _translated():
                async for chunk in response.aiter_bytes():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        if line or keep_ends:
                            yield line + b"\n" if keep_ends else line
                    if keep_ends and len(rest) > LONGEST_LINE:
                        yield rest  # a log that never ends its line is given in pieces, not kept
                        rest = b""
            if rest and keep_ends:
                yield rest + b"\n"
        finally:
            await response.aclose()


class _ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    further: str | None = msgspec.field(name="continue", default=None)


_LISTS: dict[type, Any] = {}


def _list_of(kind: type[K]) -> Any:  # noqa: ANN401
    """Return the shape of a list of ``kind``; made once for each."""
    if kind not in _LISTS:
        _LISTS[kind] = msgspec.defstruct(
            f"{kind.__name__}List",
            [("items", tuple[kind, ...] | None, None), ("metadata", _ListMetadata, _ListMetadata())],  # type: ignore[valid-type]
            frozen=True,
        )
    return _LISTS[kind]


def _decoded(content: bytes | msgspec.Raw, shape: Any) -> Any:  # noqa: ANN401
    try:
        return msgspec.json.decode(content, type=shape)
    except msgspec.MsgspecError as error:
        raise ClusterUnreachable(f"something answered that is no Kubernetes API: {error}") from error


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, ConfigError, OSError) as error:
        raise ClusterUnreachable(f"{type(error).__name__}: {error}") from error
    except (LookupError, TypeError, json.JSONDecodeError) as error:
        # lightkube takes what a kubeconfig's program prints for granted
        raise ClusterUnreachable("the kubeconfig's program was run and printed no token") from error


def _refusal(response: httpx2.Response, content: bytes) -> ClusterRefused:
    try:
        status = msgspec.json.decode(content, type=_Status)
    except msgspec.MsgspecError:
        status = _Status(message=content[:200].decode(errors="replace"))
    told = response.headers.get("retry-after", "") or str((status.details or {}).get("retryAfterSeconds", ""))
    return ClusterRefused(
        response.status_code,
        reason=status.reason or "",
        message=status.message or "",
        pause=float(told) if told.isdigit() else None,
    )


def _streaming(silence: float | None) -> httpx2.Timeout:
    return httpx2.Timeout(TIMEOUT, read=silence)
