"""The study of hospitals with few patients: who trains on what, what several runs come to, and that it runs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.few_notes.__main__ import main
from benchmarks.few_notes.study import ADAPTERS, ALL, ONE, PERSONAL, Job, Setting, StudyError, few, learners_of
from benchmarks.few_notes.summary import summary
from client_app.training.learner import notes

pytestmark = pytest.mark.usefixtures("own_home")


def test_a_hospital_trains_on_so_many_patients_and_keeps_its_held_out_ones() -> None:
    setting = Setting(sizes=(4, 9), usual=6, hospitals=3)
    config = setting.config(0)
    whole = notes(config.data, 2, 3)  # the smallest one
    small, large = (few(whole, size, 3, np.random.default_rng(0)) for size in (4, 9))
    assert [len(set(hospital.train["patient_id"])) for hospital in (small, large)] == [4, 9]
    assert set(small.train["patient_id"]) < set(large.train["patient_id"]) <= set(whole.train["patient_id"])
    assert small.test["note_id"] == large.test["note_id"] and len(set(small.test["patient_id"])) == 3
    assert not set(large.train["patient_id"]) & set(large.test["patient_id"])
    sizes = {
        case: [len(set(one.hospital.train["patient_id"])) for one in learners_of(setting, config, Job(4, 1), case)]
        for case in (ONE, ALL)
    }
    assert sizes == {ONE: [6, 4, 6], ALL: [4, 4, 4]}
    with pytest.raises(StudyError, match=r"training patients, not 1000: study smaller sizes \(--sizes"):
        few(whole, 1000, 3, np.random.default_rng(0))


def test_a_summary_is_of_means_over_seeds_and_differences_by_patient() -> None:
    def row(seed: int, personal: float) -> dict[str, object]:
        losses = dict.fromkeys(ADAPTERS, 1.0) | {PERSONAL: personal}
        against = {
            "patients": 5.0,
            "tokens": 100.0,
            "loss_sum": 100 * (personal - 1.0),
            "loss_var": 4.0,
            "degrees": 4.0,
        }
        paired = {name: against for name in ADAPTERS if name != PERSONAL}
        return {
            "case": ALL, "size": 10, "seed": seed, "training_notes": 20, "steps": 7, "loss": losses, "paired": paired,
        }  # fmt: skip

    (found,) = summary([row(0, 0.8), row(0, 0.6), row(1, 0.9)])
    assert found["perplexity"][PERSONAL] == {
        "mean": pytest.approx(math.exp(0.8)),
        "least": pytest.approx(math.exp(0.7)),
        "most": pytest.approx(math.exp(0.9)),
    }
    against = found["against"]["alone"]
    assert against["difference"] == pytest.approx(-0.7 / 3) and against["hospitals_worse"] == 0
    assert against["high"] - against["low"] == pytest.approx(2 * 2.179 * math.sqrt(12.0) / 300, rel=1e-3)  # 12 degrees
    (worse,) = summary([row(0, 1.2)])
    assert worse["against"]["global"]["hospitals_worse"] == 1


def test_the_study_runs_draws_and_continues_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--sizes", "6", "--set", "strategy.num-versions=1", "--set", "train.local-steps=1"]
    options = ["--quick", *small, "--work", str(tmp_path / "work"), "--json", str(tmp_path / "found.json")]
    main([*options, "--picture", str(tmp_path / "few.png")])
    found = json.loads((tmp_path / "found.json").read_text())
    assert (tmp_path / "few.png").stat().st_size > 10_000
    assert {(row["case"], row["size"]) for row in found["summary"]} == {
        (case, size) for case in (ONE, ALL) for size in (6,)
    }
    assert all(set(row["loss"]) == set(ADAPTERS) for row in found["rows"])
    kept = sorted((tmp_path / "work").iterdir())
    assert [path.name for path in kept] == ["6-0.json"]
    before = [path.stat().st_mtime_ns for path in kept]
    main(options)
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert json.loads((tmp_path / "found.json").read_text()) == found
    assert "training patients" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="made by another setting: give --work another folder"):
        main([*options, "--held-out", "3"])
