"""The four steps of a product under encryption: seal, multiply, open, unmask. Pure: bytes and arrays in and out.

Not for: what they hide and why (``plan``, ``keys``), how many products may be made (``disclosure``).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossward.encryption.forward import cells
from crossward.encryption.forward.bit_planes import BitPlanes
from crossward.encryption.forward.keys import SENDING, ForwardKey, ForwardPublic
from crossward.encryption.forward.library import ForwardError
from crossward.encryption.forward.plan import ProductPlan

Whole = NDArray[Any]  # of Python integers


@dataclass(frozen=True)
class Mask:
    """The random part of a mask, r for every value; the weight holder keeps it until the answer is there.

    ``data``: the values of a matrix [groups * slots, columns], row by row, in whole bytes each. Used once.
    """

    data: bytes = field(repr=False)

    def values(self, plan: ProductPlan) -> Whole:
        """r, Python integers in [0, 2^mask_bits), [groups * slots, columns].

        Raises
        ------
        ForwardError
            it belongs to another plan.
        """
        count, size = plan.groups * plan.slots * plan.columns, _mask_bytes(plan)
        if len(self.data) != count * size:
            raise ForwardError(f"a mask of {len(self.data)} bytes; the plan takes {count * size}")
        cut = (1 << plan.mask_bits) - 1
        numbers = [int.from_bytes(self.data[at : at + size], "little") & cut for at in range(0, count * size, size)]
        return np.array(numbers, dtype=object).reshape(-1, plan.columns)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a mask is never pickled: keep its data where secrets are kept")


def seal(public: ForwardPublic, plan: ProductPlan, left: ArrayLike) -> bytes:
    """The embedding holder's message: ``left`` [rows, inner] under the key holder's key.

    Raises
    ------
    ForwardError
        another shape than the plan's, or values beyond its bound.
    """
    whole = plan.left.encode(_shaped(left, (plan.rows, plan.inner), "embeddings"), "embeddings")
    return cells.to_bytes(public.encrypt(_packed(plan, whole.astype(object))))


def multiply(public: ForwardPublic, plan: ProductPlan, sealed: bytes, right: ArrayLike) -> tuple[bytes, Mask]:
    """The weight holder's message to the key holder, and the mask that it keeps.

    Raises
    ------
    ForwardError
        ``right`` [inner, columns] has another shape or values beyond its bound, or ``sealed`` is no such message.
    """
    whole = plan.right.encode(_shaped(right, (plan.inner, plan.columns), "weights"), "weights")
    found = cells.from_bytes(public, sealed, plan.groups, plan.inner, "sealed embeddings")
    mask = Mask(secrets.token_bytes(plan.groups * plan.slots * plan.columns * _mask_bytes(plan)))
    blinding = public.encrypt(_packed(plan, mask.values(plan) + plan.value_bound), SENDING)
    evaluator, weights = public.kit().evaluator(), BitPlanes(whole, plan.right)
    products = (evaluator.add(weights.times(evaluator, found[g, :]), blinding[g, :]) for g in range(plan.groups))
    return b"".join(cells.to_bytes(product) for product in products), mask


def open_masked(key: ForwardKey, plan: ProductPlan, masked: bytes) -> bytes:
    """The key holder's answer to the weight holder: masked numbers, ``plan.opened_bytes`` each.

    Raises
    ------
    ForwardError
        ``masked`` is no such message, or a number lies beyond what the plan allows: somebody multiplied other numbers
        than agreed, possibly to find the secret key. Stop working with that party.
    """
    found = key.decrypt(cells.from_bytes(key.public, masked, plan.groups * plan.columns, 1, "masked products"))
    limit = 1 << (plan.slots * plan.slot_bits)
    numbers = found.reshape(-1).tolist()
    if any(not 0 <= number < limit for number in numbers):
        raise ForwardError(
            "masked products: a number lies beyond the plan's range, so that they were not made by the protocol and "
            "could reveal the secret key; nothing was answered. Check with the weight holder which plan it uses"
        )
    return b"".join(number.to_bytes(plan.opened_bytes, "little") for number in numbers)


def unmask(plan: ProductPlan, mask: Mask, opened: bytes) -> NDArray[np.float64]:
    """The product, float64 [rows, columns], within ``plan.error`` of the one in real numbers.

    Raises
    ------
    ForwardError
        the answer has another length, or is none to this mask.
    """
    size, count = plan.opened_bytes, plan.groups * plan.columns
    if len(opened) != count * size:
        raise ForwardError(f"opened products: {len(opened)} bytes; expected {count * size}")
    numbers = [int.from_bytes(opened[at : at + size], "little") for at in range(0, count * size, size)]
    packed = np.array(numbers, dtype=object).reshape(plan.groups, 1, plan.columns)
    spread = (packed >> _shifts(plan)[None, :, None]) & ((1 << plan.slot_bits) - 1)
    whole = spread.reshape(-1, plan.columns) - mask.values(plan) - plan.value_bound
    if any(abs(value) > plan.value_bound for value in whole.reshape(-1).tolist()):
        raise ForwardError("opened products: they do not belong to this mask; ask the key holder to open them again")
    return whole[: plan.rows].astype(np.float64) * (plan.left.step * plan.right.step)


def _mask_bytes(plan: ProductPlan) -> int:
    return -(-plan.mask_bits // 8)


def _shifts(plan: ProductPlan) -> Whole:
    return np.array([i * plan.slot_bits for i in range(plan.slots)], dtype=object)


def _packed(plan: ProductPlan, whole: Whole) -> Whole:
    """Rows of Python integers [up to groups * slots, m] in the slots of [groups, m]; rows that are missing are 0."""
    padded = np.zeros((plan.groups * plan.slots, whole.shape[1]), dtype=object)
    padded[: len(whole)] = whole
    shifted = padded.reshape(plan.groups, plan.slots, -1) << _shifts(plan)[None, :, None]
    return np.asarray(shifted.sum(axis=1), dtype=object)


def _shaped(values: ArrayLike, shape: tuple[int, int], what: str) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != shape:
        raise ForwardError(f"{what}: an array of shape {found.shape}; the plan takes {shape}")
    return found
