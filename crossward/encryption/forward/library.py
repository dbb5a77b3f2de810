"""``sf-heu`` on first use: it has a build for Python 3.11 only, and everything else works without it."""

from __future__ import annotations

import platform
from importlib import import_module
from importlib.util import find_spec
from typing import Any


class ForwardError(ValueError):
    """A product under encryption cannot be made, or a message of one cannot be used."""

    tellable = True  # see client_app.guard.refusals


def available() -> bool:
    """Whether ``sf-heu`` is installed."""
    return find_spec("heu") is not None


def heu(name: str) -> Any:
    """The library's module ``name``: ``phe`` (scalars and keys) or ``numpy`` (arrays).

    Raises
    ------
    ForwardError
        ``sf-heu`` is not installed; the message says on which Python it can be.
    """
    try:
        return import_module(f"heu.{name}")
    except ImportError as error:
        raise ForwardError(
            f"encrypted forward needs the package sf-heu ({error}), which is built for Python 3.11 only; this is "
            f"Python {platform.python_version()}: run this party with Python 3.11, or turn encrypted forward off"
        ) from None
