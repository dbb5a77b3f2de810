"""What encrypted forward costs: seconds, bytes a patient and error of ``h W`` and ``h^T dz`` beside the clear product.

    python -m benchmarks.encrypted_forward [--patients 250 1000] [--width 32] [--columns 4 8] [--quick] [--json FILE]

Every row is one product, all three roles in this process; weights and embeddings have 16 bits. Seconds are a processor's,
so that other work on the machine does not count. "slots": rows a ciphertext; the last row of each size has one
(``packing off``), as EFLS has it.

Not for: what it hides (``tests/crossward/encryption/forward``, ``crossward attack``).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.harness.command import parse, parser, say, write_json
from benchmarks.harness.tables import show, table_of
from crossward.encryption.forward.fixed_point import FixedPoint
from crossward.encryption.forward.keys import ForwardKey
from crossward.encryption.forward.library import available
from crossward.encryption.forward.plan import ProductPlan
from crossward.encryption.forward.product import multiply, open_masked, seal, unmask

FORWARD, BACKWARD, UNPACKED = "h W", "h^T dz", "h W, packing off"
COLUMNS = {
    "product": ("product", ""),
    "patients": ("patients", ""),
    "width": ("width", ""),
    "columns": ("columns", ""),
    "slots": ("slots", ""),
    "seal, s": ("seal_seconds", ".2f"),
    "multiply, s": ("multiply_seconds", ".2f"),
    "open, s": ("open_seconds", ".2f"),
    "unmask, s": ("unmask_seconds", ".3f"),
    "clear, s": ("clear_seconds", ".5f"),
    "bytes a patient": ("bytes_a_patient", ".0f"),
    "clear": ("clear_bytes_a_patient", ".0f"),
    "error": ("error", ".1e"),
    "bound": ("bound", ".1e"),
}


class OneRow(ProductPlan):
    """A plan with one row a ciphertext, to see what slots save."""

    @cached_property
    def slots(self) -> int:
        """One."""
        return 1


def timed(step: Callable[[], Any]) -> tuple[Any, float]:
    """What a step gives, and its seconds."""
    began = time.process_time()
    found = step()
    return found, time.process_time() - began


def measure(key: ForwardKey, plan: ProductPlan, product: str, left: Any, right: Any, patients: int) -> dict[str, Any]:
    """One row."""
    sealed, sealing = timed(lambda: seal(key.public, plan, left))
    (masked, mask), multiplying = timed(lambda: multiply(key.public, plan, sealed, right))
    opened, opening = timed(lambda: open_masked(key, plan, masked))
    found, unmasking = timed(lambda: unmask(plan, mask, opened))
    clear, seconds = timed(lambda: left @ right)
    return {
        "product": product,
        "patients": patients,
        "width": plan.inner if product != BACKWARD else plan.rows,
        "columns": plan.columns,
        "slots": plan.slots,
        "seal_seconds": sealing,
        "multiply_seconds": multiplying,
        "open_seconds": opening,
        "unmask_seconds": unmasking,
        "clear_seconds": seconds,
        "bytes": {"sealed": len(sealed), "masked": len(masked), "opened": len(opened)},
        "bytes_a_patient": (len(sealed) + len(masked) + len(opened)) / patients,
        "clear_bytes_a_patient": 4.0 * left.size / patients,
        "error": float(np.abs(found - clear).max()),
        "bound": plan.error,
    }


def rows_of(key: ForwardKey, patients: int, width: int, columns: int) -> list[dict[str, Any]]:
    """Forward, backward and forward without packing, of embeddings of norm 1."""
    rng = np.random.default_rng(0)
    h = rng.normal(size=(patients, width))
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    weights, dz = rng.uniform(-1, 1, (width, columns)), rng.uniform(-1, 1, (patients, columns))
    unit = FixedPoint(1.0)
    forward = ProductPlan(unit, unit, patients, width, columns)
    backward = ProductPlan(unit, unit, width, patients, columns)
    single = OneRow(**{f.name: getattr(forward, f.name) for f in dataclasses.fields(forward)})
    found = []
    for plan, name, left, right in (
        (forward, FORWARD, h, weights),
        (backward, BACKWARD, h.T, dz),
        (single, UNPACKED, h, weights),
    ):
        say(f"{name}: {patients} patients, {width} values, {columns} columns")
        found.append(measure(key, plan, name, left, right, patients))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 where a product is further off than its bound."""
    p = parser("encrypted_forward", __doc__)
    p.add_argument("--patients", type=int, nargs="+", default=[250, 1000], metavar="N", help="(default: 250 1000)")
    p.add_argument("--width", type=int, default=32, metavar="D", help="values of an embedding (default: 32)")
    p.add_argument("--columns", type=int, nargs="+", default=[4, 8], metavar="K", help="of the weights (default: 4 8)")
    args = parse(p, argv, patients=[20], width=4, columns=[2])
    if not available():
        p.error("sf-heu is not installed: it has a build for Python 3.11 only")
    key, seconds = timed(ForwardKey.generate)
    seal(key.public, ProductPlan(FixedPoint(1.0), FixedPoint(1.0), 1, 1, 1), [[0.5]])  # tables of the key are made once
    rows = [row for n in args.patients for k in args.columns for row in rows_of(key, n, args.width, k)]
    show(table_of(f"Encrypted forward (a key: {seconds:.1f} s)", rows, COLUMNS))
    write_json(args.json, {"key_seconds": seconds, "rows": rows})
    return 0 if all(row["error"] <= row["bound"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
