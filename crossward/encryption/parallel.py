"""Sealing and opening many parts: in this process when they are few, else in a pool of processes, in order.

SEAL's binding holds the interpreter's lock, so threads would not help. Parts go to the pool a few at a time and
come back in order, so memory is bounded by the parts under way, not by the adapter. The pool's processes import this
package only, whatever program started them, and get the derived key through a pipe: it is in no argument list.

Not for: what a part is (``crossward.encryption.holder``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossward.encryption.holder import Integers, Sealer, sealer
from crossward.encryption.plan import FieldPlan
from crossward.internals.python import PoolContext
from crossward.machine.cores import cores

WORTHWHILE = 1 << 22  # values from which a pool's start of about a second pays off
MOST_WORKERS = 8
_LOOK = 1.0  # seconds between looks whether all processes are alive
Job = tuple[Any, ...]
_SEALER: Sealer | None = None


def _begin(scheme: str, plan: tuple[int, int, int], material: bytes) -> None:
    global _SEALER
    _SEALER = sealer(scheme, FieldPlan(*plan), material)


def _small(values: Integers, bits: int) -> Any:
    """The narrowest integers that hold values of ``bits`` bits: less to hand over."""
    return values.astype(np.int8 if bits <= 8 else np.int16 if bits <= 16 else np.int32 if bits <= 32 else np.int64)


def _seal(values: Any) -> bytes:
    assert _SEALER is not None  # noqa: S101 - for mypy
    return _SEALER.seal(values)


def _open(data: bytes, bits: int, count: int, weight_sum: int, dithered: int = 0) -> Any:
    assert _SEALER is not None  # noqa: S101 - for mypy
    values = _SEALER.open(data, bits, count, weight_sum, dithered)
    return _small(values, int(max(values.max(), -values.min())).bit_length() + 1)


class SealingProcessError(RuntimeError):
    """A sealing process died."""

    tellable = True  # see client_app.guard.refusals


class SealingPool:
    """Seals and opens the parts of one message. Use as a context manager.

    Parameters
    ----------
    scheme, plan, material :
        As for :func:`crossward.encryption.holder.sealer`.
    workers : int
        Processes; 0 = this process's cores, up to 8; 1 = no pool.
    """

    def __init__(self, scheme: str, plan: FieldPlan, material: bytes, workers: int = 0) -> None:
        self.plan, self._spec = plan, (scheme, astuple(plan), material)
        self.local = sealer(scheme, plan, material)
        self.workers = workers or min(cores(), MOST_WORKERS)
        self._context = PoolContext()
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> SealingPool:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._pool is not None:
            if self._context.broken:  # the others may wait for a lock that the dead one held
                self._context.end()
            self._pool.shutdown(cancel_futures=True)
            self._pool, self._context = None, PoolContext()

    def seal(self, pieces: Iterable[NDArray[Any]], total: int) -> Iterator[bytes]:
        """A part of each of ``pieces`` ([n] of any integer type); ``total`` values in all decide if a pool pays off."""
        if not self._parallel(total):
            return (self.local.seal(values) for values in pieces)
        return self._run(_seal, ((values,) for values in pieces))

    def open(self, parts: Iterable[tuple[Any, ...]], total: int) -> Iterator[Integers]:
        """``sum w*q`` of each part, int64 [count].

        A part is what :meth:`crossward.encryption.holder.Sealer.open` takes.
        """
        if not self._parallel(total):
            return (self.local.open(*part) for part in parts)
        opened = self._run(_open, ((bytes(data), *numbers) for data, *numbers in parts))
        return (values.astype(np.int64) for values in opened)

    def _parallel(self, total: int) -> bool:
        return self.workers > 1 and total >= WORTHWHILE

    def _result(self, future: Future[Any]) -> Any:
        """A job's outcome; the executor alone would wait for ever for some of the processes that died."""
        while True:
            try:
                return future.result(timeout=_LOOK)
            except TimeoutError:
                if self._context.broken:
                    raise BrokenProcessPool from None

    def _run(self, work: Callable[..., Any], jobs: Iterable[Job]) -> Iterator[Any]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=self._context, initializer=_begin, initargs=self._spec
            )
        waiting: deque[Future[Any]] = deque()
        try:
            for job in jobs:
                waiting.append(self._pool.submit(work, *job))
                if len(waiting) > 2 * self.workers:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        except BrokenProcessPool as error:
            raise SealingProcessError(
                f"one of {self.workers} sealing processes died, killed for memory most likely: free some, or set "
                "encryption.workers lower (1: no processes)"
            ) from error
