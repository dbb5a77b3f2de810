"""Hidden states in a party's own folder, so that a party that is started for each step reads its notes once.

One file of the newest, which says what it was made of. It holds what notes say as the notes do, and is as private.

Not for: computing them (``client_app.vertical.learning.bottoms.hidden_states``).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from client_app.vertical.learning.bottoms.hidden_states import Segments
from crossward.machine.files import write_atomic

FILE = "hidden-states.npz"


def key_of(texts: Sequence[str], *others: object) -> str:
    """SHA-256 in hexadecimal of notes and of all else that their hidden states follow from."""
    found = hashlib.sha256(repr(others).encode())
    for text in texts:
        part = text.encode("utf-8", "surrogatepass")
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()


def kept_segments(folder: Path | None, key: str, compute: Callable[[], Segments]) -> Segments:
    """What ``folder`` keeps under ``key``, else what ``compute`` gives, which is kept; None keeps nothing."""
    if folder is None:
        return compute()
    found = _read(folder / FILE, key)
    if found is None:
        found = compute()
        buffer = io.BytesIO()
        np.savez(buffer, key=np.frombuffer(key.encode(), np.uint8), states=found.states.numpy(), offsets=found.offsets)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / FILE, buffer.getvalue(), private=True)
    return found


def _read(path: Path, key: str) -> Segments | None:
    """None where there is no such file, it is damaged, or of something else."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            if found["key"].tobytes().decode("ascii", "replace") != key:
                return None
            return Segments(torch.from_numpy(found["states"]), found["offsets"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
