"""Canaries: ranks and exposure against scorers whose answer is known, and one tiny real training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from crossward.adapters import write_vector
from research.attacks.canaries import (
    NEARLY,
    Exposure,
    Scorer,
    exposure,
    greedy,
    likelier,
    model_scorer,
    rows,
    secret_losses,
)
from research.attacks.controls import broken
from research.attacks.planted import DIGITS, SPACE, Canary, digit_tokens, draw_canaries
from research.attacks.trained import LONG, Bench

PREFIX = np.array([1, 2], dtype=np.int32)


def independent(costs: np.ndarray) -> Scorer:
    """Each place's digits have losses of their own, [DIGITS, 10], whatever stands before."""
    return lambda prefix, heads: np.broadcast_to(costs[: heads.shape[1] + 1], (len(heads), heads.shape[1] + 1, 10))


def everything(costs: np.ndarray) -> np.ndarray:
    total = np.zeros(1)
    for place in range(DIGITS):
        total = (total[:, None] + costs[place]).reshape(-1)
    return total


@pytest.fixture(scope="module")
def costs() -> np.ndarray:
    return np.random.default_rng(1).exponential(1.0, (DIGITS, 10))


def test_the_search_counts_as_enumeration_does(costs: np.ndarray) -> None:
    whole = everything(costs)
    for secret in ((0,) * DIGITS, tuple(costs.argmin(axis=1)), (1, 2, 3, 4, 5, 6)):
        loss = float(costs[range(DIGITS), secret].sum())
        expected = int((whole < loss - NEARLY).sum())
        assert likelier(independent(costs), PREFIX, loss, most=10**6) == expected
        if expected > 50:
            assert likelier(independent(costs), PREFIX, loss, most=50) is None


