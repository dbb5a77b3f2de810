"""Who may come in: the public keys in the aggregator's folder ``nodes``, and nobody else.

Put a hospital's key there and it is registered, take it away and it is no member any more.

Not for: telling hospitals' updates apart; they are signed with keys of their own (``client_app.identity``).
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.errors import DeployError
from deploy.node_keys import fingerprint, public_text, text_of
from launcher.control import Control
from launcher.errors import LauncherError

_TURNED_AWAY = re.compile(r"\[ApiError:2004\].*?(-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----)")
BOOK = "members.json"
EVERY = 5.0  # seconds between looks at the folder of members


class Members:
    """Keeps the SuperLink's registered keys the same as the folder ``nodes`` of public keys.

    ``state`` is the folder for its list of who is registered; ``ready`` says whether the SuperLink answers.
    """

    def __init__(
        self, nodes: Path, state: Path, flower: Control, ready: Callable[[], bool], say: Callable[[str], None]
    ) -> None:
        self.nodes, self.flower, self.ready, self.say = nodes, flower, ready, say
        self._book = state / BOOK
        self._seen: list[tuple[str, float]] | None = None
        self._next = 0.0

    def known(self) -> dict[str, dict[str, Any]]:
        """Public key -> name and node id of every key that is registered now."""
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(self._book.read_text(encoding="utf-8")))
        return {}

    def look(self) -> None:
        """Register and unregister what has changed; called again and again."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        found = sorted(self.nodes.glob("*.pub"))
        marks = [(path.name, path.stat().st_mtime) for path in found]
        if marks == self._seen or not self.ready():
            self._next = now + (EVERY if marks == self._seen else 0.3)
            return
        try:
            self.sync(found)
        except LauncherError as error:
            self.say(f"members: {error}")
            return
        self._seen = marks

    def sync(self, found: Sequence[Path]) -> None:
        """Make the registered keys those of ``found``."""
        known, wanted = self.known(), {}
        for path in found:
            try:
                wanted[public_text(path)] = path
            except DeployError as error:
                self.say(f"members: {error}; it is left out")
        for key in known.keys() - wanted.keys():
            self.flower.call("supernode", "unregister", str(known[key]["node"]), self.flower.connection)
            self.say(f"members: {known.pop(key)['name']} is no member any more")
        new = [(key, path) for key, path in wanted.items() if key not in known]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda pair: self._register(pair[1]), new))
        for (key, path), (node, trouble) in zip(new, answers, strict=True):
            if trouble:
                self.say(f"members: {path.stem} could not be registered: {trouble}")
            else:
                known[key] = {"name": path.stem, "node": node}
                self.say(f"members: {path.stem} is registered as node {node}")
        draft = self._book.with_suffix(".draft")
        draft.write_text(json.dumps(known, indent=1), encoding="utf-8")
        draft.replace(self._book)
        if failed := [trouble for _, trouble in answers if trouble]:
            raise LauncherError(failed[0])

    def heard(self, line: str) -> None:
        """Say in words whom the SuperLink turned away."""
        if (found := _TURNED_AWAY.search(line)) is None:
            return
        try:
            key = serialization.load_pem_public_key(found[1].replace("\\n", "\n").encode())
            text = text_of(cast(ec.EllipticCurvePublicKey, key))
        except (ValueError, UnsupportedAlgorithm, AttributeError):
            return
        member = self.known().get(text)
        why = (
            f"{member['name']}, which counts as connected already: a predecessor was killed, or its key is used twice"
            if member
            else f"no member. Its hospital must send node.pub; put it into {self.nodes}"
        )
        self.say(f"REFUSED: a SuperNode with key {fingerprint(text)}: {why}")

    def _register(self, path: Path) -> tuple[str, str]:
        try:
            answer = self.flower.call("supernode", "register", str(path), self.flower.connection, "--name", path.stem)
            return str(answer["node-id"]), ""
        except LauncherError as error:
            return "", str(error)
