"""The loop that moves deployments toward what was asked.

It claims due deployments by lease, walks each one step by step (preflight, apply, observe), and writes
how far it came. Every step is idempotent and fenced by the lease's epoch, so a killed process is
continued by any other. Observing beats remembering: at start, what the engine holds is compared with
what the store wishes.
"""

from towline.reconciler.loop import Reconciler
from towline.reconciler.prepare import Preparation
from towline.reconciler.walk import Pace

__all__ = ["Pace", "Preparation", "Reconciler"]
