"""A stretch of versions at a committee member: its private sealing key, and what was opened with it, on disk.

A folder holds ``N.key`` (mode 0600) and ``N.opened``, a line for each version list that was answered. A line is on the
disk (fsync) before the answer leaves: a crash in between is safe, as the same list may be answered again, with the same
bytes. Two lists that share an update are never both answered. The record exists before its key does and a key without
its record is not used, so that a lost record opens nothing twice. Destroying the key at the end of the stretch keeps
closed whatever was sealed in it and not opened (forward secrecy), even from a copy made of the folder later.

A folder that is restored from a backup forgets what was opened since: begin a new stretch instead of restoring one.

Only holders import this module.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crossward.encryption.committee.boxes import PRIVATE_BYTES, SealingKey
from crossward.encryption.committee.roster import SealingCertificate
from crossward.encryption.committee.signatures import Sign

_FORMAT = "crossward-opened/1"


class StretchError(ValueError):
    """A stretch's files cannot be used, or an update was opened before."""

    tellable = True  # see client_app.guard.refusals


class Stretch:
    """One stretch of a lineage; made by :meth:`create`, found again by :meth:`load`."""

    def __init__(self, folder: Path, lineage: str, number: int, key: SealingKey) -> None:
        self.lineage, self.number, self.key = lineage, number, key
        self._key_path, self._record = _paths(folder, number)

    @classmethod
    def create(cls, folder: Path, lineage: str, number: int) -> Stretch:
        """A new one, with a fresh key and an empty record.

        Raises
        ------
        StretchError
            ``folder`` has one of that number already, or cannot be written.
        """
        key = SealingKey.generate()
        key_path, record = _paths(folder, number)
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                header = {"format": _FORMAT, "lineage": lineage, "stretch": number}
                _write_new(record, json.dumps(header).encode() + b"\n")
                _write_new(key_path, key.data)
            except FileExistsError as error:
                raise StretchError(f"{error.filename} exists already: begin a stretch of another number") from None
        return cls(folder, lineage, number, key)

    @classmethod
    def load(cls, folder: Path, lineage: str, number: int) -> Stretch:
        """One that :meth:`create` made.

        Raises
        ------
        StretchError
            its key was destroyed, others can read it, or the record of what it opened is missing or of another lineage.
        """
        key_path, _ = _paths(folder, number)
        with _explained(key_path):
            try:
                data = key_path.read_bytes()
            except FileNotFoundError:
                raise StretchError(f"there is no sealing key at {key_path}: the stretch is closed") from None
            if stat.S_IMODE(key_path.stat().st_mode) & 0o077:
                raise StretchError(f"{key_path} can be read by others: begin a new stretch and delete this one")
        if len(data) != PRIVATE_BYTES:
            raise StretchError(f"{key_path} has {len(data)} bytes, expected {PRIVATE_BYTES}: begin a new stretch")
        found = cls(folder, lineage, number, SealingKey(data))
        with found._locked() as file:
            found._opened(file)
        return found

    def certificate(self, member: str, sign: Sign) -> SealingCertificate:
        """The public key with the member's signature (``Ed25519PrivateKey.sign``)."""
        certificate = SealingCertificate(member, self.lineage, self.number, self.key.public)
        return SealingCertificate(*_fields(certificate), signature=sign(certificate.canonical))

    def claim(self, digest: str, updates: Sequence[str]) -> None:
        """Write down durably that ``updates`` are opened in the list ``digest`` and never in another.

        Raises
        ------
        StretchError
            one of them was opened in another list, or the record cannot be used or written.
        """
        with self._locked() as file:
            opened = self._opened(file)
            if opened.get(digest) == sorted(updates):
                with _explained(self._record):
                    os.fsync(file)  # whoever wrote the line may have died before it was on the disk
                return
            for other, names in opened.items():
                if again := sorted(set(names) & set(updates)):
                    raise StretchError(
                        f"{', '.join(again)} was opened before, in the list {other[:16]}: an update is opened once"
                    )
            line = json.dumps({"list": digest, "updates": sorted(updates)}).encode() + b"\n"
            size = os.fstat(file).st_size
            with _explained(self._record):
                try:
                    if os.write(file, line) != len(line):
                        raise OSError(errno.ENOSPC, "it cannot be written in full, nothing was opened")
                    os.fsync(file)
                except OSError:
                    os.ftruncate(file, size)  # after a failed fsync another one may succeed without the bytes
                    raise

    def opened(self) -> frozenset[str]:
        """The digests of the lists that :meth:`claim` wrote down.

        Raises
        ------
        StretchError
            the record cannot be used.
        """
        with self._locked() as file:
            return frozenset(self._opened(file))

    def destroy(self) -> None:
        """Delete the private key. What was sealed to it and not opened stays closed; the record stays."""
        destroy_key(self._key_path.parent, self.number)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The record, open, while no other process reads or writes it."""
        try:
            file = os.open(self._record, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise StretchError(
                f"{self._record}, the record of what was opened, cannot be opened ({error.strerror}): without it "
                "nothing is opened; begin a new stretch"
            ) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _opened(self, file: int) -> dict[str, list[str]]:
        """List -> its updates. A torn last line was never answered and is cut off."""
        with _explained(self._record):
            size = os.fstat(file).st_size
            data = os.pread(file, size, 0)
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                os.ftruncate(file, whole)
                os.fsync(file)
        header, opened = _read(data[:whole], self._record)
        if header != {"format": _FORMAT, "lineage": self.lineage, "stretch": self.number}:
            raise StretchError(f"{self._record} is not the record of stretch {self.number} of {self.lineage}")
        return opened


def destroy_key(folder: Path, number: int) -> None:
    """:meth:`Stretch.destroy`, whatever the stretch's record is like.

    Raises
    ------
    StretchError
        the folder cannot be written.
    """
    key_path, _ = _paths(folder, number)
    with _explained(key_path):
        key_path.unlink(missing_ok=True)
        _sync(folder)


def keys_in(folder: Path) -> tuple[int, ...]:
    """The numbers of the stretches whose private keys are in ``folder``, in order."""
    return _numbers(folder, "key")


def begun_in(folder: Path) -> tuple[int, ...]:
    """The numbers of all stretches that were ever begun in ``folder``, in order."""
    return _numbers(folder, "opened")


def lists_in(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The digest and the updates (signer/digest) of every list that was opened in a stretch of ``folder``.

    A list of updates of two stretches comes twice.

    Raises
    ------
    StretchError
        a record cannot be used.
    """
    for number in begun_in(folder):
        _, record = _paths(folder, number)
        with _explained(record):
            data = record.read_bytes()
        yield from _read(data[: data.rfind(b"\n") + 1], record)[1].items()


