"""Two remarks of bitsandbytes that say nothing to a user, one of them once a layer and step, are dropped.

Not for: warnings that matter. Everything else that bitsandbytes logs goes through.
"""

from __future__ import annotations

import logging

NOISE = ("Failed to load CPU gemm_4bit_forward from kernels-community", "MatMul8bitLt: inputs will be cast")


def _is_news(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(NOISE)


def quiet_bitsandbytes() -> None:
    """Install the filter, before bitsandbytes is imported (the first remark is made at import)."""
    for name in ("bitsandbytes.backends.cpu.ops", "bitsandbytes.autograd._functions"):
        logging.getLogger(name).addFilter(_is_news)
