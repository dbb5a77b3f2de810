"""When a supervisor loses patience or goes, and what it says then."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from client_app.group.health import IDLE, LOADING, WORKING

Act = Callable[..., str]
OVER = "the play is over"


@pytest.mark.parametrize(
    ("stage_of_rank", "seconds", "message"),
    [
        (WORKING, 901, "has made no progress for 900 s"),
        (LOADING, 901, ""),
        (LOADING, 9001, "has made no progress for 9000 s"),
        (IDLE, 9001, "has made no progress for 9000 s"),
    ],
)
def test_a_rank_without_progress_is_waited_for_as_its_work_needs(
    act: Act, stage_of_rank: str, seconds: float, message: str
) -> None:
    async def play(stage: Any, clock: Any) -> None:
        rank, client = await stage.rank(), await stage.ask()
        job, _ = await rank.hear()
        await rank.say(beat=1, stage=stage_of_rank)
        await stage.looked()
        while clock.ahead < seconds:  # it lives all the while
            clock.ahead += 800
            await rank.say(beat=1, stage=stage_of_rank)
            await stage.looked()
        if message:
            assert message in (await client.hear())[0]["reason"]
        else:
            await rank.answer(job, steps=1)
            assert (await client.hear())[0]["steps"] == 1

    assert message in act(play, end=bool(message))


def test_a_rank_that_gives_no_sign_of_life_ends_the_group(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
        ranks, client = [await stage.rank(n, 2) for n in (0, 1)], await stage.ask()
        clock.ahead += 700
        await ranks[0].say(beat=1, stage=WORKING)
        await stage.looked()
        clock.ahead += 700
        assert "rank 1" in (await client.hear())[0]["reason"]

    assert "has not responded for 900 s" in act(play, end=True)


def test_ranks_that_do_not_come_end_the_group(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
        await stage.rank(0, 2)
        client = await stage.ask()
        await stage.looked()
        clock.ahead += 901
        assert "only 1 ranks connected within 900 s" in (await client.hear())[0]["reason"]

    assert act(play, end=True).startswith("only 1 ranks")


def test_a_rank_that_cannot_begin_says_why(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
        client, rank = await stage.ask(), await stage.rank(0, 2)
        await rank.say(fatal="AdapterError: no such device")
        assert "rank 0: AdapterError: no such device" in (await client.hear())[0]["reason"]

    assert "no such device" in act(play, end=True)


# ---------------------------------------------------------------------- when it goes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_group(act: Act, number: signal.Signals) -> None:
    async def play(stage: Any, clock: Any) -> None:
        await stage.rank()
        os.kill(os.getpid(), number)

    assert act(play, end=True) == f"it was sent {number.name}"


def test_a_group_that_is_not_asked_for_anything_goes(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
        rank = await stage.rank()
        for _ in range(3):
            clock.ahead += 800
            await rank.say(beat=0, stage=IDLE)
            client = await stage.ask()
            await rank.answer((await rank.hear())[0], steps=1)
            await client.hear()
        clock.ahead += 1801

    assert act(play, end=True, stall_timeout=1e9) == "it was idle for 1800 s"


@pytest.mark.parametrize("wanted", [True, False])
def test_a_long_request_is_no_idleness(act: Act, wanted: bool) -> None:
    async def play(stage: Any, clock: Any) -> None:
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


def test_a_rank_that_has_answered_is_not_waited_for(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
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
