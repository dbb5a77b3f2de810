"""Callbacks within the ServerApp of a real run, so that a run without a committee has the dither of one with it.

In a real run members are other processes, and what they add to a version cannot be seen. But a test has all of their
sealing keys: :class:`KeepUpdates` keeps the boxes of seeds, :func:`carried` computes the dithers from them as no single
hospital could, and :class:`GiveDither` gives them to the other run. Both find their folder in ``TEST_UPDATES``.
"""

from __future__ import annotations

import base64
import os
import pickle
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np

from crossward.encryption.committee.masks import joint_key, open_seeds
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.committee.spelling import Proof, SealedFacts
from crossward.encryption.committee.statements import VersionList, weight_limit
from crossward.encryption.committee.stretch import Stretch
from crossward.encryption.dither import Dither
from crossward.evaluation.replay import open_run
from crossward.ledger.events import Accepted, Event
from crossward.ledger.state import RunState
from server_app.files import read_payload
from strategies.callbacks import Callback
from strategies.history.state import ServerState
from strategies.opening.making import STATEMENT
from tests.equal_dither import Carried, Given

UPDATES = "TEST_UPDATES"
_GIVEN = "given.pickle"


class KeepUpdates(Callback):
    """Keeps a copy of every update that is accepted, of the one run below ``run.runs-dir``."""

    def on_event(self, event: Event, state: RunState) -> None:
        if isinstance(event, Accepted):
            folder = Path(os.environ[UPDATES])
            (found,) = folder.parent.glob(f"runs/*/{event.payload}.payload")
            shutil.copy(found, folder)


class GiveDither(Callback):
    """Has the run add the dither, and no more weight, that :func:`carried` found."""

    def __init__(self) -> None:
        given, most = pickle.loads((Path(os.environ[UPDATES]) / _GIVEN).read_bytes())  # noqa: S301 - the test's own
        import_module("server_app.app").run_dither = lambda *args: given  # type: ignore[attr-defined]
        ServerState.most_weight = property(lambda state: most)  # type: ignore[assignment,method-assign]


def carried(run: Path, state: Path, updates: Path) -> Given:
    """The dither of a finished run's versions, left in ``updates`` for :class:`GiveDither`; ``state`` is the nodes'."""
    found, facts = open_run(run), [read_payload(path)[0][STATEMENT] for path in updates.iterdir()]
    sealed = [SealedFacts.from_bytes(base64.b64decode(text)) for text in facts]
    out: dict[int, Carried] = {}
    for made in found.versions:
        proof = Proof.from_text(read_payload(run / "versions" / f"{made.version:06d}.payload")[0]["proof"])
        (listed,) = proof.lists
        (path,) = (state / "rosters").glob("*.json")
        roster = RosterBook.load(path).of(listed.roster)
        out[made.version] = np.sum(_parts(state / found.lineage, roster, listed, sealed), axis=0)
    given = Given(parts=len(roster.carriers), carried=out)
    (updates / _GIVEN).write_bytes(pickle.dumps((given, weight_limit(found.plan, roster))))
    return given


def _parts(nodes: Path, roster: Roster, listed: VersionList, sealed: list[SealedFacts]) -> list[Carried]:
    boxes = {one.statement: one.boxes for one in sealed}
    out = []
    for subset in roster.carriers:
        member = roster.subsets[subset][0]
        seeds = []
        for statement, _ in listed.contributions:
            stretch = Stretch.load(nodes / member / "stretches", listed.lineage, statement.stretch)
            seeds.append(open_seeds(stretch.key, roster, member, statement, boxes[statement][member]))
        key = joint_key(seeds, subset, listed.digest)
        made = Dither(key).version(listed.plan.total_weight, listed.version, listed.signers, listed.weights)
        assert made is not None
        out.append(made(0, listed.count))
    return out
