"""What a supervisor relays, to whom, and what becomes of a request that fails or that nobody wants any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from client_app.group import supervisor

Act = Callable[..., str]
OVER = "the play is over"


def test_a_request_goes_to_all_ranks_and_the_leaders_answer_comes_back(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
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


def test_a_failure_of_all_ranks_is_the_answer_and_the_group_stays(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
        ranks = [await stage.rank(n, 2) for n in (0, 1)]
        for _ in range(2):
            client = await stage.ask()
            for rank in ranks:
                await rank.answer((await rank.hear())[0], failed="DataError", reason="no notes", last=False)
            got, _ = await client.hear()
            assert (got["failed"], got["reason"]) == ("DataError", "no notes")

    assert act(play) == OVER


def test_a_failure_that_leaves_the_model_in_doubt_is_answered_before_the_group_ends(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
        ranks, client = [await stage.rank(n, 2) for n in (0, 1)], await stage.ask()
        for rank, kind in zip(ranks, ("DataError", "OutOfMemoryError"), strict=True):
            last = kind != "DataError"
            await rank.answer((await rank.hear())[0], failed=kind, reason="why", last=last)
        assert (await client.hear())[0]["failed"] == "OutOfMemoryError"

    assert act(play, end=True) == "OutOfMemoryError: why"


def test_one_rank_that_fails_does_not_leave_the_others_waiting_for_it(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
        ranks, client = [await stage.rank(n, 2) for n in (0, 1)], await stage.ask()
        await ranks[1].answer((await ranks[1].hear())[0], failed="OutOfMemoryError", reason="lower it", last=True)
        await stage.looked()
        assert not stage.ended.done()
        clock.ahead += 11
        got, _ = await client.hear()
        assert got["failed"] == "GroupError" and "OutOfMemoryError at one rank" in got["reason"]
        assert "lower it" in got["reason"]

    assert "which the others wait for" in act(play, end=True)


def test_a_client_that_waits_is_told_that_its_work_goes_on(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "ALIVE_EVERY", 0.02)

    async def play(stage: Any, clock: Any) -> None:
        rank, client = await stage.rank(), await stage.ask()
        await rank.hear()
        for _ in range(3):
            assert (await client.hear())[0] == {"alive": True}

    assert act(play) == OVER


def test_a_client_that_waits_for_its_turn_is_told_so_too(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "ALIVE_EVERY", 0.02)

    async def play(stage: Any, clock: Any) -> None:
        rank, _ = await stage.rank(), await stage.ask()
        await rank.hear()
        second = await stage.ask()
        assert (await second.hear(1.0))[0] == {"alive": True}

    act(play)


def test_clients_are_served_one_after_the_other(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
        rank = await stage.rank()
        clients = [await stage.ask(version=n) for n in range(3)]
        for _ in clients:
            job, _ = await rank.hear()
            await rank.answer(job, steps=job["version"])
            assert (await clients[job["version"]].hear())[0]["steps"] == job["version"]
        assert len(stage.clients) == 3

    assert act(play) == OVER


def test_work_that_nobody_wants_is_cancelled_and_its_answer_dropped(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
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


def test_a_late_answer_is_not_taken_for_another_requests(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
        rank, client = await stage.rank(), await stage.ask()
        job, _ = await rank.hear()
        await rank.say(job=job["job"] - 1, steps=1)
        await rank.say(job=job["job"], steps=2)
        assert (await client.hear())[0]["steps"] == 2

    assert act(play) == OVER


def test_a_group_that_is_sent_away_does_its_work_first(act: Act) -> None:
    async def play(stage: Any, clock: Any) -> None:
        rank, client = await stage.rank(), await stage.ask()
        job, _ = await rank.hear()
        other = await stage.ask("leave", why="another model is asked for")
        late = await stage.ask()
        await stage.looked()
        assert not stage.ended.done()
        await rank.answer(job, steps=1)
        assert (await client.hear())[0]["steps"] == 1
        assert (await other.hear())[0] == {"done": True}
        got, _ = await late.hear()
        assert got["failed"] == "GroupError" and "another model is asked for" in got["reason"]

    assert act(play, end=True) == "another model is asked for"
