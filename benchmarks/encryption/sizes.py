"""How many values an adapter of Llama-3.1-8B has, and the bytes of a round: computed, nothing is run.

Shapes are those of the model's public config; every linear layer of its decoder has an adapter. ``both`` sends two
factors of rank r a layer, ``b`` the second one only, ``core`` the r x r matrix between two frozen bases.

Not for: adapters of a real model (``crossward.adapters.layout``).
"""

from __future__ import annotations

from typing import Any

from crossward.encryption.bfv import Bfv
from crossward.encryption.packing import packed_size
from crossward.encryption.plan import FRESH_BYTES, PRESETS, SUM_BYTES

HIDDEN, INTERMEDIATE, LAYERS, HEADS, KEY_VALUE_HEADS = 4096, 14336, 32, 32, 8
KEY_VALUE = HIDDEN // HEADS * KEY_VALUE_HEADS
LINEAR = {  # inputs, outputs
    "q_proj": (HIDDEN, HIDDEN),
    "k_proj": (HIDDEN, KEY_VALUE),
    "v_proj": (HIDDEN, KEY_VALUE),
    "o_proj": (HIDDEN, HIDDEN),
    "gate_proj": (HIDDEN, INTERMEDIATE),
    "up_proj": (HIDDEN, INTERMEDIATE),
    "down_proj": (INTERMEDIATE, HIDDEN),
}
ADAPTERS = (("both", 16), ("b", 16), ("core", 16), ("core", 32), ("core", 64))


def llama_blocks(share: float = 1.0, rank: int = 16, factors: str = "both") -> list[int]:
    """Values of every block of the adapter, of the first ``share`` of the decoder's layers."""
    blocks = []
    for _ in range(max(round(LAYERS * share), 1)):
        for inputs, outputs in LINEAR.values():
            if factors == "core":
                blocks.append(rank * rank)
            else:
                blocks += [rank * inputs, rank * outputs] if factors == "both" else [rank * outputs]
    return blocks


def rounds(ckks_bytes: tuple[float, float]) -> list[dict[str, Any]]:
    """Bytes of one client's round, up and down, against FedAvg of rank-16 LoRA factors in float32 in the clear.

    ``ckks_bytes`` are the measured bytes per value of CKKS, up and down. The committee's is without its traffic
    (``benchmarks.encryption.traffic``).
    """
    baseline = 8 * sum(llama_blocks())
    out = []
    for factors, rank in ADAPTERS:
        values = sum(llama_blocks(rank=rank, factors=factors))
        ways: dict[str, tuple[float, float]] = {"float32": (4.0 * values, 4.0 * values)}
        masked = packed_size(values, PRESETS["compact"].field_bits)
        ways["committee"] = (masked, masked)
        for name, plan in PRESETS.items():
            number = Bfv(plan).ciphertexts(values)
            ways[name] = (number * FRESH_BYTES, number * SUM_BYTES)
        ways["ckks-nvflare"] = (ckks_bytes[0] * values, ckks_bytes[1] * values)
        for name, (up, down) in ways.items():
            out.append(
                {
                    "factors": factors,
                    "rank": rank,
                    "values": values,
                    "name": name,
                    "up_bytes": round(up),
                    "down_bytes": round(down),
                    "times_float32": (up + down) / (8 * values),
                    "times_float32_lora": (up + down) / baseline,
                }
            )
    return out
