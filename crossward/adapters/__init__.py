"""The base model and its LoRA factors; adapter state <-> an ordered vector of named blocks.

Names are loaded on first use (PEP 562): reading a configuration must not cost an import of torch, and
``OMP_WAIT_POLICY`` has to be set before torch is imported.

Not for: training, aggregation, encryption. Of our other rooms only the settings (``crossward.config``) are imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from crossward.adapters.errors import AdapterError
from crossward.adapters.lazy_imports import no_collection
from crossward.config.model_settings import LoraSettings, ModelConfig
from crossward.internals.bitsandbytes import import_bitsandbytes, quiet_bitsandbytes

if TYPE_CHECKING:
    from crossward.adapters.base import BaseModel, load_base
    from crossward.adapters.files import load_adapter, save_adapter
    from crossward.adapters.layout import Block, Layout, layout_of
    from crossward.adapters.limits import check_length
    from crossward.adapters.lora import attach_lora, detach_lora
    from crossward.adapters.vector import read_vector, write_vector

__all__ = [
    "AdapterError",
    "BaseModel",
    "Block",
    "Layout",
    "LoraSettings",
    "ModelConfig",
    "attach_lora",
    "check_length",
    "detach_lora",
    "layout_of",
    "load_adapter",
    "load_base",
    "read_vector",
    "save_adapter",
    "write_vector",
]

quiet_bitsandbytes()

_MODULE_OF = {
    "BaseModel": "base",
    "Block": "layout",
    "Layout": "layout",
    "check_length": "limits",
    "attach_lora": "lora",
    "detach_lora": "lora",
    "layout_of": "layout",
    "load_adapter": "files",
    "load_base": "base",
    "read_vector": "vector",
    "save_adapter": "files",
    "write_vector": "vector",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with no_collection():
        if _MODULE_OF[name] != "cache":  # all others import PEFT
            import_bitsandbytes()
        module = importlib.import_module(f"crossward.adapters.{_MODULE_OF[name]}")
    return getattr(module, name)
