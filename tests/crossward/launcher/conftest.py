"""A run's ledger to show, see ``tests.story``."""

from tests.story import story
from tests.vertical_story import vertical_story

__all__ = ["story", "vertical_story"]
