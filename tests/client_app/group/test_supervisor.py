"""The supervisor among ranks that are only acted: what it relays, when it loses patience, and what it says then.

Real groups, with real ranks that are killed, are in ``test_survival``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client_app.group import frames, supervisor
from client_app.group.place import Options
from client_app.group.supervisor import IDLE, LOADING, WORKING, Supervisor

OPTIONS = Options("key", 1, 1, "cpu", 1800.0, 900.0)


class Clock:
    """Time that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return asyncio.get_event_loop().time() + self.ahead


class Line:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, blobs: Any = (), **header: Any) -> None:
        with contextlib.suppress(ConnectionError):  # it has ended
            await frames.write(self.writer, header, blobs)

    async def hear(self, seconds: float = 20.0) -> tuple[dict[str, Any], list[bytearray]]:
        return await asyncio.wait_for(frames.read(self.reader), seconds)

    async def answer(self, job: dict[str, Any], blobs: Any = (), **header: Any) -> None:
        await self.say(blobs, job=job["job"], **header)

    async def hang_up(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Stage(Supervisor):
    """A supervisor whose launcher starts nothing: the test acts the ranks."""

    looks = 0

    async def _launch(self, room: Path) -> asyncio.subprocess.Process:
        self.room, self.acted = room, list[asyncio.subprocess.Process]()
        self.lines, self.asked = list[Line](), list[Line]()
        self.launcher = await self.sleeper()
        return self.launcher

    async def _kill(self, launcher: asyncio.subprocess.Process) -> None:
        launcher.terminate()  # as torchrun ends when its ranks do
        await super()._kill(launcher)

    async def sleeper(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec("sleep", "600")

    def _trouble(self, launcher: asyncio.subprocess.Process) -> str | None:
        self.looks += 1
        return super()._trouble(launcher)

    async def looked(self) -> None:
        """The supervisor has looked around, and heard what was said before."""
        before = self.looks
        while self.looks < before + 3 and not self.ended.done():
            await asyncio.sleep(0.001)

    async def line(self) -> Line:
        self.lines.append(Line(*await asyncio.open_unix_connection(str(self.room / "group.sock"))))
        return self.lines[-1]

    async def rank(self, number: int = 0, size: int = 1) -> Line:
        """A rank comes in; its process may be killed."""
        self.acted.append(await self.sleeper())
        made = await self.line()
        await made.say(rank=number, size=size, pid=self.acted[-1].pid)
        while number not in self.ranks:
            await asyncio.sleep(0.005)
        return made

    async def ask(self, do: str = "train", blobs: Any = (), **facts: Any) -> Line:
        """A client asks."""
        self.asked.append(await self.line())
        await self.asked[-1].say(blobs, do=do, spec={}, **facts)
        return self.asked[-1]


Play = Callable[[Stage, Clock], Coroutine[Any, Any, None]]
OVER = "the play is over"


@pytest.fixture
def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a play, and the group to its end; the reason that the supervisor gave."""
    monkeypatch.setattr(supervisor, "POLL", 0.01)

    def run(play: Play, end: bool = False, **options: Any) -> str:
        async def main() -> str:
            clock = Clock()
            monkeypatch.setattr(supervisor, "time", clock)
            stage = Stage(tmp_path, replace(OPTIONS, **options))
            group = asyncio.create_task(stage.serve())
            while not (tmp_path / "group.json").exists():
                await asyncio.sleep(0.005)
            try:
                await asyncio.wait_for(play(stage, clock), 30)
                assert end or not stage.ended.done(), stage.ended.result()
                if not end:
                    stage._end(OVER)
                for line in stage.asked:  # who is still there is waited for
                    await line.hang_up()
                why = await asyncio.wait_for(group, 20)
            finally:
                stage._end(OVER)
                for line in stage.lines:
                    await line.hang_up()
                await group
            assert not stage.room.exists() and not (tmp_path / "group.json").exists()
            assert stage.launcher.returncode is not None
            for process in stage.acted:
                assert await asyncio.wait_for(process.wait(), 20) == -signal.SIGKILL
            return why.removeprefix("the worker group ends: ")

        return asyncio.run(main())

    return run


def test_a_request_goes_to_all_ranks_and_the_leaders_answer_comes_back(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        client = await stage.ask(blobs=[b"start"], version=4)  # before there are ranks
        ranks = [await stage.rank(n, 2) for n in (1, 0)][::-1]
        for number, rank in enumerate(ranks):
            header, blobs = await rank.hear()
            assert header["version"] == 4 and blobs == ([bytearray(b"start")] if number == 0 else [])
        await ranks[0].answer(header, progress={"done": 1})
        assert (await client.hear())[0]["progress"] == {"done": 1}
        await ranks[0].answer(header, [b"adapter"], steps=6)
        await ranks[1].answer(header, done=True)
        got, blobs = await client.hear()
        assert got["steps"] == 6 and blobs == [bytearray(b"adapter")]

    assert act(play) == OVER


def test_a_failure_of_all_ranks_is_the_answer_and_the_group_stays(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        ranks = [await stage.rank(n, 2) for n in (0, 1)]
        for _ in range(2):
            client = await stage.ask()
            for rank in ranks:
                await rank.answer((await rank.hear())[0], failed="DataError", reason="no notes", last=False)
            got, _ = await client.hear()
            assert (got["failed"], got["reason"]) == ("DataError", "no notes")

    assert act(play) == OVER


def test_a_failure_that_leaves_the_model_in_doubt_is_answered_before_the_group_ends(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        ranks, client = [await stage.rank(n, 2) for n in (0, 1)], await stage.ask()
        for rank, kind in zip(ranks, ("DataError", "OutOfMemoryError"), strict=True):
            last = kind != "DataError"
            await rank.answer((await rank.hear())[0], failed=kind, reason="why", last=last)
        assert (await client.hear())[0]["failed"] == "OutOfMemoryError"

    assert act(play, end=True) == "OutOfMemoryError: why"


def test_one_rank_that_fails_does_not_leave_the_others_waiting_for_it(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        ranks, client = [await stage.rank(n, 2) for n in (0, 1)], await stage.ask()
        await ranks[1].answer((await ranks[1].hear())[0], failed="OutOfMemoryError", reason="lower it", last=True)
        await stage.looked()
        assert not stage.ended.done()
        clock.ahead += 11
        got, _ = await client.hear()
        assert got["failed"] == "GroupError" and "OutOfMemoryError at one rank" in got["reason"]
        assert "lower it" in got["reason"]

    assert "which the others wait for" in act(play, end=True)


def test_a_client_that_waits_is_told_that_its_work_goes_on(
    act: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "ALIVE_EVERY", 0.02)

    async def play(stage: Stage, clock: Clock) -> None:
        rank, client = await stage.rank(), await stage.ask()
        await rank.hear()
        for _ in range(3):
            assert (await client.hear())[0] == {"alive": True}

    assert act(play) == OVER


def test_a_client_that_waits_for_its_turn_is_told_so_too(
    act: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "ALIVE_EVERY", 0.02)

    async def play(stage: Stage, clock: Clock) -> None:
        rank, _ = await stage.rank(), await stage.ask()
        await rank.hear()
        second = await stage.ask()
        assert (await second.hear(1.0))[0] == {"alive": True}

    act(play)


def test_clients_are_served_one_after_the_other(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        rank = await stage.rank()
        clients = [await stage.ask(version=n) for n in range(3)]
        for _ in clients:
            job, _ = await rank.hear()
            await rank.answer(job, steps=job["version"])
            assert (await clients[job["version"]].hear())[0]["steps"] == job["version"]
        assert len(stage.clients) == 3

    assert act(play) == OVER


def test_work_that_nobody_wants_is_cancelled_and_its_answer_dropped(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        rank, first = await stage.rank(), await stage.ask()
        job, _ = await rank.hear()
        await first.hang_up()
        assert (await rank.hear())[0] == {"cancel": job["job"]}
        second = await stage.ask(version=2)
        await rank.answer(job, [b"nobody's"], steps=1)
        job, _ = await rank.hear()
        assert job["version"] == 2
        await rank.answer(job, [b"theirs"], steps=2)
        assert (await second.hear())[1] == [bytearray(b"theirs")]

    assert act(play) == OVER


def test_a_late_answer_is_not_taken_for_another_requests(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        rank, client = await stage.rank(), await stage.ask()
        job, _ = await rank.hear()
        await rank.say(job=job["job"] - 1, steps=1)
        await rank.say(job=job["job"], steps=2)
        assert (await client.hear())[0]["steps"] == 2

    assert act(play) == OVER


# ---------------------------------------------------------------------- when it loses patience


@pytest.mark.parametrize(
    ("stage_of_rank", "seconds", "said"),
    [
        (WORKING, 901, "makes no progress for 900 s"),
        (LOADING, 901, ""),
        (LOADING, 9001, "makes no progress for 9000 s"),
        (IDLE, 9001, "makes no progress for 9000 s"),
    ],
)
def test_a_rank_without_progress_is_waited_for_as_its_work_needs(
    act: Callable[..., str], stage_of_rank: str, seconds: float, said: str
) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        rank, client = await stage.rank(), await stage.ask()
        job, _ = await rank.hear()
        await rank.say(beat=1, stage=stage_of_rank)
        await stage.looked()
        while clock.ahead < seconds:  # it lives all the while
            clock.ahead += 800
            await rank.say(beat=1, stage=stage_of_rank)
            await stage.looked()
        if said:
            assert said in (await client.hear())[0]["reason"]
        else:
            await rank.answer(job, steps=1)
            assert (await client.hear())[0]["steps"] == 1

    assert said in act(play, end=bool(said))


def test_a_rank_that_gives_no_sign_of_life_ends_the_group(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        ranks, client = [await stage.rank(n, 2) for n in (0, 1)], await stage.ask()
        clock.ahead += 700
        await ranks[0].say(beat=1, stage=WORKING)
        await stage.looked()
        clock.ahead += 700
        assert "rank 1" in (await client.hear())[0]["reason"]

    assert "gives no sign of life for 900 s" in act(play, end=True)


def test_ranks_that_do_not_come_end_the_group(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        await stage.rank(0, 2)
        client = await stage.ask()
        await stage.looked()
        clock.ahead += 901
        assert "only 1 ranks have come in 900 s" in (await client.hear())[0]["reason"]

    assert act(play, end=True).startswith("only 1 ranks")


def test_a_rank_that_cannot_begin_says_why(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        client, rank = await stage.ask(), await stage.rank(0, 2)
        await rank.say(fatal="AdapterError: no such device")
        assert "rank 0: AdapterError: no such device" in (await client.hear())[0]["reason"]

    assert "no such device" in act(play, end=True)


# ---------------------------------------------------------------------- when it goes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_group(act: Callable[..., str], number: signal.Signals) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        await stage.rank()
        os.kill(os.getpid(), number)

    assert act(play, end=True) == f"it was sent {number.name}"


def test_a_group_that_is_not_asked_for_anything_goes(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        rank = await stage.rank()
        for _ in range(3):
            clock.ahead += 800
            await rank.say(beat=0, stage=IDLE)
            client = await stage.ask()
            await rank.answer((await rank.hear())[0], steps=1)
            await client.hear()
        clock.ahead += 1801

    assert act(play, end=True, stall_timeout=1e9) == "nothing was asked of it for 1800 s"


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(
            True,
            marks=pytest.mark.xfail(
                strict=True,
                raises=AssertionError,
                reason="idleness counts from the answer to the request before until an adapter has been sent whole: "
                "after a request that took longer than node.idle-timeout, the group goes while it is sent",
            ),
        ),
        False,
    ],
)
def test_a_long_request_is_no_idleness(act: Callable[..., str], wanted: bool) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        rank, client = await stage.rank(), await stage.ask()
        job, _ = await rank.hear()
        clock.ahead += 3600
        if not wanted:
            await client.hang_up()
            await rank.hear()
        await rank.answer(job, [bytes(2**24)], steps=1)  # more than a socket holds
        await stage.looked()
        assert not stage.ended.done()

    assert act(play, stall_timeout=1e9) == OVER


def test_a_rank_that_has_answered_is_not_waited_for(act: Callable[..., str]) -> None:
    async def play(stage: Stage, clock: Clock) -> None:
        ranks, client = [await stage.rank(n, 2) for n in (0, 1)], await stage.ask()
        await ranks[1].answer((await ranks[1].hear())[0], done=True)
        for count in range(20):
            clock.ahead += 800
            await ranks[0].say(beat=count, stage=WORKING)
            await ranks[1].say(beat=0, stage=WORKING)
            await stage.looked()
        await ranks[0].answer((await ranks[0].hear())[0], steps=1)
        assert (await client.hear())[0]["steps"] == 1

    assert act(play) == OVER
