"""Minting of registries' logins: one file for each kind, a table that leads to it, one driver for all.

A kind is a generator (rule 8 of the house): it yields requests, is sent the answers and returns the grant,
so that a test can drive it by hand. ``mint.py`` sends the requests under the rules for registries.
"""

from towline.registry.minting.mint import Mint

__all__ = ["Mint"]
