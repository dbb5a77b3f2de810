"""Writing files that others must not read, and reading configuration tables with checked keys.

Not for: what is in them.
"""

from __future__ import annotations

import dataclasses
import fcntl
import itertools
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar, get_type_hints

from crossward.deploy.errors import DeployError
from crossward.machine import files
from crossward.machine.paths import PathError, absolute
from crossward.machine.text import TextError, read_toml

T = TypeVar("T")


def field_of(key: str, help: str) -> dict[str, str]:
    """Metadata of a field that :func:`read_table` fills from ``key``."""
    return {"key": key, "help": help}


def write_new(path: Path, data: bytes, secret: bool = False) -> None:
    """Write a file that must not be there yet; a ``secret`` one is 0600 from its first moment.

    Raises
    ------
    DeployError
        the file exists, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeployError(f"{path} could not be written: {path.parent}: {error.strerror}") from error
    try:
        made = files.write_new(path, data, private=secret)
    except OSError as error:
        raise DeployError(f"{path} could not be written: {error.strerror}") from error
    if not made:
        raise DeployError(f"{path} already exists and is not overwritten: name another folder, or move it away")


def replace(path: Path, new: Path) -> None:
    """Put the file ``new`` in ``path``'s place; what was there stays beside it, with the time in its name.

    An earlier one that was put aside within the same second stays too: the next one's name ends in a number.
    """
    kept = path.with_name(f"{path.name}{datetime.now(UTC):.%Y%m%dT%H%M%SZ}")
    for name in itertools.chain([kept], (kept.with_name(f"{kept.name}-{number}") for number in itertools.count(2))):
        try:
            os.link(path, name, follow_symlinks=False)  # unlike a rename, it overwrites nothing
        except FileExistsError:
            continue
        except FileNotFoundError:  # there was nothing
            pass
        break
    new.rename(path)


def only_one(folder: Path, what: str) -> IO[bytes]:
    """Make ``folder`` and lock it for this process: two keepers of one state would undo each other's work.

    Raises
    ------
    DeployError
        it cannot be made, or another process keeps it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("ab")
    except OSError as error:
        raise DeployError(f"{folder} cannot be used as a state folder: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise DeployError(f"{folder} is in use: this {what} is already running (as a service?)") from error
    return lock


def in_use(folder: Path) -> bool:
    """Whether a process keeps ``folder`` now, as :func:`only_one` has it."""
    try:
        with (folder / ".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def check_private(path: Path, what: str) -> None:
    """Refuse a secret that is missing or that others can read."""
    if not path.is_file():
        raise DeployError(f"{path}, {what}, is missing")
    if path.stat().st_mode & 0o077:
        raise DeployError(f"{path}, {what}, can be read by others: chmod 600 {path}")


def path_in(file: Path, key: str, value: str) -> Path:
    """The path that ``key`` has in the configuration ``file``, relative ones from its folder.

    Raises
    ------
    DeployError
        it cannot be expanded.
    """
    try:
        return absolute(value, key, file.absolute().parent)
    except PathError as error:
        raise DeployError(f"{file}: {error}") from error


def read_table(cls: type[T], path: Path, extra: str = "") -> tuple[T, dict[str, Any]]:
    """A ``cls`` (frozen dataclass; every field has ``key`` and ``help``) from a TOML file, and its table ``extra``.

    Paths (fields of type Path) are taken from the file's folder, after ``~`` is expanded.

    Raises
    ------
    DeployError
        names the file, the key and what was expected.
    """
    try:
        table = read_toml(path)
    except TextError as error:
        raise DeployError(str(error)) from error
    more = table.pop(extra, {}) if extra else {}
    if not isinstance(more, dict):
        raise DeployError(f"{path}: [{extra}] must be a table")
    hints = get_type_hints(cls)
    given: dict[str, Any] = {}
    fields = {f.metadata["key"]: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key, value in table.items():
        if key not in fields:
            raise DeployError(f"{path}: unknown key {key!r}; there are {', '.join(sorted(fields))}")
        kind = hints[fields[key].name]
        if kind is Path and isinstance(value, str):
            given[fields[key].name] = path_in(path, key, value)
        elif kind in (str, int) and type(value) is kind:
            given[fields[key].name] = value
        else:
            names = {Path: "a path", str: "a text", int: "a whole number"}
            raise DeployError(f"{path}: {key} = {value!r} is not {names[kind]}")
    missing = [
        key
        for key, f in fields.items()
        if f.name not in given and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise DeployError(f"{path}: {missing[0]} is missing ({fields[missing[0]].metadata['help']})")
    return cls(**given), more
