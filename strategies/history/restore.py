"""Where a run lineage stands, read from its history: what resuming starts from.

The ledger is the truth. An update counts from its ``accepted`` line until the ``version`` line that names it; a
version counts from its line on. Whatever lies beside them without a line is made again.

Not for: checking the chain (``crossward.ledger.file``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from crossward.protocol.messages import ACCEPTED, FAILED, LATE, OUTCOMES, WRONG_KEY, WRONG_LAYOUT, SnapshotHead
from strategies.aggregation.catchup import VersionFacts
from strategies.aggregation.weighting import Contribution
from strategies.history.journal import Facts

REVOKED = (LATE, FAILED, WRONG_KEY, WRONG_LAYOUT)  # what an update that waits may become after all
SPENT = "the privacy budget is spent"  # how the reason of a run begins that ended for want of hospitals with budget


@dataclass(frozen=True)
class Buffered:
    """An accepted update that waits for its version; its payload lies in the journal under :attr:`name`.

    ``digest`` is the payload's; ``times`` are the seconds that the node took to seal it and to open what came with its
    task.
    """

    task: int
    node: int
    hospital: str
    site: str
    version: int
    layout: str
    key: str
    shape: tuple[tuple[str, int], ...]
    contribution: Contribution
    digest: str
    times: tuple[float, float] = (0.0, 0.0)

    @property
    def name(self) -> str:
        """Name of its payload in the journal."""
        return f"buffer/{self.task}"


@dataclass
class Standing:
    """Where a lineage stands."""

    starts: int = 0
    version: int = 0
    versions: dict[int, VersionFacts] = field(default_factory=dict)
    buffer: dict[int, Buffered] = field(default_factory=dict)
    accepted: dict[str, int] = field(default_factory=dict)
    claims: dict[str, tuple[float, int, int]] = field(default_factory=dict)
    layout: str = ""
    key: str = ""
    shape: tuple[tuple[str, int], ...] = ()
    losses: list[tuple[int, float]] = field(default_factory=list)
    snapshot: SnapshotHead | None = None
    snapshot_digests: tuple[str, ...] = ()
    reverting: list[int] = field(default_factory=list)
    train_losses: list[tuple[int, float]] = field(default_factory=list)
    under_way: dict[int, Facts] = field(default_factory=dict)
    finished: str = ""
    void_groups: list[set[str]] = field(default_factory=list)
    excluded: set[str] = field(default_factory=set)


def buffered_facts(update: Buffered) -> Facts:
    """An update's facts as its ledger line holds them."""
    c = update.contribution
    return {
        "task": update.task,
        "node": str(update.node),
        "hospital": update.hospital,
        "site": update.site,
        "version": update.version,
        "layout": update.layout,
        "key": update.key,
        "seal_seconds": update.times[0],
        "open_seconds": update.times[1],
        "shape": [list(row) for row in update.shape],
        "digest": update.digest,
        "loss_sum": c.loss_sum,
        "num_tokens": c.num_tokens,
        "num_examples": c.num_examples,
        "bandwidth": c.bandwidth,
        "staleness": c.staleness,
        "multiplier": c.multiplier,
    }


def _buffered(line: Facts) -> Buffered:
    return Buffered(
        line["task"],
        int(line["node"]),
        line["hospital"],
        line["site"],
        line["version"],
        line["layout"],
        line["key"],
        tuple((kind, length) for kind, length in line["shape"]),
        Contribution(
            line["loss_sum"],
            line["num_tokens"],
            line["num_examples"],
            line["bandwidth"],
            line["staleness"],
            line["multiplier"],
        ),
        line["digest"],
        (line["seal_seconds"], line["open_seconds"]),
    )


def standing(events: Iterable[Facts]) -> Standing:  # noqa: C901 - one branch an event
    """Replay a lineage's events."""
    now = Standing()
    for line in events:
        event = line["event"]
        if event in (*OUTCOMES, "measured"):
            now.under_way.pop(line["task"], None)
        if event in ("started", "resumed"):
            now.starts += 1
        elif event == "dispatched":
            now.under_way[line["task"]] = line
        elif event == ACCEPTED:
            update = _buffered(line)
            now.buffer[update.task] = update
            now.accepted[update.hospital] = update.task
            c = update.contribution
            examples = now.claims.get(update.hospital, (0.0, 0, c.num_examples))[2]
            now.claims[update.hospital] = (c.loss_sum, c.num_tokens, examples)
        elif event in REVOKED and line["task"] in now.buffer:
            update = now.buffer.pop(line["task"])
            now.accepted.pop(update.hospital, None)
        elif event == "version":
            now.version = line["version"]
            now.versions[now.version] = VersionFacts(
                line["epoch"], line["weight_sum"], line["sign"], line["key"], dithered=line.get("dithered", 0)
            )
            if "reverts" not in line:
                now.key = line["key"]
            now.layout, now.shape = line["layout"], tuple((kind, length) for kind, length in line["shape"])
            if "train_loss" in line:
                now.train_losses.append((now.version, line["train_loss"]))
            if line.get("reverts") in now.reverting:
                now.reverting.remove(line["reverts"])
            for task in line["tasks"]:
                now.buffer.pop(task, None)
        elif event == "void":
            now.versions[line["version"]] = replace(now.versions[line["version"]], void=True)
            now.void_groups.append(set(line["hospitals"]))
            for hospital in [h for h, task in now.accepted.items() if task in line["tasks"]]:
                del now.accepted[hospital]
        elif event == "excluded":
            now.excluded.add(line["hospital"])
        elif event == "evaluated" and line["reverts"]:
            now.reverting = list(line["reverts"])
        elif event == "evaluated" and line["complete"]:
            judged = line.get("judged")  # a ledger of before has one loss only
            now.losses.append((line["version"], line["loss"] if judged is None else judged))
        elif event == "snapshot":
            now.snapshot = SnapshotHead(line["version"], tuple(line["epochs"]), line["key"])
            now.snapshot_digests = tuple(line.get("digests", ()))  # a ledger of before has none
        elif event == "snapshot-dropped":
            now.snapshot = None
        elif event == "finished":
            # budgets may have been raised, and others have joined: whoever resumes such a run asks the hospitals again
            now.finished = "" if line["reason"].startswith(SPENT) else line["reason"]
    return now
