"""A simulated vertical run as people start one, from its run config to table, predictions and refusals."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Context, RecordDict
from rich.console import Console

from client_app.app import app
from crossward.cli.app import main
from crossward.config.run_config import RunConfig
from crossward.evaluation.replay import EvaluationError
from crossward.evaluation.vertical.measure import COMMON, OUTSIDE
from crossward.evaluation.vertical.opened import is_vertical, open_vertical
from crossward.evaluation.vertical.predict import open_folder, predict
from crossward.evaluation.vertical.report import evaluate_vertical
from crossward.simulation.virtual_grid import VirtualClock, VirtualGrid, VirtualNode
from server_app.vertical import run

SETTINGS: dict[str, Any] = {
    "run.scenario": "vertical",
    "vertical.patients": 150,
    "vertical.exchanges": 0,
    "vertical.embedding": 4,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a run of three simulated parties."""
    root = tmp_path_factory.mktemp("vertical")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSWARD_HOME", str(root / "home"))
        given = SETTINGS | {"run.folder": str(root / "run"), "run.state-dir": str(root / "state")}
        nodes = {
            number + 1: VirtualNode(app, Context(1, number + 1, _partition(number), RecordDict(), given))
            for number in range(3)
        }
        clock = VirtualClock()
        run(VirtualGrid(nodes, clock), given, RunConfig.read(given), clock)
        yield root / "run"


def _partition(number: int) -> dict[str, Any]:
    return {"partition-id": number, "num-partitions": 3}


def test_every_model_is_measured_on_the_same_held_out_patients(finished: Path) -> None:
    said: list[str] = []
    console = Console(record=True, width=160, file=io.StringIO())
    evaluate_vertical(finished, None, said.append, console)
    rows = json.loads((finished / "evaluation.json").read_text())["rows"]
    common = {row["model"]: row for row in rows if row["where"] == COMMON}
    assert set(common) == {"notes", "vitals", "labs", "joint", "central"}
    assert len({row["patients"] for row in common.values()}) == 1
    assert all(row["auroc_low"] <= row["auroc"] <= row["auroc_high"] for row in common.values())
    outside = [(row["model"], row["party"]) for row in rows if row["where"] == OUTSIDE]
    assert ("distilled", "Laboratory") in outside and ("distilled", "Millbrook") in outside
    text = console.export_text()
    assert "joint, from embeddings" in text and "outside the overlap" in text
    assert is_vertical(finished) and not is_vertical(finished.parent)


def test_a_party_predicts_alone_and_the_label_holder_without_one_that_left(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "predictions.csv"
    assert main(["predict", str(finished), "--party", "Laboratory", "--out", str(out)]) == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert len(rows) > 80 and all(0 <= float(row["probability"]) <= 1 for row in rows)
    opened = open_folder(finished, "Harbour Heart", None, None)
    whole, less = predict(opened, "joint"), predict(opened, "joint", ["Laboratory"])
    assert set(whole.others) == {0, 2} and set(less.others) == {0, 1}
    assert not np.allclose(whole.probabilities, less.probabilities)
    own = predict(open_folder(opened.owner.folder, "", None, None), "distilled")  # from the party's own folder
    assert own.patients == whole.patients


@pytest.mark.parametrize(
    ("party", "kind", "without", "message"),
    [
        ("Nobody", "joint", [], "the parties of .* are Harbour Heart, Millbrook, Laboratory"),
        ("Laboratory", "joint", [], "Laboratory is not the label holder, which has the joint model: use --model"),
        ("Laboratory", "alone", [], "Laboratory has no alone model of this run"),
        ("Harbour Heart", "joint", ["Elsewhere"], "--without Elsewhere: the other parties are Laboratory, Millbrook"),
    ],
)
def test_what_cannot_be_predicted_is_refused(
    finished: Path, party: str, kind: str, without: list[str], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        predict(open_folder(finished, party, None, None), kind, without)


def test_commands_of_adapters_say_that_there_is_none(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(finished), "--out", str(finished.parent / "adapter")]) == 1
    assert "holds a vertical run, which makes no adapter" in capsys.readouterr().err
    assert main(["predict", str(finished), "--party", "Laboratory", "--out", "/proc/none/predictions.csv"]) == 1
    assert "--out /proc/none/predictions.csv cannot be written" in capsys.readouterr().err
    assert main(["ledger", "show", str(finished), "--task", "5"]) == 0
    said = capsys.readouterr().out
    assert "step 1 (blind) was asked of" in said and "did it in" in said
    assert main(["ledger", "verify", str(finished)]) == 0


def test_other_folders_are_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="is not a run folder"):
        open_vertical(tmp_path)
    with pytest.raises(EvaluationError, match=r"is neither a vertical run's folder nor a party's state of one"):
        open_folder(tmp_path, "", None, None)
    with pytest.raises(EvaluationError, match="keep their state elsewhere"):
        open_vertical(finished, tmp_path / "none").simulated()
