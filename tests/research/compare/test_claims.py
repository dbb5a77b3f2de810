"""Claims hold exactly when the figures say so; shapes and sizes agree with the adapter and the ciphertexts."""

from __future__ import annotations

from typing import Any

import pytest

from crossward.encryption.plan import PRESETS
from research.compare.claims import llama_values, run_claims, sealed_bytes, size_claims
from research.compare.leakage import leakage_of
from research.compare.methods import CHECKS, METHODS
from research.compare.settings import Comparison
from research.compare.summary import compared, row

Facts = dict[str, Any]


def by_name(claims: list[Facts]) -> dict[str, Facts]:
    return {claim["claim"]: claim for claim in claims}


def found(jobs: dict[str, list[Facts]], setting: Comparison) -> dict[str, Facts]:
    known = METHODS | CHECKS
    rows = [row(known[name], made, leakage_of(known[name])) for name, made in jobs.items()]
    compared(rows, jobs, setting)
    return by_name(run_claims({r["method"]: r for r in rows}, jobs, setting))


def test_llamas_adapters_have_the_known_sizes() -> None:
    assert llama_values(16, False) == 41_943_040 and llama_values(64, True) == 224 * 64 * 64


def test_sizes_are_those_of_ciphertexts() -> None:
    claims = by_name(size_claims(77824, 28))
    assert claims["bytes-compact"]["value"] == pytest.approx((2.5052 + 5.0) / 8, abs=1e-4)
    assert claims["bytes-compact"]["holds"] and not claims["bytes-compact-padded"]["holds"]
    assert claims["bytes-compact-padded"]["value"] == pytest.approx(7 * (30784 + 61440) / (8 * 77824))
    assert claims["bytes-core"]["holds"] and claims["bytes-core-llama"]["holds"]
    assert claims["bytes-core-llama"]["limit"] == 1 / 40
    plan = PRESETS["compact"]
    assert sealed_bytes(plan, 4096 * 3) == pytest.approx(sealed_bytes(plan, 4096 * 3, whole=False))


def test_the_claims_of_runs_follow_the_runs(jobs: dict[str, list[Facts]], setting: Comparison) -> None:
    claims = found(jobs, setting)
    assert claims["bytes-encrypted-as-run"]["value"] == pytest.approx(3.2e6 / 2490368)
    assert claims["bytes-encrypted-as-run"]["holds"] is False and claims["bytes-hybrid-as-run"]["holds"] is True
    assert claims["time"]["value"] == pytest.approx(2.05 / 2.0) and claims["time"]["holds"] is True
    assert [claims[f"exact-{name}"]["holds"] for name in ("he-fl", "encrypted-sync", "hybrid")] == [True] * 3
    assert claims["quality-loss"]["holds"] is True and claims["quality-loss"]["value"] == pytest.approx(0.02)


def test_one_seed_that_differs_is_told(jobs: dict[str, list[Facts]], setting: Comparison) -> None:
    jobs["he-fl"][1]["adapter"] = "another"
    assert found(jobs, setting)["exact-he-fl"] | {"text": ""} == {
        "claim": "exact-he-fl",
        "text": "",
        "value": 1.0,
        "limit": 0.0,
        "unit": "",
        "holds": False,
    }


def test_slow_sealing_and_a_worse_loss_break_their_claims(jobs: dict[str, list[Facts]], setting: Comparison) -> None:
    for job in jobs["encrypted"]:
        job |= {"crypto_seconds_per_round": 0.5, "seconds_per_round_here": 2.5, "loss": job["loss"] + 1.0}
    claims = found(jobs, setting)
    assert not any(claims[name]["holds"] for name in ("time", "time-equal-training", "quality-loss"))


def test_a_method_that_was_not_run_makes_no_claim(jobs: dict[str, list[Facts]], setting: Comparison) -> None:
    claims = found({"fl": jobs["fl"]}, setting)
    assert {claim["holds"] for claim in claims.values()} == {None}
