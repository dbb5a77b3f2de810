"""Encryption schemes, with all that depends on which one a run uses: ``SCHEMES``, by the name in ``encryption.scheme``.

A scheme has two faces that never meet: a module of ``crossward.encryption.aggregator`` adds, one of
``crossward.encryption.holder`` seals and opens. Both are named here, and each is imported by its own side alone. The
registry is here and not with them because a run config is checked without either. Adding a scheme is those two modules
and an entry.

Not for: what a face can do (``Arithmetic``, ``Sealer``), or key files (``crossward.encryption.key_file``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BFV, CKKS, COMMITTEE = "bfv", "ckks", "committee"
MOST_FIELD_BITS = 32  # of a masked field: a machine word
CKKS_WEIGHT_BITS, CKKS_SUM_BITS = 20, 40  # up to which sums round to the exact integers


@dataclass(frozen=True)
class Scheme:
    """One way to seal values so that they can be added; the kind of its sealed parts is its name.

    Parameters
    ----------
    about : str
        What a user chooses it for, in the settings' reference.
    arithmetic : str
        "module:callable" of ``crossward.encryption.aggregator``: (plan) -> Arithmetic.
    sealer : str
        "module:callable" of ``crossward.encryption.holder``: (plan, material) -> Sealer; empty with a committee, whose
        updates ``client_app.committee`` seals.
    exact : bool (default: False)
        Whether its sums are integers by construction, so that an accountant of noise may count on them.
    seed_bytes : int (default: 0)
        Size of the key material that a consortium's secret gives under the scheme's name; 0: the material is the
        context that a key file holds beside the secrets.
    clash : Callable[[int, int, int], str] | None (default: None)
        (value, weight, guard bits of a plan) -> why sums under it would not be the exact integers, or "". None: what
        the noise of BFV ciphertexts leaves room for.
    bytes_per_value : Callable[[int, int, int], tuple[float, float]] | None (default: None)
        (value, weight, guard bits) -> bytes that a sealed value takes in an update and in a sum, by which the preset
        auto weighs plans. None: those of BFV ciphertexts.
    committee : bool (default: False)
        Whether a version is opened by a committee of hospitals (``crossward.encryption.committee``), so that no key
        opens an update.
    """

    about: str
    arithmetic: str
    sealer: str
    exact: bool = False
    seed_bytes: int = 0
    clash: Callable[[int, int, int], str] | None = None
    bytes_per_value: Callable[[int, int, int], tuple[float, float]] | None = None
    committee: bool = False

    @property
    def has_context(self) -> bool:
        """Whether a key file must hold a context for it."""
        return not self.seed_bytes


def _ckks_clash(value_bits: int, weight_bits: int, guard_bits: int) -> str:
    weights = weight_bits + guard_bits
    if weights <= CKKS_WEIGHT_BITS and value_bits + weights <= CKKS_SUM_BITS:
        return ""
    return (
        f"encryption.scheme = 'ckks' is exact up to {CKKS_WEIGHT_BITS} weight and guard bits and {CKKS_SUM_BITS} "
        f"bits in all, the plan has {weights} and {value_bits + weights}: lower the bits of encryption.plan"
    )


def _committee_clash(value_bits: int, weight_bits: int, guard_bits: int) -> str:
    bits = value_bits + weight_bits + guard_bits
    if bits <= MOST_FIELD_BITS:
        return ""
    return (
        f"encryption.scheme = 'committee' masks fields of at most {MOST_FIELD_BITS} bits, the plan has {bits}: lower "
        "the bits of encryption.plan"
    )


def _masked_bytes(value_bits: int, weight_bits: int, guard_bits: int) -> tuple[float, float]:
    size = (value_bits + weight_bits + guard_bits) / 8
    return size, size


SCHEMES: dict[str, Scheme] = {
    COMMITTEE: Scheme(
        "one-time masks that a committee of hospitals opens as sums only, for three hospitals or more",
        "committee:CommitteeArithmetic",
        "",
        exact=True,
        seed_bytes=32,
        clash=_committee_clash,
        bytes_per_value=_masked_bytes,
        committee=True,
    ),
    BFV: Scheme("exact sums, several values per slot", "bfv:BfvArithmetic", "bfv:BfvSealer", exact=True, seed_bytes=64),
    CKKS: Scheme(
        "TenSEAL with NVFlare's parameters, the HE-FL baseline", "ckks:of_plan", "ckks:CkksSealer", clash=_ckks_clash
    ),
}


def simulation_key_name(scheme: str) -> str:
    """The key file that simulations of a scheme share: one of its own where it must hold a context."""
    return f"simulation-{scheme}.key" if SCHEMES[scheme].has_context else "simulation.key"
