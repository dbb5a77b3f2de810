"""Vertical runs in one process for tests: real parties with small tables, a grid that answers at once, a journal.

``Grid`` may kill a party in the middle of a step, lose answers, or change what is relayed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Message

from client_app.vertical.actions import ACTIONS
from client_app.vertical.errors import PartyError
from client_app.vertical.keys import PartyKeys
from client_app.vertical.party import Party
from crossward.config.run_config import RunConfig
from crossward.encryption.committee.roster import Roster
from crossward.encryption.secret import Secret
from crossward.ledger.vertical_state import VerticalState
from crossward.protocol.vertical.messages import Answer, NotDone, Work
from crossward.protocol.vertical.wire import read_work, write_answer
from data.party import PartyData
from strategies.history.journal import Journal, MemoryJournal
from strategies.vertical.relay import Relay
from tests.clock import TestClock

NAMES = ("clinic", "hospital", "laboratory")
HOLDER = "hospital"
WRITTEN = {"clinic": "{:06d}", "hospital": "MRN-{:06d}", "laboratory": "{}"}
SETTINGS = {
    "vertical.exchanges": 1,
    "vertical.embedding": 4,
    "strategy.poll-seconds": 0.01,
}


def table(name: str, numbers: Iterable[int], seed: int = 3) -> PartyData:
    """A party's patients of these ``numbers``: two features each, of which the outcome depends on all parties'."""
    chosen = np.array(sorted(numbers))
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(10_000, 3))
    at = NAMES.index(name) if name in NAMES else 0
    values = np.stack([hidden[chosen, at], rng.normal(size=len(chosen))], 1)
    odds = 2.0 * hidden.sum(1) + 1.5 * hidden[:, 0] * hidden[:, 1]
    outcome = (odds > 0).astype(np.uint8)[chosen] if name == HOLDER else None
    patients = tuple(WRITTEN.get(name, "{}").format(number) for number in chosen)
    digest = hashlib.sha256(repr((patients, values.tobytes())).encode()).hexdigest()
    return PartyData(
        patients=patients, values=values, names=("a", "b"), notes=None, outcome=outcome, digest=digest
    )
