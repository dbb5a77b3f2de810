"""Messages as Flower records and back: one spelling of every record name, key and type.

Reading checks presence, type and range of every key and raises :class:`ProtocolError`, so that past this
module nobody sees a malformed message.

Not for: what the messages mean (``crossward.protocol.messages``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar, cast, get_type_hints

from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from crossward.config.model_settings import MOST_RANK
from crossward.config.privacy_settings import UNITS
from crossward.config.variance_reduction import Block
from crossward.protocol.measures import Measure
from crossward.protocol.messages import (
    EMPTY,
    KINDS,
    MODELS,
    NODE_OUTCOMES,
    VERSION,
    Answered,
    Evaluation,
    Failure,
    Head,
    Included,
    RecordHead,
    Reply,
    SnapshotHead,
    Task,
    Update,
)
from crossward.protocol.parts import PartHead, Payload, ProtocolError, concatenate, split

FACTS, INDEX, PAYLOAD, METRICS = "facts", "index", "payload", "metrics"
T = TypeVar("T")
R = TypeVar("R", bound=Reply)
LINEAGE = re.compile(r"[0-9A-Za-z_-]{1,64}")  # nodes name folders by it
_LONGEST = 4000  # characters of a text in a reply of facts alone
_HEAD = tuple(name for name in RecordHead._fields if name != "block")
_KEY = re.compile(r"([0-9a-f]{16})?")  # a key's fingerprint, or none


def get(facts: ConfigRecord | MetricRecord, key: str, kind: type[T]) -> T:
    """The value of ``key``, of exactly that type (an integer may stand for a float); else a ProtocolError."""
    if key not in facts:
        raise ProtocolError(f"the message lacks '{key}'")
    value: Any = facts[key]
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ProtocolError(f"'{key}' is {type(value).__name__}, expected {kind.__name__}")
    if kind is float and not math.isfinite(cast(float, value)):
        raise ProtocolError(f"'{key}' is {value}, expected a finite number")
    return value


def list_of(facts: ConfigRecord, key: str, kind: type[T]) -> list[T]:
    """The list under ``key``, whose items are all of that type; else a ProtocolError."""
    value = get(facts, key, list)
    if any(type(item) is not kind for item in value):
        raise ProtocolError(f"'{key}' holds something other than {kind.__name__}")
    return cast(list[T], value)


def _put_payload(content: RecordDict, payloads: list[Payload]) -> list[int]:
    whole = concatenate(payloads) if payloads else EMPTY
    content[INDEX] = ConfigRecord(
        {
            "kind": [h.kind for h in whole.heads],
            "length": [h.length for h in whole.heads],
            "bits": [h.bits for h in whole.heads],
            "size": [h.size for h in whole.heads],
        }
    )
    data = whole.data
    array = Array("uint8", (len(data),), "raw.bytes", data if isinstance(data, bytes) else bytes(data))
    content[PAYLOAD] = ArrayRecord({"bytes": array})
    return [len(p.heads) for p in payloads]


def record_of(content: RecordDict, name: str, kind: type[T]) -> T | None:
    """The record of that name and kind, if there is one.

    Not by ``content.array_records`` and its like: those make a view that refers back to the content, and a message as
    large as the adapter would stay in memory until the garbage collector comes by.
    """
    found = content.get(name)
    return found if isinstance(found, kind) else None


def _take_payload(content: RecordDict, parts: list[int]) -> list[Payload]:
    index = record_of(content, INDEX, ConfigRecord)
    arrays = record_of(content, PAYLOAD, ArrayRecord)
    if index is None or arrays is None or "bytes" not in arrays:
        raise ProtocolError(f"the message lacks its '{INDEX}' or '{PAYLOAD}' record")
    kinds, lengths = list_of(index, "kind", str), list_of(index, "length", int)
    bits, sizes = list_of(index, "bits", int), list_of(index, "size", int)
    if not len(kinds) == len(lengths) == len(bits) == len(sizes):
        raise ProtocolError("the index's columns differ in length")
    heads = tuple(PartHead(*row) for row in zip(kinds, lengths, bits, sizes, strict=True))
    array = arrays["bytes"]
    if array.dtype != "uint8" or array.stype != "raw.bytes":
        raise ProtocolError(f"the payload is {array.dtype}/{array.stype}, expected uint8/raw.bytes")
    if any(count < 0 for count in parts):
        raise ProtocolError("a payload's number of parts is negative")
    return split(Payload(heads, array.data), parts)


def _put_snapshot(
    facts: dict[str, Any], payloads: list[Payload], snapshot: tuple[SnapshotHead, tuple[Payload, ...]] | None
) -> None:
    head, parts = snapshot if snapshot is not None else (SnapshotHead(-1, ()), ())
    facts["snapshot-version"] = head.version
    facts["snapshot-epochs"] = list(head.epochs)
    facts["snapshot-key"] = head.key
    facts["snapshot-cached"] = list(head.cached)
    payloads.extend(parts)


def _take_snapshot(facts: ConfigRecord, payloads: list[Payload]) -> tuple[SnapshotHead, tuple[Payload, ...]] | None:
    version, epochs = get(facts, "snapshot-version", int), list_of(facts, "snapshot-epochs", int)
    key = _key(get(facts, "snapshot-key", str), "snapshot-key")
    cached = tuple(list_of(facts, "snapshot-cached", int))
    if version < 0:
        if epochs or payloads:
            raise ProtocolError("the message carries payloads that it does not name")
        return None
    if len(payloads) != len(epochs) or len(set(epochs)) != len(epochs):
        raise ProtocolError(f"a snapshot of epochs {epochs} has {len(payloads)} payloads")
    return SnapshotHead(version, tuple(epochs), key, cached), tuple(payloads)


def _key(fingerprint: str, name: str) -> str:
    if not _KEY.fullmatch(fingerprint):
        raise ProtocolError(f"'{name}' is no key fingerprint: expected 16 hex digits, or nothing")
    return fingerprint


def _name(facts: ConfigRecord, key: str) -> str:
    """A fingerprint or hash, which goes into ledgers: at most 128 printable ASCII characters."""
    name = get(facts, key, str)
    if len(name) > 128 or not (name.isascii() and name.isprintable()):
        raise ProtocolError(f"'{key}' has {len(name)} characters, expected at most 128 printable ASCII ones")
    return name


def _head(facts: ConfigRecord) -> Head:
    return Head(get(facts, "head-seq", int), _name(facts, "head-hash"))


def content_size(content: RecordDict) -> int:
    """Bytes of the arrays in a message's content."""
    arrays = (record for record in content.values() if isinstance(record, ArrayRecord))
    return sum(len(array.data) for record in arrays for array in record.values())


