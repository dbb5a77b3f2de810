"""Which values of a PeftModel travel, in which order: the agreement between every node and every update.

A vector without its layout is noise, so a layout has a fingerprint over everything that must be equal on all nodes
before their vectors may be added.

Not for: the values themselves (see ``crossward.adapters.vector``).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from peft import PeftModel

from crossward.adapters.base import BaseModel
from crossward.adapters.core import lora_layers
from crossward.adapters.errors import AdapterError
from crossward.adapters.lora import factor_parameters
from crossward.adapters.ranks import Shapes
from crossward.adapters.targets import experts_of
from crossward.config.model_settings import B_ONLY, BOTH, CORE, LoraSettings

TRAVELLING = {BOTH: ("lora_A", "lora_B"), B_ONLY: ("lora_B",), CORE: ("lora_core",)}


@dataclass(frozen=True)
class Block:
    """One trained factor: ``vector[offset : offset + size]`` in C order is the matrix of ``shape``."""

    name: str
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True)
class Layout:
    """Ordered blocks, contiguous from 0 to ``total``, and the sha256 hex that nodes compare."""

    blocks: tuple[Block, ...]
    total: int
    fingerprint: str

    @property
    def shapes(self) -> Shapes:
        """(name, shape) of every block."""
        return tuple((block.name, block.shape) for block in self.blocks)


def layout_of(peft_model: PeftModel, base: BaseModel, settings: LoraSettings) -> Layout:
    """The layout of the trained factors of ``peft_model``, which `attach_lora` made of ``base`` and ``settings``.

    Blocks come in layer order, A before B; those of a core model are the cores, ``<module>.lora_core.weight`` [r, r].
    The fingerprint covers block names and shapes, factors, rank, alpha, target modules, the digests of base model and
    tokenizer, and the initial factors, frozen ones and bases included; the values at the moment are no part of it, so
    it is the same before and after training. Raises AdapterError for a model that `attach_lora` did not make, or whose
    factors do not fit ``settings``.
    """
    initial = getattr(peft_model, "crossward_initial_factors", None)
    if not isinstance(initial, str):
        raise AdapterError("this model has no recorded initial factors: attach them with attach_lora.")
    blocks: list[Block] = []
    total = 0
    experts = {
        f"{name}.{factor}.weight": experts_of(layer)
        for name, layer in lora_layers(peft_model)
        for factor in ("lora_A", "lora_B", "lora_core")
    }
    for name, parameter in factor_parameters(peft_model):
        factor = name.rsplit(".", 2)[1]
        travels = factor in TRAVELLING[settings.factors]
        if parameter.requires_grad != travels:
            raise AdapterError(
                f"{name} is {'trained' if parameter.requires_grad else 'frozen'}, which does not fit "
                f"lora.factors = {settings.factors!r}: give layout_of the settings that attach_lora had."
            )
        rank, left = divmod(parameter.shape[0] if factor == "lora_A" else parameter.shape[1], experts[name])
        if rank != settings.rank or left:
            raise AdapterError(f"{name} has rank {rank}, lora.rank is {settings.rank}: give the same settings.")
        if travels:
            blocks.append(Block(name, tuple(parameter.shape), total, parameter.numel()))
            total += parameter.numel()
    agreed = {
        "format": "crossward-layout-1",
        "blocks": [[block.name, list(block.shape)] for block in blocks],
        "factors": settings.factors,
        "rank": settings.rank,
        "alpha": float(settings.alpha),
        "targets": sorted(settings.targets),
        "base": base.digest,
        "tokenizer": base.tokenizer_digest,
        "initial": initial,
    }
    if settings.ranks:  # nodes divide by them
        agreed["ranks"] = [settings.divided, *sorted(settings.hospital_ranks)]
    fingerprint = hashlib.sha256(json.dumps(agreed, sort_keys=True).encode()).hexdigest()
    return Layout(tuple(blocks), total, fingerprint)
