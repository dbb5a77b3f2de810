"""A vertical run's ledger to draw, see ``tests.vertical_story``."""

from tests.vertical_story import vertical_story

__all__ = ["vertical_story"]
