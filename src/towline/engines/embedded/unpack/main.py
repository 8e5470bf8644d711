"""The child's life: open what lies outside, be confined, unpack, say how it went."""

from __future__ import annotations

import errno
import sys

from towline.engines.embedded.unpack import order as orders
from towline.engines.embedded.unpack.apply import Application
from towline.engines.embedded.unpack.confine import confine
from towline.engines.embedded.unpack.lower import Lower
from towline.engines.embedded.unpack.order import Order, Outcome
from towline.engines.embedded.unpack.refusals import Corrupt, LowerNeeded, Refused
from towline.engines.embedded.unpack.stream import TarStream
from towline.engines.embedded.unpack.tree import Tree

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_THE_LAYERS_FAULT = frozenset(
    {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EFBIG, errno.EMLINK, errno.EILSEQ}
)
_OUT_OF_RANGE = "a file's owner is outside of the ids that /etc/subuid and /etc/subgid grant Towline's user"


def main() -> int:
    """Unpack the layer on standard input as the argument orders."""
    outcome = _outcome(orders.decode_order(sys.argv[1]))
    sys.stdout.write(f"{orders.encode(outcome)}\n")
    sys.stdout.flush()
    return 0


def _outcome(order: Order) -> Outcome:
    try:
        return _unpack(order)
    except LowerNeeded:
        return Outcome(orders.LOWER_NEEDED)
    except Refused as refused:
        return Outcome(orders.REFUSED, str(refused))
    except Corrupt as corrupt:
        return Outcome(orders.CORRUPT, str(corrupt))
    except MemoryError:
        return Outcome(orders.REFUSED, "the layer's headers want more memory than any image needs")
    except OSError as error:
        return _trouble(error, order)


def _unpack(order: Order) -> Outcome:
    room = order.limits.room(order.blob_size)
    with open(0, "rb", closefd=False) as blob:
        stream = TarStream(blob, room=room)
        lower = None if order.lowers is None else Lower(order.lowers)
        tree = Tree(lower, can_give=confine(order))
        work = Application(tree, limits=order.limits, room=room)
        work.apply(stream)
        found = stream.digest()
    if found != order.diff_id:
        raise Corrupt(f"the layer unpacks to {found}, and the image's configuration says {order.diff_id}")
    return Outcome(orders.DONE, entries=work.entries, content=work.content, left_out=work.left_out)


def _trouble(error: OSError, order: Order) -> Outcome:
    text = f"{error.strerror or error} ({str(error.filename)[:200]!r})" if error.filename else str(error)
    if error.errno in _NO_ROOM:
        return Outcome(orders.DISK_FULL, text)
    if error.errno in _THE_LAYERS_FAULT:
        return Outcome(orders.REFUSED, text)
    if error.errno == errno.EINVAL and order.user_namespace:
        return Outcome(orders.FAILED, f"{_OUT_OF_RANGE}: {text}")
    return Outcome(orders.FAILED, text)
