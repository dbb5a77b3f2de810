"""Importing PEFT and what comes with it, transformers and bitsandbytes, for less.

bitsandbytes would load torch's compiler into every process: about a second and 45 MB.

PEFT imports bitsandbytes wherever it is installed, quantised model or not, and bitsandbytes hands four functions to
``torch.compile`` when it is imported. They are what is left to devices for which it has no kernels; CPUs and CUDA have
theirs, so they are never called here, and would give the same numbers uncompiled.

Thousands of modules make objects that all stay. Python's garbage collector would go through them again and again, for
another second.

Not for: what bitsandbytes logs (``crossward.adapters.remarks``).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """No garbage is collected meanwhile; for imports."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _uncompiled(function: Callable[..., Any] | None = None, **_: Any) -> Any:
    """Stands in for ``torch.compile``, also as a decorator with options."""
    return function if function is not None else _uncompiled


def import_bitsandbytes() -> None:
    """Import bitsandbytes, if it is there and nobody has; before PEFT does."""
    if "bitsandbytes" in sys.modules:
        return
    import torch

    compiled = torch.compile
    torch.compile = _uncompiled  # type: ignore[assignment]
    try:
        with contextlib.suppress(ImportError):  # PEFT does without it
            importlib.import_module("bitsandbytes")
    finally:
        torch.compile = compiled
