"""The reconcilers of one process: for its machine's own engine, for each engine that is led, for the rest."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

from towline.ports import Part
from towline.reconciler import Reconciler
from towline.services.fleet import Among
from towline.services.lasting import lasting
from towline.services.spreading import Spreading
from towline.wiring import utc_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from towline.ports import Bell, Engines, Store
    from towline.reconciler import Pace, Preparation
    from towline.services.leading import Leading
    from towline.services.tally import Tally


class Reconciling:
    """``here`` moves what lives on ``machine``, None without one; ``alone`` moves all else, in one server.

    Among several servers each of the added engines is led by itself (``on``), and ``rest`` moves what is on
    none of them: on the installation's own engine where that is shared, and on engines that are gone.
    """

    def __init__(
        self,
        store: Store,
        engines: Engines,
        preparation: Preparation,
        *,
        bell: Bell,
        tally: Tally,
        machine: str,
        owner: str,
        pace: Pace | None = None,
    ) -> None:
        self._engines = engines
        self._running: set[Reconciler] = set()

        def made(known: Engines, part: Callable[[], Part]) -> Reconciler:
            return Reconciler(
                store=store,
                engines=known,
                preparation=preparation,
                bell=bell,
                clock=utc_now,
                jitter=random.random,
                owner=owner,
                part=part,
                tally=tally,
                pace=pace,
            )

        self._made = made
        own = engines.own
        self.here: Callable[[], Awaitable[None]] | None = None
        if machine:
            self.here = self._run(Among(engines, wanted=lambda name: name == own), lambda: Part(machine))
        self.alone = self._run(engines, Part)
        self.rest = self._run(
            Among(engines, wanted=lambda name: name == own and not machine),
            lambda: Part(but=tuple(sorted(self.added()))),
        )

    def added(self) -> frozenset[str]:
        """Return the names of the engines in use beside the installation's own."""
        return frozenset(self._engines.all()) - {self._engines.own}

    def on(self, name: str) -> Callable[[], Awaitable[None]]:
        """Return what moves the deployments on one of the added engines."""
        return self._run(Among(self._engines, wanted=lambda each: each == name), lambda: Part(engine=name))

    def spread(self, leading: Leading, store: Store, bell: Bell) -> Spreading:
        """Return what shares the added engines out among the servers on one database."""

        def work(name: str) -> Callable[[], Awaitable[None]]:
            return partial(lasting, f"reconciling on {name}", self.on(name))

        return Spreading(
            "engine", leading=leading, store=store, bell=bell, clock=utc_now, named=self.added, work=work
        )

    @property
    def walks(self) -> int:
        """How many deployments are being moved."""
        return sum(each.walks for each in self._running)

    def _run(self, known: Engines, part: Callable[[], Part]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            reconciler = self._made(known, part)
            self._running.add(reconciler)
            try:
                await reconciler.run()
            finally:
                self._running.discard(reconciler)

        return run
