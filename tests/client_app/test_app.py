"""The ClientApp at its door: who a node is in a simulation and in a deployment, and a reply whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from client_app import node as nodes
from client_app.app import app, build, build_seat
from client_app.training import learner as learning
from client_app.training.learner import LoraLearner
from crossward.config.schedule import Schedule
from crossward.config.settings import SettingsError
from crossward.encryption.committee.roster_file import RosterBook, make_book
from crossward.encryption.committee.spelling import Invitation, SealedFacts, read_certificates
from crossward.encryption.committee.statements import Rules
from crossward.encryption.committee.stretch import Stretch
from crossward.encryption.identity import load_identity
from crossward.encryption.key_file import create_key
from crossward.privacy.noise import Randomness
from crossward.protocol.messages import (
    ALONE,
    ANSWER,
    BUDGET,
    CONSENT,
    DECLINED,
    EVALUATE,
    FAILED,
    MALFORMED,
    MEMBERSHIP,
    TRAIN,
    VERSION,
    WRONG_KEY,
    Evaluation,
    Failure,
    Head,
    Membership,
    Reply,
    Task,
    Update,
)
from crossward.protocol.simulated import read_simulated_speed
from crossward.protocol.wire import read_reply, write_task

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "model.device": "cpu",
    "encryption.scheme": "bfv",
    "lora.rank": 2,
    "data.synthetic-patients": 24,
    "data.min-patients": 2,
    "data.max-tokens": 64,
    "strategy.num-versions": 2,
    "train.local-steps": 2,
    "train.batch-size": 4,
    "node.threads": 1,
    "simulation.links-mbit": "80,8",
    "simulation.slowdowns": "1,3",
}
TASK = Task("0123abcd", 5, 0, 0, 0, 2, (8, 7, 0), Head(0, "ab" * 32))


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    threads, before = torch.get_num_threads(), os.environ.get("CROSSWARD_HOME")
    made = tmp_path_factory.mktemp("home")
    os.environ["CROSSWARD_HOME"] = str(made)
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    yield made
    torch.set_num_threads(threads)
    os.environ.pop("CROSSWARD_HOME")
    if before is not None:
        os.environ["CROSSWARD_HOME"] = before


def defaults() -> dict[str, Any]:
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["config"]
    return {f"{table}.{key}": value for table, rows in tables.items() for key, value in rows.items()}


def context(node: dict[str, Any] | None = None, **config: Any) -> Context:
    """A node's context; keywords are run-config keys with ``__`` for a dot and ``_`` for a dash."""
    given = {key.replace("__", ".").replace("_", "-"): value for key, value in config.items()}
    simulated = {"partition-id": 0, "num-partitions": 3}
    return Context(
        run_id=1,
        node_id=1,
        node_config=simulated if node is None else node,
        state=RecordDict(),
        run_config=defaults() | TINY | given,
    )


def ask(content: RecordDict, where: Context, kind: str = TRAIN) -> Message:
    message = Message(content=content, message_type=kind, dst_node_id=1, group_id="")
    message.metadata.__dict__["_message_id"] = "message-1"
    return app(message, where)


def answer(task: Task, where: Context, kind: str = TRAIN) -> Reply:
    reply = ask(write_task(task), where, kind)
    assert reply.has_content() and reply.metadata.message_type == kind
    return read_reply(reply.content)


def failure(task: Task, where: Context, kind: str = TRAIN) -> Failure:
    got = answer(task, where, kind)
    assert isinstance(got, Failure) and (got.lineage, got.task) == (task.lineage, task.task)
    return got


# ---------------------------------------------------------------------- simulation


def test_a_simulated_node_is_its_partition(home: Path) -> None:
    made = [build(context({"partition-id": i, "num-partitions": 3}), TASK) for i in range(3)]
    sites = [node.learner.site for node in made]
    assert len(set(sites)) == 3
    assert [node.folder for node in made] == [home / "state" / TASK.lineage / f"site-{i}" for i in range(3)]
    keys = [node.identity.public_key().public_bytes_raw() for node in made]
    assert len(set(keys)) == 3
    assert keys[1] == load_identity(home / "state" / "identities" / "site-1.pem").public_key().public_bytes_raw()
    assert len({node.learner.layout for node in made}) == 1
    assert made[0].schedule == Schedule(versions=2, local_steps=2) and made[0].seed == 0


def test_a_hospital_keeps_its_identity_in_every_lineage() -> None:
    one, two = build(context(), TASK), build(context(), replace(TASK, lineage="ffff"))
    assert one.folder != two.folder
    assert one.identity.public_key() == two.identity.public_key()


def test_state_goes_where_run_state_dir_says(tmp_path: Path) -> None:
    node = build(context(run__state_dir=str(tmp_path)), TASK)
    assert node.folder == tmp_path / TASK.lineage / "site-0"
    assert (tmp_path / "identities" / "site-0.pem").exists()


