"""What a SuperNode waits for is said, from its own lines."""

from __future__ import annotations

from itertools import pairwise

from crossward.deploy.awaiting import WaitReporter


def test_each_wait_is_said_soon_and_then_ever_less_often() -> None:
    message: list[tuple[float, str]] = []
    now = [0.0]
    awaiting = WaitReporter("hub:443", lambda line: message.append((now[0], line)), lambda: now[0])

    def until(end: float) -> list[float]:
        message.clear()
        while now[0] < end:
            now[0] += 1.0
            awaiting.look()
        return [when for when, _ in message]

    assert until(80) == [5, 15, 35, 75]
    assert message[-1][1] == "waiting for hub:443 to admit this SuperNode (75 s)"
    awaiting.on_line("\x1b[92mINFO \x1b[0m:      SuperNode ID: 3101933409148298930")
    assert until(100) == [85, 95] and message[0][1].startswith(
        "waiting for a task from hub:443; a run must start first"
    )
    awaiting.on_line("INFO : Receiving: train message (ID: 12)")
    assert until(110) == []
    awaiting.on_line("North: step 3/10, loss 1.000")  # who works and says so is not waited for
    assert until(126) == [125] and "own work (train)" in message[0][1]
    awaiting.on_line("INFO : Receiving: query.consent message (ID: 13)")
    assert until(142) == [141] and "own work (query.consent, train)" in message[0][1]
    awaiting.on_line("INFO : Sending: query.consent message (ID: 14)")
    awaiting.on_line("INFO : Sent successfully")  # it answered while it trains
    assert until(158) == [157] and "own work (train)" in message[0][1]
    awaiting.on_line("INFO : Sending: train message (ID: 15)")
    awaiting.on_line("INFO : Sent successfully")
    assert until(164) == [163] and "a task from hub:443" in message[0][1]
    awaiting.begins()
    until(20_000)
    gaps = [b - a for (a, _), (b, _) in pairwise(message)]
    assert max(gaps) == 3600 and "admit this SuperNode" in message[-1][1]
