"""Waits are spoken of: soon, then ever less often."""

from __future__ import annotations

import threading

import pytest

from crossward.machine.waiting import Reminder, announced


def test_words_come_at_growing_intervals_that_are_bounded() -> None:
    reminder = Reminder(100.0, first=5.0, longest=30.0)
    lines = [now for now in range(100, 240) if reminder.due(now)]
    assert lines == [105, 115, 135, 165, 195, 225] and reminder.waited(240.0) == 140.0
    reminder.reset(240.0)
    assert not reminder.due(244.9) and reminder.due(245.0) and not reminder.due(254.0)


def test_a_call_that_takes_long_is_announced_until_it_ends() -> None:
    lines: list[str] = []
    spoken = threading.Event()

    def say(line: str) -> None:
        lines.append(line)
        spoken.set()

    with announced(say, "reading the notes", first=0.01):
        assert spoken.wait(60)
    assert lines[0] == "reading the notes (0 s)"
    assert "announcer" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(ValueError, match="mine"), announced(lines.append, "never said", first=60.0):
        raise ValueError("mine")
    assert "never said (0 s)" not in lines
