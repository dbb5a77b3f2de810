"""What hospitals say of themselves, held to bounds: the server's own clock, the others, what they said first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossward.config.strategy_settings import StrategySettings
from crossward.ledger.state import Claim, RunState
from crossward.protocol.messages import Head, Update
from strategies.exchange.claims import GROWTH, Claims
from tests.ledger_lines import made

HONEST = Update(
    lineage="line",
    task=1,
    version=0,
    epoch=0,
    layout="x",
    key="",
    site="a",
    state_hash="",
    head=Head(0, ""),
    num_examples=100,
    num_tokens=1000,
    loss_sum=2000.0,
    steps=5,
    train_seconds=8.0,
    compute_seconds=10.0,
    seal_seconds=1.0,
    open_seconds=1.0,
)


def claims(*others: tuple[float, int], ratio: float = 8.0) -> Claims:
    """Claims in which hospitals have spoken: (mean loss, tokens)."""
    known = {f"other-{number}": Claim(mean * tokens, tokens, 50) for number, (mean, tokens) in enumerate(others)}
    return Claims(StrategySettings(claim_ratio=ratio), known)


def spoke(known: Claims, hospital: str, loss_sum: float, num_tokens: int, num_examples: int) -> None:
    """An update of ``hospital`` was accepted with these claims."""
    facts = {"loss_sum": loss_sum, "num_tokens": num_tokens, "num_examples": num_examples}
    state = RunState(claims=dict(known.known))
    state.apply(made("accepted", hospital=hospital, **facts))
    known.known = state.claims


THREE = ((2.0, 1000), (2.5, 1200), (1.5, 800))


def test_honest_claims_stay_as_they_are() -> None:
    got, message = claims(*THREE).bounded("a", HONEST, round_trip=12.0)
    assert got is HONEST and message == []


@pytest.mark.parametrize(
    ("changes", "want", "message"),
    [
        ({"loss_sum": 99_000.0}, {"loss_sum": 16_000.0}, "mean loss 99 -> 16"),
        ({"loss_sum": 1.0}, {"loss_sum": 250.0}, "mean loss 0.001 -> 0.25"),
        ({"num_tokens": 80_000, "loss_sum": 160_000.0}, {"num_tokens": 8000, "loss_sum": 16_000.0}, "num_tokens 80000"),
        ({"num_tokens": 1, "loss_sum": 2.0}, {"num_tokens": 125, "loss_sum": 250.0}, "num_tokens 1 -> 125"),
        ({"compute_seconds": 1e9}, {"compute_seconds": 12.0}, "compute_seconds 1e+09 -> 12"),
        ({"train_seconds": 11.0}, {"train_seconds": 10.0}, "train_seconds 11 -> 10"),
        ({"seal_seconds": 1e9}, {"seal_seconds": 10.0}, "seal_seconds"),
        ({"open_seconds": 11.0}, {"open_seconds": 10.0}, "open_seconds"),
    ],
)
def test_what_is_out_of_bounds_counts_as_the_bound_and_is_said(changes: Any, want: Any, message: str) -> None:
    got, words = claims(*THREE).bounded("a", replace(HONEST, **changes), round_trip=12.0)
    assert {name: getattr(got, name) for name in want} == pytest.approx(want)
    assert len(words) == 1 and message in words[0]
    untouched = {"payload", "signature", "steps", "num_examples"}
    assert all(getattr(got, name) == getattr(HONEST, name) for name in untouched)


def test_nobody_is_measured_by_fewer_than_two_others_or_by_itself() -> None:
    lie = replace(HONEST, loss_sum=99_000.0)
    one = claims((2.0, 1000))
    assert one.bounded("a", lie, 12.0) == (lie, [])
    spoke(one, "a", 1.0, 1000, 100)
    assert one.bounded("a", lie, 12.0) == (lie, [])
    spoke(one, "b", 2000.0, 1000, 100)
    assert one.bounded("a", lie, 12.0)[1] == ["mean loss 99 -> 16"]


def test_a_ratio_of_0_bounds_neither_loss_nor_tokens() -> None:
    lie = replace(HONEST, loss_sum=99.0 * (1 << 50), num_tokens=1 << 50)
    assert claims(*THREE, ratio=0.0).bounded("a", lie, 12.0) == (lie, [])


def test_a_data_set_may_double_or_halve_in_a_run_however_small_the_steps() -> None:
    c = claims(*THREE)
    spoke(c, "a", 2000.0, 1000, 100)
    for message, counted in ((150, 150), (220, 200), (400, 200), (49, 50), (1, 50)):
        got, words = c.bounded("a", replace(HONEST, num_examples=message), 12.0)
        assert got.num_examples == counted and bool(words) == (message != counted)
        spoke(c, "a", got.loss_sum, got.num_tokens, got.num_examples)
    assert GROWTH == 2.0


def test_a_lie_that_was_clamped_does_not_move_the_bounds_for_others() -> None:
    """What is remembered is what was counted: one liar of four moves the median by no more than an honest one could."""
    c = claims(*THREE)
    for _ in range(50):
        got, _ = c.bounded("liar", replace(HONEST, loss_sum=1e9), 12.0)
        spoke(c, "liar", got.loss_sum, got.num_tokens, got.num_examples)
    got, _ = c.bounded("other-0", replace(HONEST, loss_sum=1e9), 12.0)
    assert got.loss_sum / got.num_tokens == 2.5 * 8


@given(
    loss=st.floats(0.0, 1e30),
    tokens=st.integers(1, (1 << 62)),
    examples=st.integers(1, (1 << 62)),
    times=st.tuples(*[st.floats(0.0, 1e300)] * 4),
    round_trip=st.floats(0.0, 1e7),
)
def test_whatever_is_claimed_what_counts_is_within_bounds(
    loss: float, tokens: int, examples: int, times: tuple[float, ...], round_trip: float
) -> None:
    c = claims(*THREE)
    spoke(c, "a", 2000.0, 1000, 100)
    names = ("compute_seconds", "train_seconds", "seal_seconds", "open_seconds")
    update = replace(HONEST, loss_sum=loss, num_tokens=tokens, num_examples=examples)
    got, message = c.bounded("a", replace(update, **dict(zip(names, times, strict=True))), round_trip)
    assert 0 <= got.train_seconds <= got.compute_seconds <= round_trip
    assert 0 <= max(got.seal_seconds, got.open_seconds) <= got.compute_seconds
    assert 125 <= got.num_tokens <= 8000 and 50 <= got.num_examples <= 200
    assert 0.25 * (1 - 1e-9) <= got.loss_sum / got.num_tokens <= 16 * (1 + 1e-9)
    again, more = c.bounded("a", got, round_trip)
    assert all(getattr(again, name) == pytest.approx(getattr(got, name)) for name in (*names, "loss_sum", "num_tokens"))
    assert bool(message) or not more
