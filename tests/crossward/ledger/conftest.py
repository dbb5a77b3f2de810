"""A run's ledger to explain, see ``tests.story``."""

from tests.story import story

__all__ = ["story"]
