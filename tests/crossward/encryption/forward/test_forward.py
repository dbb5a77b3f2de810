"""Encrypted forward: equal to the clear product within the stated bound, masked, re-randomised, and strict on bytes."""

from __future__ import annotations

import copy
import math
import pickle
import sys
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import ks_2samp

pytest.importorskip("heu", reason="sf-heu has a build for Python 3.11 only")

from crossward.encryption.forward import cells
from crossward.encryption.forward.disclosure import Disclosure
from crossward.encryption.forward.fixed_point import FixedPoint
from crossward.encryption.forward.frames import WIDTH
from crossward.encryption.forward.keys import SEALING, SENDING, ForwardKey, ForwardPublic, _kits
from crossward.encryption.forward.library import ForwardError, heu
from crossward.encryption.forward.plan import CAPACITY, GUARD, ProductPlan
from crossward.encryption.forward.product import Mask, multiply, open_masked, seal, unmask

UNIT = FixedPoint(1.0)
ROWS, INNER, COLUMNS = 9, 4, 2
PLAN = ProductPlan(UNIT, FixedPoint(2.0, 12), ROWS, INNER, COLUMNS)


@pytest.fixture(scope="module")
def matrices() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    left, right = rng.uniform(-1, 1, (ROWS, INNER)), rng.uniform(-2, 2, (INNER, COLUMNS))
    left[0], right[:, 0], left[1] = 1.0, -2.0, -1.0  # the bounds themselves
    return left, right