def write_task(task: Task) -> RecordDict:
    """A Flower content of a task."""
    facts: dict[str, Any] = {
        "protocol": VERSION,
        "lineage": task.lineage,
        "task": task.task,
        "version": task.version,
        "epoch": task.epoch,
        "from-version": task.from_version,
        "versions": task.versions,
        "plan": list(task.plan),
        "head-seq": task.head.seq,
        "head-hash": task.head.hash,
        "accepted": list(task.accepted),
        "want-snapshot": task.want_snapshot,
        "state-hash": task.state_hash,
        "steps": task.steps,
        "last": task.last,
        "key": task.key,
        "refused": task.refused,
        "committee": task.committee,
    }
    for name in _HEAD:
        facts[f"record-{name}"] = [getattr(head, name) for head, _ in task.records]
    for name in Block._fields:
        facts[f"block-{name}"] = [getattr(head.block, name) for head, _ in task.records]
    for name in Included._fields:
        facts[f"included-{name}"] = [getattr(row, name) for row in task.included]
    payloads = [payload for _, payload in task.records]
    _put_snapshot(facts, payloads, task.snapshot)
    content = RecordDict()
    facts["parts"] = _put_payload(content, payloads)
    content[FACTS] = ConfigRecord(facts)
    return content


def _site(facts: ConfigRecord) -> str:
    """A hospital's name, which others will print: 1 to 200 printable characters."""
    site = get(facts, "site", str)
    if not (1 <= len(site) <= 200 and site.isprintable()):
        raise ProtocolError(f"'site' has {len(site)} characters, expected 1 to 200 printable ones")
    return site


