"""Encryption schemes, with all that depends on which one a run uses: ``SCHEMES``.

A scheme has two faces that never meet: a module of ``crossward.encryption.aggregator`` adds, one of
``crossward.encryption.holder`` seals and opens. Both are named here, and each is imported by its own side alone. Adding
a scheme is those two modules, an entry, and a line in ``crossward.config.encryption_settings``, which says what it is
for; the kind of its sealed parts is its name.

Not for: what a face can do (``Arithmetic``, ``Sealer``), or key files (``crossward.encryption.key_file``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crossward.config.encryption_settings import BFV, CKKS
from crossward.encryption.plan import FieldPlan, PlanError

CKKS_WEIGHT_BITS, CKKS_SUM_BITS = 20, 40  # up to which sums round to the exact integers


@dataclass(frozen=True)
class Scheme:
    """One way to seal values so that they can be added.

    Parameters
    ----------
    arithmetic : str
        "module:callable" of ``crossward.encryption.aggregator``: (plan) -> Arithmetic.
    sealer : str
        "module:callable" of ``crossward.encryption.holder``: (plan, material) -> Sealer.
    check : Callable[[FieldPlan], None]
        Raises a PlanError for a plan under which its sums would not be the exact integers.
    seed_bytes : int
        Size of the key material that a consortium's secret gives under the scheme's name; 0: the material is the
        context that a key file holds beside the secrets.
    bytes_per_value : Callable[[FieldPlan], tuple[float, float]]
        Bytes that a sealed value takes in an update and in a sum: what the preset auto weighs plans by.
    """

    arithmetic: str
    sealer: str
    check: Callable[[FieldPlan], None]
    seed_bytes: int = 0
    bytes_per_value: Callable[[FieldPlan], tuple[float, float]] = FieldPlan.bytes_per_value

    @property
    def has_context(self) -> bool:
        """Whether a key file must hold a context for it."""
        return not self.seed_bytes


def _check_ckks(plan: FieldPlan) -> None:
    weights = plan.weight_bits + plan.guard_bits
    if weights > CKKS_WEIGHT_BITS or plan.value_bits + weights > CKKS_SUM_BITS:
        raise PlanError(
            f"encryption.scheme = 'ckks' is exact up to {CKKS_WEIGHT_BITS} weight and guard bits and {CKKS_SUM_BITS} "
            f"bits in all, the plan has {weights} and {plan.value_bits + weights}: lower the bits of encryption.plan"
        )


SCHEMES: dict[str, Scheme] = {
    BFV: Scheme(
        arithmetic="bfv:BfvArithmetic",
        sealer="bfv:BfvSealer",
        check=FieldPlan.check_sealable,
        seed_bytes=64,
    ),
    CKKS: Scheme(
        arithmetic="ckks:of_plan",
        sealer="ckks:CkksSealer",
        check=_check_ckks,
    ),
}


def simulation_key_name(scheme: str) -> str:
    """The key file that simulations of a scheme share: one of its own where it must hold a context."""
    return f"simulation-{scheme}.key" if SCHEMES[scheme].has_context else "simulation.key"
