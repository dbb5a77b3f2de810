"""A run's ledger to draw, see ``tests.story``."""

from tests.story import story

__all__ = ["story"]
