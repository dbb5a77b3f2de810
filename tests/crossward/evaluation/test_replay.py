"""A run folder's versions, replayed, are the adapter that every node holds, bit for bit, after any interruption."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossward.evaluation.replay import EvaluationError, global_vector, open_run
from crossward.ledger.events import Accepted
from crossward.protocol.messages import ACCEPTED, TRAIN
from tests.finished_runs import interrupted


def replayed(finished: Any, version: int | None = None) -> np.ndarray:
    layout = finished.adapted.layout
    sizes = tuple(block.size for block in layout.blocks)
    run, vault = open_run(finished.folder), finished.vault
    return global_vector(run, finished.adapted.initial, layout.fingerprint, sizes, version, vault, None, layout.shapes)


def test_real_nodes_end_with_one_adapter(finished: Any) -> None:
    states = [finished.state(number) for number in range(finished.nodes)]
    assert [state.copy.version for state in states] == [2, 2, 2]
    assert len({state.copy.hash(finished.lineage, b"key") for state in states}) == 1
    assert all(state.pending is None for state in states)
    vectors = [finished.vector(number).tobytes() for number in range(finished.nodes)]
    assert vectors[0] == vectors[1] == vectors[2] != finished.adapted.initial.tobytes()


def test_the_run_folder_replays_to_the_nodes_own_bits(finished: Any) -> None:
    assert replayed(finished).tobytes() == finished.vector(0).tobytes()
    assert replayed(finished).dtype == np.float32


def test_earlier_versions_can_be_opened_too(finished: Any) -> None:
    one, two = replayed(finished, 1), replayed(finished, 2)
    assert two.tobytes() == replayed(finished).tobytes() != one.tobytes() != finished.adapted.initial.tobytes()


def test_the_ledger_holds_what_happened(finished: Any) -> None:
    run = open_run(finished.folder)
    accepted = [event for event in run.events if isinstance(event, Accepted)]
    assert [made.version for made in run.versions] == [1, 2]
    assert all(len(set(made.hospitals)) == 2 and len(made.tasks) == 2 for made in run.versions)
    assert {task for made in run.versions for task in made.tasks} <= {update.task for update in accepted}
    assert run.nodes == 3
    rows = run.state.measures
    assert {model for model, _ in rows} == {"base", "own", "personal", "global"} and len(
        {site for _, site in rows}
    ) == 3


def test_nodes_report_what_an_independent_measurement_finds(finished: Any) -> None:
    """What a hospital says of base, own and global adapter is what its learner measures of these vectors."""
    from client_app.training.learner import LoraLearner
    from data import load_hospitals

    data, schedule, settings = finished.read.data, finished.read.schedule, finished.read.train
    rows = open_run(finished.folder).state.measures
    for number, hospital in enumerate(load_hospitals(data, 3)):
        learner = LoraLearner(finished.adapted, hospital, data, schedule, settings)
        root = Path(finished.config["run.state-dir"]) / finished.lineage
        own = np.load(root / f"site-{number}" / "own.npy")
        found = learner.evaluate({"base": learner.initial(), "global": replayed(finished), "own": own})
        for model, measure in found.items():
            assert rows[model, hospital.name].as_dict() == pytest.approx(measure.as_dict(), rel=1e-6)


def test_the_same_settings_give_the_same_adapter(finished: Any, federation: Callable[..., Any], tmp_path: Path) -> None:
    """Under BFV: the dither of a committee's members is of hospitals' secret seeds, which are new in every run."""
    config = finished.config | {"encryption.scheme": "bfv", "run.alone": False}
    runs = [federation(config | {"run.state-dir": str(tmp_path / name)}, tmp_path / f"run-{name}") for name in "ab"]
    assert len({replayed(run).tobytes() for run in runs}) == 1


def test_a_version_beyond_the_last_is_refused(finished: Any) -> None:
    with pytest.raises(EvaluationError, match="99"):
        replayed(finished, 99)


# ---------------------------------------------------------------------- interrupted and resumed


@pytest.fixture(scope="module")
def undisturbed(
    federation: Callable[..., Any],
    configure: Callable[..., dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
    home: Path,
) -> Any:
    """Two hospitals in step: every version is of both, so what it holds does not depend on time."""
    folder = tmp_path_factory.mktemp("steps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSWARD_HOME", str(home))
        config = configure(encryption__scheme="bfv", strategy__num_versions=3, strategy__min_nodes=2, run__alone=False)
        config |= {"run.state-dir": str(folder / "state")}
        return federation(config, folder / "run", (10.0, 14.0))


@pytest.mark.parametrize(
    ("event", "count", "after"),
    [
        (ACCEPTED, 1, True),
        (ACCEPTED, 4, False),
        ("version", 1, False),
        ("version", 2, True),
    ],
)
def test_a_resumed_run_gives_the_adapter_of_one_that_was_not_interrupted(
    undisturbed: Any, federation: Callable[..., Any], tmp_path: Path, event: str, count: int, after: bool
) -> None:
    config = undisturbed.config | {"run.state-dir": str(tmp_path / "state")}
    with pytest.raises(KeyboardInterrupt):
        federation(config, tmp_path / "run", (10.0, 14.0), kind=interrupted(event, count, after))
    resumed = federation(config, tmp_path / "run", (10.0, 14.0), resume=True, first_id=11)
    assert resumed.vector(0).tobytes() == resumed.vector(1).tobytes()
    assert replayed(resumed).tobytes() == resumed.vector(0).tobytes()
    assert replayed(resumed).tobytes() == replayed(undisturbed).tobytes()
    assert [made.version for made in open_run(tmp_path / "run").versions] == [1, 2, 3]


def test_a_finished_run_that_is_resumed_gains_neither_versions_nor_hospitals(
    undisturbed: Any, federation: Callable[..., Any], tmp_path: Path
) -> None:
    config = undisturbed.config | {"run.state-dir": str(tmp_path / "state")}
    first = federation(config, tmp_path / "run", (10.0, 14.0))
    before = replayed(first).tobytes()
    again = federation(config, tmp_path / "run", (10.0, 14.0), resume=True, first_id=11)
    assert replayed(again).tobytes() == before and len(open_run(again.folder).versions) == 3
    assert open_run(again.folder).nodes == 2  # although Flower numbers them anew


# ---------------------------------------------------------------------- doors


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="is not a run folder"):
        open_run(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"lineage": "x"}', '{"lineage": "x", "plan": [1], "config": {}}'])
def test_a_config_that_no_run_wrote_is_refused(copied: Any, text: str) -> None:
    (copied.folder / "config.json").write_text(text)
    with pytest.raises(EvaluationError, match="is not a run folder"):
        open_run(copied.folder)


def test_a_ledger_that_is_not_there_or_does_not_chain_is_refused(copied: Any) -> None:
    ledger = copied.folder / "ledger.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(lines[:2] + lines[3:]))
    with pytest.raises(EvaluationError, match=r"ledger\.jsonl"):
        open_run(copied.folder)
    ledger.unlink()
    with pytest.raises(EvaluationError, match=r"ledger\.jsonl"):
        open_run(copied.folder)


def test_a_ledger_that_was_edited_is_refused(copied: Any) -> None:
    ledger = copied.folder / "ledger.jsonl"
    text = ledger.read_text()
    at = text.index('"weight_sum":') if '"weight_sum":' in text else text.index("weight_sum")
    ledger.write_text(text[:at] + text[at:].replace("weight_sum", "weight_sun", 1))
    with pytest.raises(EvaluationError, match=r"ledger\.jsonl"):
        open_run(copied.folder)


def test_hospitals_of_several_ranks_replay_to_the_nodes_bits_too(
    configure: Callable[..., Any], federation: Callable[..., Any], tmp_path: Path
) -> None:
    given = {"lora__ranks": "2,1,2", "lora__divided": True, "strategy__buffer_size": 3}
    given |= {"train__local_steps": 1, "strategy__num_versions": 1}
    done = federation(configure(run__state_dir=str(tmp_path / "state"), **given), tmp_path / "run")
    run, layout = open_run(done.folder), done.adapted.layout
    ranks = {event.site: event.rank for event in run.events if isinstance(event, Accepted)}
    assert sorted(ranks.values()) == [0, 0, 1]
    assert replayed(done).tobytes() == done.vector(0).tobytes() == done.vector(1).tobytes()
    sizes = tuple(block.size for block in layout.blocks)
    with pytest.raises(EvaluationError, match=r"the run has lora.ranks, .* blocks and 0 shapes"):
        global_vector(run, done.adapted.initial, layout.fingerprint, sizes, vault=done.vault)


def test_another_layout_is_refused_with_both_fingerprints(finished: Any) -> None:
    run, layout = open_run(finished.folder), finished.adapted.layout
    mine, other = finished.vault.layout(layout.fingerprint, len(layout.blocks)), finished.vault.layout("f" * 64, 1)
    with pytest.raises(EvaluationError, match=f"{mine[:12]}, the model here gives {other[:12]}"):
        global_vector(run, finished.adapted.initial, "f" * 64, (layout.total,), vault=finished.vault)


def test_a_run_without_a_version_has_nothing_to_open(copied: Any) -> None:
    ledger = copied.folder / "ledger.jsonl"
    kept = []
    for line in ledger.read_text().splitlines(keepends=True):
        if '"version"' in line and json.loads(line).get("event") == "version":
            break
        kept.append(line)
    ledger.write_text("".join(kept))
    with pytest.raises(EvaluationError, match="holds no version yet"):
        replayed(copied)


@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "swap"])
def test_a_damaged_version_is_refused(copied: Any, harm: str) -> None:
    first, second = (copied.folder / "versions" / f"{number:06d}.payload" for number in (1, 2))
    data = bytearray(first.read_bytes())
    if harm == "flip":
        data[100] ^= 1
        first.write_bytes(bytes(data))
    elif harm == "cut":
        first.write_bytes(bytes(data[:-20]))
    elif harm == "gone":
        first.unlink()
    else:
        first.write_bytes(second.read_bytes())
    with pytest.raises(EvaluationError, match=r"000001\.payload"):
        replayed(copied)


def test_training_is_what_nodes_were_asked_for(finished: Any) -> None:
    sent = [event for event in open_run(finished.folder).events if getattr(event, "kind", "") == TRAIN]
    assert sent and all(event.version <= 2 for event in sent)


def test_a_run_with_cached_updates_replays_to_the_nodes_own_bits(
    finished: Any, federation: Callable[..., Any], tmp_path: Path
) -> None:
    """The mean of caches that moved the adapter beside the sums is in the run folder's versions, too."""
    given = {"strategy.variance-reduction": "cached", "strategy.weighting": "equal", "strategy.num-versions": 4}
    config = finished.config | given | {"run.alone": False, "run.state-dir": str(tmp_path / "state")}
    run = federation(config, tmp_path / "run")
    assert replayed(run).tobytes() == run.vector(0).tobytes() == run.vector(2).tobytes()
    held = run.state(0).copy
    assert held.cached is not None and held.cached.moved.any()
    held.cached = None
    plain = held.vector(run.adapted.initial, open_run(run.folder).plan, run.read.schedule)
    assert plain.tobytes() != run.vector(0).tobytes()
