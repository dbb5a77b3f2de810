"""Key files: who may read them, that none is ever overwritten, rotation, and one key for a whole simulation."""

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from crossward.config.encryption_schemes import CKKS
from crossward.encryption import key_file, key_format
from crossward.encryption.key_file import (
    create_key,
    load_header,
    load_key,
    read_passphrase,
    rotate_key,
    simulation_key,
    write_public_context,
)
from crossward.encryption.key_format import KeyFileError

ROOT = Path(__file__).parents[3]
PASSPHRASE = b"correct horse battery"


@pytest.fixture(autouse=True)
def quick_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_format, "SCRYPT_N", 1 << 10)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---------------------------------------------------------------------- making and loading


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_new_file_is_0600_and_gives_its_key_back(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "the.key"
    key = create_key(path, passphrase)
    assert mode(path) == 0o600
    assert load_key(path, passphrase) == key
    assert load_header(path).wrapped == (passphrase is not None)
    assert list(tmp_path.iterdir()) == [path]  # no draft stays behind


def test_it_is_0600_from_its_first_byte_under_any_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    fsync = os.fsync

    def look(number: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(number).st_mode))
        fsync(number)

    monkeypatch.setattr(os, "fsync", look)
    before = os.umask(0)
    try:
        create_key(tmp_path / "the.key")
    finally:
        os.umask(before)
    assert seen[0] == 0o600 and len(seen) == 2  # the file, then its folder


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "the.key"
    key = create_key(path)
    for what in (path, tmp_path / "empty", tmp_path / "folder", tmp_path / "dangling"):
        if what.name == "empty":
            what.touch()
        elif what.name == "folder":
            what.mkdir()
        elif what.name == "dangling":
            what.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(KeyFileError, match="already exists and is left unchanged"):
            create_key(what)
    assert load_key(path) == key
    assert (tmp_path / "empty").read_bytes() == b"" and not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"nowhere/the\.key: No such file"):
        create_key(tmp_path / "nowhere" / "the.key")


@pytest.mark.parametrize("bits", [0o600, 0o400])
def test_a_file_of_the_owner_alone_is_read(tmp_path: Path, bits: int) -> None:
    key = create_key(tmp_path / "the.key")
    (tmp_path / "the.key").chmod(bits)
    assert load_key(tmp_path / "the.key") == key


@pytest.mark.parametrize("bits", [0o644, 0o640, 0o604, 0o620, 0o601, 0o777])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "the.key"
    create_key(path)
    path.chmod(bits)
    with pytest.raises(KeyFileError, match=f"mode {bits:04o}\\): chmod 600"):
        load_key(path)
    with pytest.raises(KeyFileError, match="chmod 600"):
        rotate_key(path)


def test_a_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    key = create_key(tmp_path / "the.key")
    link = tmp_path / "link.key"
    link.symlink_to(tmp_path / "the.key")
    assert load_key(link) == key
    rotated = rotate_key(link)
    assert link.is_symlink() and load_key(tmp_path / "the.key") == rotated
    (tmp_path / "the.key").chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_key(link)


def test_another_users_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "the.key"
    create_key(path)
    owner, real = path.stat().st_uid, os.fstat

    def theirs(number: int) -> os.stat_result:
        about = list(real(number))
        about[4] = 4242
        return os.stat_result(about)

    monkeypatch.setattr(os, "fstat", theirs)
    with pytest.raises(KeyFileError, match=rf"belongs to user 4242, not to this one \({owner}\)"):
        load_key(path)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("pipe", "folder"):
        with pytest.raises(KeyFileError, match="not a regular file"):
            load_key(tmp_path / name)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"crossward keys create .*the\.key"):
        load_key(tmp_path / "the.key")


def test_a_file_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "the.key"
    create_key(path)
    os.truncate(path, 1 << 32)
    with pytest.raises(KeyFileError, match="4294967296 bytes, too many"):
        load_key(path)


