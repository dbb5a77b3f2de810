"""The folder for everything derived from notes: built once, atomically, by whichever process comes first.

Keys are hashes of what an entry was made from, so that nothing has to be invalidated. Two processes that build the
same entry at once both build it and one wins: no locks to be left behind by a killed process. Entries hold notes:
the folder is readable by its owner alone.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from crossward.machine.paths import PathError, own_folder
from data.errors import DataError

FORMAT = 7  # counts up whenever readers, cleaning, splits or tokens change what an entry holds
_DONE = "complete.json"


def digest(*parts: object) -> str:
    """A short hash of ``parts`` and the cache format."""
    text = json.dumps([FORMAT, *parts], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def stamp(path: Path) -> tuple[str, int, int]:
    """What a source file is known by: path, size, time of its last change (ns)."""
    found = path.stat()
    return str(path.absolute()), found.st_size, found.st_mtime_ns


def _is_whole(folder: Path) -> bool:
    try:
        sizes = json.loads((folder / _DONE).read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder of entry ``key``; ``build`` fills an empty folder when there is none, or a broken one.

    Raises
    ------
    DataError
        the cache cannot be written, or is another user's.
    """
    try:
        target = own_folder(f"cache/{kind}") / key
        if _is_whole(target):
            return target
        building = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=target.parent))
    except PathError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(
            f"{error.filename}: cannot keep derived data here ({error.strerror}). "
            "Set CROSSWARD_HOME to a writable folder."
        ) from error
    try:
        build(building)
        files = {str(p.relative_to(building)): p.stat().st_size for p in building.rglob("*") if p.is_file()}
        (building / _DONE).write_text(json.dumps(files))
        _install(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _install(building: Path, target: Path) -> None:
    for _ in range(100):
        try:
            building.rename(target)
            return
        except OSError:  # another process was first, or what is there is broken
            if _is_whole(target):
                return
            aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-broken-", dir=target.parent))
            try:
                target.rename(aside / "entry")
            except FileNotFoundError:
                pass
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    raise DataError(f"{target}: could not be replaced. Remove it and run again.")
