"""A party's own record of the steps it did: asked again, it answers as it did, also after a restart.

One file a step, written whole or not at all before the answer leaves. A step that was not recorded is done anew; every
step is a function of what is on disk, so nothing is half done.

Not for: what steps leave for later ones (``client_app.vertical.party``).
"""

from __future__ import annotations

import json
from pathlib import Path

from client_app.vertical.errors import PartyError
from crossward.machine.files import write_atomic
from crossward.protocol.vertical.messages import Envelope, Facts

_FORMAT = 1


class StepRecords:
    """Records in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, step: int) -> Path:
        return self.folder / f"{step:03d}.done"

    def find(self, step: int, action: str, round_: int) -> tuple[Facts, tuple[Envelope, ...]] | None:
        """Facts and envelopes of a step that was done; None if it was not.

        Raises
        ------
        PartyError
            the record cannot be read, or is of another action: the run's program has changed.
        """
        path = self._path(step)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PartyError(f"the record of step {step} cannot be read ({error.strerror}): {path}") from error
        try:
            size = int.from_bytes(data[:8], "little")
            head = json.loads(data[8 : 8 + size])
            if head["format"] != _FORMAT:
                raise ValueError
            start, out = 8 + size, []
            for sender, receiver, kind, made, number, length, signature in head["envelopes"]:
                out.append(
                    Envelope(
                        sender, receiver, kind, made, number, data[start : start + length], bytes.fromhex(signature)
                    )
                )
                start += length
            if start != len(data):
                raise ValueError
            same = (head["action"], head["round"]) == (action, round_)
        except (ValueError, KeyError, TypeError):
            raise PartyError(f"{path} is damaged: restore this party's state folder, or start a new run") from None
        if not same:
            raise PartyError(
                f"step {step} of this run was {head['action']} {head['round']} here, now it is {action} {round_}: "
                "resume the run with the settings it began with"
            )
        return head["facts"], tuple(out)

    def keep(self, step: int, action: str, round_: int, facts: Facts, outbox: tuple[Envelope, ...]) -> None:
        """Write the record of a step."""
        rows = [[e.sender, e.receiver, e.kind, e.step, e.number, len(e.data), e.signature.hex()] for e in outbox]
        head = {"format": _FORMAT, "action": action, "round": round_, "facts": facts, "envelopes": rows}
        text = json.dumps(head).encode()
        self.folder.mkdir(parents=True, exist_ok=True)
        content = len(text).to_bytes(8, "little") + text + b"".join(e.data for e in outbox)
        write_atomic(self._path(step), content, private=True)