# ---------------------------------------------------------------------- rotation


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_rotation_keeps_what_opened_earlier_versions(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "the.key"
    first = create_key(path, passphrase)
    second = rotate_key(path, passphrase)
    third = rotate_key(path, passphrase)
    assert third.previous == (second.current, first.current)
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3
    assert load_key(path, passphrase) == third and mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    fresh = rotate_key(path, passphrase, forget=True)
    assert load_key(path, passphrase) == fresh
    assert fresh.previous == () and fresh.find(third.fingerprint) is None


def test_no_two_rotations_at_once_lose_a_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, blocked, real = tmp_path / "the.key", [], key_file.load_key
    create_key(path)

    def load(where: Path, passphrase: bytes | None = None) -> key_format.ConsortiumKey:
        folder = os.open(tmp_path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            blocked.append(where)
        finally:
            os.close(folder)
        return real(where, passphrase)

    monkeypatch.setattr(key_file, "load_key", load)
    rotate_key(path)
    assert blocked == [path]  # another rotation would have waited from before the reading on
    fcntl.flock(folder := os.open(tmp_path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)  # and not any longer
    os.close(folder)


def test_a_rotation_under_the_wrong_passphrase_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "the.key"
    create_key(path, PASSPHRASE)
    before = path.read_bytes()
    for passphrase in (None, b"wrong horse"):
        with pytest.raises(KeyFileError, match="passphrase"):
            rotate_key(path, passphrase)
    assert path.read_bytes() == before


def test_a_rotation_that_cannot_be_finished_leaves_the_old_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "the.key"
    key = create_key(path)

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match="No space left"):
        rotate_key(path)
    assert load_key(path) == key and list(tmp_path.iterdir()) == [path]


# ---------------------------------------------------------------------- CKKS


def test_a_ckks_key_has_a_context_that_rotates_too(tmp_path: Path) -> None:
    path, public = tmp_path / "the.key", tmp_path / "public"
    key = create_key(path, ckks=True)
    assert len(key.ckks) > 100_000 and load_key(path).ckks == key.ckks
    write_public_context(public, key)
    assert len(public.read_bytes()) < 200 and mode(public) == 0o644
    write_public_context(public, rotate_key(path))  # the same parameters, so nothing to change
    assert load_key(path).ckks not in (b"", key.ckks)


def test_a_public_context_replaces_nothing_and_needs_a_context(tmp_path: Path) -> None:
    path = tmp_path / "the.key"
    with_context, before = create_key(path, ckks=True), path.read_bytes()
    with pytest.raises(KeyFileError, match="left unchanged"):
        write_public_context(path, with_context)
    assert path.read_bytes() == before
    with pytest.raises(KeyFileError, match="has no CKKS context"):
        write_public_context(tmp_path / "public", create_key(tmp_path / "other.key"))


# ---------------------------------------------------------------------- simulations


def test_a_simulations_key_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    key, made = simulation_key(folder)
    again, made_again = simulation_key(folder)
    assert (made, made_again) == (True, False) and key == again and key.ckks == b""
    assert mode(folder / "simulation.key") == 0o600 and mode(folder) & 0o022 == 0
    baseline, made_too = simulation_key(folder, CKKS)
    assert made_too and baseline.ckks and baseline.fingerprint != key.fingerprint
    assert {path.name for path in folder.iterdir()} == {
        "simulation.key",
        "simulation-ckks.key",
        "simulation-ckks.public",
    }
    (folder / "simulation-ckks.public").unlink()
    assert simulation_key(folder, CKKS) == (baseline, False)
    assert (folder / "simulation-ckks.public").exists()


def test_four_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from crossward.encryption.key_file import simulation_key\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "key, made = simulation_key(Path(sys.argv[1]), 'ckks'); print(key.fingerprint, made)\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "keys")],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=300)[0].split() for process in started]
    assert all(process.returncode == 0 for process in started)
    assert len({fingerprint for fingerprint, _ in printed}) == 1
    assert sorted(made for _, made in printed) == ["False", "False", "False", "True"]
    assert len(list((tmp_path / "keys").iterdir())) == 2


def test_the_process_that_comes_second_takes_the_firsts_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race itself: the other process's file appears between the look and the write."""
    real = key_file._write_new
    first = []

    def late(path: Path, data: bytes) -> bool:
        monkeypatch.setattr(key_file, "_write_new", real)
        first.append(create_key(path))
        return real(path, data)

    monkeypatch.setattr(key_file, "_write_new", late)
    key, made = simulation_key(tmp_path)
    assert (key, made) == (first[0], False)


# ---------------------------------------------------------------------- passphrase files


@pytest.mark.parametrize("content", [b"caf\xc3\xa9 au lait", b"caf\xc3\xa9 au lait\n", b"cafe\xcc\x81 au lait\r\n"])
def test_a_passphrase_file_without_its_line_end(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_bytes(content)
    assert read_passphrase(path) == b"caf\xc3\xa9 au lait"


@pytest.mark.parametrize(
    ("content", "bits", "message"),
    [
        (b"long enough\n", 0o644, "passphrase file .* can be read or written by others"),
        (b"\n", 0o600, "one line"),
        (b"two\nlines\n", 0o600, "one line"),
        (b"\xff\xfe", 0o600, "not UTF-8"),
        (b"x" * 5000, 0o600, "too many for a passphrase file"),
    ],
)
def test_a_passphrase_file_that_cannot_be_used(tmp_path: Path, content: bytes, bits: int, message: str) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(content)
    path.chmod(bits)
    with pytest.raises(KeyFileError, match=message) as caught:
        read_passphrase(path)
    assert caught.value.__context__ is None
    with pytest.raises(KeyFileError, match=r"there is no passphrase file at \S+nothing$"):
        read_passphrase(tmp_path / "nothing")
