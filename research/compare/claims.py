"""Claims about bytes, seconds and exactness: what was found, the limit it is held to, and whether it holds.

Bytes are set against federated averaging of float32 values in the clear, 4 bytes a value up and 4 down for every
update. A claim that needs no run is computed from the field plan and the shapes; "as run" rows hold what travelled.

Not for: equality of quality (``research.compare.statistics``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crossward.encryption.bfv import Bfv
from crossward.encryption.plan import FRESH_BYTES, PRESETS, SUM_BYTES, FieldPlan
from research.compare.methods import ENCRYPTED, ENCRYPTED_SYNC, FL, HE_FL, HYBRID
from research.compare.settings import Comparison

Facts = dict[str, Any]
FLOAT32 = 8.0  # bytes of a value, up and down
TINY_CORE_RANK, LLAMA_CORE_RANK, LLAMA_RANK = 32, 64, 16
# Llama-3.1-8B's linear layers (inputs, outputs), of each of its 32 decoder layers; from its public config.json
LLAMA_LAYERS = 32
LLAMA_LINEAR = (
    (4096, 4096),
    (4096, 1024),
    (4096, 1024),
    (4096, 4096),
    (4096, 14336),
    (4096, 14336),
    (14336, 4096),
)


def llama_values(rank: int, core: bool) -> int:
    """Values of an adapter of Llama-3.1-8B: two factors a linear layer, or the r x r core alone."""
    layer = sum(rank * rank if core else rank * (inputs + outputs) for inputs, outputs in LLAMA_LINEAR)
    return LLAMA_LAYERS * layer


def sealed_bytes(plan: FieldPlan, values: int, whole: bool = True) -> float:
    """Bytes of one sealed update up and one sum down; without ``whole``, the last ciphertext's padding not counted."""
    if not whole:
        return values * sum(plan.bytes_per_value())
    return Bfv(plan).ciphertexts(values) * float(FRESH_BYTES + SUM_BYTES)


def _claim(name: str, text: str, value: float | None, limit: float, unit: str = "") -> Facts:
    holds = None if value is None else bool(value <= limit + 1e-12)
    return {"claim": name, "text": text, "value": value, "limit": limit, "unit": unit, "holds": holds}


def size_claims(values: int, layers: int) -> list[Facts]:
    """What follows from the plan: ``values`` of the run's adapter of rank-8 factors on ``layers`` linear layers."""
    plan = PRESETS["compact"]
    core, wide = layers * TINY_CORE_RANK**2, llama_values(LLAMA_RANK, False)
    small = llama_values(LLAMA_CORE_RANK, True)
    return [
        _claim(
            "bytes-compact",
            "one update up and one sum down under compact, without the last ciphertext's padding, over float32's",
            sealed_bytes(plan, values, whole=False) / (FLOAT32 * values),
            1.0,
        ),
        _claim(
            "bytes-compact-padded",
            f"the same in whole ciphertexts, {values:,} values",
            sealed_bytes(plan, values) / (FLOAT32 * values),
            1.0,
        ),
        _claim(
            "bytes-core",
            f"core factors of rank {TINY_CORE_RANK} ({core:,} values), whole ciphertexts, over float32's of the "
            "run's factors",
            sealed_bytes(plan, core) / (FLOAT32 * values),
            0.5,
        ),
        _claim(
            "bytes-core-llama",
            f"core of rank {LLAMA_CORE_RANK} on Llama-3.1-8B ({small:,} values), whole ciphertexts, over float32's of "
            f"rank-{LLAMA_RANK} factors ({wide:,})",
            sealed_bytes(plan, small) / (FLOAT32 * wide),
            1 / 40,
        ),
    ]


def _ratio(rows: Mapping[str, Facts], name: str, key: str, under: str) -> float | None:
    found = rows.get(name)
    return found[key] / found[under] if found and found.get(key) and found.get(under) else None


def run_claims(rows: Mapping[str, Facts], jobs: Mapping[str, Sequence[Facts]], setting: Comparison) -> list[Facts]:
    """What the runs showed; rows by method. A claim about a method that was not run has no value."""
    out = [
        _claim(
            f"bytes-{name}-as-run",
            f"{text}: all that travelled, over float32 FL's",
            _ratio(rows, name, "bytes_per_round", "float32_bytes_per_round"),
            1.0,
        )
        for name, text in (
            (ENCRYPTED_SYNC, "all encrypted, in FL's rounds"),
            (ENCRYPTED, "all encrypted, asynchronous"),
            (HYBRID, "hybrid, asynchronous"),
        )
    ]
    fl, ours = rows.get(FL), rows.get(ENCRYPTED)
    raw = equal = None
    if fl and ours and fl["seconds_per_round_here"] and ours["seconds_per_round_here"]:
        raw = ours["seconds_per_round_here"] / fl["seconds_per_round_here"]
        each = [r["train_seconds_per_round"] * setting.rounds / r["trainings"] for r in (fl, ours)]
        train = sum(each) / 2 * setting.hospitals  # of a round, were a training as long in both
        equal = (train + ours["crypto_seconds_per_round"]) / (train + fl["crypto_seconds_per_round"])
    out += [
        _claim("time", "all encrypted: training, sealing, opening and adding, over FL's", raw, 1.1),
        _claim("time-equal-training", "the same, with equal seconds of a local training (their mean)", equal, 1.1),
    ]
    for name, other, text in (
        (HE_FL, FL, "HE-FL ends in FL's adapter, bit for bit"),
        (ENCRYPTED_SYNC, FL, "sealing everything in FL's rounds ends in FL's adapter, bit for bit"),
        (HYBRID, ENCRYPTED, "the hybrid ends in the encrypted method's adapter, bit for bit"),
    ):
        theirs = {job["seed"]: job["adapter"] for job in jobs.get(other, ())}
        pairs = [job["adapter"] == theirs[job["seed"]] for job in jobs.get(name, ()) if job["seed"] in theirs]
        unlike = float(pairs.count(False)) if pairs else None
        out.append(_claim(f"exact-{name}", f"{text}: seeds that differ, of {len(pairs)}", unlike, 0.0))
    names = (("loss", "loss of all tokens"), ("loss_mean", "mean of the hospitals' losses"), ("auroc_mean", "AUROC"))
    for measure, text in names:
        found = ((ours or {}).get("against_fl") or {}).get(measure) or {}
        out.append(
            {
                "claim": f"quality-{measure}",
                "text": f"all encrypted against FL, {text}: the mean difference is within the spread of FL's seeds",
                "value": found.get("difference"),
                "limit": found.get("spread_of_other"),
                "unit": "",
                "holds": found.get("within_spread"),
                "detail": found,
            }
        )
    return out
