"""The run folder: everything the server keeps of a run. Nothing in it can open a sealed adapter.

``config.json`` settings, ``ledger.jsonl`` the hash-chained history, ``metrics.jsonl`` one row a version or
evaluation, ``roster.json`` the hospitals' roster as the nodes sent it, ``versions/`` the records that make the global
adapter, ``buffer/`` accepted updates that wait, ``answers/`` shares of a version that is being opened, ``sums/`` and
``snapshots/`` for nodes that catch up, ``result.json`` once the run is over.

Not for: what happens in a run (``strategies``).
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from crossward.config.old_keys import current_keys
from crossward.config.privacy_settings import LOCAL_UNITS
from crossward.config.run_config import DEFAULTS
from crossward.config.run_settings import LAUNCHER_LOG
from crossward.encryption.plan import FieldPlan
from crossward.ledger.events import Evaluated, Measured, Version
from crossward.ledger.file import FILE_NAME, Ledger, LedgerError
from crossward.ledger.lines import read_events
from crossward.ledger.state import fold
from crossward.machine.files import replacing, write_atomic
from crossward.machine.paths import home
from crossward.protocol.messages import Head
from crossward.protocol.parts import Part, Payload
from server_app.files import Facts, PayloadError, read_payload, write_payload
from strategies.aggregation.catchup import corrected_name, version_name
from strategies.aggregation.snapshots import snapshot_name

MAY_CHANGE = ("encryption.key", "encryption.workers")  # between a run and its resumption
SPENDING = "run.state-dir"  # where simulated nodes keep what they spent: another one would forget it
METRICS = "metrics.jsonl"
ROSTER = "roster.json"
PAYLOADS = ("versions", "buffer", "snapshots")  # folders of a run that survive its interruption
METRIC_EVENTS = (Version.name, Evaluated.name, Measured.name)


class RunFolderError(RuntimeError):
    """The run folder cannot be made or resumed."""


class RunFolder:
    """A :class:`strategies.history.journal.Journal` on disk."""

    def __init__(self, path: Path, lineage: str, durable: bool = True) -> None:
        self.path, self.lineage, self.durable = path, lineage, durable
        try:
            self.ledger = Ledger(path / FILE_NAME, durable=durable)
        except LedgerError as error:
            raise RunFolderError(str(error)) from error
        self._checked: set[str] = set()

    @classmethod
    def create(cls, path: Path | None, config: Facts, plan: FieldPlan | None, durable: bool = True) -> Self:
        """A new run folder at ``path``, or in ``runs/`` of :func:`crossward.machine.paths.home`.

        ``plan`` is None of a run that adds nothing up.
        """
        lineage = secrets.token_hex(8)
        if path is None:
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            path = home() / "runs" / f"{stamp}-{lineage[:6]}"
        if (path / FILE_NAME).exists():
            raise RunFolderError(
                f"{path} already holds a run: give run.folder another path, or resume it with run.resume={path}"
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
            if others := sorted(p.name for p in path.iterdir() if not LAUNCHER_LOG.fullmatch(p.name)):
                raise RunFolderError(
                    f"{path} is not empty (it holds {', '.join(others[:3])}): give run.folder a path that is empty or "
                    "does not exist"
                )
            (path / "config.json").write_text(
                json.dumps(
                    {"lineage": lineage, "plan": astuple(plan) if plan is not None else (), "config": config}, indent=2
                )
                + "\n"
            )
        except OSError as error:
            raise RunFolderError(f"the run folder {path} cannot be created: {error}") from error
        return cls(path, lineage, durable)

    @classmethod
    def resume(cls, path: Path, config: Facts, durable: bool = True) -> Self:
        """The run in ``path``, to go on with; its settings must be the ones it began with."""
        began = read_config(path)
        before, now = DEFAULTS | current_keys(began["config"]), DEFAULTS | config
        kept = (SPENDING,) if now["privacy.unit"] in LOCAL_UNITS else ()
        differs = sorted(
            key
            for key in before.keys() | now.keys()
            if (key in kept or not (key.startswith("run.") or key in MAY_CHANGE)) and before.get(key) != now.get(key)
        )
        if differs:
            shown = ", ".join(f"{k} ({before.get(k)!r}, now {now.get(k)!r})" for k in differs[:5])
            raise RunFolderError(f"{path} was started with other settings: {shown}. Resume with the same ones")
        folder = cls(path, began["lineage"], durable)
        try:
            folder._take_up()
        except BaseException:
            folder.close()
            raise
        return folder

    def _take_up(self) -> None:
        """Check what the ledger names; clear away what an interruption left beside it: nothing else ever would."""
        try:
            past = fold(read_events(self.path / FILE_NAME))
            past.check_known()
        except LedgerError as error:
            raise RunFolderError(str(error)) from error
        self._check_versions(past.digests)
        snapshot = past.snapshot
        needed = {self._file(update.payload) for update in past.buffer.values()}
        needed |= {self._file(snapshot_name(snapshot, epoch)) for epoch in snapshot.epochs} if snapshot else set()
        (self.path / "result.json").unlink(missing_ok=True)  # of an end that this session may go beyond, or not reach
        self._rewrite_metrics()
        for made_again in ("sums", "answers"):
            shutil.rmtree(self.path / made_again, ignore_errors=True)
        for folder in PAYLOADS:
            drafts = list((self.path / folder).glob(".*.payload.*"))
            whole = [] if folder == "versions" else [*(self.path / folder).glob("*.payload")]
            for path in (*drafts, *whole):
                if path not in needed:
                    path.unlink(missing_ok=True)

    def _rewrite_metrics(self) -> None:
        """Make the metrics anew from the ledger: an interruption may have torn the last row, or kept it out."""
        kept = (line for line in self.events() if line["event"] in METRIC_EVENTS)
        try:
            with replacing(self.path / METRICS, durable=False) as file:
                file.writelines(json.dumps(line).encode() + b"\n" for line in kept)
        except OSError as error:
            raise RunFolderError(
                f"{self.path / METRICS} cannot be rewritten ({error}): free disk space, then resume the run"
            ) from error

    def _check_versions(self, digests: Mapping[int, str]) -> None:
        """Refuse a run of which a version that the ledger names is not there, whole and unchanged."""
        for version, named in digests.items():
            path, draft = self._file(version_name(version)), self._file(corrected_name(version))
            if draft.exists():  # an interruption came before, or after, the ledger's line on the version's new record
                if self.damage(corrected_name(version), named):
                    draft.unlink()
                else:
                    draft.replace(path)
            try:
                digest = read_payload(path, check=True)[2]
            except PayloadError as error:
                raise RunFolderError(f"version {version} of the run is damaged: {error}") from error
            if digest != named:
                raise RunFolderError(f"{path} is not the version that the ledger names: restore it from a backup")

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.payload"

    # ------------------------------------------------------------------ Journal

    def head(self) -> Head:
        """Number and hash of the ledger's last entry."""
        return self.ledger.head()

    def record(self, event: str, **facts: Any) -> None:
        """Append to the ledger, to metrics.jsonl where the event belongs there, and notify the observers."""
        entry = self.ledger.append(event, **facts)
        if event in METRIC_EVENTS:
            with (self.path / METRICS).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"time": entry.time, "event": event, **facts}) + "\n")

    def events(self) -> Iterator[Facts]:
        """The ledger's events, each with its ``time`` and its name under ``event``."""
        for entry in self.ledger.entries():
            yield {"time": entry.time, "event": entry.event, **entry.facts}

    def keep(self, name: str, facts: Facts, parts: Iterable[Part]) -> str:
        """Write a payload's file, part by part, and put it in place in one step; its digest."""
        return write_payload(self._file(name), facts, parts, self.durable)

    def open(self, name: str) -> tuple[Facts, Payload]:
        """Facts and payload of a file; its parts are read when asked for."""
        facts, payload, _ = read_payload(self._file(name))
        return facts, payload

    def damage(self, name: str, digest: str) -> str:
        """What is wrong with a payload's file, in words; empty when it is whole and has ``digest``, if one is given."""
        path = self._file(name)
        if not path.exists():
            return "it is missing"
        try:
            found = read_payload(path, check=True)[2]
        except PayloadError as error:
            cause = error.__cause__ or error
            return f"it cannot be read: {cause.strerror if isinstance(cause, OSError) else cause}"
        return "" if found == (digest or found) else f"its digest is {found}"

    def drop(self, name: str) -> None:
        """Delete a payload's file, if there is one."""
        self._file(name).unlink(missing_ok=True)

    def keep_roster(self, roster: bytes) -> None:
        """Write ``roster.json``: whoever opens the run later can check it without the hospitals' own file."""
        write_atomic(self.path / ROSTER, roster, durable=self.durable)

    # ------------------------------------------------------------------ end

    def finish(self, result: Facts) -> None:
        """Write ``result.json``: the mark of a run that went to its end."""
        write_atomic(self.path / "result.json", json.dumps({"finished": time.time(), **result}, indent=2) + "\n")

    def close(self) -> None:
        """Release the ledger."""
        self.ledger.close()


def read_config(path: Path) -> Facts:
    """``{"lineage", "plan", "config"}`` of a run folder.

    Raises
    ------
    RunFolderError
        there is no run in ``path``.
    """
    try:
        found = json.loads((path / "config.json").read_text())
        plan = FieldPlan(*(int(bits) for bits in found["plan"])) if found["plan"] else None
        return {"lineage": str(found["lineage"]), "plan": plan, "config": dict(found["config"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{path} is not a run folder ({type(error).__name__}: {error}): expected config.json as a run writes it"
        ) from error