def test_train_alone_and_evaluate_answer_with_what_was_asked(tmp_path: Path) -> None:
    where = context(run__state_dir=str(tmp_path))
    trained = answer(TASK, where)
    assert isinstance(trained, Update) and trained.steps == 2 and trained.num_tokens > 0 and trained.loss_sum > 0
    assert trained.version == 0 and [(h.kind, h.length) for h in trained.payload.heads] == [
        ("bfv", sum(build(where, TASK).learner.sizes))
    ]
    assert 0 < trained.train_seconds <= trained.compute_seconds
    measured = answer(replace(TASK, task=6), where, EVALUATE)
    assert isinstance(measured, Evaluation) and list(measured.measures) == ["global"]
    last = answer(replace(TASK, task=7, steps=2, last=True), where, ALONE)
    assert isinstance(last, Evaluation) and list(last.measures) == ["base", "global", "own", "personal"]
    assert last.measures["base"] == last.measures["global"] != last.measures["own"]
    assert (tmp_path / TASK.lineage / "site-0" / "own.npy").exists()


def test_only_training_says_which_link_it_pretends_to_have(tmp_path: Path) -> None:
    where = context({"partition-id": 1, "num-partitions": 3}, run__state_dir=str(tmp_path))
    reported = read_simulated_speed(ask(write_task(TASK), where).content)
    assert reported is not None and (reported.mbit, reported.slowdown) == (8.0, 3.0) and reported.compute > 0
    assert read_simulated_speed(ask(write_task(TASK), where, EVALUATE).content) is None
    none = context(run__state_dir=str(tmp_path), simulation__links_mbit="")
    assert read_simulated_speed(ask(write_task(TASK), none).content) is None


# ---------------------------------------------------------------------- deployment


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.csv"
    rows = [f'p{i},"Patient {i} was admitted with pain number {i}, treated and sent home."' for i in range(12)]
    path.write_text("subject,text\n" + "\n".join(rows) + "\n")
    return path


CSV = {"data__source": "csv", "data__patient_column": "subject"}


@pytest.fixture
def key(tmp_path: Path) -> dict[str, str]:
    """Node config of a hospital that has the consortium's key."""
    create_key(tmp_path / "consortium.key")
    return {"key-path": str(tmp_path / "consortium.key"), "node.engine": "in-process"}


def test_a_deployed_node_without_a_key_refuses_and_says_how_to_get_one(tmp_path: Path, notes: Path) -> None:
    given = {"data-path": str(notes), "state-dir": str(tmp_path / "state")}
    got = failure(TASK, context(given, **CSV))
    assert got.kind == FAILED and "no consortium key" in got.reason and "crossward keys create" in got.reason


@pytest.mark.parametrize(
    ("run", "own"), [("none", {}), ("sensitive", {"policy": "all"}), ("none", {"policy": "sensitive"})]
)
def test_no_run_can_make_a_hospital_send_more_in_the_clear_than_it_allows(
    tmp_path: Path, notes: Path, key: dict[str, str], run: str, own: dict[str, str]
) -> None:
    given = {"data-path": str(notes), "state-dir": str(tmp_path / "state")} | key | own
    got = failure(TASK, context(given, **CSV, encryption__policy=run))
    assert got.kind == FAILED and f"encryption.policy = '{run}'" in got.reason
    assert "nothing was trained or sent" in got.reason
    assert not (tmp_path / "state").exists()


def test_no_run_trains_on_patients_whom_it_protects_less_than_their_hospital_demands(
    tmp_path: Path, notes: Path, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"data-path": str(notes), "state-dir": str(tmp_path / "state"), "node.engine": "in-process"} | key
    given |= {"privacy-unit": "patient", "privacy-epsilon": 3.0, "patient-column": "subject"}
    run = CSV | PRIVATE | {"privacy__epsilon": 3.0, "privacy__noise_multiplier": 20.0}
    with monkeypatch.context() as patch:
        patch.setattr("client_app.builders.hospital.open_learner", lambda *given: pytest.fail("notes were read"))
        for config, reported in (
            (run | {"strategy__min_contributors": 2}, "strategy.min-contributors = 2"),
            (CSV, "privacy.unit = 'none'"),
            (run | {"privacy__unit": "example"}, "privacy.unit = 'example'"),
            (run | {"privacy__epsilon": 3.5}, "privacy.epsilon = 3.5"),
        ):
            for kind in (TRAIN, EVALUATE, ALONE):
                got = failure(TASK, context(given, **config), kind)
                assert got.kind == FAILED and reported in got.reason and "nothing was trained or sent" in got.reason
        misspelt = failure(TASK, context(given | {"privacy_epsilon": 1.0}, **run)).reason
        assert "no key privacy_epsilon; did you mean privacy-epsilon" in misspelt
        both = failure(TASK, context(given | {"partition-id": 0, "num-partitions": 2}, **run)).reason
        assert "partition-id is given by simulations and data-path by a hospital" in both
    assert not (tmp_path / "state").exists()
    (tmp_path / "state" / "identity.spent").mkdir(parents=True)
    assert isinstance(answer(TASK, context(given, **run | {"data__patient_column": "text"})), Update)
    own = given | {"privacy-total-epsilon": 0.001}
    got = failure(replace(TASK, lineage="another1", task=2), context(own, **run))
    assert got.kind == BUDGET and "privacy-total-epsilon" in got.reason