def undo_interrupted(folder: Path, number: int) -> None:
    """Let a stretch be made whose making was interrupted: it has no key, and a record of nothing opened.

    Only for a stretch whose key was not destroyed: that looks the same.

    Raises
    ------
    StretchError
        the folder cannot be read or written.
    """
    key_path, record = _paths(folder, number)
    with _explained(record):
        if record.exists() and not key_path.exists() and record.read_bytes().count(b"\n") < 2:
            record.unlink()
            _sync(folder)


def _read(data: bytes, record: Path) -> tuple[Any, dict[str, list[str]]]:
    """A record's header, and list -> its updates."""
    try:
        header, *lines = (json.loads(line) for line in data.splitlines())
        return header, {line["list"]: [str(name) for name in line["updates"]] for line in lines}
    except (ValueError, KeyError, TypeError):
        raise StretchError(
            f"{record} is damaged: begin a new stretch, nothing of this one is opened any more"
        ) from None


def _numbers(folder: Path, suffix: str) -> tuple[int, ...]:
    return tuple(sorted(int(p.stem) for p in folder.glob(f"*.{suffix}") if p.stem.isdecimal()))


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"{number}.key", folder / f"{number}.opened"


def _fields(certificate: SealingCertificate) -> tuple[str, str, int, bytes]:
    return certificate.member, certificate.lineage, certificate.stretch, certificate.key


def _write_new(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise StretchError(f"{path}: {error.strerror or error}") from error
