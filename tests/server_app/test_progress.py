"""Progress is printed whatever a node says: its words may be empty, long or hostile to a terminal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from crossward.ledger.state import RunState
from server_app.progress import REPORTED_LOSS, UPDATE_LINE, VERSION_LINE, Progress
from tests.ledger_lines import made


class Shown(Progress):
    """Progress of a run whose state follows from what it is shown."""

    state = RunState()

    def show(self, line: dict[str, Any]) -> None:
        self.state = RunState() if self.state is Shown.state else self.state
        event = made(line["event"], **{name: value for name, value in line.items() if name != "event"})
        self.state.apply(event)
        self.on_event(event, self.state)


def failed(reason: str) -> dict[str, Any]:
    return {"event": "failed", "task": 1, "node": "7", "hospital": "node-7", "version": 0, "reason": reason}


@pytest.mark.parametrize("reason", ["", "\n", "\n\nlate words"])
def test_a_failure_without_a_reason_does_not_end_the_run(reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    Shown(Path("/runs/x"), 4, clock=lambda: 0.0).show(failed(reason))
    assert "failed: node-7:" in capsys.readouterr().out


def test_a_nodes_words_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Shown(Path("/runs/x"), 4, clock=lambda: 0.0)
    progress.show(failed("\x1b[2J\x1b]0;owned\x07 gone [bold]"))
    output = capsys.readouterr().out
    assert "\x1b" not in output and "\x07" not in output and "gone [bold]" in output


def test_a_version_names_its_hospitals_weights_and_staleness(capsys: pytest.CaptureFixture[str]) -> None:
    line = {"event": "version", "version": 2, "train_loss": 1.5, "sites": ["A", "B"], "weights": [96, 32], "key": ""}
    Shown(Path("/runs/x"), 4, clock=lambda: 0.0).show(line | {"staleness": [0, 3]})
    assert "version 2/4: training loss 1.500; weights A 96 (staleness 0), B 32 (staleness 3)" in capsys.readouterr().out


UPDATE = {"event": "accepted", "task": 7, "hospital": "ab", "site": "North", "version": 3, "staleness": 0, "steps": 5}
UPDATE |= {"loss_sum": 22.5, "num_tokens": 10, "bytes": 500, "seconds": 2.0}
VERSION = {"event": "version", "version": 4, "train_loss": 2.25, "sites": ["A"], "weights": [96], "key": ""}
VERSION |= {"staleness": [0]}


def output(rounding: str, *lines: dict[str, Any]) -> list[str]:
    progress = Shown(Path("/runs/x"), 4, clock=lambda: 0.0, rounding=rounding)
    progress.console = Console(file=io.StringIO(), width=140)
    for line in lines:
        progress.show(line)
    return str(progress.console.file.getvalue()).splitlines()  # type: ignore[attr-defined]


def test_a_rounded_loss_is_named_for_what_it_is_and_no_versions_loss() -> None:
    evaluated = {"event": "evaluated", "version": 3, "loss": 2.5}
    first, second, _, third = output("rounded to powers of 1.5", UPDATE, VERSION, evaluated, VERSION)
    assert first.startswith("[   0.0 s]   update 7 from North: based on version 3 (fresh), 5 steps, reported training")
    assert "reported training loss 2.25 (rounded to powers of 1.5), 0 kB" in first
    assert second == "[   0.0 s] version 4/4: weights A 96 (staleness 0)"
    assert third == "[   0.0 s] version 4/4: held-out loss 2.500 at version 3; weights A 96 (staleness 0)"


def test_an_exact_loss_stands_in_both_lines() -> None:
    first, second = output("", UPDATE, VERSION)
    assert ", training loss 2.250, 0 kB" in first and "reported" not in first
    assert second == "[   0.0 s] version 4/4: training loss 2.250; weights A 96 (staleness 0)"


def test_an_estimate_is_named_for_what_it_is_in_both_lines() -> None:
    noisy = [UPDATE | {"loss_noise": 0.24}, VERSION | {"loss_noise": 0.14}]
    first, second = output("rounded to powers of 1.5", *noisy)
    assert "5 steps, estimated held-out loss 2.25 ± 0.24, 0 kB" in first
    assert second == "[   0.0 s] version 4/4: estimated held-out loss 2.25 ± 0.14; weights A 96 (staleness 0)"
    assert REPORTED_LOSS.sub("training loss 2.1", first).endswith("5 steps, training loss 2.1, 0 kB in 2.0 s")


def test_the_patterns_are_of_these_lines() -> None:
    """With them the launcher puts a simulation's exact losses in."""
    first, second = output("rounded to powers of 1.5", UPDATE, VERSION)
    assert UPDATE_LINE.match(first)["task"] == "7" and VERSION_LINE.match(second)["version"] == "4"  # type: ignore[index]
    assert REPORTED_LOSS.search(first) and not REPORTED_LOSS.search(second)
    assert not UPDATE_LINE.match(second) and not VERSION_LINE.match(first)


