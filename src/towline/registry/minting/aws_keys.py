"""Access keys of AWS in the forms in which people have them."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING

from towline.domain.minting import MINTS, MintKind
from towline.registry.minting.sigv4 import AwsKey
from towline.registry.minting.steps import document_in, malformed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WANTED = MINTS[MintKind.ECR].key
_KEY_ID = re.compile(r"[A-Za-z0-9]{16,128}")
_SECRET = re.compile(r"[\x21-\x7e]{16,}")
_LINE = re.compile(r"\s*(?:export\s+)?(aws_[a-z_]+)\s*=\s*(.*?)\s*", re.IGNORECASE)


def access_key_in(text: str) -> AwsKey:
    """Return the access key in the answer of the aws command, a CSV file, or lines of a profile.

    Of several profiles the first counts. Raises InvalidInput, which quotes nothing.
    """
    found: dict[str, str] = {}
    for name, value in _pairs(text.lstrip("\ufeff")):
        found.setdefault(_plain(name), value)
    key_id, secret = found.get("accesskeyid", ""), found.get("secretaccesskey", "")
    if not _KEY_ID.fullmatch(key_id):
        raise malformed("holds no access key ID", _WANTED)
    if not _SECRET.fullmatch(secret):
        raise malformed("holds no secret access key", _WANTED)
    return AwsKey(key_id, secret, found.get("sessiontoken", ""))


def _plain(name: str) -> str:
    """Return ``aws_access_key_id``, ``Access key ID`` and ``AccessKeyId`` as one name."""
    return re.sub(r"[^a-z]", "", name.lower()).removeprefix("aws")


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    if text.lstrip().startswith("{"):
        yield from _members(document_in(text, wanted=_WANTED))
        return
    lines = text.strip().splitlines() or [""]
    if "," in lines[0] and "=" not in lines[0]:
        for row in csv.DictReader(lines[:2]):
            yield from ((name, value.strip()) for name, value in row.items() if name and value)
        return
    for line in lines:
        if match := _LINE.fullmatch(line):
            yield match[1], _unquoted(match[2])


def _members(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the texts of a document and of the one that the aws command puts into it."""
    for each in (document, *(value for value in document.values() if isinstance(value, dict))):
        yield from ((name, value) for name, value in each.items() if isinstance(value, str))


def _unquoted(value: str) -> str:
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    return value.strip("'")
