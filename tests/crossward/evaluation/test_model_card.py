"""The model card: what it says follows from the run, and it quotes no note and no path."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossward.adapters import AdapterError
from crossward.adapters.licence import base_licence
from crossward.cli.app import main as command
from crossward.config.privacy_settings import PrivacySettings
from crossward.evaluation.export import check_free
from crossward.evaluation.model_card import MARK, Subject, model_card
from crossward.evaluation.replay import Run, open_run
from crossward.ledger.events import Accepted
from crossward.report.joining.figures import ALONE, PERSONAL
from data import load_hospitals


@pytest.fixture
def run(finished: Any) -> Run:
    return open_run(finished.folder)


def card(run: Run, finished: Any, **more: Any) -> str:
    return model_card(Subject.of(run, finished.adapted.base, 2, **more))


def test_the_card_of_the_global_adapter(run: Run, finished: Any) -> None:
    text = card(run, finished)
    base = finished.adapted.base
    assert text.startswith("---\nlibrary_name: peft\n") and MARK in text
    assert f"# Global adapter, version 2 of run {run.lineage[:8]}" in text and f"lineage `{run.lineage}`" in text
    assert base.digest in text and "apache-2.0" in text and "version | 2 of 2 made, by async-hybrid" in text
    for site in run.state.sites.values():
        held = run.state.measures["global", site]
        assert re.search(rf"\| {site} \|.* {held.patients:.0f} patients, {held.tokens:.0f} tokens \|", text)
    assert "There is no epsilon" in text and "remembers what it was trained on" in text
    assert "PeftModel.from_pretrained" in text and "load_base" in text


def test_it_quotes_no_note_and_no_path(run: Run, finished: Any) -> None:
    hospitals = load_hospitals(finished.read.data, finished.nodes)
    words = {
        line for one in hospitals for text in one.train["text"][:40] for line in text.splitlines() if len(line) > 20
    }
    assert len(words) > 50
    for more in ({}, {"which": PERSONAL, "site": hospitals[0].name}, {"which": ALONE, "site": hospitals[0].name}):
        text = card(run, finished, **more)
        assert not [line for line in words if line in text]
        assert not re.search(r"(^|[\s`'\"(])(/|~/)[\w.-]+", text)


@pytest.mark.parametrize("which", [ALONE, PERSONAL])
def test_an_adapter_that_stays_at_home_says_so(run: Run, finished: Any, which: str) -> None:
    mine, *others = sorted(run.state.sites.values())
    text = card(run, finished, which=which, site=mine)
    assert f"{which.capitalize()} adapter of {mine}" in text and f"**It stays at {mine}.**" in text
    assert "without noise" in text and not any(other in text for other in others)


def test_results_are_those_of_the_evaluation_where_there_is_one(copied: Any, key: str) -> None:
    (copied.folder / "evaluation.json").unlink(missing_ok=True)
    before = card(open_run(copied.folder), copied)
    assert "As the hospitals reported it." in before and "elsewhere" not in before
    assert command(["evaluate", str(copied.folder), "--generations", "0", "--key", key]) == 0
    text = (copied.folder / "adapter" / "README.md").read_text()
    assert card(open_run(copied.folder), copied) == text
    assert "paired by patient" in text and ", elsewhere |" in text and "personal - alone" in text


def test_epsilon_is_the_largest_that_a_hospital_spent(run: Run, finished: Any) -> None:
    private = PrivacySettings(unit="patient", epsilon=8.0)
    spent = iter((1.25, 3.5, 2.0, 0.5))
    events = [replace(e, local_epsilon=next(spent)) if isinstance(e, Accepted) else e for e in run.events]
    text = card(replace(run, config=replace(run.config, privacy=private), events=events), finished)
    assert "patient-level epsilon 3.5 at delta 1e-05" in text and "There is no epsilon" not in text


def test_a_hospitals_name_cannot_break_the_table(run: Run, finished: Any) -> None:
    sites = {"ab" * 8: "North | <b>wing</b>\n# East"}
    text = card(replace(run, state=replace(run.state, sites=sites)), finished)
    assert r"| North \| \<b\>wing\</b\> \# East |" in text and "| not reported |" in text


@pytest.mark.parametrize(("weighting", "counted"), [("examples", True), ("equal", False)])
def test_counts_are_those_that_hospitals_reported(run: Run, finished: Any, weighting: str, counted: bool) -> None:
    strategy = replace(run.config.strategy, weighting=weighting)
    text = card(replace(run, config=replace(run.config, strategy=strategy)), finished)
    reported = {e.site: e.num_examples for e in run.events if isinstance(e, Accepted)}
    assert reported and all((f"| {site} | about {n} |" in text) == counted for site, n in reported.items())
    assert ("is not published" in text) != counted


def test_a_hub_model_is_named_with_its_revision_and_a_folder_without_its_path(run: Run, finished: Any) -> None:
    base = replace(finished.adapted.base, source="org/model", revision="abc123")
    config = replace(run.config, model=replace(run.config.model, name="org/model", revision="abc123"))
    subject = Subject(config, base, run.lineage, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crossward.evaluation.model_card.find_model", lambda *_: (Path("/nowhere"), "org/model"))
        text = model_card(subject)
        assert "base_model: org/model" in text and "org/model, revision abc123; sha256" in text
        assert "from_pretrained('org/model', revision='abc123')" in text and "not stated in the base model's" in text
        there = replace(config, model=replace(config.model, name="/data/models/tiny", revision=""))
        text = model_card(Subject(there, replace(base, source="/data/models/tiny"), run.lineage, 2))
    assert "tiny, a folder; no hub revision" in text and "/data" not in text and "base_model" not in text


def test_the_licence_is_what_the_base_models_card_says(tmp_path: Path) -> None:
    assert base_licence("embedded", tmp_path) == "apache-2.0" and base_licence("x", tmp_path) == ""
    (tmp_path / "LICENSE").write_text("terms")
    assert base_licence("x", tmp_path) == "as in the base model's file LICENSE"
    (tmp_path / "README.md").write_text("---\nlicense: mit\nlanguage: en\n---\nlicense: no\n")
    assert base_licence("x", tmp_path) == "mit"
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_name: 'own'\nlicense_link: https://x\n---\n")
    assert base_licence("x", tmp_path) == "own (https://x)"
    (tmp_path / "README.md").write_text("no front\nlicense: mit\n")
    assert base_licence("x", tmp_path) == "as in the base model's file LICENSE"


def test_only_folders_of_our_own_are_written_to(tmp_path: Path) -> None:
    check_free(tmp_path / "new")
    check_free(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    check_free(tmp_path)
    (tmp_path / "README.md").write_text(f"{MARK}\n")
    check_free(tmp_path)
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(AdapterError, match="did not write"):
        check_free(tmp_path)
