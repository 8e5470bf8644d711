"""How a command ends when it cannot do what was asked: text for people, and an exit code."""

from __future__ import annotations


class Failure(Exception):
    """A command's end; ``code`` is one of the exit codes that ``towline --help`` lists."""

    def __init__(self, text: str, *, code: int = 1) -> None:
        self.code = code
        super().__init__(text)


class ApiError(Failure):
    """The server refused; ``status`` is HTTP's, 0 where nothing was answered."""

    def __init__(self, text: str, *, status: int, code: int) -> None:
        self.status = status
        super().__init__(text, code=code)
