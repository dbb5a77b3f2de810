"""A run's ledger to show, see ``tests.story``."""

from tests.story import story

__all__ = ["story"]
