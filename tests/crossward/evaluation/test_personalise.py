"""``crossward personalise``: from a run folder, from a node's own copy, or from an exported adapter."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from crossward.cli.app import main as command
from crossward.evaluation.replay import open_run

Capture = pytest.CaptureFixture[str]


def site_of(finished: Any, number: int = 0) -> str:
    """The name of a simulated hospital."""
    from data import load_hospitals

    return load_hospitals(finished.read.data, finished.nodes)[number].name


def made(capsys: Capture, *args: str) -> str:
    """What the command printed, which must have gone well."""
    code = command(["personalise", *args])
    output = capsys.readouterr()
    assert code == 0, output.err
    return output.out


def refused(capsys: Capture, *args: str) -> str:
    """The one line on stderr of a command that fails."""
    assert command(["personalise", *args]) == 1
    output = capsys.readouterr().err
    assert output.startswith("crossward personalise: ") and output.count("\n") == 1 and "Traceback" not in output
    return output


def weights(folder: Path) -> dict[str, Any]:
    return load_file(folder / "adapter_model.safetensors")


@pytest.fixture
def exported(finished: Any, key: str, tmp_path: Path) -> Path:
    assert command(["export", str(finished.folder), "--out", str(tmp_path / "global"), "--key", key]) == 0
    return tmp_path / "global"


def test_a_run_and_its_key_give_what_the_hospital_made_at_the_runs_end(
    finished: Any, key: str, tmp_path: Path, capsys: Capture
) -> None:
    site, out, own = site_of(finished), tmp_path / "mine", tmp_path / "own"
    text = made(capsys, str(finished.folder), "--key", key, "--site", site, "--out", str(out))
    assert (
        f"personalising version 2 for {site}" in text
        and "step 4/4, loss " in text
        and f"{site}: at home " in " ".join(text.split())
    )
    assert command(["export", str(finished.folder), "--which", "personal", "--site", site, "--out", str(own)]) == 0
    here, there = weights(out), weights(own)
    assert here.keys() == there.keys() and all(np.array_equal(here[name], there[name]) for name in here)
    card = (out / "README.md").read_text()
    assert f"# Personal adapter of {site}, version 2" in card and "Held-out perplexity" in card


def test_a_nodes_own_copy_takes_no_key(finished: Any, tmp_path: Path, capsys: Capture) -> None:
    site, state = site_of(finished, 1), str(finished.read.run.state_root)
    args = [str(finished.folder), "--site", site, "--set", "personal.steps=1"]
    made(capsys, *args, "--state-dir", state, "--out", str(tmp_path / "a"))
    made(capsys, *args, "--key", f"{os.environ['CROSSWARD_HOME']}/keys/simulation.key", "--out", str(tmp_path / "b"))
    one, other = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_an_exported_adapter_and_notes_are_enough(exported: Path, tmp_path: Path, capsys: Capture) -> None:
    rows = ["patient,text"]
    rows += [f"p{i % 8},Patient {i} was admitted with chest pain and discharged on aspirin." for i in range(24)]
    (tmp_path / "notes.csv").write_text("\n".join(rows) + "\n")
    sets = ["data.source=csv", "data.text-column=text", "data.patient-column=patient", "personal.steps=2"]
    given = [word for pair in sets for word in ("--set", pair)]
    out = tmp_path / "mine"
    text = made(capsys, str(exported), "--notes", f"Ward={tmp_path}/notes.csv", *given, "--out", str(out))
    assert "personalising version 2 for Ward" in text and "no adapter trained alone to compare with" in text
    card = (out / "README.md").read_text()
    assert "chest pain" not in card and str(tmp_path) not in card and "# Personal adapter of Ward" in card
    assert weights(out).keys() == weights(exported).keys()


def test_a_run_without_a_method_makes_one_all_the_same_and_is_untouched(
    finished: Any, key: str, tmp_path: Path
) -> None:
    before, folder = open_run(finished.folder).events, finished.read.run.state_root / finished.lineage / "site-0"
    kept = (folder / "personal.npy").read_bytes()
    args = ["--set", "personal.method=none", "--set", "personal.steps=1", "--key", key, "--out", str(tmp_path / "mine")]
    assert command(["personalise", str(finished.folder), "--site", site_of(finished), *args]) == 0
    assert open_run(finished.folder).events == before and (folder / "personal.npy").read_bytes() == kept


# ---------------------------------------------------------------------- what cannot be personalised


def test_whose_notes_must_be_said(finished: Any, exported: Path, key: str, tmp_path: Path, capsys: Capture) -> None:
    out = ["--out", str(tmp_path / "x")]
    text = refused(capsys, str(finished.folder), "--key", key, *out)
    assert site_of(finished) in text and "give --site NAME, or --notes NAME=PATH" in text
    assert "--site Nowhere is none of them" in refused(
        capsys, str(finished.folder), "--key", key, "--site", "Nowhere", *out
    )
    assert "give the hospital's notes with --notes NAME=PATH" in refused(capsys, str(exported), *out)
    assert "expected NAME=PATH" in refused(capsys, str(exported), "--notes", "ward.csv", *out)
    assert not (tmp_path / "x").exists()


def test_a_sealed_run_takes_a_key_or_a_state(finished: Any, tmp_path: Path, capsys: Capture) -> None:
    args = [str(finished.folder), "--site", site_of(finished), "--out", str(tmp_path / "x")]
    assert "give the consortium's key file with --key FILE" in refused(capsys, *args)
    assert "there is no node's state of run" in refused(capsys, *args, "--state-dir", str(tmp_path))
    root = tmp_path / "state" / finished.lineage
    root.mkdir(parents=True)
    assert "holds no copy of this run's global adapter" in refused(
        capsys, *args, "--state-dir", str(tmp_path / "state")
    )


def test_a_folder_of_somebody_elses_is_refused_before_anything_is_trained(
    finished: Any, key: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "README.md").write_text("mine")
    args = [str(finished.folder), "--key", key, "--site", site_of(finished)]
    text = refused(capsys, *args, "--out", str(tmp_path))
    assert "holds files that this program did not write" in text and (tmp_path / "README.md").read_text() == "mine"


def test_an_adapter_without_its_settings_is_refused(exported: Path, tmp_path: Path, capsys: Capture) -> None:
    args = [str(exported), "--notes", f"Ward={tmp_path}", "--out", str(tmp_path / "x")]
    (exported / "crossward.json").write_text(json.dumps({"config": {}}))
    assert "crossward.json, the settings of the run, cannot be read (KeyError)" in refused(capsys, *args)
    shutil.rmtree(exported)
    assert "is not a run folder" in refused(capsys, *args)
