"""How often something that a server sent did not open, and when a node stops answering.

BFV, as every scheme that can add ciphertexts, is not secure against chosen ones: whether a crafted ciphertext still
opens leaks a little of the secret key, and some thousands of such queries would leak all of it. Nodes cannot hide the
answer (they report a state hash), so they bound how often it may be no: after three they refuse whatever is sealed
under that key. Of n questions with at most three failures an asker learns about log2(n^3 / 6) bits, 36 of n = 8192,
where the key has 6,492. The count is kept by key, across runs, on the node's disk. Under the committee scheme nothing
is counted: that a sum does not fit its tag says nothing of a key, and a member that lies shall not stop its nodes.

Not for: what did not open (``client_app.update.payloads``).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from client_app.state.locks import exclusive
from client_app.update.payloads import UnopenedError, UnverifiedError
from crossward.machine.files import write_atomic

MOST = 3
_PATIENCE = 600.0  # seconds for another task's record to be opened; a large adapter's takes a while


class StruckOutError(RuntimeError):
    """Too much under this key did not open, or it cannot be counted; the node refuses tasks under it."""

    tellable = True  # see client_app.guard.refusals


class Strikes:
    """Fingerprint -> what did not open, in ``path`` (JSON), on disk before anybody learns of it if ``durable``.

    One question at a time: tasks that run at once, of one run or several, get no more wrong answers than one after
    another would.
    """

    def __init__(self, path: Path, durable: bool = True) -> None:
        self.path, self.durable = path, durable

    @contextlib.contextmanager
    def counting(self, key: str, what: str) -> Iterator[None]:
        """Open ``what``, sealed under ``key``, within: an :class:`UnopenedError` is counted before it leaves.

        Raises
        ------
        StruckOutError
            three failures under ``key`` were counted before, or the count cannot be read or written; it says what
            failed and what to do.
        """
        with self._exclusive():
            self._check(key)
            try:
                yield
            except UnverifiedError:
                raise
            except UnopenedError as error:
                self._add(key, f"{what}: {error}")
                raise

    def _exclusive(self) -> contextlib.AbstractContextManager[None]:
        busy = StruckOutError(
            f"another task of this node has held {self.path.name} for {_PATIENCE:g} s: nothing was opened. If no "
            "other run opens records here, restart the SuperNode"
        )
        return exclusive(self.path.with_name(f"{self.path.name}.lock"), busy, self._unwritten, _PATIENCE)

    def _read(self) -> dict[str, list[str]]:
        if not self.path.exists():
            return {}
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(key): [str(what) for what in reasons] for key, reasons in found.items()}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise StruckOutError(
                f"{self.path} cannot be read ({error}), so how much under this key did not open is not known: restore "
                "it, or delete it if you know why nothing was wrong"
            ) from error

    def _add(self, key: str, what: str) -> None:
        found = self._read()
        found.setdefault(key, []).append(what[:500])
        try:
            write_atomic(self.path, json.dumps(found, indent=1), durable=self.durable, private=True)
        except OSError as error:
            raise self._unwritten(error) from error

    def _check(self, key: str) -> None:
        reasons = self._read().get(key, [])
        if len(reasons) >= MOST:
            raise StruckOutError(
                f"{len(reasons)} records under key {key} did not open here (the last: {reasons[-1]}). A hospital or "
                "the aggregator is misbehaving, and more answers would leak the key: this node refuses further tasks "
                f"under it. Find the cause, then `crossward keys rotate`; the count is in "
                f"{self.path}"
            )

    def _unwritten(self, error: OSError) -> StruckOutError:
        return StruckOutError(
            f"{self.path.name}, the count of what did not open under a key, could not be written to this node's "
            f"state-dir ({error.strerror or type(error).__name__}): nothing more is opened without it. Free disk "
            "space, or check the folder's permissions"
        )
