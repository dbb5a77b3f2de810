"""What did not open is counted before anybody learns of it, and never more often than three times a key."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from client_app.guard.strikes import MOST, Strikes, StruckOutError
from client_app.update.payloads import UnopenedError, UnverifiedError

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"


def ask(strikes: Strikes, key: str = KEY, opens: bool = False) -> None:
    """A question whose answer is that something does not open, or that it does."""
    with strikes.counting(key, "versions 1 to 1"):
        if not opens:
            raise UnopenedError("noise")


def answered_no(strikes: Strikes, key: str = KEY) -> bool:
    """Whether an asker learns that something under ``key`` does not open."""
    try:
        ask(strikes, key)
    except UnopenedError:
        return True
    except StruckOutError:
        return False
    raise AssertionError("a failure passed for a success")


@pytest.fixture
def strikes(tmp_path: Path) -> Strikes:
    return Strikes(tmp_path / "state" / "identity.unopened")


def test_three_failures_are_the_last_answers_under_a_key(strikes: Strikes) -> None:
    ask(strikes, opens=True)
    assert [answered_no(strikes) for _ in range(5)] == [True] * MOST + [False] * 2
    with pytest.raises(StruckOutError, match=r"3 records under key 0123456789abcdef .*versions 1 to 1: noise.*rotate"):
        ask(strikes, opens=True)
    assert answered_no(strikes, OTHER)
    assert not answered_no(Strikes(strikes.path))  # the node was restarted


def test_what_opens_is_not_counted(strikes: Strikes) -> None:
    for _ in range(5):
        ask(strikes, opens=True)
    assert not strikes.path.exists()


def test_an_error_of_another_kind_is_no_strike(strikes: Strikes) -> None:
    for _ in range(MOST + 1):
        with pytest.raises(ValueError, match="a bug"), strikes.counting(KEY, "versions 1 to 1"):
            raise ValueError("a bug")
    assert not strikes.path.exists()


def test_a_record_that_cannot_be_verified_is_no_strike(strikes: Strikes) -> None:
    """Else a committee member that lies three times would have every node refuse the consortium's key."""
    for _ in range(MOST + 1):
        with pytest.raises(UnverifiedError), strikes.counting(KEY, "versions 1 to 1"):
            raise UnverifiedError("not the sum that is listed")
    assert not strikes.path.exists() and answered_no(strikes)


def test_tasks_that_run_at_once_get_no_more_wrong_answers_than_one_after_another(strikes: Strikes) -> None:
    barrier, reported = threading.Barrier(8), []

    def task() -> None:
        barrier.wait()
        reported.append(answered_no(Strikes(strikes.path)))

    run_at_once([threading.Thread(target=task) for _ in range(8)])
    assert (len(reported), sum(reported)) == (8, MOST)


def test_no_strike_is_lost_when_two_tasks_count_at_once(strikes: Strikes) -> None:
    keys = [f"{number:016x}" for number in range(12)]
    barrier = threading.Barrier(len(keys))

    def task(key: str) -> None:
        barrier.wait()
        assert answered_no(Strikes(strikes.path), key)

    run_at_once([threading.Thread(target=task, args=(key,)) for key in keys])
    assert sorted(strikes._read()) == keys


def run_at_once(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_strike_is_on_the_disk_before_the_failure_leaves(strikes: Strikes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut right after the answer must not take the count back."""
    synced: list[bytes] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(path.read_bytes() if path.is_file() else b"folder")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    assert answered_no(strikes)
    assert synced == [strikes.path.read_bytes(), b"folder"] and KEY.encode() in synced[0]


def test_a_count_that_cannot_be_written_ends_the_task_with_the_remedy(
    strikes: Strikes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("client_app.guard.strikes.write_atomic", full)
    with pytest.raises(StruckOutError, match=r"identity\.unopened.*No space left on device.*Free disk space"):
        ask(strikes)


def test_a_damaged_count_opens_nothing(strikes: Strikes) -> None:
    assert answered_no(strikes)
    strikes.path.write_text("{")
    with pytest.raises(StruckOutError, match="cannot be read"):
        ask(strikes, opens=True)
