"""Runs whose ledgers tests write themselves."""

from tests.story import story

__all__ = ["story"]
