"""What a project allows at its doors, on the wire. A cluster's keys are public, so they are shown."""

from __future__ import annotations

from typing import Literal

import msgspec

from towline.domain.doors import DoorPolicy, TrustedIssuer, Workload
from towline.domain.errors import InvalidInput
from towline.domain.scopes import name_pattern
from towline.wire.metadata import API_VERSION, Inbound, check_frame
from towline.wire.problems import read, required

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MOST_WORKLOADS = 200
_LONGEST = 253


class WorkloadIn(msgspec.Struct, rename="camel"):
    """Which service accounts may have which secrets."""

    namespace: str | None = None
    service_account: str | None = None
    secrets: list[str] | None = None


class KeysIn(msgspec.Struct):
    """A JWKS document (RFC 7517), as ``kubectl get --raw /openid/v1/jwks`` prints it."""

    keys: list[dict[str, str | int | bool | list[str] | None]] | None = None


class IssuerIn(msgspec.Struct, rename="camel"):
    """A cluster whose service account tokens are believed."""

    issuer: str | None = None
    audience: str | None = None
    jwks: KeysIn | None = None
    workloads: list[WorkloadIn] | None = None


class PolicySpecIn(msgspec.Struct, rename="camel"):
    """What is allowed beyond the doors themselves."""

    offline_minutes: int | None = None
    issuers: list[IssuerIn] | None = None


class PolicyIn(Inbound):
    """A policy to put in place."""

    spec: PolicySpecIn | None = None


class PolicyDocument(msgspec.Struct, rename="camel"):
    """A policy as it is shown."""

    api_version: str
    kind: Literal["DoorPolicy"]
    spec: PolicySpecIn


def policy(body: bytes) -> DoorPolicy:
    """Return the policy that ``body`` asks for; raise InvalidInput naming the field."""
    asked = read(body, PolicyIn)
    check_frame(asked, "DoorPolicy")
    spec = asked.spec or PolicySpecIn()
    issuers = tuple(_issuer(each, place=f"spec.issuers[{at}]") for at, each in enumerate(spec.issuers or ()))
    return DoorPolicy(spec.offline_minutes or 0, issuers)


def document(known: DoorPolicy) -> bytes:
    """Return the document of a policy."""
    issuers = [
        IssuerIn(
            each.issuer,
            each.audience,
            msgspec.json.decode(each.keys, type=KeysIn),
            [WorkloadIn(row.namespace, row.service_account, list(row.secrets)) for row in each.workloads],
        )
        for each in known.issuers
    ]
    spec = PolicySpecIn(known.offline_minutes, issuers)
    return msgspec.json.encode(PolicyDocument(api_version=API_VERSION, kind="DoorPolicy", spec=spec))


def _issuer(asked: IssuerIn, *, place: str) -> TrustedIssuer:
    rows = required(asked.workloads, field=f"{place}.workloads", rule="say who may have which secrets")
    if len(rows) > _MOST_WORKLOADS:
        rule = f"use at most {_MOST_WORKLOADS}, with '*' at the end of names"
        raise InvalidInput(f"{place}.workloads", problem=f"holds {len(rows)}", rule=rule)
    return TrustedIssuer(
        _text(asked.issuer, field=f"{place}.issuer", rule="give the tokens' iss, for example https://..."),
        _text(asked.audience, field=f"{place}.audience", rule="give what the kubelet asks tokens for"),
        _keys(asked.jwks, place=f"{place}.jwks"),
        tuple(_workload(each, place=f"{place}.workloads[{at}]") for at, each in enumerate(rows)),
    )


def _keys(asked: KeysIn | None, *, place: str) -> str:
    keys = required(asked, field=place, rule="give what `kubectl get --raw /openid/v1/jwks` prints")
    listed = required(keys.keys, field=f"{place}.keys")
    if not listed or any(each.get("kty") not in ("RSA", "EC", "OKP") for each in listed):
        raise InvalidInput(f"{place}.keys", problem="are no public keys", rule="give keys of RSA, EC or OKP")
    if any(_PRIVATE & each.keys() for each in listed):
        raise InvalidInput(
            f"{place}.keys", problem="hold a private key", rule="give public keys alone, and replace that one"
        )
    return msgspec.json.encode(keys).decode()


def _workload(asked: WorkloadIn, *, place: str) -> Workload:
    secrets = required(asked.secrets, field=f"{place}.secrets", rule="name secrets")
    return Workload(
        _text(asked.namespace, field=f"{place}.namespace", rule="name it, or write '*'"),
        _text(asked.service_account, field=f"{place}.serviceAccount", rule="name it, or write '*'"),
        tuple(name_pattern(each, field=f"{place}.secrets[{at}]") for at, each in enumerate(secrets)),
    )


def _text(value: str | None, *, field: str, rule: str) -> str:
    text = required(value, field=field, rule=rule)
    if not text or len(text) > _LONGEST or not text.isprintable():
        raise InvalidInput(field, problem="is empty or no plain text", rule=rule)
    return text
