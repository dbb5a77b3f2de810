"""The worker group's supervisor: relays requests to the ranks, watches them, and ends the group when it must.

One rule keeps it simple: anything unforeseen ends the whole group. A rank that is lost, hangs, runs out of memory or
fails where others did not; a launcher that ends; a SuperNode that exited; idleness. The request under way is
answered with the reason, every process is seen to be gone, and the next request starts another group.

Not for: starting ranks (``launch``), what they do (``rank``), or how patient to be with them (``health``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from client_app.group import frames
from client_app.group.health import Job, Rank, silence, standstill
from client_app.group.place import PREFIX, Options, alive, announce, read_info, started
from crossward.machine.temporary import socket_folder

SOCKET = "group.sock"
REPLACED = "the worker group exits: another one replaced it"
POLL, ALIVE_EVERY = 0.25, 10.0
_CREDENTIALS = struct.Struct("3i")


class Supervisor:
    """Of one group; ``serve`` runs until the group ends and returns why."""

    def __init__(self, folder: Path, name: str, options: Options, owner: tuple[int, float] | None = None) -> None:
        self.folder, self.name, self.options, self.owner = folder, name, options, owner
        self.info: dict[str, Any] = {}
        self.ranks: dict[int, Rank] = {}
        self.size = 0
        self.job: Job | None = None
        self.jobs = 0
        self.began = self.used = time.monotonic()

    async def serve(self) -> str:
        """Start the ranks, serve, and leave nothing behind."""
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.ready, self.turn = asyncio.Event(), asyncio.Lock()
        self.clients: set[asyncio.Task[None]] = set()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._end, f"it was sent {number.name}")
        room = socket_folder(PREFIX, SOCKET)
        path = room / SOCKET
        launcher: asyncio.subprocess.Process | None = None
        try:
            server = await asyncio.start_unix_server(self._met, path=str(path))
            path.chmod(0o600)
            launcher = await self._launch(room)
            own = os.getpid()
            self.info = {"pid": own, "created": started(own), "key": self.options.key, "socket": str(path)}
            if not announce(self.folder, self.name, self.info):
                return REPLACED
            watch = asyncio.create_task(self._watch(launcher))
            why = await self.ended
            watch.cancel()
            server.close()
            if self.clients:  # they still have to receive the reason
                await asyncio.wait(self.clients, timeout=2.0)
            return f"the worker group exits: {why}"
        finally:
            if self._is_known():
                (self.folder / "group.json").unlink(missing_ok=True)
            if launcher is not None:
                await self._kill(launcher)
            shutil.rmtree(room, ignore_errors=True)

    async def _launch(self, room: Path) -> asyncio.subprocess.Process:
        o = self.options
        arguments = (str(room), str(o.processes), str(o.threads), o.device, str(o.stall_timeout), str(os.getpid()))
        return await asyncio.create_subprocess_exec(sys.executable, "-m", "client_app.group.launch", *arguments)

    def _is_known(self) -> bool:
        """Whether a client would find this group."""
        return bool(self.info) and Path(self.info["socket"]).exists() and read_info(self.folder) == self.info

    def _end(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_result(why)

    # ------------------------------------------------------------------ who connects

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for mypy
        try:
            if not _same_user(writer):
                return
            header, blobs = await frames.read(reader)
            if "rank" in header:
                await self._hear(reader, writer, header)
            else:
                self.clients.add(task)
                await self._serve_client(reader, writer, header, blobs)
        except (EOFError, ConnectionError):
            pass
        except (frames.FrameError, KeyError, TypeError, ValueError) as error:
            print(f"a connection was closed: {type(error).__name__}: {error}", flush=True)
        finally:
            self.clients.discard(task)
            writer.close()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hello: dict[str, Any]) -> None:
        """A rank, for as long as it lives."""
        number, now = int(hello["rank"]), time.monotonic()
        pid = int(hello["pid"])
        rank = self.ranks[number] = Rank(writer, pid, started(pid), now, changed=now)
        self.size = int(hello["size"])
        if len(self.ranks) == self.size:
            self.ready.set()
        try:
            while True:
                header, blobs = await frames.read(reader)
                self._on_message(number, rank, header, blobs)
        except (EOFError, ConnectionError, frames.FrameError):
            self._end(f"rank {number} (process {rank.pid}) was lost: killed, crashed, or out of memory")

    def _on_message(self, number: int, rank: Rank, header: dict[str, Any], blobs: list[bytearray]) -> None:
        rank.seen = time.monotonic()
        if "beat" in header:
            rank.beat(header["stage"], header["beat"])
            return
        if "fatal" in header:
            self._end(f"rank {number}: {header['fatal']}")
        if self.job is not None and header.get("job") == self.job.number:
            self.job.take(number, (header, blobs), self.size, rank.seen)

    # ------------------------------------------------------------------ requests

    async def _serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, header: dict[str, Any], blobs: list[bytearray]
    ) -> None:
        while True:
            if header.get("owner"):
                self.owner = (int(header["owner"][0]), float(header["owner"][1]))
            if header["do"] == "answer":
                await frames.write(writer, {"done": True})
                header, blobs = await frames.read(reader)
                continue
            gone = asyncio.create_task(frames.read(reader))  # a client says nothing until it is answered
            try:
                await self._take_turn(writer)
                try:
                    if header["do"] == "leave":
                        await frames.write(writer, {"done": True})
                        self._end(str(header.get("why", "its run is over")))
                        return
                    await self._relay(writer, header, blobs, gone)
                finally:
                    self.turn.release()
                if self.ended.done():
                    return
                header, blobs = await gone
            finally:
                gone.cancel()
                gone.add_done_callback(_ignore_result)

    async def _take_turn(self, writer: asyncio.StreamWriter) -> None:
        """Wait until no other request is under way, and let the client know that it is not forgotten."""
        while True:
            try:
                await asyncio.wait_for(self.turn.acquire(), ALIVE_EVERY)
                return
            except TimeoutError:
                await _tell(writer, {"alive": True})

    async def _relay(
        self,
        writer: asyncio.StreamWriter,
        header: dict[str, Any],
        blobs: list[bytearray],
        gone: asyncio.Task[frames.Frame],
    ) -> None:
        """One request through all ranks, with frames about its progress, to its answer."""
        self.jobs += 1
        job = self.job = Job(self.jobs)
        now = time.monotonic()
        for rank in self.ranks.values():
            rank.changed = now
        deal = asyncio.create_task(self._deal(job, header, blobs))
        try:
            wanted = await self._pass_on(job, writer, gone)
        finally:
            deal.cancel()
            self.job, self.used = None, time.monotonic()
        if self.ended.done():
            reason = f"the worker group exited during its work: {self.ended.result()}"
            await _tell(writer, {"failed": "GroupError", "reason": reason})
        else:
            await self._answer(job, writer, wanted)

    async def _pass_on(self, job: Job, writer: asyncio.StreamWriter, gone: asyncio.Task[frames.Frame]) -> bool:
        """Frames of a request, until there are no more or the group ends; whether its client still waits."""
        wanted = True
        while True:
            got = asyncio.create_task(job.out.get())
            waiting: set[asyncio.Future[Any]] = {got, self.ended, *([gone] if wanted else [])}
            done, _ = await asyncio.wait(waiting, timeout=ALIVE_EVERY, return_when=asyncio.FIRST_COMPLETED)
            if self.ended.done():
                got.cancel()
                return wanted
            if wanted and gone in done:  # the ranks are notified, and their answer is discarded
                wanted = False
                for rank in self.ranks.values():
                    await _tell(rank.writer, {"cancel": job.number})
            if got not in done:
                got.cancel()
                if wanted:
                    await _tell(writer, {"alive": True})
                continue
            frame = got.result()
            if frame is None:
                return wanted
            if wanted:
                await _tell(writer, *frame)

    async def _answer(self, job: Job, writer: asyncio.StreamWriter, wanted: bool) -> None:
        """Result or failure of a request that all ranks have answered.

        Raises
        ------
        EOFError
            the client has disconnected.
        """
        if job.failure:
            if wanted:
                await _tell(writer, {key: job.failure.get(key, "") for key in ("failed", "reason", "told")})
            if job.failure.get("last"):
                self._end(f"{job.failure['failed']}: {job.failure['reason']}")
        elif wanted and job.result is not None:
            await _tell(writer, *job.result)
        if not wanted:
            raise EOFError

    async def _deal(self, job: Job, header: dict[str, Any], blobs: list[bytearray]) -> None:
        await self.ready.wait()
        for number, rank in sorted(self.ranks.items()):
            with contextlib.suppress(ConnectionError):  # its reader notices
                await frames.write(rank.writer, header | {"job": job.number}, blobs if number == 0 else ())

    # ------------------------------------------------------------------ watching and ending

    async def _watch(self, launcher: asyncio.subprocess.Process) -> None:
        while True:
            await asyncio.sleep(POLL)
            if (why := self._trouble(launcher)) is not None:
                self._end(why)

    def _trouble(self, launcher: asyncio.subprocess.Process) -> str | None:
        """A reason to end, if there is one now."""
        now, limit = time.monotonic(), self.options.stall_timeout
        if launcher.returncode is not None:
            return f"its launcher exited with code {launcher.returncode}; see {self.folder / 'group.log'}"
        if self.owner is not None and not alive(*self.owner):
            return "its SuperNode has exited"
        if self.job is None and not self.clients and not self._is_known():
            return "its folder records another worker group, or none"
        if not self.ready.is_set():
            late = now - self.began > limit
            return f"only {len(self.ranks)} ranks connected within {limit:g} s" if late else None
        if (why := silence(self.ranks, limit, now)) is not None:
            return why
        if self.job is None:
            idle = self.options.idle_timeout
            return f"it was idle for {idle:g} s" if now - self.used > idle else None
        return standstill(self.ranks, self.job, limit, now)

    async def _kill(self, launcher: asyncio.subprocess.Process) -> None:
        """Every process of the group has exited after this."""
        known = {(rank.pid, rank.created) for rank in self.ranks.values()}
        with contextlib.suppress(psutil.Error):
            known |= {(p.pid, started(p.pid)) for p in psutil.Process(launcher.pid).children(recursive=True)}
        for rank in self.ranks.values():
            rank.writer.close()  # ranks leave when their supervisor does
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(launcher.wait(), 3.0)
        for pid, created in known:
            if alive(pid, created):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if launcher.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                launcher.kill()
            await launcher.wait()


def _ignore_result(task: asyncio.Task[frames.Frame]) -> None:
    """Take note of how it ended, which asyncio would else complain about."""
    if not task.cancelled():
        task.exception()


async def _tell(writer: asyncio.StreamWriter, header: dict[str, Any], blobs: Any = ()) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        await frames.write(writer, header, blobs)


def _same_user(writer: asyncio.StreamWriter) -> bool:
    """Whether the other side runs as this user; file permissions say so too, where the kernel cannot tell."""
    sock = writer.get_extra_info("socket")
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, user, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return bool(user == os.getuid())