def _facts(content: RecordDict) -> ConfigRecord:
    facts = record_of(content, FACTS, ConfigRecord)
    if facts is None:
        raise ProtocolError(f"the message has no '{FACTS}' record")
    spoken = get(facts, "protocol", int)
    if spoken != VERSION:
        raise ProtocolError(
            f"the message speaks protocol {spoken}, this side {VERSION}: use one release of Crossward everywhere"
        )
    return facts


def read_task(content: RecordDict) -> Task:
    """Undo :func:`write_task`, checking everything."""
    facts = _facts(content)
    if not LINEAGE.fullmatch(get(facts, "lineage", str)):
        raise ProtocolError("'lineage' is not 1 to 64 letters, digits, '-' or '_'")
    columns: list[list[Any]] = [
        list_of(facts, f"record-{name}", str if name in ("key", "proof") else int) for name in _HEAD
    ]
    blocks = [list_of(facts, f"block-{name}", int) for name in Block._fields]
    if len({len(column) for column in columns + blocks}) != 1:
        raise ProtocolError("the records' columns differ in length")
    rows = zip(zip(*columns, strict=True), zip(*blocks, strict=True), strict=True)
    heads = [RecordHead(*row)._replace(block=Block(*block)) for row, block in rows]
    for head in heads:
        _key(head.key, "record-key")
    included = [list_of(facts, f"included-{name}", int) for name in Included._fields]
    if len({len(column) for column in included}) != 1:
        raise ProtocolError("the included updates' columns differ in length")
    payloads = _take_payload(content, list_of(facts, "parts", int))
    if len(payloads) < len(heads):
        raise ProtocolError(f"{len(heads)} records are named but {len(payloads)} payloads came")
    plan = list_of(facts, "plan", int)
    if len(plan) != 3:
        raise ProtocolError(f"'plan' has {len(plan)} numbers, expected value, weight and guard bits")
    return Task(
        plan=(plan[0], plan[1], plan[2]),
        lineage=get(facts, "lineage", str),
        task=get(facts, "task", int),
        version=get(facts, "version", int),
        epoch=get(facts, "epoch", int),
        from_version=get(facts, "from-version", int),
        versions=get(facts, "versions", int),
        head=_head(facts),
        accepted=tuple(list_of(facts, "accepted", int)),
        want_snapshot=get(facts, "want-snapshot", bool),
        state_hash=get(facts, "state-hash", str),
        steps=get(facts, "steps", int),
        last=get(facts, "last", bool),
        key=_key(get(facts, "key", str), "key"),
        refused=get(facts, "refused", str),
        committee=get(facts, "committee", bytes),
        included=tuple(Included(*row) for row in zip(*included, strict=True)),
        records=tuple(zip(heads, payloads[: len(heads)], strict=True)),
        snapshot=_take_snapshot(facts, payloads[len(heads) :]),
    )


_UPDATE_FACTS: dict[str, type] = {
    "lineage": str,
    "task": int,
    "version": int,
    "epoch": int,
    "layout": str,
    "key": str,
    "site": str,
    "state_hash": str,
    "steps": int,
    "privacy_unit": str,
}
_UPDATE_METRICS: dict[str, type] = {
    "num_examples": int,
    "num_tokens": int,
    "loss_sum": float,
    "train_seconds": float,
    "compute_seconds": float,
    "clipped": float,
    "seal_seconds": float,
    "open_seconds": float,
    "loss_noise": float,
    "local_epsilon": float,
    "local_epsilon_step": float,
}


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _write_flat(reply: Reply, content: RecordDict) -> None:
    """A reply of facts alone, each a text, a number or a truth value."""
    own = {_dashed(f.name): getattr(reply, f.name) for f in fields(reply) if f.name not in ("lineage", "task")}
    content[FACTS] = ConfigRecord(_common(reply) | {"reply": _tag(type(reply))} | own)


