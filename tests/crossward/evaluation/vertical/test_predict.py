"""A party predicts for patients of another table than the run's: whatever the order of its columns, or lacking some."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client_app.vertical import models
from client_app.vertical.arrays import save
from client_app.vertical.learning.distil import Student, student_split
from client_app.vertical.learning.fitting import FitSettings
from client_app.vertical.learning.top import TopSettings
from client_app.vertical.party import DESCRIBED, PINNED
from crossward.cli.app import main
from crossward.config.run_config import RunConfig
from crossward.evaluation.replay import EvaluationError
from crossward.evaluation.vertical.opened import PartyFolder
from crossward.evaluation.vertical.predict import Predicted, open_folder, predict
from tests.vertical_runs import NAMES, SETTINGS, table

LABORATORY = "laboratory"
PARTY = 'name = "Laboratory"\nfeatures = "table"\npath = "members.csv"\n[columns]\npatient = "member"\n'
NEW = table(LABORATORY, range(600, 660))
"""Patients whom the run has not seen."""

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The laboratory's own folder of a run that has finished, of features a and b, with a student of what a says."""
    folder, config = tmp_path_factory.mktemp("laboratory"), RunConfig.read(SETTINGS)
    owner = PartyFolder(LABORATORY, config, folder, table(LABORATORY, range(100, 220)))
    own = models.new_bottom(owner)
    own.represent(config.run.seed)
    student = Student(own, TopSettings(fit=FitSettings(epochs=20)), config.run.seed)
    assert owner.data.values is not None
    labels = (owner.data.values[:, 0] > 0).astype(np.float32)
    student.train(labels, student_split(np.arange(len(own)), config.run.seed), config.run.seed)
    save(models.path_of(owner, models.STUDENT, 10), student.model.state())
    _describe(owner)
    return folder


def _describe(owner: PartyFolder, holder: str = "hospital") -> None:
    """What a party's folder says of the run."""
    facts = {"party": owner.name, "parties": NAMES, "holder": holder, "simulated": None, "features": owner.data.names}
    (owner.folder / DESCRIBED).write_text(json.dumps(facts | {"config": owner.config.by_key()}))


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write columns of ``NEW`` (or 1 for others) as a table, and return the party.toml that describes it."""
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))

    def columns(*names: str) -> Path:
        assert NEW.values is not None
        with (tmp_path / "members.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["member", *names])
            for row, (patient, values) in enumerate(zip(NEW.patients, NEW.values, strict=True)):
                known = dict(zip(NEW.names, map(repr, values.tolist()), strict=True))
                rows.writerow([patient, *(known.get(name, row % 50) for name in names)])
        (tmp_path / "party.toml").write_text(PARTY)
        return tmp_path / "party.toml"

    return columns


def student(state: Path, path: Path | None) -> Predicted:
    return predict(open_folder(state, "", path, None), "distilled")


def test_columns_are_found_by_name(state: Path, write: Write) -> None:
    expected = student(state, write("a", "b"))
    assert expected.patients == NEW.patients and np.ptp(expected.probabilities) > 0.3
    assert not expected.others.any()
    for names in (("b", "a"), ("other", "b", "a"), ("a", "other", "b")):
        assert np.array_equal(student(state, write(*names)).probabilities, expected.probabilities), names
    opened = open_folder(state, "", write("other", "b", "a"), None).owner.data
    assert opened.names == ("a", "b") and opened.values is not None
    assert np.array_equal(opened.values, NEW.values)  # type: ignore[arg-type]


def test_a_column_that_is_not_there_is_missing_for_all(state: Path, write: Write) -> None:
    data = open_folder(state, "", write("b", "other"), None).owner.data
    assert data.values is not None and data.names == ("a", "b") and NEW.values is not None
    assert np.isnan(data.values[:, 0]).all() and np.array_equal(data.values[:, 1], NEW.values[:, 1])
    without, whole = student(state, write("b", "other")), student(state, write("a", "b"))
    assert np.isfinite(without.probabilities).all()
    assert not np.allclose(without.probabilities, whole.probabilities)


def test_a_table_without_any_of_the_features_is_refused(state: Path, write: Write) -> None:
    with pytest.raises(EvaluationError, match="none of the 2 features that this party's models know, such as 'a': nam"):
        open_folder(state, "", write("other", "another"), None)


def test_new_patients_are_predicted_for_by_a_command(
    state: Path, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, path = tmp_path / "predictions.csv", write("b", "a")
    assert main(["predict", str(state), "--party-path", str(path), "--out", str(out)]) == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["patient"] for row in rows] == list(NEW.patients) and {row["other_parties"] for row in rows} == {"0"}
    found = np.array([float(row["probability"]) for row in rows])
    assert np.allclose(found, student(state, path).probabilities, atol=1e-4)
    hidden = NEW.values[:, 0]  # type: ignore[index]
    assert found[hidden > 0].mean() > found[hidden < 0].mean() + 0.1, "the more of it, the likelier the outcome"
    capsys.readouterr()
    assert main(["predict", str(state), "--party-path", str(write("other")), "--out", str(out)]) == 1
    assert "has none of the 2 features" in capsys.readouterr().err
    assert main(["predict", str(state), "--out", str(out)]) == 1
    assert "with --party-path" in capsys.readouterr().err
    joint = ["--model", "joint", "--party-path", str(write("a", "b"))]
    assert main(["predict", str(state), *joint, "--out", str(out)]) == 1
    assert "laboratory is not the label holder" in capsys.readouterr().err


def test_the_joint_model_does_not_predict_for_patients_whom_no_embedding_is_of(
    state: Path, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "hospital"
    folder.mkdir()
    owner = PartyFolder(LABORATORY, RunConfig.read(SETTINGS), folder, table(LABORATORY, range(100, 220)))
    _describe(owner, holder=LABORATORY)
    shutil.copy(
        models.path_of(replace(owner, folder=state), models.STUDENT, 10), models.path_of(owner, models.JOINT, 9)
    )
    (folder / PINNED).write_text(owner.data.digest)
    out = ["--out", str(tmp_path / "predictions.csv"), "--model", "joint"]
    assert main(["predict", str(folder), "--party-path", str(write("a", "b")), *out]) == 1
    assert "predicts for the patients of the run" in capsys.readouterr().err
