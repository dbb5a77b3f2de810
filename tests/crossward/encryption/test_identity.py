"""A hospital's identity: one lasting key, readable by its owner alone."""

import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from crossward.encryption.identity import (
    IdentityError,
    load_identity,
    public_line,
    public_of,
    read_identity,
    read_public,
)


def raw(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes_raw()


def pem(key: Ed25519PrivateKey | X25519PrivateKey, password: bytes = b"") -> bytes:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def test_a_key_is_made_once_with_mode_0600_and_lasts(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "identity.pem"
    key = load_identity(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert raw(load_identity(path)) == raw(key)
    assert [p.name for p in path.parent.iterdir()] == ["identity.pem"]
    assert raw(load_identity(tmp_path / "other.pem")) != raw(key)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "identity.pem"
    load_identity(path)
    path.chmod(mode)
    with pytest.raises(IdentityError, match=r"identity.pem is readable by others: chmod 600"):
        load_identity(path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "no usable private key"),
        (b"not a key", "no usable private key"),
        (pem(Ed25519PrivateKey.from_private_bytes(bytes(32)))[:60], "no usable private key"),
        (pem(Ed25519PrivateKey.from_private_bytes(bytes(32)), b"secret"), "no usable private key"),
        (pem(X25519PrivateKey.from_private_bytes(bytes(32))), "expected an Ed25519 key"),
    ],
)
def test_a_file_without_a_usable_key_is_refused_and_kept(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "identity.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(IdentityError, match=text):
        load_identity(path)
    assert path.read_bytes() == content


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    path, keys = tmp_path / "identity.pem", []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        keys.append(raw(load_identity(path)))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8 and len(set(keys)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["identity.pem"]


def test_who_comes_second_takes_the_firsts_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file appears between looking for it and linking it."""
    path = tmp_path / "identity.pem"

    def meanwhile(size: int) -> str:
        path.write_bytes(pem(Ed25519PrivateKey.from_private_bytes(b"1" * 32)))
        path.chmod(0o600)
        return "draft"

    monkeypatch.setattr("crossward.machine.files.secrets.token_hex", meanwhile)
    assert raw(load_identity(path)) == b"1" * 32
    assert [p.name for p in tmp_path.iterdir()] == ["identity.pem"]


def test_a_new_key_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut may lose the identity that was never used, but leave no file without a key."""
    path, synced = tmp_path / "identity.pem", []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        what = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((what.read_bytes() if what.is_file() else what, path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    load_identity(path)
    assert synced == [(path.read_bytes(), False), (tmp_path, True)]


# ---------------------------------------------------------------------- its public half


def test_reading_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match=r"there is no identity at .*none.pem: .*`crossward deploy identity` makes"):
        read_identity(tmp_path / "none.pem")
    assert list(tmp_path.iterdir()) == []
    assert raw(load_identity(tmp_path / "a.pem")) == raw(read_identity(tmp_path / "a.pem"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_the_public_line_reads_back(tmp_path: Path, encoding: str, end: str) -> None:
    path, key = tmp_path / "identity.pub", Ed25519PrivateKey.from_private_bytes(b"1" * 32)
    path.write_bytes((public_line(key, "Årsta, St. 2").rstrip("\n") + end).encode(encoding))
    assert read_public(path) == (public_of(key), "Årsta, St. 2")
    assert public_of(key) == key.public_key().public_bytes_raw().hex()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is no public identity: expected one line with 64 hex digits and a name"),
        (b"ab " * 22, "is no public identity"),
        (b"a" * 64, "is no public identity"),
        (b"a" * 64 + b" \n", "is no public identity"),
        (b"A" * 64 + b" x\n", "is no public identity"),
        (b"a" * 64 + b" x\n" + b"b" * 64 + b" y\n", "is no public identity"),
        (b"a" * 64 + b" \xe4\n", "is not UTF-8"),
        (b"a" * 100_000, "is no public identity"),
        (b"ssh-ed25519 AAAA x\n", "is no public identity"),
        (pem(Ed25519PrivateKey.from_private_bytes(bytes(32))), "holds a private key: keep it secret"),
    ],
)
def test_what_is_no_public_identity_is_refused_and_not_quoted(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "identity.pub"
    path.write_bytes(content)
    with pytest.raises(IdentityError, match=says) as refused:
        read_public(path)
    assert len(str(refused.value)) < 300 and "MC4C" not in str(refused.value)
    with pytest.raises(IdentityError, match=r"cannot be read \(No such file"):
        read_public(tmp_path / "none")
