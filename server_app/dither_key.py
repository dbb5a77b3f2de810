"""Where the server keeps the key of a run's dither: beside the run folders, never in one.

A run folder is handed to whoever evaluates the run, and an evaluator who holds the consortium key as well must not be
able to remove the dither from versions. So the key lies in ``dither/<lineage>.key`` of CROSSWARD_HOME, readable by the
server's user alone.

Who reads the key and opens versions (the aggregator's operator together with a hospital) separates them as if there
were no dither. Who loses it loses nothing: versions are kept with their dither, and a resumed run makes a new key.

Not for: what the dither is (``crossward.encryption.dither``).
"""

from __future__ import annotations

import re
from logging import WARNING
from pathlib import Path

from flwr.common import log

from crossward.encryption.dither import KEY_BYTES, Dither
from crossward.machine.files import write_atomic
from crossward.machine.paths import PathError, home, own_folder

FOLDER = "dither"
_LINEAGE = re.compile(r"[0-9A-Za-z_-]{1,64}")


class DitherKeyError(RuntimeError):
    """The file of a dither key cannot be read or written."""


def key_path(lineage: str) -> Path:
    """The file of the dither key of run ``lineage``.

    Raises
    ------
    DitherKeyError
        a lineage that no run has: it comes from a run folder, and must not name a path.
    """
    if not _LINEAGE.fullmatch(lineage):
        raise DitherKeyError(
            f"the run's lineage {lineage[:64]!r} in its config.json is not 1 to 64 letters, digits, '-' or '_': "
            "restore the file from a backup"
        )
    return home() / FOLDER / f"{lineage}.key"


def run_dither(lineage: str, resumed: bool = False) -> Dither:
    """The dither of run ``lineage``; its key is created if missing.

    Raises
    ------
    DitherKeyError
        the file holds no key, can be read by others, or cannot be read or written.
    """
    path = key_path(lineage)
    if not path.exists():
        if resumed:
            log(WARNING, "The dither key %s is missing: new versions are made under a new one", path)
        _write(path, Dither().key)
    return Dither(_read(path))


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise DitherKeyError(f"the dither key {path} can be read by others: chmod 600 {path}")
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        reason = (error.strerror or "") if isinstance(error, OSError) else "it is not hexadecimal text"
        raise DitherKeyError(_unusable(path, reason)) from None
    if len(key) != KEY_BYTES:
        raise DitherKeyError(_unusable(path, f"it has {len(key)} bytes"))
    return key


def _unusable(path: Path, reason: str) -> str:
    return (
        f"the dither key {path} cannot be used ({reason}): expected {2 * KEY_BYTES} hexadecimal digits in a file that "
        "the server can read. Restore it from a backup, or remove it: the resumed run then makes a new one"
    )


def _write(path: Path, key: bytes) -> None:
    try:
        own_folder(FOLDER)
        write_atomic(path, key.hex() + "\n", private=True)
    except (OSError, PathError) as error:
        raise DitherKeyError(f"the dither key {path} cannot be written ({error}): check CROSSWARD_HOME") from error
