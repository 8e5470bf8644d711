"""Asking whether images can be pulled, and showing the answer: preflight, deploy and apply do it alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import findings
from towline.cli.documents import at, documents_at, number_at, text_at
from towline.cli.output import show, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.cli.client import Client
    from towline.cli.documents import Document

PULLABLE, REFUSED, UNCERTAIN = 0, 6, 8

_COLUMNS = ("IMAGE", "PULLABLE", "SECRET", "PLATFORM", "SIZE", "TIME", "DIGEST")


def ask(client: Client, questions: Sequence[Document]) -> tuple[int, list[Document]]:
    """Return the exit code that the answers mean and the answered items; one question may name a package."""
    answers = [client.call("POST", "/v2/preflight/", question) for question in questions]
    items = [item for answer in answers for item in documents_at(answer, "items")]
    verdicts = {text_at(answer, "verdict") for answer in answers}
    if "no" in verdicts:
        return REFUSED, items
    return (PULLABLE if verdicts <= {"yes"} else UNCERTAIN), items


def questions_of(manifests: Sequence[Document]) -> list[Document]:
    """Return what to ask for the packages and deployments that manifests describe.

    A deployment of a package that is among the manifests is answered by that package.
    """
    packages = [each for each in manifests if text_at(each, "kind") == "Package"]
    here = {text_at(each, "metadata", "name") for each in packages}
    images = [image for package in packages for image in _images(package)]
    questions: list[Document] = [{"images": images}] if images else []
    for each in manifests:
        wanted = at(each, "metadata", "depends")
        if text_at(each, "kind") == "Deployment" and text_at(wanted, "nameOrGUID") not in here:
            package = {"name": text_at(wanted, "nameOrGUID"), "version": text_at(wanted, "version")}
            questions.append({"package": package})
    return questions


def explain(items: Sequence[Document]) -> None:
    """Tell the findings of refused images on standard error."""
    for item in items:
        finding = at(item, "finding")
        if isinstance(finding, dict):
            for line in findings.lines({"image": text_at(item, "image"), **finding}):
                tell(line)


def show_answers(items: Sequence[Document], output: str) -> None:
    """Print the answers in the format ``output``, and the findings beside it."""
    show(items, output, columns=_COLUMNS, row=_row, name=lambda item: text_at(item, "image"))
    explain(items)


def summary(item: Document) -> str:
    """Return one line about one image."""
    secret = text_at(item, "secret")
    whose = f" with secret {secret}" if secret else ""
    match at(item, "pullable"):
        case True:
            facts = (text_at(item, "platform"), size(number_at(item, "size")), text_at(item, "digest")[:19])
            return f"{text_at(item, 'image')} can be pulled{whose} ({', '.join(filter(None, facts))})"
        case False:
            return f"{text_at(item, 'image')} cannot be pulled{whose}"
        case _:
            return f"nobody could tell whether {text_at(item, 'image')} can be pulled{whose}"


def size(count: int) -> str:
    """Return a number of bytes as people read it; empty for none."""
    if not count:
        return ""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _images(package: Document) -> list[Document]:
    return [
        {
            "image": text_at(run, "docker", "image"),
            "secret": text_at(run, "docker", "pullSecret", "depends", "nameOrGUID") or None,
        }
        for run in documents_at(package, "spec", "executables")
        if text_at(run, "docker", "image")
    ]


def _row(item: Document) -> tuple[str, ...]:
    pullable = at(item, "pullable")
    return (
        text_at(item, "image"),
        "unknown" if pullable is None else "yes" if pullable else "no",
        text_at(item, "secret"),
        text_at(item, "platform"),
        size(number_at(item, "size")),
        f"{text_at(item, 'seconds')} s",
        text_at(item, "digest"),
    )
