"""Hospital-level privacy where people look: the report, the live view, the running log."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from crossward.ledger.events import HospitalPrivacy
from crossward.ledger.lines import read_line
from crossward.privacy.hospital import HospitalMechanism
from crossward.report.privacy_figures import guarantee_text
from crossward.report.watch.state import WatchState
from crossward.report.watch.view import headline
from server_app.progress import Progress
from strategies.stopping.hospital_budget import HospitalBudget

MECHANISM = HospitalMechanism(3.125, 2, 1.0)


def protected(recorded: Any, limit: float = 8.0, **more: Any) -> list[dict[str, Any]]:
    """A run of 4 versions, of 24 planned, with noise; its ledger's lines."""
    budget = HospitalBudget(MECHANISM, 1e-5, limit, 3, **more)
    recorded.start()
    recorded.record(HospitalPrivacy.name, **budget.promise(24).facts())
    for number in range(1, 5):
        tasks = [recorded.ask(i, number - 1) for i in range(4)]
        chosen = [i for i in range(4) if i != number % 4]
        for i in chosen:
            recorded.accept(i, tasks[i], number - 1, loss_sum=0.0, num_tokens=1, steps=5)
        names = [f"{i:02x}" * 8 for i in chosen]
        facts = budget.facts(names)
        budget.taken.update(names)
        recorded.record(
            "version",
            version=number,
            tasks=[tasks[i] for i in chosen],
            hospitals=names,
            weights=[10] * 3,
            staleness=[0] * 3,
            sites=[recorded.names[i] for i in chosen],
            train_loss=0.0,
            key="",
            **facts,
        )
    recorded.record("finished", version=4, reason="privacy budget: enough")
    return [{"time": e.time, "event": e.event, **e.facts} for e in recorded.ledger.entries()]


def test_the_report_draws_what_was_spent_and_says_what_it_covers(story: Callable[..., Any]) -> None:
    run = story()
    lines = protected(run)
    text, root = run.page()
    labels = [svg.get("aria-label") for svg in root.iter("{http://www.w3.org/2000/svg}svg")]
    assert "hospital epsilon by version" in labels and "training loss by hospital" not in labels
    message = " ".join(root.itertext())
    spent = [line["hospital_epsilon"] for line in lines if line["event"] == "version"]
    assert [line["hospital_versions"] for line in lines if line["event"] == "version"] == [1, 2, 3, 3]
    for version, epsilon in enumerate(spent, 1):
        assert f"version {version}: epsilon {epsilon:.4g}" in message
    assert f"epsilon {MECHANISM.epsilon(24, 1e-5):.4g} of the 8 allowed at delta 1e-05" in message
    assert "Not covered: held-out losses" in message and "what privacy.unit = 'hospital' protects" in message
    assert "Only sums can be opened" in message and "training loss" not in text


def test_a_run_without_it_shows_nothing_of_it(story: Callable[..., Any]) -> None:
    run = story()
    run.full_run(4, 3)
    text, _ = run.page()
    assert "Privacy of a hospital" not in text and "training loss by hospital" in text


@pytest.mark.parametrize(
    ("multiplier", "versions", "message"),
    [
        (3.125, 1, "each with its own noise only: epsilon 1.9"),
        (0.4, 1, "each with its own noise only: epsilon 22.02 an update"),
        (1.4, 24, ", and none that can be claimed over the run"),
        (0.3, 1, "each with its own noise only: no epsilon at all"),
    ],
)
def test_an_aggregator_that_reads_updates_is_named_with_what_protects_from_it(
    multiplier: float, versions: int, message: str
) -> None:
    mechanism = HospitalMechanism(multiplier, 2, 1.0)
    words = guarantee_text(HospitalBudget(mechanism, 1e-5, 0.0, 3, exposed=True).promise(versions))
    assert message in words and "allowed" not in words


def test_the_live_view_and_the_log_say_epsilon_and_no_loss_that_nobody_reported(
    story: Callable[..., Any], tmp_path: Path
) -> None:
    lines = protected(story())
    state, progress = WatchState(), Progress(tmp_path, 24, clock=lambda: 0.0)
    progress.console = Console(file=io.StringIO(), width=200)
    for line in lines:
        event = read_line(line)
        state(event)
        progress.on_event(event, state.run)
    most, planned = MECHANISM.epsilon(3, 1e-5), MECHANISM.epsilon(24, 1e-5)
    assert f"hospital epsilon {most:.3g} of {planned:.3g}" in str(headline(state, state.last))
    written = progress.console.file.getvalue()  # type: ignore[attr-defined]
    assert f"version 4/24: hospital epsilon {most:.3g}; weights" in written
    assert f"privacy of a hospital: epsilon {planned:.4g} at delta 1e-05" in written
    assert "loss" not in written
