"""Walking a list to its end, page by page, inside one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from towline.domain.listing import MAX_LIMIT, Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from towline.domain.listing import Listing

Item = TypeVar("Item")


def every(fetch: Callable[[Page], Listing[Item]]) -> Iterator[Item]:
    """Yield all items that ``fetch`` has, asking for the next page when one is used up."""
    page = Page(limit=MAX_LIMIT)
    while True:
        listing = fetch(page)
        yield from listing.items
        if listing.next is None or len(listing.items) < page.limit:
            return
        page = Page(after=listing.next, limit=MAX_LIMIT)