def _tag(kind: type[Reply]) -> str:
    return kind.__name__.lower()


def _common(reply: Reply) -> dict[str, Any]:
    return {"protocol": VERSION, "lineage": reply.lineage, "task": reply.task}


def _about_node(reply: Update | Evaluation) -> dict[str, Any]:
    return _common(reply) | {
        "version": reply.version,
        "site": reply.site,
        "state-hash": reply.state_hash,
        "head-seq": reply.head.seq,
        "head-hash": reply.head.hash,
    }


def _write_evaluation(reply: Evaluation, content: RecordDict) -> None:
    metrics: dict[str, int | float] = {"seconds": reply.seconds}
    for model, measure in reply.measures.items():
        metrics |= {f"{model}-{_dashed(n)}": float(v) for n, v in measure.as_dict().items()}
    about = _about_node(reply) | {"reply": _tag(Evaluation), "models": list(reply.measures)}
    content[FACTS] = ConfigRecord(about)
    content[METRICS] = MetricRecord(cast(Any, metrics))


def _write_update(reply: Update, content: RecordDict) -> None:
    facts = _about_node(reply) | {_dashed(name): getattr(reply, name) for name in _UPDATE_FACTS}
    facts |= {"reply": _tag(Update), "public-key": reply.public_key, "signature": reply.signature}
    facts["committee"] = reply.committee
    if reply.rank:
        facts["rank"] = reply.rank
    payloads = [reply.payload]
    _put_snapshot(facts, payloads, reply.snapshot)
    facts["parts"] = _put_payload(content, payloads)
    content[FACTS] = ConfigRecord(facts)
    content[METRICS] = MetricRecord({_dashed(name): getattr(reply, name) for name in _UPDATE_METRICS})


def _write_answered(reply: Answered, content: RecordDict) -> None:
    _put_payload(content, [reply.payload])
    own = {"reply": _tag(Answered), "facts": reply.facts, "seconds": reply.seconds}
    content[FACTS] = ConfigRecord(_common(reply) | own)


def write_reply(reply: Reply) -> RecordDict:
    """A Flower content of a node's reply."""
    content = RecordDict()
    write, _ = _CODECS.get(type(reply), _FLAT)
    write(reply, content)
    return content


def _read_flat(kind: type[R], content: RecordDict, facts: ConfigRecord) -> R:
    hints = get_type_hints(kind)
    given: dict[str, Any] = {f.name: get(facts, _dashed(f.name), hints[f.name]) for f in fields(kind)}
    given |= {name: value[:_LONGEST] for name, value in given.items() if isinstance(value, str)}
    return kind(**given)


def _read_failure(kind: type[Failure], content: RecordDict, facts: ConfigRecord) -> Failure:
    failure = _read_flat(kind, content, facts)
    if failure.kind not in NODE_OUTCOMES:
        raise ProtocolError(f"a failure of the unknown kind {failure.kind!r}")
    return failure


def _metrics(content: RecordDict) -> MetricRecord:
    metrics = record_of(content, METRICS, MetricRecord)
    if metrics is None:
        raise ProtocolError(f"the message has no '{METRICS}' record")
    return metrics


def _read_evaluation(kind: type[Evaluation], content: RecordDict, facts: ConfigRecord) -> Evaluation:
    metrics, models = _metrics(content), list_of(facts, "models", str)
    if not set(models) <= set(MODELS):
        raise ProtocolError(f"measures of other models than {', '.join(MODELS)}")
    names = [f.name for f in fields(Measure)]
    measures = {m: Measure(*(get(metrics, f"{m}-{_dashed(n)}", float) for n in names)) for m in models}
    for model, measure in measures.items():
        if min(measure.as_dict().values()) < 0 or measure.tokens < 1 or measure.correct > measure.tokens:
            raise ProtocolError(f"the measures of '{model}' are out of range: {measure}")
    return kind(
        get(facts, "lineage", str),
        get(facts, "task", int),
        get(facts, "version", int),
        _site(facts),
        _name(facts, "state-hash"),
        _head(facts),
        get(metrics, "seconds", float),
        measures,
    )


