"""What ``towline kubernetes scan`` prints."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from towline.cli.output import say, table
from towline.domain.proof import Verdict

if TYPE_CHECKING:
    from towline.domain.cluster_scan import EntryReport, PodReport, ScanReport, SecretReport
    from towline.domain.findings import Finding


def show(report: ScanReport, output: str) -> None:
    """Print a report."""
    if output == "json":
        sys.stdout.write(json.dumps(document(report), indent=2) + "\n")
        return
    rows = [row for secret in report.secrets for row in _rows(secret)]
    table(("SECRET", "REGISTRY", "USER", "VERDICT", "WHY", "USED BY"), rows)
    for pod in report.pods:
        say()
        for line in _lines(pod):
            say(line)
    unused = sum(not each.used_by for each in report.secrets)
    wrong = sum(each.is_wrong for each in report.secrets)
    say()
    say(
        f"{len(report.secrets)} pull secrets: {wrong} wrong, {unused} unused; "
        f"{report.looked_at} pods, {len(report.pods)} images waited for."
    )


def document(report: ScanReport) -> dict[str, Any]:
    """Return a report for programs; it holds no password."""
    return {
        "kind": "ClusterScan",
        "well": report.is_well,
        "secrets": [_secret(each) for each in report.secrets],
        "pods": [_pod(each) for each in report.pods],
        "podsLookedAt": report.looked_at,
    }


def _secret(report: SecretReport) -> dict[str, Any]:
    return {
        "namespace": report.secret.namespace,
        "name": report.secret.name,
        "wrong": report.is_wrong,
        "problem": report.secret.problem,
        "unused": not report.used_by,
        "usedBy": list(report.used_by),
        "copies": list(report.copies),
        "entries": [_entry(each) for each in report.entries],
    }


def _entry(report: EntryReport) -> dict[str, Any]:
    return {
        "key": report.key,
        "username": report.username,
        "verdict": report.verdict.value,
        "image": report.image,
        "problem": report.problem,
        "finding": _finding(report.finding),
    }


def _pod(report: PodReport) -> dict[str, Any]:
    return {
        "namespace": report.pod.namespace,
        "name": report.pod.name,
        "owner": report.pod.owner,
        "container": report.use.container,
        "image": report.use.image,
        "reason": report.use.waits,
        "secrets": list(report.pod.secrets),
        "missingSecrets": list(report.missing),
        "pullableFromHereWith": report.opens,
        "node": _finding(report.use.finding),
        "finding": _finding(report.finding),
    }


def _finding(finding: Finding | None) -> dict[str, str] | None:
    if finding is None:
        return None
    return {"code": finding.code.value, "title": finding.title, "detail": finding.detail, "fix": finding.fix}


def _rows(report: SecretReport) -> list[tuple[str, ...]]:
    used = ", ".join(report.used_by) or "nobody"
    if report.copies:
        used += f" (the same as {', '.join(report.copies)})"
    if report.secret.problem:
        return [(report.secret.where, "-", "-", "unreadable", report.secret.problem, used)]
    return [
        (report.secret.where, each.key, each.username, _verdict(each), _why(each), used)
        for each in report.entries
    ]


def _verdict(report: EntryReport) -> str:
    return "unusable" if report.problem else report.verdict.value


def _why(report: EntryReport) -> str:
    if report.problem:
        return report.problem
    if report.finding is not None:
        return f"{report.finding.code.value}: {report.finding.title}"
    return report.image or ("login accepted" if report.verdict is Verdict.VERIFIED else "-")


def _lines(report: PodReport) -> list[str]:
    pod, use = report.pod, report.use
    lines = [f"{pod.namespace}/{pod.name} ({pod.owner}), container {use.container}: {use.image}"]
    if use.finding is not None:
        lines.append(f"  node:  {use.waits}: {use.finding.detail}")
    if report.missing:
        lines.append(f"  names a secret that is not there: {', '.join(report.missing)}")
    if report.opens:
        lines.append(
            f"  here:  can be pulled with {report.opens}: look at the node, or wait for its next try"
        )
    elif report.finding is not None:
        lines.append(f"  cause: {report.finding.title} ({report.finding.code.value})")
        lines.append(f"  fix:   {report.finding.fix}")
    return lines