def test_clamped_claims_have_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = {"event": "accepted", "task": 7, "hospital": "ab", "site": "North", "version": 3, "staleness": 0, "steps": 5}
    line |= {"loss_sum": 20.0, "num_tokens": 10, "bytes": 500, "seconds": 2.0}
    progress = Shown(Path("/runs/x"), 4, clock=lambda: 0.0)
    progress.show(line)
    assert "clamped" not in capsys.readouterr().out
    progress.show(line | {"clamped": ["compute_seconds 99.0 -> 12.3", "steps \x1b -> 1"]})
    assert "clamped: North: compute_seconds 99.0 -> 12.3; steps ? -> 1" in capsys.readouterr().out


def test_a_private_update_tells_its_price_and_no_loss(capsys: pytest.CaptureFixture[str]) -> None:
    line = {"event": "accepted", "task": 7, "hospital": "ab", "site": "North", "version": 3, "staleness": 0, "steps": 5}
    line |= {"loss_sum": 0.0, "num_tokens": 10, "bytes": 500, "seconds": 2.0, "privacy_unit": "patient"}
    progress = Shown(Path("/runs/x"), 4, clock=lambda: 0.0)
    progress.show(line | {"local_epsilon": 1.234, "local_epsilon_step": 0.5})
    progress.show({"event": "version", "version": 2, "sites": ["A"], "weights": [96], "key": "", "staleness": [0]})
    progress.show({"event": "budget", "hospital": "ab", "reason": "no more"})
    output = capsys.readouterr().out
    assert "5 steps, patient-level epsilon 1.23, 0 kB" in output and "training losses withheld" in output
    assert "budget: North: no more" in output


def test_what_a_committee_did_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Shown(Path("/runs/x"), 4, clock=lambda: 0.0)
    opened = VERSION | {"key": "ab" * 8, "seconds": 10.0, "seal_seconds": [0.2], "member_seconds": 0.3}
    opened |= {"openers": ["east", "north"], "opening_seconds": 0.5}
    for line in (
        {"event": "committee"},
        UPDATE,
        {"event": "assisted", "member": "north", "hospital": "ab"},
        {"event": "opening"},
        opened,
        {"event": "liar", "version": 4},
        {"event": "corrected", "version": 4},
        {"event": "opening-dropped", "version": 5, "reason": "it was \x1b[2J rolled back"},
    ):
        progress.show(line)
    _, met, _, version, liar, corrected, dropped = capsys.readouterr().out.splitlines()
    assert met.endswith(
        "roster abababababababab, revision 1: versions are opened by east, north, west; 3 consent to each and 2 answer"
    )
    assert version.endswith("; encryption 0.50 s, 5.0%; opened by east, north in 0.5 s, 5.0%")
    assert "north (North) answered wrongly for version 4 (subsets 0, 2 of the committee)" in liar
    assert corrected.endswith("version 4 could not be verified and was made again of the answers of east, west")
    assert dropped.endswith("version 5 is not opened, and its updates are lost: it was ?[2J rolled back")


def test_a_profile_run_names_counts_and_no_loss(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Shown(Path("/runs/x"), 1, clock=lambda: 0.0, counts=True)
    progress.show(UPDATE)
    progress.show(VERSION | {"version": 1})
    shown = capsys.readouterr().out
    assert "counts, 0 kB" in shown and "version 1/1: the hospitals' counts, added up" in shown and "loss" not in shown