def test_a_hospital_with_a_notes_toml_reads_by_it_whatever_the_run_says_of_columns(
    tmp_path: Path, key: dict[str, str]
) -> None:
    rows = [f"p{i},Patient {i} was admitted with pain number {i}.\n" for i in range(12)]
    (tmp_path / "a.csv").write_text("who,said\n" + "".join(rows))
    described = tmp_path / "notes.toml"
    table = 'source = "csv"\npath = "a.csv"\n[columns]\ntext = "said"\n'
    described.write_text(f'{table}patient = "who"\n')
    given = {"notes-path": str(described), "state-dir": str(tmp_path / "state")} | key
    run = CSV | {"data__text_column": "who", "data__path": "/none"}
    assert isinstance(answer(TASK, context(given, **run)), Update)
    other = replace(TASK, lineage="another1")
    described.write_text(table.replace("said", "Frau Meier"))
    reason = failure(other, context(given, data__source="own")).reason
    assert "only in the hospital's own log" in reason and "Meier" not in reason
    described.write_text("columns = 3")
    reason = failure(other, context(given, data__source="own")).reason
    assert reason.startswith("NotesError") and "only in the hospital's own log" in reason
    described.write_text(table)
    simulated = PRIVATE | {"data__source": "own", "data__path": str(described), "run__state_dir": str(tmp_path)}
    assert "names no column of patients" in failure(TASK, context(**simulated)).reason


def test_the_loss_is_told_to_a_grid_that_the_hospital_may_widen(
    tmp_path: Path, notes: Path, key: dict[str, str]
) -> None:
    means, given = [], {"data-path": str(notes), "node.engine": "in-process"} | key
    for own, grid in (({"train.loss-grid": 1.0}, 4.0), ({}, 1.25), ({"train.loss-grid": 4.0}, 1.25)):
        where = given | own | {"state-dir": str(tmp_path / f"state{len(means)}")}
        got = answer(TASK, context(where, **CSV, train__loss_grid=grid))
        assert isinstance(got, Update)
        means.append(got.loss_sum / got.num_tokens)
    exact, reported, wide = means
    assert reported != exact and 1.25**-0.5 <= reported / exact <= 1.25**0.5
    assert wide in (pytest.approx(1.0), pytest.approx(4.0))


