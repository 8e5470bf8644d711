"""Cases in which the login is minted first: the parent credential's file, and the answer about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from findings.cases import Case
from towline.domain.credential import Credential, Password
from towline.domain.errors import PullRefused
from towline.domain.minting import Mint, MintKind, MintOrder
from towline.domain.proof import Answer, Verdict
from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.registry import Registry


async def minted(case: Case, registry: Registry, *, ca_pem: str) -> Credential | Answer:
    """Return the login that is minted as the case says, or the answer that says why there is none."""
    address = RegistryAddress.parse(case.ask.login)
    asked = case.ask.mint
    if asked is None:
        raise ValueError(f"{case.case}: nothing is to be minted")
    mint = Mint.checked(asked.kind, asked.settings, registry=address)
    order = MintOrder(mint, address, Password(asked.key or _key(case, mint.kind)))
    settings = {host: RegistrySettings(host, ca_pem) for host in case.hosts}
    try:
        grant = await registry.mint.mint(order, now=datetime.now(UTC), settings=settings)
    except PullRefused as refusal:
        finding = refusal.finding
        verdict = Verdict.FAILING if finding.cause.blames_credential else Verdict.UNKNOWN
        return Answer(verdict, finding, evidence=finding.evidence, provider=finding.provider)
    return grant.credential


@cache
def private_key() -> str:
    """Return a private RSA key in PEM, made for this run."""
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _key(case: Case, kind: MintKind) -> str:
    name, password = case.ask.username, case.ask.password
    match kind:
        case MintKind.ECR:
            return json.dumps({"AccessKey": {"AccessKeyId": name, "SecretAccessKey": password}})
        case MintKind.GOOGLE:
            document = {"type": "service_account", "client_email": name, "private_key": private_key()}
            return json.dumps(document)
        case MintKind.ACR:
            return json.dumps({"appId": name, "password": password, "tenant": "acme.example.com"})
        case MintKind.GITHUB_APP:
            return private_key()
