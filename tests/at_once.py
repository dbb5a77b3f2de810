"""Several forked processes that begin at the same moment, and what each found."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from crossward.machine.signals import ENDING

T = TypeVar("T")
PATIENCE = 300.0  # seconds, on a machine however busy


def at_once(acts: Sequence[Callable[[], T]]) -> list[T]:
    """What ``acts`` return, in their order, each called in a process of its own.

    Raises
    ------
    AssertionError
        one raised, or ended without an answer; none of them outlives it.
    """
    context = multiprocessing.get_context("fork")
    start, queue = context.Barrier(len(acts)), context.SimpleQueue()
    children = [context.Process(target=_act, args=(n, act, start, queue)) for n, act in enumerate(acts)]
    try:
        for child in children:
            child.start()
        found = dict(_answers(queue, children))
        for child in children:
            child.join(PATIENCE)
    finally:
        for child in children:
            child.kill()
    assert len(found) == len(acts) and all(fine for fine, _ in found.values()), found
    return [found[number][1] for number in range(len(acts))]


def _act(number: int, act: Callable[[], Any], start: Any, queue: Any) -> None:
    for one in ENDING:
        signal.signal(one, signal.SIG_DFL)  # what the parent does at its end is not for its children
    start.wait(PATIENCE)
    try:
        queue.put((number, (True, act())))
    except BaseException as error:
        queue.put((number, (False, repr(error))))


def _answers(queue: Any, children: Sequence[Any]) -> Any:
    """One answer a child, as long as one of them may still give one."""
    deadline, missing = time.monotonic() + PATIENCE, len(children)
    while missing and time.monotonic() < deadline:
        alive = any(child.is_alive() for child in children)
        if queue.empty():
            if not alive:
                return
            time.sleep(0.01)
            continue
        yield queue.get()
        missing -= 1
