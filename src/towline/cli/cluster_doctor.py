"""What ``towline kubernetes doctor`` prints."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from towline.cli.output import say
from towline.engines.kubernetes.installation import manifests, permissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.engines.kubernetes.rights import Examined


def show(examined: Examined, *, namespace: str, output: str) -> None:
    """Print what was found, and the manifest that gives what is missing."""
    if output == "json":
        sys.stdout.write(json.dumps(document(examined, namespace=namespace), indent=2) + "\n")
        return
    known = f", and knows this account as {examined.account}" if examined.account else ""
    say(f"The cluster runs Kubernetes {examined.version}{known}.")
    for right, verbs in examined.missing.items():
        say(f"missing: {', '.join(verbs)} on {right.resource}  ({right.why})")
    for note in examined.notes:
        say(f"{'problem' if note.is_problem else 'note'}: {note.text}")
        if note.fix:
            say(f"  fix:   {note.fix}")
    for each in examined.unknown:
        say(f"unknown: {each}")
    if not examined.missing:
        say("The account may do everything that the engine needs.")
        return
    say()
    say("This gives what is missing; apply it as a cluster admin with kubectl apply -f -:")
    say()
    say(manifests.as_yaml(_remedy(examined, namespace)).rstrip())


def document(examined: Examined, *, namespace: str) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "kind": "ClusterDoctor",
        "well": examined.is_well,
        "version": examined.version,
        "account": examined.account,
        "missing": [
            {"group": right.group, "resource": right.resource, "verbs": list(verbs), "why": right.why}
            for right, verbs in examined.missing.items()
        ],
        "notes": [
            {"text": note.text, "problem": note.is_problem, "fix": note.fix} for note in examined.notes
        ],
        "unknown": list(examined.unknown),
        "remedy": _remedy(examined, namespace) if examined.missing else [],
    }


def _remedy(examined: Examined, namespace: str) -> Sequence[dict[str, Any]]:
    return permissions.remedy(examined.missing, account=examined.account, namespace=namespace)
