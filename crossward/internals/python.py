"""What Crossward uses of the standard library's internals: failed TLS handshakes, and processes for a pool."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import TYPE_CHECKING, Any

from crossward.internals.check import PYTHON, Dependency

if TYPE_CHECKING:
    import ssl

STANDARD_LIBRARY = Dependency(PYTHON, "3.11 and 3.12", __name__)

# ---------------------------------------------------------------------- asyncio


def on_failed_handshake(report: Callable[[str, ssl.SSLError], None]) -> None:
    """Call ``report`` with the peer's address and the error whenever a TLS handshake fails in a server of asyncio's.

    A connection that is closed before it says anything is no failure.

    Raises
    ------
    InternalsError
        this Python has no such hook.
    """
    import ssl

    path, hook = "asyncio.sslproto:SSLProtocol", "_on_handshake_complete"
    protocol = STANDARD_LIBRARY.require(path)
    original = STANDARD_LIBRARY.require(f"{path}.{hook}", "handshake_exc")
    STANDARD_LIBRARY.require_set(path, "_server_side", "_transport")

    def complete(self: Any, error: BaseException | None) -> None:
        if isinstance(error, ssl.SSLError) and self._server_side:
            peer = self._transport.get_extra_info("peername") if self._transport is not None else None
            report(str(peer[0]) if peer else "somebody", error)
        original(self, error)

    setattr(protocol, hook, complete)


# ---------------------------------------------------------------------- multiprocessing


class SpawnedProcess(SpawnProcess):
    """A spawned process that does not import the parent's main program: it needs none of it."""

    def start(self) -> None:
        """Start it, with an empty module in the place of the main program."""
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class PoolContext(SpawnContext):
    """Starts the processes of a ProcessPoolExecutor and remembers them: it does not notice the death of every one."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnedProcess] = []
        self.results: list[Any] = []

    def SimpleQueue(self) -> Any:
        """The queue on which results come back."""
        queue = super().SimpleQueue()
        if not hasattr(getattr(queue, "_writer", None), "close"):
            raise STANDARD_LIBRARY.differs("multiprocessing.SimpleQueue has no _writer that can be closed")
        self.results.append(queue)
        return queue

    def Process(self, *args: Any, **keywords: Any) -> SpawnedProcess:  # type: ignore[override]
        """A process of the pool, which has made its queue of results before."""
        if not self.results:
            raise STANDARD_LIBRARY.differs("ProcessPoolExecutor does not take its queue of results from the context")
        process = SpawnedProcess(*args, **keywords)
        self.started.append(process)
        return process

    @property
    def broken(self) -> bool:
        """Whether one has ended that nobody has asked to."""
        return any(process.exitcode is not None for process in self.started)

    def end(self) -> None:
        """Kill all of them, and let the executor's thread see that nothing more comes.

        A process that dies while it sends a result leaves that thread in the middle of a message, where it would wait
        for ever: this process holds the pipe's other end open, too.
        """
        for process in self.started:
            process.kill()
        for process in self.started:
            process.join()
        for queue in self.results:
            queue._writer.close()
