"""Key files: made once with mode 0600, never overwritten, read only while nobody else can read them.

Not for: what is in them (``crossward.encryption.key_format``) or the command (``crossward.cli.keys``). Only
holders import this module.
"""

from __future__ import annotations

import codecs
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crossward.config.encryption_schemes import BFV, SCHEMES, simulation_key_name
from crossward.encryption.key_format import ConsortiumKey, Header, KeyFileError, decode, encode, read_header
from crossward.encryption.secret import Secret
from crossward.machine.files import folder_locked, write_atomic, write_new

_MOST = 1 << 22  # bytes that a key file may have; a CKKS context takes 0.2 MB
_PASSPHRASE_MOST = 1 << 12


def load_key(path: Path, passphrase: bytes | None = None) -> ConsortiumKey:
    """The key in ``path``.

    Raises
    ------
    KeyFileError
        the file is missing, not a regular file of ours (or root's), readable by others, or damaged; the passphrase is
        missing, wrong or not needed; or the SEAL at hand derives another BFV key.
    """
    return decode(_read(path), passphrase, str(path))


def load_header(path: Path) -> Header:
    """The header of ``path``, readable without a passphrase; raises as :func:`load_key`."""
    return read_header(_read(path), str(path))


def create_key(path: Path, passphrase: bytes | None = None, ckks: bool = False) -> ConsortiumKey:
    """A new key in a new file ``path``; with a CKKS context for the baseline when ``ckks``.

    Raises
    ------
    KeyFileError
        something is at ``path`` already, or the file cannot be written.
    """
    key = ConsortiumKey(Secret.generate(), (), _ckks_context() if ckks else b"")
    if not _write_new(path, encode(key, passphrase)):
        raise KeyFileError(
            f"{path} already exists and is left unchanged: `crossward keys rotate {path}` gives it a new key"
        )
    return key


def rotate_key(path: Path, passphrase: bytes | None = None, forget: bool = False) -> ConsortiumKey:
    """A new secret in ``path``, in one step; the one before becomes the first of the previous ones.

    What was sealed under a previous secret can still be opened, unless ``forget`` drops them all, the one in use until
    now with them. A CKKS context is made anew, and what was sealed under the one before cannot be opened again.

    Raises
    ------
    KeyFileError
        as :func:`load_key`, or the file cannot be written.
    """
    path = Path(os.path.realpath(path))  # behind a link, the file is replaced and not the link
    with _explained(path.parent), folder_locked(path.parent):  # so that no generation is lost
        old = load_key(path, passphrase)
        key = ConsortiumKey(Secret.generate(), () if forget else old.secrets, _ckks_context() if old.ckks else b"")
        with _explained(path):
            write_atomic(path, encode(key, passphrase), private=True)
    return key


def simulation_key(folder: Path, scheme: str = BFV) -> tuple[ConsortiumKey, bool]:
    """The key that all nodes of a simulation on this machine share, made on first use, and whether it was made now.

    A scheme that needs a context has a key of its own with it, and the public context lies next to it. However many
    processes start at once, one file wins and all return its key.

    Raises
    ------
    KeyFileError
        as :func:`load_key`, or the folder or a file cannot be written.
    """
    path, ckks = folder / simulation_key_name(scheme), SCHEMES[scheme].has_context
    made = False
    if not os.path.lexists(path):
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = ConsortiumKey(Secret.generate(), (), _ckks_context() if ckks else b"")
        made = _write_new(path, encode(fresh))
    key = load_key(path)
    if ckks:
        write_public_context(path.with_suffix(".public"), key)
    return key, made


def write_public_context(path: Path, key: ConsortiumKey) -> None:
    """The aggregator's part of the CKKS context into ``path`` (no secret), unless it is there already.

    Raises
    ------
    KeyFileError
        ``key`` has no CKKS context, something else is at ``path``, or it cannot be written.
    """
    if not key.ckks:
        raise KeyFileError(
            f"key {key.fingerprint} has no CKKS context: make one with `crossward keys create PATH --ckks`"
        )
    from crossward.encryption.holder.ckks import public_context

    data = public_context(key.ckks)
    if _write_new(path, data):
        path.chmod(0o644)
    else:
        with _explained(path):
            if not path.is_file() or path.stat().st_size != len(data) or path.read_bytes() != data:
                raise KeyFileError(f"{path} already exists and is left unchanged: name another file")


def read_passphrase(path: Path) -> bytes:
    """The passphrase in a file that only its owner can read, without the line end and UTF-8's byte order mark.

    Raises
    ------
    KeyFileError
        as for a key file; empty, or not UTF-8.
    """
    data = _read(path, _PASSPHRASE_MOST, "passphrase file")
    text = None
    with suppress(UnicodeDecodeError):  # which would carry the bytes along
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    if text is None:
        raise KeyFileError(f"{path} is not UTF-8 text: expected one line with the passphrase")
    return clean_passphrase(text.removesuffix("\n").removesuffix("\r"), str(path))


def clean_passphrase(text: str, where: str) -> bytes:
    """The bytes of a passphrase, the same however a keyboard composes its accents (Unicode NFC)."""
    if not text or "\n" in text:
        raise KeyFileError(f"{where}: expected a passphrase of one line")
    return unicodedata.normalize("NFC", text).encode()


# ---------------------------------------------------------------------- files


def _ckks_context() -> bytes:
    from crossward.encryption.holder.ckks import make_context  # only the baseline needs it

    return make_context()[0]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror or error}") from error


def _read(path: Path, most: int = _MOST, what: str = "key file") -> bytes:
    """The bytes of a file of ours that nobody else may read. Everything is asked of the open file, not of its name."""
    try:
        # without waiting for a writer, should the name be a pipe's
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        advice = ""
        if what == "key file":
            create = f"crossward keys create {path}"
            advice = f": copy the consortium's file there; `{create}` makes the first one"
        raise KeyFileError(f"there is no {what} at {path}{advice}") from None
    except OSError as error:
        raise KeyFileError(f"the {what} {path} cannot be opened ({error.strerror})") from error
    try:
        _check_private(path, os.fstat(number), most, what)
        with _explained(path), os.fdopen(number, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(number)


def _check_private(path: Path, about: os.stat_result, most: int, what: str) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise KeyFileError(f"{path} is not a regular file, so no {what}")
    if about.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(
            f"the {what} {path} belongs to user {about.st_uid}, not to this one ({os.geteuid()}): chown it"
        )
    if about.st_mode & 0o077:
        raise KeyFileError(
            f"the {what} {path} can be read or written by others (mode {stat.S_IMODE(about.st_mode):04o}): "
            f"chmod 600 {path}, and make a new one if others may have read it"
        )
    if about.st_size > most:
        raise KeyFileError(f"{path} has {about.st_size} bytes, too many for a {what} (at most {most})")


def _write_new(path: Path, data: bytes) -> bool:
    """``data`` as a new file, 0600, whole or not at all; False when something is there already."""
    with _explained(path):
        return write_new(path, data, private=True)
