"""Finished runs to look at, see ``tests.finished_runs``."""

from tests.finished_runs import configure, copied, federation, finished, home, key, opened, own_home

__all__ = ["configure", "copied", "federation", "finished", "home", "key", "opened", "own_home"]
