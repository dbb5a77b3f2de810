"""What opens a run that a committee of hospitals opened: the key, and a roster that the run followed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crossward.cli.app import main as command
from crossward.config.run_settings import RunSettings
from crossward.encryption.committee.roster_file import RosterBook, make_book
from crossward.encryption.identity import load_identity
from crossward.evaluation.replay import EvaluationError, Run, consortium_of, global_vector, open_run
from server_app.files import read_payload, write_payload
from tests.finished_runs import Finished


def elsewhere(run: Run, tmp_path: Path) -> Run:
    """The run as another machine has it, without the simulation's state."""
    return replace(run, config=replace(run.config, run=RunSettings(state=str(tmp_path / "nothing"))))


def replayed(finished: Finished, run: Run, roster: Path | None = None) -> np.ndarray:
    layout = finished.adapted.layout
    sizes = tuple(block.size for block in layout.blocks)
    initial = finished.adapted.initial
    return global_vector(run, initial, layout.fingerprint, sizes, None, finished.vault, consortium_of(run, roster))


def test_a_simulation_finds_its_own_roster(opened: Finished, caplog: pytest.LogCaptureFixture) -> None:
    found = replayed(opened, open_run(opened.folder))
    assert {opened.vector(number).tobytes() for number in range(4)} == {found.tobytes()}
    assert found.tobytes() != opened.adapted.initial.tobytes() and not caplog.records


def test_elsewhere_the_aggregators_copy_is_used_and_named_as_such(
    opened: Finished, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = elsewhere(open_run(opened.folder), tmp_path)
    assert replayed(opened, run).tobytes() == opened.vector(0).tobytes()
    kept = RosterBook.load(opened.folder / "roster.json").roster
    assert run.state.committee is not None and kept.fingerprint == run.state.committee.roster
    (record,) = caplog.records
    said = record.getMessage()
    assert f"{opened.folder / 'roster.json'}, the aggregator's copy" in said
    assert f"fingerprint {kept.fingerprint} (revision 1, 4 hospitals)" in said


def test_a_hospitals_own_file_is_taken_before_all_others(
    opened: Finished, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(opened.folder / "roster.json", tmp_path / "ours.json")
    run = elsewhere(open_run(opened.folder), tmp_path)
    assert replayed(opened, run, tmp_path / "ours.json").tobytes() == opened.vector(0).tobytes()
    assert not caplog.records


def test_a_later_revision_checks_what_was_opened_under_an_earlier_one(opened: Finished, tmp_path: Path) -> None:
    ours = tmp_path / "ours.json"
    identities = Path(opened.config["run.state-dir"]) / "identities"
    book = RosterBook.load(opened.folder / "roster.json").next(threshold=2)
    for number in range(4):
        book = book.signed(f"site-{number}", load_identity(identities / f"site-{number}.pem").sign)
    ours.write_bytes(book.to_bytes())
    run = elsewhere(open_run(opened.folder), tmp_path)
    assert replayed(opened, run, ours).tobytes() == opened.vector(0).tobytes()


def test_a_roster_that_the_run_did_not_follow_is_refused(opened: Finished, tmp_path: Path) -> None:
    other = make_book({name: Ed25519PrivateKey.generate() for name in "abc"})
    (tmp_path / "other.json").write_bytes(other.to_bytes())
    run = open_run(opened.folder)
    assert run.state.committee is not None
    mine = run.state.committee.roster[:16]
    with pytest.raises(EvaluationError, match=f"followed roster {mine}, which is no revision of roster "):
        consortium_of(run, tmp_path / "other.json")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path: path.unlink(), "give the hospitals' roster file with --roster FILE"),
        (lambda path: path.write_text("{}"), "roster.json: not a roster"),
        (lambda path: path.write_text(path.read_text().replace('"threshold": 1', '"threshold": 2')), "not signed by"),
    ],
)
def test_a_run_folder_without_a_whole_roster(opened: Finished, tmp_path: Path, harm: Any, says: str) -> None:
    shutil.copytree(opened.folder, tmp_path / "run")
    harm(tmp_path / "run" / "roster.json")
    with pytest.raises(EvaluationError, match=says):
        consortium_of(elsewhere(open_run(tmp_path / "run"), tmp_path), None)


def test_a_version_with_another_versions_proof_does_not_open(opened: Finished, tmp_path: Path) -> None:
    shutil.copytree(opened.folder, tmp_path / "run")
    first, second = (tmp_path / "run" / "versions" / f"{number:06d}.payload" for number in (1, 2))
    facts, payload, _ = read_payload(first)
    write_payload(first, {**facts, "proof": read_payload(second)[0]["proof"]}, list(payload), durable=False)
    with pytest.raises(
        EvaluationError, match=r"version 1 of .* does not open: .*proved by the lists of versions \[2\]"
    ):
        replayed(opened, open_run(tmp_path / "run"))


def test_a_run_that_no_committee_opened_needs_no_roster(opened: Finished) -> None:
    run = open_run(opened.folder)
    settings = replace(run.config.encryption, scheme="bfv")
    assert consortium_of(replace(run, config=replace(run.config, encryption=settings)), None) is None


def test_export_says_whose_roster_it_was_and_prints_the_folder_alone(
    opened: Finished, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(opened.folder, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["config"]["run.state-dir"] = str(tmp_path / "nothing")
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    out = tmp_path / "adapter"
    assert command(["export", str(tmp_path / "run"), "--out", str(out), "--key", key]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    given = ["--roster", str(tmp_path / "none.json")]
    assert command(["export", str(tmp_path / "run"), "--out", str(out), "--key", key, *given]) == 1
    assert f"there is no roster at {tmp_path / 'none.json'}" in capsys.readouterr().err