def test_a_held_out_loss_is_reported_with_noise_unless_the_hospital_does_not_want_it(
    tmp_path: Path, notes: Path, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client_app.training.held_out_sample.FEWEST", 1)
    given = {"data-path": str(notes), "node.engine": "in-process"} | key
    told = []
    for normal in (0.0, 0.01):  # two hospitals that are alike but for their noise, which no seed decides
        randomness = Randomness(normals=lambda count, normal=normal: np.full(count, normal))
        monkeypatch.setattr("client_app.builders.hospital.SECRET", randomness)
        state = tmp_path / f"state{normal}"
        got = answer(TASK, context(given | {"state-dir": str(state)}, **CSV))
        assert isinstance(got, Update) and got.loss_noise > 0.0 and got.loss_sum > 0.0
        record = json.loads((state / "identity.held-out" / f"{TASK.lineage}.json").read_text(encoding="utf-8"))
        assert got.loss_sum == pytest.approx(record["value"] * got.num_tokens) and got.loss_noise == record["noise"]
        told.append(record["value"])
    assert told[1] - told[0] == pytest.approx(0.01 * got.loss_noise)
    own = given | {"train.report-held-out": False, "state-dir": str(tmp_path / "none")}
    got = answer(TASK, context(own, **CSV))
    assert isinstance(got, Update) and got.loss_noise == 0.0 and got.loss_sum > 0.0
    assert not (tmp_path / "none" / "identity.held-out").exists()


def test_a_hospital_may_allow_a_run_in_the_clear(tmp_path: Path, notes: Path) -> None:
    given = {"data-path": str(notes), "state-dir": str(tmp_path / "state")}
    given |= {"policy": "none", "node.engine": "in-process"}
    got = answer(TASK, context(given, **CSV, encryption__policy="none"))
    assert isinstance(got, Update) and got.key == "" and {h.kind for h in got.payload.heads} == {"clear"}


def test_a_key_file_that_others_can_read_makes_a_failed_reply(tmp_path: Path, notes: Path, key: dict[str, str]) -> None:
    Path(key["key-path"]).chmod(0o640)
    got = failure(TASK, context({"data-path": str(notes), "state-dir": str(tmp_path / "state")} | key, **CSV))
    assert got.kind == FAILED and "chmod 600" in got.reason


def test_a_key_under_a_passphrase_is_opened_with_its_file(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossward.encryption.key_format.SCRYPT_N", 2**10)
    made = create_key(tmp_path / "wrapped.key", b"a long enough passphrase")
    (tmp_path / "passphrase").write_text("a long enough passphrase\n")
    (tmp_path / "passphrase").chmod(0o600)
    given = {"data-path": str(notes), "state-dir": str(tmp_path / "state"), "node.engine": "in-process"}
    given["key-path"] = str(tmp_path / "wrapped.key")
    assert "passphrase" in failure(TASK, context(given, **CSV)).reason
    got = answer(TASK, context(given | {"passphrase-path": str(tmp_path / "passphrase")}, **CSV))
    assert isinstance(got, Update) and got.key == made.fingerprint


def test_a_node_with_another_key_than_the_runs_says_so_before_it_trains(
    tmp_path: Path, notes: Path, key: dict[str, str]
) -> None:
    where = context({"data-path": str(notes), "state-dir": str(tmp_path / "state")} | key, **CSV)
    for kind in (TRAIN, EVALUATE, ALONE):
        got = failure(replace(TASK, key="0" * 16), where, kind)
        assert got.kind == WRONG_KEY and "made under key 0000000000000000, this node's is" in got.reason


def test_a_deployed_node_is_what_its_node_config_says(tmp_path: Path, notes: Path, key: dict[str, str]) -> None:
    given = {"data-path": str(notes), "state-dir": str(tmp_path / "state"), "site": "St Elsewhere"} | key
    where = context(given, **CSV)
    node = build(where, TASK)
    assert node.learner.site == "St Elsewhere"
    assert node.folder == tmp_path / "state" / TASK.lineage
    assert (tmp_path / "state" / "identity.pem").stat().st_mode & 0o777 == 0o600
    assert isinstance(node.learner, LoraLearner)
    assert len(node.learner.hospital.train) + len(node.learner.hospital.test) == 12
    got = answer(TASK, where)
    assert isinstance(got, Update) and got.site == "St Elsewhere"
    assert read_simulated_speed(ask(write_task(TASK), where).content) is None


def test_without_a_site_the_notes_name_the_hospital(tmp_path: Path, notes: Path, key: dict[str, str]) -> None:
    given = {"data-path": str(notes), "state-dir": str(tmp_path / "state")} | key
    assert build(context(given, **CSV), TASK).learner.site == "notes"
    assert build(context(given | {"site": "North"}, **CSV), TASK).learner.site == "North"


def test_the_nodes_own_path_replaces_the_runs(tmp_path: Path, notes: Path, key: dict[str, str]) -> None:
    state = {"state-dir": str(tmp_path / "state")} | key
    assert build(context(state, **CSV, data__path=str(notes)), TASK).learner.site == "notes"
    own = state | {"data-path": str(notes)}
    assert build(context(own, **CSV, data__path="/nowhere.csv"), TASK).learner.site == "notes"


@pytest.mark.parametrize("given", [{}, {"state-dir": ""}, {"state-dir": "state"}, {"state-dir": "./state"}])
def test_a_state_folder_that_is_not_absolute_is_refused(notes: Path, given: dict[str, Any]) -> None:
    where = context(given | {"data-path": str(notes)}, **CSV)
    with pytest.raises(SettingsError, match=r"state-dir (is missing.*--node-config|= .* is a relative path)"):
        build(where, TASK)
    got = failure(TASK, where)
    assert got.kind == FAILED and "node config: state-dir" in got.reason and str(notes) not in got.reason


@pytest.mark.parametrize("given", [{"state-dir": 5}, {"data-path": True}, {"site": 1.5}])
def test_node_config_of_another_type_is_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    got = failure(TASK, context({"state-dir": str(tmp_path)} | given, **CSV))
    assert got.kind == FAILED and "node config" in got.reason and next(iter(given)) in got.reason


def test_notes_that_are_not_there_make_a_failed_reply_that_names_them_at_home(
    tmp_path: Path, key: dict[str, str], caplog: Any
) -> None:
    gone = tmp_path / "gone.csv"
    given = {"data-path": str(gone), "state-dir": str(tmp_path / "state")} | key
    for kind in (TRAIN, EVALUATE, ALONE):
        caplog.clear()
        got = failure(TASK, context(given, **CSV), kind)
        assert got.kind == FAILED and got.reason.startswith("DataError in data/notes_file.py, notes_file: its text")
        assert "hospital's own log" in got.reason and str(gone) in caplog.text


SECRET = "Mrs Jane Doe, born 1.1.1950, lives in Elm Street 7"


@pytest.mark.parametrize("unit", ["none", "patient"])
@pytest.mark.parametrize(
    "run",
    [
        {"data__source": "csv", "data__text_column": "note"},  # a column that is not there: what is there would be told
        {"data__source": "csv", "data__task": "label", "data__label": "name"},
        {"data__source": "csv", "data__site_column": "name", "data__note_types": "zzz"},
        {"data__source": "jsonl"},
        {"data__source": "mimic-iii"},
    ],
)
def test_no_run_config_makes_an_error_tell_of_notes(
    tmp_path: Path, key: dict[str, str], run: dict[str, Any], unit: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The first line is a note, as in a file without a header, and names stand in a column of their own.

    The hospital's own log says what is wrong, and quotes no note either.
    """
    path = tmp_path / "notes.csv"
    path.write_text(f'"{SECRET}",name,text\n' + "".join(f'"{SECRET}",{SECRET} {i},pain\n' for i in range(20)))
    given = {"data-path": str(path), "state-dir": str(tmp_path / "state")} | key
    if unit == "patient":
        given |= {"privacy-unit": "patient", "privacy-epsilon": 3.0, "patient-column": "name"}
        run = run | PRIVATE | {"privacy__epsilon": 3.0, "privacy__noise_multiplier": 20.0}
        (tmp_path / "state" / "identity.spent").mkdir(parents=True)
    got = failure(TASK, context(given, **run))
    assert got.kind == FAILED and "Error in data/" in got.reason and "hospital's own log" in got.reason
    assert "Jane" not in got.reason and "20" not in got.reason and str(path) not in got.reason
    assert str(path.parent) in caplog.text and "Jane" not in caplog.text and "Elm Street" not in caplog.text


def test_a_simulation_says_what_is_wrong_with_its_notes(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    got = failure(TASK, context(**CSV, data__path=str(bad)))
    assert got.kind == FAILED and str(bad) in got.reason and "text" in got.reason


def test_held_out_patients_are_the_same_in_every_run_of_a_protected_hospital(
    tmp_path: Path, key: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    caplog.set_level("INFO", "crossward.node")
    path = tmp_path / "notes.csv"
    path.write_text("subject,text\n" + "".join(f"p{i},Patient {i} was sent home.\n" for i in range(90)))
    given = {"data-path": str(path), "state-dir": str(tmp_path / "state"), "patient-column": "subject"} | key
    given |= {"privacy-unit": "patient", "privacy-epsilon": 3.0}
    run = CSV | PRIVATE | {"privacy__epsilon": 3.0, "privacy__noise_multiplier": 20.0}
    for state in ("state", "another"):
        (tmp_path / state / "identity.spent").mkdir(parents=True)
    reported = answer(TASK, context(given, **run), EVALUATE)
    assert isinstance(reported, Evaluation) and reported.measures["global"].patients >= 10
    with monkeypatch.context() as patch:
        patch.setattr("client_app.builders.hospital.open_learner", lambda *given: pytest.fail("notes were read"))
        for other in ({"data__seed": 1}, {"data__note_types": "x"}, {"data__test_fraction": 0.5}):
            got = failure(replace(TASK, lineage="another1"), context(given, **run | other), EVALUATE)
            assert (
                next(iter(other)).replace("__", ".").replace("_", "-") in got.reason
                and "Nothing was read" in got.reason
            )
    few = context(given | {"state-dir": str(tmp_path / "another")}, **run | {"data__test_fraction": 0.02})
    for kind in (EVALUATE, ALONE):
        reported = answer(replace(TASK, steps=1), few, kind)
        assert isinstance(reported, Evaluation) and not reported.measures
    assert "only this log shows it" in caplog.text


def test_a_hospital_counts_its_notes_for_as_many_profiles_as_it_allows(
    tmp_path: Path, notes: Path, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"data-path": str(notes), "state-dir": str(tmp_path / "state"), "max-profiles": 1} | key
    task = replace(TASK, plan=(24, 8, 0))
    profile = CSV | {"run__profile": True, "encryption__scheme": "bfv"}
    for _ in range(2):  # a task that is asked again counts once
        counted = answer(task, context(given, **profile))
        assert isinstance(counted, Update) and counted.loss_sum == 0.0
        assert (counted.num_examples, counted.num_tokens, counted.steps) == (1, 1, 1)
    with monkeypatch.context() as patch:
        patch.setattr("client_app.builders.hospital.open_learner", lambda *given: pytest.fail("notes were read"))
        got = failure(replace(task, lineage="another1"), context(given, **profile))
        assert got.kind == FAILED and "max-profiles = 1" in got.reason
        for config, reported in (
            (profile | {"strategy__min_contributors": 2}, "strategy.min-contributors = 2"),
            (profile | {"encryption__policy": "none"}, "encryption.policy"),
        ):
            assert reported in failure(task, context(given, **config)).reason


def test_a_deleted_state_folder_gives_a_protected_hospital_no_new_budget(
    tmp_path: Path, notes: Path, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    given = {"data-path": str(notes), "state-dir": str(state), "node.engine": "in-process"} | key
    given |= {"privacy-unit": "patient", "privacy-total-epsilon": 3.0, "patient-column": "subject"}
    where = context(given, **CSV | PRIVATE | {"privacy__epsilon": 3.0, "privacy__noise_multiplier": 20.0})
    (state / "identity.spent").mkdir(parents=True)  # the hospital says that nothing has been spent
    assert isinstance(answer(TASK, where), Update)
    assert (state / "identity.spent" / f"{TASK.lineage}.json").exists()
    shutil.rmtree(state)
    with monkeypatch.context() as patch:
        patch.setattr("client_app.builders.hospital.open_learner", lambda *given: pytest.fail("notes were read"))
        for kind in (TRAIN, EVALUATE, ALONE):
            got = failure(replace(TASK, lineage="another1"), where, kind)
            assert got.kind == FAILED and "identity.spent, the record of what private runs spent here" in got.reason
            assert "restore it from the backup" in got.reason and "mkdir -m 700 STATE-DIR/identity.spent" in got.reason
            assert str(tmp_path) not in got.reason
    assert not state.exists()


# ---------------------------------------------------------------------- a Message, whatever happens


def array(name: str = "bytes") -> ArrayRecord:
    return ArrayRecord({name: Array("uint8", (3,), "raw.bytes", b"abc")})


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"facts": ConfigRecord({})}),
        RecordDict({"facts": ConfigRecord({"protocol": 99})}),
        RecordDict({"facts": MetricRecord({"protocol": VERSION})}),
        RecordDict({"task": ConfigRecord({"do": "rm -rf"}), "payload": array()}),
        RecordDict({"facts": ConfigRecord({"protocol": VERSION, "lineage": "x", "task": "five"})}),
    ],
)
@pytest.mark.parametrize("kind", [TRAIN, EVALUATE, ALONE])
def test_content_that_is_no_task_is_malformed(content: RecordDict, kind: str) -> None:
    got = read_reply(ask(content, context(), kind).content)
    assert isinstance(got, Failure) and got.kind == MALFORMED and got.reason


@pytest.mark.parametrize(
    "change",
    [
        {"plan": (0, 0, 0)},
        {"plan": (60, 20, 16)},
        {"plan": (-1, 7, 0)},
        {"version": -3},
        {"from_version": 7},
        {"epoch": -1},
        {"epoch": 10**6},
        {"versions": 0},
        {"steps": -1},
    ],
)
def test_a_task_out_of_range_still_gets_a_reply(tmp_path: Path, change: dict[str, Any]) -> None:
    where = context(run__state_dir=str(tmp_path))
    for kind in (TRAIN, EVALUATE):
        reply = ask(write_task(replace(TASK, **change)), where, kind)
        assert reply.has_content()
        read_reply(reply.content)


@pytest.mark.parametrize("lineage", ["../../escape", "{}/escape", "", "a/b"])
def test_no_server_can_make_a_node_write_outside_its_state_folder(tmp_path: Path, lineage: str) -> None:
    where = context(run__state_dir=str(tmp_path / "in" / "state"))
    ask(write_task(replace(TASK, lineage=lineage.format(tmp_path))), where)
    written = [p for p in tmp_path.rglob("*") if p.is_file() and p.parent.name != "identities"]
    assert not written


ERRORS: list[Callable[[], BaseException]] = [
    lambda: RuntimeError("CUDA out of memory"),
    lambda: MemoryError(),
    lambda: KeyError("x"),
    lambda: ValueError("v" * 10_000),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    lambda: OSError(28, "No space left on device"),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
@pytest.mark.parametrize("kind", [TRAIN, EVALUATE, ALONE])
def test_a_learner_that_raises_makes_a_reply_that_names_it(
    monkeypatch: pytest.MonkeyPatch, number: int, kind: str
) -> None:
    error = ERRORS[number]()

    def wrong(*_: object) -> None:
        raise error

    for name in ("train", "alone", "evaluate"):
        monkeypatch.setattr(LoraLearner, name, wrong)
    got = failure(TASK, context(), kind)
    assert got.kind == FAILED and got.reason.startswith(type(error).__name__) and len(got.reason) <= 2000


def test_a_model_that_cannot_be_loaded_makes_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    got = failure(TASK, context(model__name="/no/such/model"))
    assert got.kind == FAILED and "/no/such/model" in got.reason


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train__batch_size", 0),
        ("train__learning_rate", -1.0),
        ("data__source", "fax"),
        ("run__seed", "zero"),
        ("run__state_dir", "relative"),
        ("lora__rank", True),
        ("lora__factors", "half"),
        ("model__device", "toaster"),
        ("train__precision", "fp8"),
    ],
)
def test_a_bad_run_config_makes_a_reply_that_names_the_key(key: str, value: Any) -> None:
    got = failure(TASK, context(**{key: value}))
    assert got.kind == FAILED and key.replace("__", ".").replace("_", "-") in got.reason


@pytest.mark.parametrize(("key", "value"), [("simulation__links_mbit", "fast"), ("simulation__slowdowns", "1,-2")])
def test_a_bad_link_makes_a_reply_too(key: str, value: str) -> None:
    assert ask(write_task(TASK), context(**{key: value})).has_content()


@pytest.mark.parametrize("given", [{"partition-id": 5, "num-partitions": 3}, {"partition-id": 0}])
def test_a_partition_that_does_not_exist_makes_a_reply(given: dict[str, Any]) -> None:
    assert failure(TASK, context(given)).kind == FAILED


def test_a_diverged_training_makes_a_reply_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    real = learning.train_steps

    def hot(model: Any, batches: Any, steps: int, rate: Any, *rest: Any) -> Any:
        return real(model, batches, steps, lambda step: 1e30, *rest)

    monkeypatch.setattr(learning, "train_steps", hot)
    try:
        got = failure(TASK, context())
        assert got.kind == FAILED and "train.learning-rate" in got.reason
    finally:
        learner = build(context(), TASK).learner
        assert isinstance(learner, LoraLearner)
        learner.adapted.model.zero_grad()


def test_a_state_folder_that_cannot_be_written_makes_a_reply(tmp_path: Path, notes: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    got = failure(TASK, context({"data-path": str(notes), "state-dir": str(tmp_path / "state")}, **CSV))
    assert got.kind == FAILED


def test_a_damaged_state_is_reported_not_raised(tmp_path: Path) -> None:
    where = context(run__state_dir=str(tmp_path))
    folder = tmp_path / TASK.lineage / "site-0"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{")
    got = failure(TASK, where)
    assert got.kind == FAILED and str(folder) in got.reason and "Delete that folder" in got.reason


def test_a_reply_never_carries_a_note(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The trace stays at the node; what leaves is the error's own line."""

    def wrong(*_: object) -> None:
        text = "Mrs Example, 7 Privet Drive"
        raise RuntimeError("training failed") from ValueError(text)

    monkeypatch.setattr(nodes.Node, "_catch_up", wrong)
    got = failure(TASK, context())
    assert "Privet" not in got.reason and "Privet" in caplog.text


# ---------------------------------------------------------------------- differential privacy

PRIVATE = {
    "privacy__unit": "patient",
    "privacy__noise_multiplier": 2.0,
    "privacy__batch": 2,
    "strategy__weighting": "examples",
}


def test_a_private_run_trains_privately_and_remembers_what_it_spent(home: Path) -> None:
    task = replace(TASK, lineage="private1")
    one, two = answer(task, context(**PRIVATE)), answer(replace(task, task=6), context(**PRIVATE))
    assert isinstance(one, Update) and isinstance(two, Update)
    assert (one.privacy_unit, one.loss_sum, one.steps) == ("patient", 0.0, 2)
    assert 0 < one.local_epsilon == one.local_epsilon_step < two.local_epsilon
    assert (home / "state" / "identities" / "site-0.spent" / "private1.json").exists()


def test_a_node_refuses_what_would_break_a_private_run_whoever_set_it(home: Path, tmp_path: Path) -> None:
    assert "train.local-seconds" in failure(TASK, context(**PRIVATE, train__local_seconds=3.0)).reason
    own: dict[str, Any] = {"state-dir": str(tmp_path / "node"), "data-path": str(tmp_path), "policy": "none"}
    own |= {"train.local-seconds": 3.0}
    assert "train.local-seconds" in failure(TASK, context(own, **PRIVATE, encryption__policy="none")).reason
    flat = context(own | {"train.local-seconds": 0.0}, **PRIVATE, encryption__policy="none", data__source="csv")
    assert "data.patient-column" in failure(TASK, flat).reason
    coupled = context(
        own | {"train.local-seconds": 0.0, "model.quantization": "8bit"}, **PRIVATE, encryption__policy="none"
    )
    assert "model.quantization" in failure(TASK, coupled).reason
    assert "strategy.weighting" in failure(TASK, context(**PRIVATE | {"strategy__weighting": "paper"})).reason


def test_more_patients_a_step_than_there_are_is_a_matter_of_the_budget(home: Path) -> None:
    got = failure(TASK, context(**PRIVATE | {"privacy__batch": 5000}))
    assert got.kind == BUDGET and "privacy.batch = 5000" in got.reason and "patients" in got.reason


# ---------------------------------------------------------------------- a seat on the committee

COMMITTEE = {"encryption__scheme": "committee", "encryption__stretch": 2}


def test_a_simulated_seat_names_its_roster_while_no_learner_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client_app.builders.simulated.open_learner", lambda *given: pytest.fail("a learner was made"))
    said = []
    for number in range(3):
        where = context({"partition-id": number, "num-partitions": 3}, run__state_dir=str(tmp_path), **COMMITTEE)
        reply = ask(write_task(TASK), where, MEMBERSHIP)
        assert read_simulated_speed(reply.content) is None
        said.append(read_reply(reply.content))
    assert all(isinstance(one, Membership) for one in said)
    books = [RosterBook.from_bytes(one.roster) for one in said if isinstance(one, Membership)]
    assert len({book.roster.fingerprint for book in books}) == 1
    stretches = [
        [c.stretch for c in read_certificates(one.certificates)] for one in said if isinstance(one, Membership)
    ]
    assert stretches == [[1, 2]] * 3
    assert (tmp_path / TASK.lineage / "site-2" / "stretches" / "1.key").stat().st_mode & 0o777 == 0o600


def test_a_committee_takes_three_hospitals(tmp_path: Path) -> None:
    where = context({"partition-id": 0, "num-partitions": 2}, run__state_dir=str(tmp_path), **COMMITTEE)
    for kind in (TRAIN, MEMBERSHIP):
        got = failure(TASK, where, kind)
        assert got.kind == FAILED and "the simulation has 2" in got.reason and "encryption.scheme = 'bfv'" in got.reason


def test_a_run_without_a_committee_has_nobody_to_ask(tmp_path: Path) -> None:
    for given in ({"encryption__scheme": "bfv"}, COMMITTEE | {"encryption__policy": "none"}):
        got = failure(TASK, context(run__state_dir=str(tmp_path), **given), MEMBERSHIP)
        assert got.kind == FAILED and "it has no committee to ask" in got.reason


def test_a_question_that_is_malformed_or_breaks_the_seat_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = context(run__state_dir=str(tmp_path), **COMMITTEE)
    for kind in (MEMBERSHIP, CONSENT, ANSWER):
        got = read_reply(ask(RecordDict(), where, kind).content)
        assert isinstance(got, Failure) and got.kind == MALFORMED
    for kind in (CONSENT, ANSWER):
        assert failure(TASK, where, kind).kind == DECLINED
    monkeypatch.setattr("client_app.committee.seat.Stretches", lambda *given: 1 / 0)
    assert failure(TASK, where, MEMBERSHIP).reason == "ZeroDivisionError: division by zero"


def test_a_hospital_trains_and_sits_on_the_committee_by_the_roster_it_names(
    tmp_path: Path, notes: Path, key: dict[str, str]
) -> None:
    state = tmp_path / "state"
    given = {"data-path": str(notes), "state-dir": str(state)} | key
    for kind in (TRAIN, MEMBERSHIP):
        got = failure(TASK, context(given, **CSV, **COMMITTEE), kind)
        assert got.kind == FAILED and "roster-path is missing" in got.reason and "crossward members" in got.reason
    identities = {name: load_identity(tmp_path / f"{name}.pem") for name in ("north", "south")}
    identities["east"] = load_identity(state / "identity.pem")
    book, roster = make_book(identities), tmp_path / "roster.json"
    roster.write_bytes(book.to_bytes())
    where = context(given | {"roster-path": str(roster)}, **CSV, **COMMITTEE)
    said = answer(TASK, where, MEMBERSHIP)
    assert isinstance(said, Membership) and RosterBook.from_bytes(said.roster).roster == book.roster
    certificates = {"east": read_certificates(said.certificates)[0]}
    for name in ("north", "south"):
        stretch = Stretch.create(tmp_path / name, TASK.lineage, 1)
        certificates[name] = stretch.certificate(name, identities[name].sign)
    invited = Invitation(book.roster.fingerprint, 1, certificates).to_bytes()
    update = answer(replace(TASK, committee=invited), where)
    assert isinstance(update, Update) and {head.kind for head in update.payload.heads} == {"committee"}
    assert SealedFacts.from_bytes(update.committee).statement.signer == "east"
    assert failure(TASK, where).kind == WRONG_KEY  # a task that names no keys

    demanding = given | {"roster-path": str(roster), "min-contributors": 4}
    assert "strategy.min-contributors = 3" in failure(TASK, context(demanding, **CSV, **COMMITTEE), MEMBERSHIP).reason
    stranger = given | {"roster-path": str(roster), "state-dir": str(tmp_path / "other")}
    assert "which is this hospital's" in failure(TASK, context(stranger, **CSV, **COMMITTEE), MEMBERSHIP).reason


def test_the_seats_rules_are_the_stricter_of_the_runs_and_the_hospitals(
    tmp_path: Path, notes: Path, key: dict[str, str]
) -> None:
    state = tmp_path / "state"
    identities = {name: load_identity(state / f"{name}.pem") for name in ("identity", "north", "south")}
    roster = tmp_path / "roster.json"
    roster.write_bytes(make_book(identities).to_bytes())
    given = {"data-path": str(notes), "state-dir": str(state), "roster-path": str(roster), "min-contributors": 2} | key
    where = context(given, **CSV, **COMMITTEE, strategy__max_share=0.4)
    assert build_seat(where, TASK).keys.rules == Rules(3, 0.4)


def test_a_process_that_answers_a_question_loads_no_model(tmp_path: Path) -> None:
    """A node's process starts for every message: a consent is worth milliseconds, not the seconds that torch takes."""
    script = tmp_path / "seat.py"
    where = context(run__state_dir=str(tmp_path), **COMMITTEE)
    script.write_text(
        "import sys\n"
        "from flwr.app import Context, RecordDict\n"
        "from client_app.app import build_seat\n"
        "from crossward.protocol.messages import Head, Task\n"
        "task = Task('0123abcd', 5, 0, 0, 0, 2, (8, 7, 0), Head(0, 'ab' * 32))\n"
        f"where = Context(run_id=1, node_id=1, node_config={dict(where.node_config)!r}, state=RecordDict(), "
        f"run_config={dict(where.run_config)!r})\n"
        "said = build_seat(where, task).membership(task)\n"
        "heavy = {'torch', 'transformers', 'peft', 'datasets', 'scipy'}\n"
        "print(type(said).__name__, *sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert ran.stdout.split() == ["Membership"]
