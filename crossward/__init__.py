"""Crossward: hospitals fine-tune one language model together without sharing a record."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    """``__version__``, as the installed package has it; looked up when asked for, since every process imports this."""
    if name == "__version__":
        from importlib.metadata import version

        return version("crossward")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
