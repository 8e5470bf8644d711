"""A keyring that a program prints: the way to keys in a password manager, an HSM or a cloud's KMS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.store.keyring import MAX_BYTES, Keyring

SECONDS = 30.0

_FIELD = "keyring_command"


async def printed_keyring(argv: Sequence[str], *, seconds: float = SECONDS) -> Keyring:
    """Return the keyring that the program ``argv`` prints; raise InvalidInput when it prints none.

    No shell is involved. What the program prints is never quoted; what it says on its standard error
    goes to ours, where an operator looks for it.
    """
    output = await _output(argv, seconds)
    try:
        return Keyring.parse(Password(output.decode()))
    except UnicodeDecodeError:
        raise InvalidInput(_FIELD, problem=f"{argv[0]!r} printed something that is not text") from None
    except InvalidInput as error:
        raise error.within(_FIELD) from None


async def _output(argv: Sequence[str], seconds: float) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=MAX_BYTES,
        )
    except OSError as error:
        raise InvalidInput(
            _FIELD, problem=f"{argv[0]!r} cannot be run: {error.strerror}", rule="name an executable program"
        ) from error
    try:
        output = await _finished(process, seconds)
    except TimeoutError as error:
        raise InvalidInput(_FIELD, problem=f"{argv[0]!r} did not end within {seconds:g} s") from error
    if process.returncode != 0:
        raise InvalidInput(_FIELD, problem=f"{argv[0]!r} ended with exit code {process.returncode}")
    return output


async def _finished(process: asyncio.subprocess.Process, seconds: float) -> bytes:
    """Return what a program printed; end it with all that it started if it takes too long or we are ended."""
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
            return output
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
