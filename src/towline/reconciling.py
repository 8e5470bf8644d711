"""The reconcilers of one server: for what lives on its machine, and for engines that all servers reach."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from towline.reconciler import Reconciler
from towline.services.fleet import Among
from towline.wiring import utc_now

if TYPE_CHECKING:
    from towline.ports import Bell, Engines, Store
    from towline.reconciler import Preparation
    from towline.services.tally import Tally


class Reconciling:
    """``here`` moves what lives on ``machine``, None without one; ``shared`` moves all else, and is led."""

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
    ) -> None:

        def made(known: Engines, place: str) -> Reconciler:
            return Reconciler(
                store=store,
                engines=known,
                preparation=preparation,
                bell=bell,
                clock=utc_now,
                jitter=random.random,
                owner=owner,
                machine=place,
                tally=tally,
            )

        own = engines.own
        self.here = made(Among(engines, wanted=lambda name: name == own), machine) if machine else None
        self.shared = made(Among(engines, wanted=lambda name: name != own) if machine else engines, "")

    @property
    def walks(self) -> int:
        """How many deployments are being moved."""
        return self.shared.walks + (self.here.walks if self.here else 0)
