"""The benchmark of personal adapters: figures by hand, what is required, other methods, and settings."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.personal.__main__ import rows_of
from benchmarks.personal.consortium import Consortium
from benchmarks.personal.fedsa import rounds_of, shared_a
from benchmarks.personal.figures import requirements, row
from benchmarks.personal.settings import QUICK, Setting, settings_of
from benchmarks.personal.variants import VARIANTS
from crossward.config.model_defaults import ModelSize
from crossward.config.run_config import RunConfig

pytestmark = pytest.mark.usefixtures("own_home")
TINY = {**QUICK, "data.synthetic-patients": 24, "data.min-patients": 2, "strategy.num-versions": 1, "lora.rank": 2}


@pytest.fixture(scope="module")
def consortium(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    """Shared by the tests, as a benchmark's folder is by those that go on with it."""
    return Consortium(Setting("tiny", TINY), 0, tmp_path_factory.mktemp("tiny"))


def table(*losses: float) -> Any:
    return np.array([[10.0, loss, 5.0] for loss in losses])


def test_gaps_are_paired_by_patient_and_hospitals_elsewhere_add_up() -> None:
    home = {"base": table(40, 44), "global": table(20, 30), "alone": table(22, 31), "personal": table(19, 28)}
    away = {name: [found, found] for name, found in home.items()}
    made = row("s", 0, "North", home, away)
    assert made["personal home"] == pytest.approx(np.exp(47 / 20)) == pytest.approx(made["personal elsewhere"])
    gap = made["personal-alone home"]
    assert gap["nats"] == pytest.approx(-0.3) and (gap["low"], gap["high"]) == pytest.approx((-0.3, -0.3))
    assert made["personal-global home"]["low"] < -0.15 < made["personal-global home"]["high"]
    assert "base-alone home" not in made and made["patients"] == 2


@pytest.mark.parametrize(("personal", "worse"), [((19.0, 28.0), 0), ((21.0, 40.0), 0), ((24.0, 33.0), 1)])
def test_a_hospital_counts_as_worse_where_the_whole_interval_is(personal: tuple[float, float], worse: int) -> None:
    home = {"base": table(40, 44), "global": table(20, 29), "alone": table(22, 31), "personal": table(*personal)}
    found = {one["what"]: one for one in requirements([row("s", 0, "North", home, {})])}
    counted = found["s: hospitals where personal is worse than alone, of 1"]
    assert counted["value"] == worse and counted["met"] is (worse == 0)


def test_settings_of_real_notes_and_a_real_model_come_with_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = Namespace(notes=None, model=None, only=None, quick=False, set=["lora.rank=3"])
    assert [one.name for one in settings_of(args)] == ["synthetic", "few-patients"]
    config = settings_of(args)[1].config(2, str(tmp_path))
    assert (config.data.synthetic_patients, config.data.seed, config.run.seed, config.lora.rank) == (80, 2, 2, 3)
    args.notes = tmp_path / "n.csv"
    args.notes.write_text("transcription,medical_specialty\nA note.,Surgery\n")
    args.only = ["model"]
    with pytest.raises(SystemExit, match=r"--only model needs --notes FILE and --model FOLDER"):
        settings_of(args)
    args.model = tmp_path
    monkeypatch.setattr("crossward.adapters.size.model_size", lambda model: ModelSize(135_000_000, 8192, 49152))
    (model,) = settings_of(args)
    config = model.config(0, str(tmp_path))
    assert (config.model.name, config.data.path) == (str(tmp_path), str(args.notes))
    assert (config.data.partition, config.schedule.peak, config.lora.rank) == ("dirichlet", 2e-3, 3)


def test_fedsa_keeps_b_at_home_and_shares_a(consortium: Consortium) -> None:
    config = RunConfig.read({"strategy.num-versions": 8, "train.local-steps": 10, "strategy.buffer-size": 3})
    assert rounds_of(config, 4, 80) == 8 * 3 // 4 + 8
    one, *others = shared_a(consortium.learners, consortium.config, 2, 0)
    for block in consortium.learners[0].adapted.layout.blocks:
        mine, theirs = (v[block.offset : block.offset + block.size] for v in (one, others[0]))
        assert np.array_equal(mine, theirs) is (".lora_A." in block.name), block.name
    assert not np.array_equal(one, consortium.learners[0].initial())


def test_every_variant_is_measured_and_a_stopped_benchmark_goes_on(consortium: Consortium) -> None:
    (found,) = rows_of(consortium, list(VARIANTS), [1], away=False)
    names = ("base", "global", "alone", "personal", *VARIANTS)
    assert all(1.0 < found[f"{name} home"] < 10_000.0 for name in names)
    assert found["fedalt home"] != found["global home"] and found["personal"]["method"] == "fine-tune"
    before = {path: path.stat().st_mtime_ns for path in consortium.folder.glob("*.*")}
    assert rows_of(replace(consortium), list(VARIANTS), [1], away=False) == [found]
    assert {path: path.stat().st_mtime_ns for path in consortium.folder.glob("*.*")} == before


def test_what_fedalt_adds_to_the_shared_model_is_gone_afterwards(consortium: Consortium) -> None:
    learner = consortium.learners[0]
    before = learner.by_patient({"x": consortium.start})["x"]
    mixed = VARIANTS["fedalt"](consortium, 0, 0)
    assert np.array_equal(learner.by_patient({"x": consortium.start})["x"], before)
    assert not np.array_equal(mixed, before)
