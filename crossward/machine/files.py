"""Files that appear whole or not at all: written beside their place under a name of their own, then put into it.

Not for: what is in a file, or locks that a node's tasks wait for (``client_app.state.locks``).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def _draft(path: Path, durable: bool, private: bool) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file beside ``path``, closed and on disk after the block, and removed after whatever comes of it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(draft, flags, 0o600 if private else 0o666), "w+b") as file:
            yield draft, file
            file.flush()
            if durable:
                os.fsync(file.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True, private: bool = False) -> Iterator[IO[bytes]]:
    """A file to write, which takes ``path``'s place when the block ends; after an error what was there stays.

    Parameters
    ----------
    durable : bool
        Whether bytes and name are on disk when this returns.
    private : bool
        Whether only its owner may read it (0600), from its first byte.

    Raises
    ------
    OSError
        it could not be written.
    """
    with _draft(path, durable, private) as (draft, file):
        yield file
    try:
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def write_atomic(path: Path, content: bytes | str, *, durable: bool = True, private: bool = False) -> None:
    """Put ``content`` (text as UTF-8) in the place of what ``path`` holds; as :func:`replacing`."""
    with replacing(path, durable=durable, private=private) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_new(path: Path, content: bytes, *, private: bool = False) -> bool:
    """``content`` as a new file, on disk; False when something is at ``path`` already, which stays.

    Of several processes that start at once, one writes it.
    """
    with _draft(path, durable=True, private=private) as (draft, file):
        file.write(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_folder(path.parent)
    return True


def sync_folder(path: Path) -> None:
    """Put the names in the folder ``path`` on disk: a new file's, or one that was replaced."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def folder_locked(path: Path) -> Iterator[None]:
    """Hold the lock of the folder ``path``: whoever reads, changes and writes a file there under it loses nothing.

    Raises
    ------
    OSError
        the folder cannot be opened.
    """
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
