"""A supervisor among ranks that are only acted, and a clock that can be put forward.

Real groups, with real ranks that are killed, are in ``test_survival``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client_app.group import frames, supervisor
from client_app.group.place import Options
from client_app.group.supervisor import Supervisor

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

    async def hear(self, seconds: float = 60.0) -> tuple[dict[str, Any], list[bytearray]]:
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
NAME = "0123"
OVER = "the play is over"  # why a group ends that has no reason of its own


@pytest.fixture
def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a play, and the group to its end; the reason that the supervisor gave."""
    monkeypatch.setattr(supervisor, "POLL", 0.01)

    def run(play: Play, end: bool = False, **options: Any) -> str:
        async def main() -> str:
            clock = Clock()
            monkeypatch.setattr(supervisor, "time", clock)
            (tmp_path / "options.json").write_text(json.dumps({"name": NAME}))  # as who starts a group writes it
            stage = Stage(tmp_path, NAME, replace(OPTIONS, **options))
            group = asyncio.create_task(stage.serve())
            while not (tmp_path / "group.json").exists():
                await asyncio.sleep(0.005)
            try:
                await asyncio.wait_for(play(stage, clock), 60)
                assert end or not stage.ended.done(), stage.ended.result()
                if not end:
                    stage._end(OVER)
                for line in stage.asked:  # who is still there is waited for
                    await line.hang_up()
                why = await asyncio.wait_for(group, 60)
            finally:
                stage._end(OVER)
                for line in stage.lines:
                    await line.hang_up()
                await group
            assert not stage.room.exists() and not (tmp_path / "group.json").exists()
            assert stage.launcher.returncode is not None
            for process in stage.acted:
                assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
            return why.removeprefix("the worker group exits: ")

        return asyncio.run(main())

    return run
