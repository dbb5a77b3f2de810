"""Every message survives the wire, and whatever is missing, mistyped or cut is a ProtocolError and nothing else."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.protocol.measures import Measure
from crossward.protocol.messages import (
    OUTCOMES,
    VERSION,
    Evaluation,
    Failure,
    Head,
    RecordHead,
    SnapshotHead,
    Task,
    Update,
)
from crossward.protocol.parts import Part, PartHead, Payload, ProtocolError, join
from crossward.protocol.wire import read_reply, read_task, write_reply, write_task


def payload(*sizes: int, bits: int = 8) -> Payload:
    return join(Part(PartHead("clear", size, bits, size), bytes(range(size))) for size in sizes)


TASK = Task(
    lineage="l",
    task=7,
    version=9,
    epoch=1,
    from_version=3,
    versions=12,
    plan=(8, 6, 6),
    head=Head(5, "abc"),
    accepted=(4, 5),
    want_snapshot=True,
    state_hash="ff",
    steps=2,
    last=True,
    records=((RecordHead(4, 8, 0, 300, 1), payload(3, 2)), (RecordHead(9, 9, 1, 64, -1), payload(3, 2))),
)
SNAPSHOT = (SnapshotHead(3, (0, 1)), (payload(3, 2), payload(3, 2)))
UPDATE = Update(
    lineage="l",
    task=7,
    version=9,
    epoch=1,
    layout="layout",
    key="",
    site="ward",
    state_hash="ff",
    head=Head(5, "abc"),
    num_examples=10,
    num_tokens=100,
    loss_sum=50.5,
    steps=3,
    train_seconds=1.5,
    compute_seconds=2.0,
    clipped=0.25,
    payload=payload(3, 2),
    public_key=b"p" * 32,
    signature=b"s" * 64,
)
EVALUATION = Evaluation(
    "l", 7, 9, "ward", "ff", Head(5, "abc"), 1.5, {"base": Measure(2, 40, 60, 10, 100, 25), "global": Measure(1, 1)}
)
FAILURE = Failure("l", 7, "behind", "it is at 3", 3)
TASKS = {"task": TASK, "task-snapshot": replace(TASK, snapshot=SNAPSHOT), "task-fresh": replace(TASK, records=())}
REPLIES = {
    "update": UPDATE,
    "update-private": replace(UPDATE, privacy_unit="patient", loss_sum=0.0, local_epsilon=1.5, local_epsilon_step=0.75),
    "update-snapshot": replace(UPDATE, snapshot=SNAPSHOT),
    "evaluation": EVALUATION,
    "failure": FAILURE,
}
KINDS = [*TASKS, *REPLIES]


def written(kind: str) -> RecordDict:
    return write_task(TASKS[kind]) if kind in TASKS else write_reply(REPLIES[kind])


def read(kind: str, content: RecordDict) -> object:
    return read_task(content) if kind in TASKS else read_reply(content)


def bytes_array(data: bytes, dtype: str = "uint8", stype: str = "raw.bytes") -> ArrayRecord:
    return ArrayRecord({"bytes": Array(dtype, (len(data),), stype, data)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_comes_back_as_it_was(kind: str) -> None:
    assert read(kind, written(kind)) == (TASKS | REPLIES)[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_every_missing_record_is_refused(kind: str) -> None:
    for name in list(written(kind)):
        content = written(kind)
        del content[name]
        with pytest.raises(ProtocolError):
            read(kind, content)


def wrong_values(value: object) -> list[object]:
    """Values of every other type that a Flower record may hold."""
    if isinstance(value, list):
        kind = type(value[0]) if value else None
        others: list[object] = [["x"], [1], [1.5], [b"x"], [True]]
        return [*(o for o in others if type(o[0]) is not kind and value), 1, "x", 1.5, b"x", True]  # type: ignore[index]
    samples: list[object] = [1, "x", 1.5, b"x", True, [1], ["x"], [1.5]]
    return [s for s in samples if type(s) is not type(value) and not (type(value) is float and type(s) is int)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_missing_or_mistyped_key_is_refused(kind: str) -> None:
    tried = 0
    for record, holder in written(kind).config_records.items():
        for key, value in holder.items():
            content = written(kind)
            del content.config_records[record][key]
            with pytest.raises(ProtocolError):
                read(kind, content)
            for wrong in wrong_values(value):
                content = written(kind)
                content.config_records[record][key] = wrong  # type: ignore[assignment]
                with pytest.raises(ProtocolError):
                    read(kind, content)
                tried += 1
    assert tried >= 20


@pytest.mark.parametrize("kind", ["update", "evaluation"])
def test_every_missing_mistyped_or_endless_metric_is_refused(kind: str) -> None:
    for key, value in written(kind).metric_records["metrics"].items():
        wrong: list[object] = [float("nan"), float("inf"), [1], [1.0]] + ([1.5] if isinstance(value, int) else [])
        for change in [None, *wrong]:
            content = written(kind)
            if change is None:
                del content.metric_records["metrics"][key]
            else:
                content.metric_records["metrics"][key] = change  # type: ignore[assignment]
            with pytest.raises(ProtocolError):
                read(kind, content)


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("evaluation", "failure")])
def test_a_payload_of_another_length_type_or_name_is_refused(kind: str) -> None:
    data = written(kind).array_records["payload"]["bytes"].data
    broken = [bytes_array(data + b"\0"), bytes_array(data, dtype="int8"), bytes_array(data, stype="numpy.ndarray")]
    broken += [bytes_array(data[:-1]), bytes_array(b"")] if data else []
    broken.append(ArrayRecord({"other": Array("uint8", (len(data),), "raw.bytes", data)}))
    for record in broken:
        content = written(kind)
        content["payload"] = record
        with pytest.raises(ProtocolError):
            read(kind, content)


Change = Callable[[RecordDict], object]


def put(record: str, **values: object) -> Change:
    def change(content: RecordDict) -> None:
        for key, value in values.items():
            content[record][key.replace("_", "-")] = value  # type: ignore[index]

    return change


@pytest.mark.parametrize(
    ("kind", "change", "text"),
    [
        ("task", put("facts", protocol=99), "speaks protocol 99, this side 6: use one release"),
        ("task", put("facts", parts=[4]), "2 records are named but 1 payloads"),
        ("task", put("facts", parts=[5, -1]), "negative"),
        ("task", put("facts", parts=[2, 3]), "4 parts cannot be split"),
        ("task", put("facts", plan=[8, 6]), "'plan' has 2 numbers"),
        ("task", put("facts", record_first=[4]), "records' columns differ"),
        ("task", put("facts", record_first=[4, 9, 10]), "records' columns differ"),
        ("task-fresh", put("facts", snapshot_version=3, snapshot_epochs=[0]), "snapshot of epochs"),
        ("task-snapshot", put("facts", snapshot_version=-1), "payloads that it does not name"),
        ("task-snapshot", put("facts", snapshot_epochs=[0, 0]), "snapshot of epochs"),
        ("task-snapshot", put("facts", snapshot_epochs=[0]), "snapshot of epochs"),
        ("update", put("index", size=[3, -2]), "out of range"),
        ("update", put("index", bits=[8, 0]), "out of range"),
        ("update", put("index", bits=[8, 65]), "out of range"),
        ("update", put("index", length=[-3, 2]), "out of range"),
        ("update", put("index", kind=["clear"]), "columns differ in length"),
        ("update", put("index", size=[2**62, 2]), "index speaks of"),
        ("update", put("facts", parts=[]), "parts cannot be split"),
        ("update", put("facts", parts=[1, 1]), "payloads that it does not name"),
        ("update", put("facts", reply="other"), "unknown kind 'other'"),
        ("update", put("facts", steps=0), "each must be at least 1"),
        ("update", put("facts", privacy_unit="ward"), "'privacy-unit' is 'ward'"),
        ("update", put("metrics", local_epsilon=-1.0, local_epsilon_step=-2.0), "neither can be negative"),
        ("update", put("metrics", local_epsilon=1.0, local_epsilon_step=2.0), "the part more than the whole"),
        ("update", put("metrics", local_epsilon=float("nan")), "expected a finite number"),
        ("failure", put("facts", kind="accepted"), "unknown kind 'accepted'"),
        ("failure", put("facts", kind="odd"), "unknown kind 'odd'"),
    ],
)
def test_the_refusal_says_which_rule_is_broken(kind: str, change: Change, text: str) -> None:
    content = written(kind)
    change(content)
    with pytest.raises(ProtocolError, match=text):
        read(kind, content)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(UPDATE, num_examples=0),
        replace(UPDATE, num_tokens=0),
        replace(UPDATE, loss_sum=-1.0),
        replace(UPDATE, train_seconds=-1.0),
        replace(UPDATE, compute_seconds=-1.0),
        replace(EVALUATION, measures={"global": Measure(1, 0)}),
        replace(EVALUATION, measures={"global": Measure(1, 5, -1.0)}),
        replace(EVALUATION, measures={"global": Measure(1, 5, 1.0, 6.0)}),
    ],
)
def test_impossible_facts_are_refused(wrong: Update | Evaluation) -> None:
    with pytest.raises(ProtocolError):
        read_reply(write_reply(wrong))


def test_a_task_is_no_reply_and_a_reply_no_task() -> None:
    for kind in KINDS:
        with pytest.raises(ProtocolError):
            read_reply(written(kind)) if kind in TASKS else read_task(written(kind))
    with pytest.raises(ProtocolError):
        read_task(RecordDict())


def test_a_long_reason_is_cut() -> None:
    got = read_reply(write_reply(replace(FAILURE, reason="x" * 10_000)))
    assert isinstance(got, Failure) and len(got.reason) == 4000


@pytest.mark.parametrize("kind", [k for k in OUTCOMES if k in ("late", "duplicate", "wrong-layout")])
def test_a_node_cannot_claim_an_outcome_that_the_server_decides(kind: str) -> None:
    with pytest.raises(ProtocolError):
        read_reply(write_reply(replace(FAILURE, kind=kind)))


@pytest.mark.parametrize("site", ["", "x" * 201, "two\nlines", "\x1b[2J"])
@pytest.mark.parametrize("reply", [UPDATE, EVALUATION])
def test_a_sites_name_is_one_printable_line(reply: Update | Evaluation, site: str) -> None:
    with pytest.raises(ProtocolError, match="site"):
        read_reply(write_reply(replace(reply, site=site)))


def test_measures_of_made_up_models_are_refused() -> None:
    with pytest.raises(ProtocolError, match="other models"):
        read_reply(write_reply(replace(EVALUATION, measures={"x": next(iter(EVALUATION.measures.values()))})))


scalar = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=4), st.binary(max_size=4))
value = st.one_of(
    scalar,
    st.booleans(),
    st.lists(st.integers(-3, 9), max_size=4),
    st.lists(st.text(max_size=3), max_size=3),
    st.lists(st.binary(max_size=3), max_size=3),
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.sampled_from(KINDS), st.data())
def test_any_change_of_any_key_reads_or_is_a_protocol_error(kind: str, data: st.DataObject) -> None:
    content = written(kind)
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(content)))
        record = content[name]
        if isinstance(record, ConfigRecord) and record:
            record[data.draw(st.sampled_from(sorted(record)))] = data.draw(value)
        elif isinstance(record, MetricRecord):
            change = data.draw(st.one_of(st.floats(), st.integers(-(2**63), 2**63 - 1)))
            record[data.draw(st.sampled_from(sorted(record)))] = change
        elif isinstance(record, ArrayRecord):
            content[name] = bytes_array(data.draw(st.binary(max_size=12)))
    with contextlib.suppress(ProtocolError):
        read(kind, content)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.dictionaries(st.sampled_from(["facts", "index", "metrics", "payload"]), st.binary(max_size=9), max_size=4))
def test_a_message_of_made_up_records_is_a_protocol_error(noise: dict[str, bytes]) -> None:
    content = RecordDict()
    for name, data in noise.items():
        content[name] = bytes_array(data) if name == "payload" else ConfigRecord({"protocol": VERSION, "x": data})
    for reader in (read_task, read_reply):
        with pytest.raises(ProtocolError):
            reader(content)
