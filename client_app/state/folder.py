"""A node's state on disk, by run lineage: adapter copy, residual, pending residual, ledger heads.

Flower's ``Context.state`` is lost when a SuperNode restarts, so everything that must last is here. A
transaction: new files are written beside the old ones, then ``state.json`` is replaced in one step, then what
it no longer names is deleted. A kill at any moment leaves the state before or after, never between.

Not for: what the numbers mean (``client_app.state.accumulators``, ``client_app.update.quantise``).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib.format import read_array
from numpy.typing import NDArray

from client_app.cached.mean import CachedMean, Standing
from client_app.cached.own import OwnCache
from client_app.state.accumulators import Accumulators
from client_app.state.heads import keep_head
from client_app.training.trained import Vector
from crossward.config.privacy_settings import NO_UNIT
from crossward.machine.files import write_atomic
from crossward.protocol.messages import Head

_FORMAT = 2
_CACHED = ("cached.caches", "cached.moved", "cached.recent")
NO_HEAD = Head(-1, "")


class StateError(RuntimeError):
    """The node's state on disk cannot be used or written."""

    tellable = True  # see client_app.guard.refusals


@dataclass
class NodeState:
    """What a node remembers of one run lineage.

    ``residual`` is what earlier accepted updates left over; ``pending`` is what it becomes if the update of
    task ``pending_task`` turns out to be accepted. ``layout`` is the fingerprint the state belongs to, ``unit`` the
    run's privacy unit under which both were made. ``own`` is the node's cache, in a run with cached updates, which then
    has no residual.
    """

    layout: str
    copy: Accumulators = field(default_factory=Accumulators)
    residual: Vector | None = None
    pending_task: int = -1
    pending: Vector | None = None
    head: Head = NO_HEAD
    unit: str = NO_UNIT
    own: OwnCache = field(default_factory=OwnCache)

    def under(self, unit: str) -> None:
        """Go on under ``unit``: what was left over under another one was not protected as this one has it."""
        if self.unit != unit:
            self.residual, self.pending_task, self.pending, self.unit = None, -1, None, unit

    def settle(self, accepted: tuple[int, ...]) -> str:
        """Commit or roll back the pending residual; says which: '', 'committed' or 'rolled back'."""
        if self.pending_task < 0:
            return ""
        committed = self.pending_task in accepted
        if committed:
            self.residual = self.pending
        self.pending_task, self.pending = -1, None
        return "committed" if committed else "rolled back"


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What ``numpy.savez`` put into ``path``.

    Unlike ``numpy.load``, it takes no array whose checksum was not reached: a damaged header may ask for less than
    there is.

    Raises
    ------
    MemoryError
        there is too little memory; that a damaged header asks for too much is not among this.
    Exception
        of nearly any kind: the file is damaged.
    """
    arrays = {}
    with ZipFile(path) as archive:
        for entry in archive.infolist():
            try:
                with archive.open(entry) as member:
                    arrays[entry.filename.removesuffix(".npy")] = read_array(member, allow_pickle=False)
                    if member.read(1):
                        raise ValueError(f"{entry.filename} holds more than its header says")
            except MemoryError as error:
                if not archive.testzip():
                    raise
                raise BadZipFile(f"{entry.filename} is not what was written") from error
    return arrays


def _cached(arrays: dict[str, NDArray[Any]], facts: dict[str, Any]) -> CachedMean | None:
    at = facts.get("cached", ())
    if not at:
        return None
    caches, moved, recent = (arrays[name] for name in _CACHED)
    return CachedMean(caches, moved, recent, Standing(*at))


class StateFolder:
    """``<folder>/state.json`` and the arrays it names."""

    def __init__(self, folder: Path, durable: bool = True) -> None:
        self.folder = folder
        self.durable = durable
        self.path = folder / "state.json"

    def load(self, layout: str) -> NodeState:
        """The state kept here, or a fresh one when it is missing or belongs to another layout.

        Raises
        ------
        StateError
            the files are there but cannot be read; the message says which and what to do.
        """
        if not self.path.exists():
            return NodeState(layout)
        try:
            facts = json.loads(self.path.read_text(encoding="utf-8"))
            if facts["format"] != _FORMAT:
                raise ValueError(f"format {facts['format']}, expected {_FORMAT}")
            if facts["layout"] != layout:
                return NodeState(layout)
            arrays = _read_arrays(self.folder / facts["arrays"])
            values = {int(name[4:]): arrays[name] for name in arrays if name.startswith("acc.")}
            return NodeState(
                layout,
                Accumulators(
                    facts["version"],
                    values,
                    dict(facts.get("reverted", ())),
                    facts.get("since", 0),
                    _cached(arrays, facts),
                ),
                arrays.get("residual"),
                facts["pending_task"],
                arrays.get("pending"),
                Head(*facts["head"]),
                facts.get("unit", NO_UNIT),
                OwnCache(
                    facts.get("own_version", 0),
                    facts.get("own_block", 0),
                    arrays.get("own"),
                    {int(name[5:]): arrays[name] for name in arrays if name.startswith("sent.")},
                    dict(facts.get("sent_epochs", ())),
                ),
            )
        except MemoryError:  # sound files, but too little memory
            raise
        except Exception as error:  # damaged ones make zipfile, numpy and the parsers under it raise nearly anything
            raise StateError(
                f"the node's state in {self.folder} cannot be read ({type(error).__name__}: {error}). Delete that "
                "folder: the node then starts over from what the server sends; only its residual is lost"
            ) from error

    def save(self, state: NodeState) -> None:
        """Replace what is kept here with ``state``, in one step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"arrays-{secrets.token_hex(6)}.npz"
        arrays: dict[str, NDArray[Any]] = {f"acc.{epoch}": v for epoch, v in state.copy.values.items()}
        if state.residual is not None:
            arrays["residual"] = state.residual
        if state.pending is not None:
            arrays["pending"] = state.pending
        if state.copy.cached is not None:
            arrays |= dict(zip(_CACHED, state.copy.cached.arrays, strict=True))
        if state.own.values is not None:
            arrays["own"] = state.own.values
        arrays |= {f"sent.{task}": values for task, values in state.own.sent.items()}
        facts = {
            "format": _FORMAT,
            "layout": state.layout,
            "unit": state.unit,
            "version": state.copy.version,
            "reverted": sorted(state.copy.reverted.items()),
            "since": state.copy.since,
            "pending_task": state.pending_task,
            "head": list(state.head),
            "own_version": state.own.version,
            "own_block": state.own.block,
            "cached": [] if state.copy.cached is None else list(state.copy.cached.at),
            "sent_epochs": sorted(state.own.epochs.items()),
            "arrays": name,
        }
        try:
            with (self.folder / name).open("wb") as archive:
                fcntl.flock(archive, fcntl.LOCK_EX)
                np.savez(archive, **arrays)  # type: ignore[arg-type]  # in stretches: no array is copied whole
                archive.flush()
                if self.durable:
                    os.fsync(archive.fileno())
                self._name(facts)
        except OSError as error:
            (self.folder / name).unlink(missing_ok=True)
            raise StateError(
                f"the node's state could not be written to {self.folder} ({error}); the earlier state is kept. "
                "Free disk space or point state-dir elsewhere"
            ) from error
        self._clear(name)

    def _name(self, facts: dict[str, Any]) -> None:
        write_atomic(self.path, json.dumps(facts), durable=self.durable)  # before what the earlier one names is deleted

    def _clear(self, name: str) -> None:
        """Delete arrays that no state names, but those that another process of this node is just writing."""
        for old in self.folder.glob("arrays-*.npz"):
            if old.name == name:
                continue
            with contextlib.suppress(OSError), old.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # its writer holds it until it has named them
                old.unlink()

    def keep_head(self, head: Head) -> None:
        """Append a ledger head that the server sent (``crossward ledger verify --heads``)."""
        keep_head(self.folder, head, self.durable)