def _read_update(kind: type[Update], content: RecordDict, facts: ConfigRecord) -> Update:
    metrics, payloads = _metrics(content), _take_payload(content, list_of(facts, "parts", int))
    if not payloads:
        raise ProtocolError("an update without a payload")
    given: dict[str, Any] = {n: get(facts, _dashed(n), kind) for n, kind in _UPDATE_FACTS.items()}
    given |= {"site": _site(facts), "layout": _name(facts, "layout"), "state_hash": _name(facts, "state-hash")}
    _key(given["key"], "key")
    given |= {n: get(metrics, _dashed(n), kind) for n, kind in _UPDATE_METRICS.items()}
    given["rank"] = get(facts, "rank", int) if "rank" in facts else 0
    update = kind(
        **given,
        head=_head(facts),
        committee=get(facts, "committee", bytes),
        payload=payloads[0],
        snapshot=_take_snapshot(facts, payloads[1:]),
        public_key=get(facts, "public-key", bytes),
        signature=get(facts, "signature", bytes),
    )
    if update.num_examples < 1 or update.num_tokens < 1 or update.steps < 1:
        raise ProtocolError(
            f"an update of {update.num_examples} examples, {update.num_tokens} tokens and "
            f"{update.steps} steps: each must be at least 1"
        )
    seconds = (update.train_seconds, update.compute_seconds, update.seal_seconds, update.open_seconds)
    if not 0 <= update.rank <= MOST_RANK:
        raise ProtocolError(f"'rank' is {update.rank}, expected 0 (all components) to {MOST_RANK}")
    if min(update.loss_sum, update.loss_noise, *seconds) < 0:
        raise ProtocolError("an update's loss, its noise and seconds cannot be negative")
    if update.privacy_unit not in UNITS:
        raise ProtocolError(f"'privacy-unit' is {update.privacy_unit[:40]!r}, expected one of {', '.join(UNITS)}")
    if not 0.0 <= update.local_epsilon_step <= update.local_epsilon:
        raise ProtocolError(
            f"an update's epsilon of {update.local_epsilon} with {update.local_epsilon_step} of its own: neither can "
            "be negative, nor the part more than the whole"
        )
    return update


def _read_answered(kind: type[Answered], content: RecordDict, facts: ConfigRecord) -> Answered:
    common = get(facts, "lineage", str), get(facts, "task", int)
    index = record_of(content, INDEX, ConfigRecord)
    parts = len(list_of(index, "kind", str)) if index is not None else 0
    payload = _take_payload(content, [parts])[0]
    return kind(*common, get(facts, "facts", bytes), payload, get(facts, "seconds", float))


def read_reply(content: RecordDict) -> Reply:
    """Undo :func:`write_reply`, checking everything."""
    facts = _facts(content)
    what = get(facts, "reply", str)
    for kind in (Failure, *(kind.reply for kind in KINDS.values())):
        if what == _tag(kind):
            _, read = _CODECS.get(kind, _FLAT)
            reply: Reply = read(kind, content, facts)
            return reply
    raise ProtocolError(f"a reply of the unknown kind {what!r}")


_Codec = tuple[Callable[[Any, RecordDict], None], Callable[[Any, RecordDict, ConfigRecord], Any]]
_FLAT: _Codec = (_write_flat, _read_flat)
_CODECS: dict[type[Reply], _Codec] = {  # of the replies that are more than facts, or are held to more than types
    Failure: (_write_flat, _read_failure),
    Evaluation: (_write_evaluation, _read_evaluation),
    Update: (_write_update, _read_update),
    Answered: (_write_answered, _read_answered),
}
