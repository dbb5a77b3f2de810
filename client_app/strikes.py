"""How often something that a server sent did not open, and when a node stops answering.

BFV, as every scheme that can add ciphertexts, is not secure against chosen ones: whether a crafted ciphertext still
opens tells a little of the secret key, and some thousands of such questions would tell all of it. Nodes cannot hide the
answer (they report a state hash), so they bound how often it may be no: after three they refuse whatever is sealed
under that key. Of n questions with at most three failures an asker learns about log2(n^3 / 6) bits, 36 of n = 8192,
where the key has 6,492. The count is kept by key, across runs, on the node's disk.

Not for: what did not open (``client_app.payloads``).
"""

from __future__ import annotations

import json
from pathlib import Path

MOST = 3


class StruckOutError(RuntimeError):
    """Too much under this key did not open; the node takes no more part under it."""

    tellable = True  # see client_app.refusals


class Strikes:
    """Fingerprint -> what did not open, in ``path`` (JSON)."""

    def __init__(self, path: Path) -> None:
        self.path = path

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

    def add(self, key: str, what: str) -> None:
        """Something under ``key`` did not open. Written before anybody is told."""
        found = self._read()
        found.setdefault(key, []).append(what[:500])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(found, indent=1), encoding="utf-8")
        draft.replace(self.path)

    def check(self, key: str) -> None:
        """Refuse to open anything more under ``key`` after three failures.

        Raises
        ------
        StruckOutError
            says what failed and what to do.
        """
        reasons = self._read().get(key, [])
        if len(reasons) >= MOST:
            raise StruckOutError(
                f"{len(reasons)} records under key {key} did not open here (the last: {reasons[-1]}). A hospital or "
                "the aggregator is misbehaving, and more answers would give the key away: this node takes no more part "
                f"under it. Find the cause, then `python -m encryption.keys rotate`; the count is in {self.path}"
            )
