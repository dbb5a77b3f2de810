"""What a node says of long work, and when."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from client_app.training.meter import EVERY, Meter, Report, log_report, memory_peak
from data import TestBatch


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def reports(steps: int, seconds: float, doing: str = "") -> list[Report]:
    """What is told of that many steps of so many seconds, each of 50 tokens."""
    out, clock = list[Report](), Clock()
    meter = Meter("North", steps, "cpu", out.append, doing, clock)
    for step in range(steps):
        clock.now += seconds
        meter.step(step, 2.0 - 0.1 * step, 50)
    return out


def test_the_first_and_the_last_step_are_told() -> None:
    first, last = reports(10, 0.5)
    assert (first.site, first.doing, first.done, first.steps, first.tokens, first.loss) == ("North", "", 1, 10, 50, 2.0)
    assert (last.done, last.tokens, last.loss) == (10, 500, pytest.approx(1.1))
    assert first.speed == last.speed == pytest.approx(100.0)


def test_long_work_is_told_about_every_ten_seconds() -> None:
    assert EVERY == 10.0
    done = [report.done for report in reports(100, 1.0)]
    assert done == [1, *range(11, 100, 10), 100]


def test_steps_longer_than_that_are_told_each() -> None:
    assert [report.done for report in reports(4, 60.0)] == [1, 2, 3, 4]


def test_one_step_is_told_once() -> None:
    assert [report.done for report in reports(1, 1.0)] == [1]


def test_no_time_at_all_is_no_division_by_nought() -> None:
    assert reports(1, 0.0)[0].speed > 0


def test_batches_are_counted_as_they_are_taken() -> None:
    out, clock = list[Report](), Clock()
    meter = Meter("North", 0, "cpu", out.append, "own", clock)
    none = np.zeros(2, np.int64)
    given = [TestBatch({"attention_mask": torch.ones(2, n, dtype=torch.long)}, none, none, none) for n in range(1, 26)]
    taken = []
    for batch in meter.over(given):
        clock.now += 1.0
        taken.append(batch)
    assert taken == given
    assert [(report.done, report.tokens) for report in out] == [(1, 2), (11, 132), (21, 462)]
    assert all(report.doing == "own" and report.steps == 0 for report in out)


def test_a_report_reads_as_a_line() -> None:
    report = Report("North", "", 3, 10, 1500, 12345.6, 1.2345, 3 * 2**29)
    assert report.line() == "North: step 3/10, loss 1.234, 12,346 tokens/s, 1,536 MiB"
    assert report._replace(doing="own").line() == "North: measuring own, batch 3, 12,346 tokens/s, 1,536 MiB"


def test_the_log_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "crossward.node")
    log_report(Report("North", "", 3, 10, 1500, 1.0, 1.0, 0))
    assert "North: step 3/10" in caplog.text


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nothing to compare with")
def test_the_peak_of_memory_is_this_processes_in_bytes() -> None:
    block = np.ones(2**24)
    peak = memory_peak("cpu")
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    assert peak == pytest.approx(1024 * kib, rel=0.01) and peak > block.nbytes
