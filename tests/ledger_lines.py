"""Whole ledger lines of few words: what a test does not say of an event is filled in."""

from __future__ import annotations

from typing import Any

from crossward.ledger.events import REFUSED, Event
from crossward.ledger.lines import parse

_TASK: dict[str, Any] = {"task": 1, "node": "1", "hospital": "00" * 8, "version": 0}
_FACTS: dict[str, dict[str, Any]] = {
    "started": {"version": 0, "lineage": "ab" * 8, "last": 4},
    "resumed": {"version": 0, "lineage": "ab" * 8, "last": 4},
    "finished": {"version": 0, "reason": "enough"},
    "repaired": {"torn_bytes": 1, "torn_sha256": "", "kept_in": "ledger.jsonl.torn"},
    "joined": {"node": "1"},
    "left": {"node": "1"},
    "excluded": {"hospital": "00" * 8, "versions": 2},
    "disagreement": {"node": "1", "hospitals": [], "version": 0},
    "dispatched": _TASK | {"kind": "train", "bytes": 0},
    "accepted": _TASK
    | {
        "site": "North",
        "layout": "layout",
        "key": "",
        "seal_seconds": 0.0,
        "open_seconds": 0.0,
        "shape": [],
        "digest": "",
        "loss_sum": 20.0,
        "num_tokens": 10,
        "num_examples": 1,
        "bandwidth": 1.0,
        "staleness": 0,
        "multiplier": 1,
        "signature": "",
        "state_hash": "",
        "bytes": 500,
        "seconds": 2.0,
        "train_seconds": 0.8,
        "compute_seconds": 1.0,
        "clipped": 0.0,
    },
    "measured": _TASK | {"kind": "evaluate", "site": "North", "seconds": 1.5},
    "version": {
        "version": 1,
        "epoch": 0,
        "weight_sum": 0,
        "sign": 1,
        "key": "",
        "layout": "layout",
        "shape": [],
        "digest": "",
        "tasks": [],
    },
    "void": {"version": 1, "tasks": [], "hospitals": [], "reason": "it does not open"},
    "evaluated": {"version": 0, "loss": None, "sites": [], "complete": False, "reverts": []},
    "assisted": _TASK | {"member": "north", "kind": "query.consent", "seconds": 0.5, "bytes": 0},
    "committee": {
        "roster": "ab" * 32,
        "revision": 1,
        "members": ["east", "north", "west"],
        "threshold": 1,
        "quorum": 3,
        "openers": 2,
    },
    "opening": {"version": 1, "roster": "ab" * 32, "digest": "cd" * 32, "tasks": [1, 2, 3], "weights": [40, 40, 47]},
    "opening-dropped": {"version": 1, "tasks": [1, 2, 3], "reason": "it was rolled back"},
    "liar": {"version": 1, "member": "north", "subsets": [0, 2]},
    "corrected": {"version": 1, "digest": "ef" * 32, "openers": ["east", "west"]},
    "snapshot": {"version": 1, "epochs": [0], "key": ""},
    "snapshot-dropped": {"reason": "it does not match"},
    **{name: {"task": 1, "node": "1", "reason": "why"} for name in REFUSED},
}


def facts(event: str, **given: Any) -> dict[str, Any]:
    """All facts of an event."""
    return _FACTS.get(event, {}) | given


def made(event: str, *, time: float = 0.0, **given: Any) -> Event:
    """An event."""
    return parse(event, facts(event, **given), time)
