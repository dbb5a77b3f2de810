"""Handlers last as long as their block, and what is forked afterwards has none of them."""

from __future__ import annotations

import os
import signal
import time

import pytest

from crossward.machine.signals import ENDING, handled


class Asked(Exception):
    pass


def ask(*_: object) -> None:
    raise Asked


def test_handlers_of_before_are_back_whatever_the_block_does() -> None:
    before = [signal.getsignal(one) for one in ENDING]
    with pytest.raises(Asked), handled(ask):
        signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(one) for one in ENDING] == before


def test_a_process_forked_afterwards_ends_when_it_is_asked_to() -> None:
    with handled(ask):
        pass
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
