"""Asking a cluster from the command line, and saying why it could not be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from towline.cli.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def asked(wanted: Coroutine[object, object, T]) -> T:
    """Return what the cluster was asked for; raise Failure that says why that could not be had."""
    import asyncio

    from towline.domain.errors import Conflict, EngineFailed, InvalidInput, NotAllowed

    try:
        return asyncio.run(wanted)
    except InvalidInput as error:
        raise Failure(str(error), code=2) from error
    except Conflict as error:
        raise Failure(str(error), code=4) from error
    except NotAllowed as error:
        raise Failure(str(error), code=5) from error
    except EngineFailed as error:
        # The finding's own words are about deployments; here it is the cluster that was asked something.
        hint = error.finding.fix_hint or "see the server in the kubeconfig, or choose another with --context"
        raise Failure(f"the cluster could not be asked: {error.finding.detail}; {hint}", code=8) from error
