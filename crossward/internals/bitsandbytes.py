"""Importing bitsandbytes for less, its noise, and the scales of its int8 weights.

PEFT imports bitsandbytes wherever it is installed, quantised model or not, and bitsandbytes hands four functions to
``torch.compile`` when it is imported, which loads torch's compiler into every process: about a second and 45 MB. They
are the fallback for devices without kernels of its own; CPUs and CUDA have theirs, so they are never called here, and
would give the same numbers uncompiled.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from crossward.internals.check import Dependency

BITSANDBYTES = Dependency("bitsandbytes", "0.50", __name__)
# two remarks that mean nothing to a user, one of them made once a layer and step, and the loggers that make them
NOISE = ("Failed to load CPU gemm_4bit_forward from kernels-community", "MatMul8bitLt: inputs will be cast")
LOGGERS = ("bitsandbytes.backends.cpu.ops", "bitsandbytes.autograd._functions")


def _is_news(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(NOISE)


def quiet_bitsandbytes() -> None:
    """Drop the two remarks, and nothing else; before bitsandbytes is imported, which makes the first of them."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_is_news)


def _uncompiled(function: Callable[..., Any] | None = None, **_: Any) -> Any:
    """Stands in for ``torch.compile``, also as a decorator with options."""
    return function if function is not None else _uncompiled


def import_bitsandbytes() -> None:
    """Import bitsandbytes without torch's compiler, if it is installed and not imported yet; before PEFT does."""
    if "bitsandbytes" in sys.modules:
        return
    import torch

    compiled = torch.compile
    torch.compile = _uncompiled  # type: ignore[assignment]
    try:
        with contextlib.suppress(ImportError):  # PEFT works without it
            importlib.import_module("bitsandbytes")
    finally:
        torch.compile = compiled


def is_quantized(weight: Any) -> bool:
    """Whether ``weight`` is one of bitsandbytes' parameters."""
    return type(weight).__name__ in ("Params4bit", "Int8Params")


def dequantized(module: Any) -> Any:
    """The weight of a quantised module as a float tensor, on the device that it is on.

    PEFT's own ``dequantize_module_weight`` moves the weight to its device, and thereby loses int8's scales.

    Raises
    ------
    InternalsError
        an int8 weight has no scales where this bitsandbytes kept them.
    """
    from peft.utils.integrations import dequantize_bnb_weight

    weight = module.weight
    scales = SimpleNamespace(SCB=getattr(weight, "SCB", None))
    if scales.SCB is None and hasattr(module, "state"):
        scales.SCB = getattr(module.state, "SCB", None)
    if scales.SCB is None and type(weight).__name__ == "Int8Params":
        raise BITSANDBYTES.differs("an int8 weight has its scales neither in weight.SCB nor in module.state.SCB")
    return dequantize_bnb_weight(weight, state=scales)