def test_exposure_is_exact_where_it_is_high_and_near_where_it_is_low(costs: np.ndarray) -> None:
    whole = np.sort(everything(costs))
    drawn = np.random.default_rng(2).integers(10, size=(4000, DIGITS))
    order = np.argsort(everything(costs))
    for rank in (1, 2, 300, 100_000, 900_000):
        number = order[rank - 1]
        secret = np.array([number // 10 ** (DIGITS - 1 - i) % 10 for i in range(DIGITS)])
        canary = Canary("", PREFIX, secret.astype(np.int32), 1)
        found = exposure(independent(costs), canary, secret, drawn)
        assert found.exact == (rank <= 300) and found.extracted == (rank == 1)
        tolerance = 0.02 if found.exact else 0.2
        assert found.bits == pytest.approx(math.log2(SPACE / rank), abs=tolerance)
    assert whole[0] == pytest.approx(costs.min(axis=1).sum())


def test_an_estimate_never_claims_more_than_the_sample_can_show() -> None:
    flat = np.tile(np.linspace(1.0, 1.001, 10), (DIGITS, 1))  # hopeless to search: all beginnings are alike
    secret = np.zeros(DIGITS, dtype=np.int64)
    secret[-1] = 1
    drawn = np.full((100, DIGITS), 9)
    found = exposure(independent(flat * 5), Canary("", PREFIX, secret.astype(np.int32), 1), secret, drawn)
    assert not found.exact and found.bits == pytest.approx(math.log2(200))  # none of a hundred: at most half of one


def test_exposure_of_uniform_ranks_is_one_and_a_half_bits_on_average() -> None:
    rng = np.random.default_rng(3)
    found = []
    for _ in range(40):
        costs, drawn = rng.exponential(1.0, (DIGITS, 10)), rng.integers(10, size=(500, DIGITS))
        secret = rng.integers(10, size=DIGITS)
        found.append(exposure(independent(costs), Canary("", PREFIX, secret.astype(np.int32), 0), secret, drawn).bits)
    assert 0.8 < np.mean(found) < 2.3  # 1 / ln 2 = 1.44


def test_greedy_takes_the_likeliest_digits(costs: np.ndarray) -> None:
    assert np.array_equal(greedy(independent(costs), PREFIX), costs.argmin(axis=1))


def test_canaries_are_of_the_form_and_none_is_another(bench: Bench) -> None:
    tokenizer = bench.adapted.base.tokenizer
    made = draw_canaries(tokenizer, (0, 3), 8, np.random.default_rng(4))
    assert [c.repeats for c in made] == [0] * 8 + [3] * 8
    assert len({c.text.split(",")[0] + c.text.split(",")[1] for c in made}) == 16
    for canary in made:
        number = tokenizer.decode(canary.secret)
        assert number.isdigit() and len(number) == DIGITS and canary.text.endswith(f"record number {number}.")
        assert tokenizer.decode(canary.prefix) == canary.text[: -DIGITS - 1]
    with pytest.raises(ValueError, match="9999 canaries need as many names"):
        draw_canaries(tokenizer, (1,), 9999, np.random.default_rng(5))


def test_a_tokenizer_that_joins_digits_is_refused() -> None:
    def pairs(text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [hash(text[i : i + 2]) for i in range(0, len(text), 2)]}

    with pytest.raises(ValueError, match="one token of the digit"):
        digit_tokens(pairs)


def test_the_models_scores_are_its_losses_without_a_cache(bench: Bench) -> None:
    score, canary = model_scorer(bench.adapted, bench.adapted.initial), bench.canaries[0]
    secrets = np.array([[1, 2, 3, 4, 5, 6], [9, 9, 0, 0, 1, 1]])
    got = secret_losses(score, canary.prefix, secrets)
    write_vector(bench.adapted.model, bench.adapted.layout, bench.adapted.initial)
    tokenizer = bench.adapted.base.tokenizer
    digits = digit_tokens(tokenizer)
    for row, secret in enumerate(secrets):
        ids = torch.tensor([[tokenizer.bos_token_id, *canary.prefix, *digits[secret]]])
        with torch.no_grad():
            losses = -torch.log_softmax(bench.adapted.model(input_ids=ids).logits[0].float(), -1)
        at = range(ids.shape[1] - DIGITS - 1, ids.shape[1] - 1)
        assert got[row] == pytest.approx(sum(float(losses[i, ids[0, i + 1]]) for i in at), abs=1e-3)


@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_the_cache_goes_by_the_name_that_the_models_output_gives_it(
    bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is past_key_values in transformers 5.23 and cache in 5.24; the real model answers here under either name."""
    real = bench.adapted.model.forward
    expected = secret_losses(model_scorer(bench.adapted, bench.adapted.initial), PREFIX, np.array([[1, 2, 3, 4, 5, 6]]))
    assert not [record for record in caplog.records if "deprecated" in record.getMessage()]
    names: list[set[str]] = []

    class Output(dict[str, Any]):
        logits: torch.Tensor

    def renamed(input_ids: torch.Tensor, **given: Any) -> Output:
        names.append(set(given))
        found = real(input_ids=input_ids, **{installed if key == name else key: value for key, value in given.items()})
        out = Output({name if key == installed else key: value for key, value in found.items()})
        out.logits = found.logits
        return out

    installed = next(key for key in ("cache", "past_key_values") if key in real(input_ids=torch.tensor([[1]])))
    monkeypatch.setattr(bench.adapted.model, "forward", renamed)
    got = secret_losses(model_scorer(bench.adapted, bench.adapted.initial), PREFIX, np.array([[1, 2, 3, 4, 5, 6]]))
    assert names == [{"use_cache"}, {name}] and got == pytest.approx(expected)


def test_rows_take_the_never_planted_as_the_guess() -> None:
    rng = np.random.default_rng(6)
    found = {
        0: [Exposure(b, False, False) for b in rng.exponential(1.44, 12)],
        1: [Exposure(b, False, False) for b in rng.exponential(1.44, 12)],
        16: [Exposure(19.93, True, True)] * 11 + [Exposure(15.0, True, False)],
    }
    made = rows(found, found, "fl", LONG)
    low, high = (
        next(s for s in made if s.metric == "exposure, bits" and f"planted {r} t" in s.setting) for r in (1, 16)
    )
    assert low.guess == high.guess == pytest.approx(np.mean([e.bits for e in found[0]]))
    assert high.low > 15 and high.equivalent is False and low.low < 0 < low.high
    spelt = next(s for s in made if s.metric == "share extracted" and "16" in s.setting)
    assert spelt.value == pytest.approx(11 / 12) and 0.6 < spelt.low < 0.65 and spelt.guess == 0.0
    assert len(made) == 4


def test_controls_tell_what_was_not_reached() -> None:
    found = {0: [Exposure(1.0, True, False)] * 3, 16: [Exposure(19.9, True, True)] * 3}
    assert broken(rows(found, found, "fl", LONG)) == {}  # membership inference was not run, and is not missed
    assert set(broken(rows(found, found, "dp-fl", LONG))) == {"canaries"}
    weak = {0: [Exposure(1.0, True, False)] * 3, 16: [Exposure(9.0, True, True)] * 3}
    assert "9.0 bits were exposed; at least 17.9" in broken(rows(weak, weak, "fl", LONG))["canaries"]


def test_a_tiny_overfitted_adapter_exposes_what_was_planted_often(bench: Bench) -> None:
    score = model_scorer(bench.adapted, bench.target(LONG).released)
    digits = digit_tokens(bench.adapted.base.tokenizer).tolist()
    drawn = np.random.default_rng(7).integers(10, size=(64, DIGITS))
    often, never = (next(c for c in bench.canaries if c.repeats == r) for r in (16, 0))
    found = [exposure(score, c, np.array([digits.index(t) for t in c.secret]), drawn) for c in (often, never)]
    assert found[0].bits > 12 and found[0].exact  # of 19.9; 14 to 20 with other seeds
    assert found[1].bits < 8 and not found[1].extracted
