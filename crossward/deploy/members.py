"""Who may connect: the public keys in the aggregator's folder ``nodes``, and nobody else.

Put a hospital's key there and it is registered, take it away and it is no longer a member. A folder that cannot be read
changes nothing: an unmounted disk must not throw everybody out.

Not for: telling hospitals' updates apart; they are signed with keys of their own (``crossward.encryption.identity``).
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crossward.deploy.errors import DeployError
from crossward.deploy.node_keys import fingerprint, public_text, text_of
from crossward.internals.flower import KEY_IN_USE, KEY_NOT_ACTIVATED, NODE_NOT_FOUND
from crossward.launcher.control import Control
from crossward.launcher.errors import LauncherError
from crossward.machine.files import write_atomic

BOOK = "members.json"
EVERY, LONGEST = 5.0, 300.0  # seconds between looks at the folder; most between tries that fail
Book = dict[str, dict[str, Any]]


class Members:
    """Keeps the SuperLink's registered keys the same as the folder ``nodes`` of public keys.

    ``state`` is the folder for its list of who is registered; ``ready`` says whether the SuperLink answers. Flower is
    asked in a separate thread, so that callers of :meth:`look` never wait.
    """

    def __init__(
        self, nodes: Path, state: Path, flower: Control, ready: Callable[[], bool], say: Callable[[str], None]
    ) -> None:
        self.nodes, self.flower, self.ready, self.say = nodes, flower, ready, say
        self._book = state / BOOK
        self._seen: list[tuple[str, float]] | None = None
        self._next = self._pause = 0.0
        self._thread: threading.Thread | None = None
        self._reported = ""

    def known(self) -> Book:
        """Public key -> name and node id of every key that is registered now.

        Raises
        ------
        DeployError
            the list is there and cannot be read.
        """
        try:
            found = json.loads(self._book.read_text(encoding="utf-8"))
            return {str(key): {"name": str(row["name"]), "node": str(row["node"])} for key, row in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
            raise DeployError(
                f"{self._book} cannot be read ({type(error).__name__}: {error}): restore it, or delete it; keys that "
                "are registered stay so, and those to be removed then need `flwr supernode unregister`"
            ) from error

    def _write(self, book: Book) -> None:
        write_atomic(self._book, json.dumps(book, indent=1))

    def look(self) -> None:
        """Register and unregister what has changed; called again and again, returns at once."""
        now = time.monotonic()
        if now < self._next or (self._thread is not None and self._thread.is_alive()):
            return
        self._next = now + EVERY
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Wait for a look that is under way."""
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        try:
            marks = self._marks()
            if marks == self._seen:
                return
            if not self.ready():
                self._next = time.monotonic() + min(EVERY, 0.5)
                return
            troubles = self._sync([self.nodes / name for name, _ in marks])
        except (DeployError, LauncherError, OSError) as error:
            troubles = [str(error)]
            marks = None
        self._pause = min(2 * self._pause or EVERY, LONGEST) if troubles else 0.0
        self._next = time.monotonic() + max(self._pause, EVERY)
        self._seen = None if troubles else marks
        if (message := "; ".join(troubles)) != self._reported and message:
            self.say(f"members: {message}")
        self._reported = message

    def _marks(self) -> list[tuple[str, float]]:
        """The folder's key files, by name and time of change."""
        try:
            names = sorted(path.name for path in self.nodes.iterdir())
        except OSError as error:
            raise DeployError(f"{self.nodes} cannot be listed ({error.strerror}): members are unchanged") from error
        marks = []
        for name in names:
            if name.endswith(".pub") and not name.startswith("."):
                try:
                    marks.append((name, (self.nodes / name).stat().st_mtime))
                except OSError:  # gone meanwhile, or a link to nothing
                    continue
        return marks

    def _sync(self, found: list[Path]) -> list[str]:
        """Make the registered keys those of ``found``; what went wrong, to be tried again."""
        known, troubles = self.known(), []
        wanted: dict[str, Path] = {}
        unread: set[str] = set()
        for path in found:
            try:
                wanted.setdefault(public_text(path), path)
            except DeployError as error:
                unread.add(path.stem)  # perhaps half copied: a member of that name stays one
                troubles.append(f"{error}; it is left out")
        for key in [key for key in known if key not in wanted and known[key]["name"] not in unread]:
            trouble = self._unregister(known[key])
            if trouble:
                troubles.append(trouble)
            else:
                self.say(f"members: {known.pop(key)['name']} is no longer a member")
                self._write(known)
        new = [(key, path) for key, path in wanted.items() if key not in known]
        with ThreadPoolExecutor(4) as pool:
            for (key, path), (node, trouble) in zip(
                new, pool.map(lambda pair: self._register(pair[1]), new), strict=True
            ):
                if trouble:
                    troubles.append(f"{path.stem} could not be registered: {trouble}")
                    continue
                known[key] = {"name": path.stem, "node": node}
                self._write(known)
                self.say(f"members: {path.stem} is registered{f' as node {node}' if node else ' already'}")
        return troubles

    def _unregister(self, row: dict[str, Any]) -> str:
        if not row["node"]:
            return f"{row['name']}'s node id is not known: remove it with `flwr supernode list` and `unregister`"
        try:
            self.flower.call("supernode", "unregister", row["node"], self.flower.connection)
        except LauncherError as error:
            return "" if NODE_NOT_FOUND in str(error) else f"{row['name']} could not be unregistered: {error}"
        return ""

    def _register(self, path: Path) -> tuple[str, str]:
        """Flower is given the key in a file of ours: it reads no byte order mark, and ``path`` may change meanwhile."""
        try:
            with tempfile.NamedTemporaryFile("w", suffix=".pub", encoding="ascii") as file:
                file.write(f"{public_text(path)}\n")
                file.flush()
                given = ("supernode", "register", file.name, self.flower.connection, "--name", path.stem)
                return str(self.flower.call(*given)["node-id"]), ""
        except (LauncherError, DeployError, OSError) as error:
            return "", "" if KEY_IN_USE in str(error) else str(error)

    def on_line(self, line: str) -> None:
        """Report whom the SuperLink refused, and why."""
        if (found := KEY_NOT_ACTIVATED.search(line)) is None:
            return
        try:
            key = serialization.load_pem_public_key(found[1].replace("\\n", "\n").encode())
            text = text_of(cast(ec.EllipticCurvePublicKey, key))
            member = self.known().get(text)
        except (ValueError, UnsupportedAlgorithm, AttributeError, DeployError):
            return
        why = (
            f"{member['name']}, which counts as connected already: a predecessor was killed, or its key is used twice"
            if member
            else f"not a member. Its hospital must send node.pub; put it into {self.nodes}"
        )
        self.say(f"REFUSED: a SuperNode with key {fingerprint(text)}: {why}")
