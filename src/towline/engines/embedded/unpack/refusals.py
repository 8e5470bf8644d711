"""Why a layer is not unpacked; the texts are for people."""

from __future__ import annotations


class Refused(Exception):
    """The layer is dangerous or broken."""


class Corrupt(Exception):
    """The layer's content is not what the image's configuration promises."""


class LowerNeeded(Exception):
    """The layer leans on the layers below it, which are not at hand."""