def product(key: ForwardKey, plan: ProductPlan, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    masked, mask = multiply(key.public, plan, seal(key.public, plan, left), right)
    return unmask(plan, mask, open_masked(key, plan, masked))


def test_forward_and_backward_equal_the_clear_product_within_the_stated_error(
    key: ForwardKey, matrices: tuple[np.ndarray, np.ndarray]
) -> None:
    left, right = matrices
    found = product(key, PLAN, left, right)
    assert PLAN.slots > 1 and ROWS % PLAN.slots  # several rows a ciphertext, and one that is not full
    assert np.abs(found - left @ right).max() <= PLAN.error < 3e-3
    gradient = np.random.default_rng(1).uniform(-1, 1, (ROWS, COLUMNS))
    backward = ProductPlan(UNIT, UNIT, INNER, ROWS, COLUMNS)
    assert np.abs(product(key, backward, left.T, gradient) - left.T @ gradient).max() <= backward.error < 3e-4


def test_products_of_fixed_point_integers_are_exact(key: ForwardKey, matrices: tuple[np.ndarray, np.ndarray]) -> None:
    left, right = (plan.encode(m, "") * plan.step for plan, m in zip((PLAN.left, PLAN.right), matrices, strict=True))
    assert np.abs(product(key, PLAN, left, right) - left @ right).max() < 1e-12


def test_the_error_bound_is_nearly_reached() -> None:
    """Values half a step off on every place: the bound is no loose one."""
    plan = ProductPlan(FixedPoint(1.0, 6), FixedPoint(1.0, 6), 1, 8, 1)
    value = (plan.left.largest - 0.49) * plan.left.step
    exact = 8 * value * value
    rounded = 8 * (plan.left.encode([value], "")[0] * plan.left.step) ** 2
    assert 0.9 * plan.error < rounded - exact <= plan.error


# ---------------------------------------------------------------------- what is hidden


def test_what_the_key_holder_sees_is_equally_distributed_for_extreme_values() -> None:
    """Positive control: masks of N(0, 1) floats, as EFLS has them, are told apart at once and give the value itself."""
    plan = ProductPlan(UNIT, UNIT, 2000, 32, 1)
    rng = np.random.default_rng(2)

    def seen(value: int) -> np.ndarray:
        masks = Mask(rng.bytes(plan.groups * plan.slots * -(-plan.mask_bits // 8)))
        masked = masks.values(plan)[: plan.rows, 0] + plan.value_bound + value
        return np.asarray(masked / (1 << plan.mask_bits), dtype=np.float64)

    low, high = seen(-plan.value_bound), seen(plan.value_bound)
    assert ks_2samp(low, high).statistic < 0.06  # fixed beforehand: 2,000 a side, 1.36 sqrt(2/2000) = 0.043 at 5 %
    values = rng.integers(-plan.value_bound, plan.value_bound, plan.rows)
    masked = seen(0) + values / (1 << plan.mask_bits)
    assert abs(np.corrcoef(values, masked)[0, 1]) < 0.09  # 4 standard errors

    z = rng.normal(0, 10, plan.rows)  # sums over features in a batch easily are as large
    efls = z + rng.normal(size=plan.rows)
    assert np.corrcoef(z, efls)[0, 1] > 0.99
    assert ks_2samp(-10 + rng.normal(size=500), 10 + rng.normal(size=500)).statistic == 1.0
    assert np.mean(np.abs(efls - z) < 2) > 0.9  # the key holder rounds and is right


def test_masks_that_are_too_narrow_would_be_found_by_the_same_test() -> None:
    rng = np.random.default_rng(3)
    narrow = 1 << 20  # 20 bits beyond nothing: as wide as the values themselves
    low, high = rng.integers(0, narrow, 2000), rng.integers(0, narrow, 2000) + narrow // 4
    assert ks_2samp(low, high).statistic > 0.06


def test_the_distance_of_a_whole_message_is_bounded_and_less_is_refused() -> None:
    for plan in (PLAN, ProductPlan(UNIT, UNIT, 5000, 64, 32), ProductPlan(UNIT, UNIT, 1, 1, 1)):
        assert plan.distance <= 2.0**-40
        assert plan.slot_bits * plan.slots <= CAPACITY - GUARD
        assert 2 * plan.value_bound + (1 << plan.mask_bits) <= 1 << plan.slot_bits
    with pytest.raises(ForwardError, match="expected at least 40"):
        ProductPlan(UNIT, UNIT, 2, 2, 2, hiding=39)
    with pytest.raises(ForwardError, match="do not fit"):
        ProductPlan(UNIT, UNIT, 2, 2, 2, hiding=600)
    with pytest.raises(ForwardError, match="52 bits"):
        ProductPlan(FixedPoint(1.0, 24), FixedPoint(1.0, 24), 2, 1 << 10, 2)


def test_equal_inputs_never_give_equal_messages(key: ForwardKey, matrices: tuple[np.ndarray, np.ndarray]) -> None:
    """Positive control: the library's own product of the same inputs is the same bytes, so it shows its weights."""
    left, right = matrices
    first, second = (seal(key.public, PLAN, left) for _ in range(2))
    numbers = {bytes(first[i : i + WIDTH]) for i in range(0, len(first), WIDTH)}
    assert first != second and len(numbers) == len(first) // WIDTH
    a, b = (multiply(key.public, PLAN, first, right)[0] for _ in range(2))
    assert all(a[i : i + WIDTH] != b[i : i + WIDTH] for i in range(0, len(a), WIDTH))
    kit = key.public.kit()
    found = cells.from_bytes(key.public, first, PLAN.groups, INNER, "")
    weights = kit.array(PLAN.right.encode(right, "").astype(object))
    assert len({cells.to_bytes(kit.evaluator().matmul(found, weights)) for _ in range(2)}) == 1


def test_ciphertexts_have_randomness_of_220_bits_and_products_330(key: ForwardKey) -> None:
    """Encryptions of zero under H, H^(2^110), H^(2^220) are multiplied, so that r has three digits of 110 bits."""
    n, g, h = key.public.numbers
    for at, kit in enumerate(_kits(key.public.data, SENDING)):
        written = kit.public_key().serialize()
        assert all(number.to_bytes(WIDTH, "little") in written for number in (n, g, pow(h, 1 << (110 * at), n)))
    values = np.array([[5, -7]], dtype=object)
    for factors in (SEALING, SENDING):
        assert key.decrypt(key.public.encrypt(values, factors)).tolist() == [[5, -7]]


# ---------------------------------------------------------------------- what algebra gives all the same


def test_as_many_products_as_dimensions_are_the_embeddings_and_half_are_not() -> None:
    """Why products are counted: the weight holder solves for h. Control and protection on the same numbers."""
    rng = np.random.default_rng(4)
    h = rng.normal(size=(200, 8))
    weights = rng.normal(size=(8, 8))
    solved = np.linalg.lstsq(weights.T, (h @ weights).T, rcond=None)[0].T
    assert np.abs(solved - h).max() < 1e-9
    half = weights[:, : Disclosure(8).most]
    guessed = np.linalg.lstsq(half.T, (h @ half).T, rcond=None)[0].T
    explained = 1 - ((guessed - h) ** 2).sum() / (h**2).sum()
    assert 0.3 < explained < 0.7  # half of independent dimensions


def test_the_count_stops_before_half() -> None:
    count = Disclosure(32)
    for _ in range(4):
        count = count.after(4)
    assert count.spent == 16
    with pytest.raises(ForwardError, match="would open 20 of 32 dimensions of the embeddings, and 16 are allowed"):
        count.after(4)
    with pytest.raises(ForwardError, match="share between 0 and 1"):
        Disclosure(32, 1.0)


# ---------------------------------------------------------------------- bad input


def test_a_number_beyond_the_range_is_not_opened(key: ForwardKey) -> None:
    """Okamoto-Uchiyama's overflow: the answer to a number beyond p would be a multiple of p away from it."""
    wide = key.public.encrypt(np.array([[1 << 600]] * PLAN.groups * COLUMNS, dtype=object).reshape(-1, COLUMNS))
    evaluator = key.public.kit().evaluator()
    times = key.public.kit().array(np.full((PLAN.groups, COLUMNS), (1 << 90) + 1, dtype=object))
    beyond = evaluator.mul(wide, times)
    opened = key.decrypt(beyond)[0, 0]
    n = key.public.numbers[0]
    assert 1 < math.gcd((1 << 600) * ((1 << 90) + 1) - opened, n) < n  # control: the decryption factors n
    with pytest.raises(ForwardError, match="could reveal the secret key; nothing was answered"):
        open_masked(key, PLAN, cells.to_bytes(beyond))
    negative = key.public.encrypt(np.full((PLAN.groups, COLUMNS), -1, dtype=object))
    with pytest.raises(ForwardError, match="nothing was answered"):
        open_masked(key, PLAN, cells.to_bytes(negative))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data, n: data[:-1], "bytes; expected"),
        (lambda data, n: b"", "bytes; expected"),
        (lambda data, n: data + bytes(WIDTH), "bytes; expected"),
        (lambda data, n: bytes(WIDTH) + data[WIDTH:], "number 0 is no ciphertext"),
        (lambda data, n: data[:-WIDTH] + n.to_bytes(WIDTH, "little"), "is no ciphertext under this key"),
        (lambda data, n: data[:-WIDTH] + b"\xff" * WIDTH, "is no ciphertext under this key"),
    ],
)
def test_bytes_that_are_no_ciphertexts_are_refused(
    key: ForwardKey,
    matrices: tuple[np.ndarray, np.ndarray],
    spoil: Callable[[bytes, int], bytes],
    message: str,
) -> None:
    sealed = spoil(seal(key.public, PLAN, matrices[0]), key.public.numbers[0])
    with pytest.raises(ForwardError, match=message):
        multiply(key.public, PLAN, sealed, matrices[1])


def test_ciphertexts_are_read_back_whatever_their_size(key: ForwardKey) -> None:
    """One in a thousand is short enough for the library to write it in another form."""
    n = key.public.numbers[0]
    numbers = [n - 2, 3, 3**20, 1 << 1800, (1 << 2040) + 1, 3 << 2038, *(3**i for i in range(900, 1270, 10))]
    data = b"".join(number.to_bytes(WIDTH, "little") for number in numbers)
    assert cells.to_bytes(cells.from_bytes(key.public, data, len(numbers), 1, "")) == data
    assert cells.to_bytes(cells.from_bytes(key.public, data * 20, 20, len(numbers), "")) == data * 20


def test_wrong_shapes_values_and_keys_are_refused(key: ForwardKey, matrices: tuple[np.ndarray, np.ndarray]) -> None:
    left, right = matrices
    with pytest.raises(ForwardError, match=r"embeddings: an array of shape \(9, 3\); the plan takes \(9, 4\)"):
        seal(key.public, PLAN, left[:, :3])
    with pytest.raises(ForwardError, match="embeddings: values lie beyond the bound of 1"):
        seal(key.public, PLAN, left * 1.01)
    with pytest.raises(ForwardError, match="embeddings: 1 values are not finite numbers"):
        seal(key.public, PLAN, np.where(np.arange(36).reshape(9, 4) == 5, np.nan, left))
    for data in (b"", key.public.data[:-1], bytes(3 * WIDTH), b"\xff" * 3 * WIDTH):
        with pytest.raises(ForwardError, match="public key of encrypted forward"):
            ForwardPublic(data)
    masked, mask = multiply(key.public, PLAN, seal(key.public, PLAN, left), right)
    opened = open_masked(key, PLAN, masked)
    with pytest.raises(ForwardError, match=r"opened products: .* bytes; expected"):
        unmask(PLAN, mask, opened[1:])
    with pytest.raises(ForwardError, match="do not belong to this mask"):
        unmask(PLAN, Mask(bytes(len(mask.data))), opened)
    with pytest.raises(ForwardError, match="the plan takes"):
        unmask(PLAN, Mask(b""), opened)
    for secret in (key, mask):
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(secret)
        assert "data=" not in repr(mask) and "secret=" not in repr(key)
    with pytest.raises(TypeError, match="never pickled"):
        copy.deepcopy(mask)


def test_a_missing_library_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "heu.phe", None)
    with pytest.raises(ForwardError, match=r"sf-heu .* built for Python 3\.11 only; this is Python"):
        heu("phe")
