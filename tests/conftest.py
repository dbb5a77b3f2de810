"""Where processes share the tests, as in ``make test``: one torch thread in each; the longest files begin first.

Two processes with two threads each on two cores are ten times slower than with one each. Started by hand, pytest runs
in one process and leaves torch its threads. Nowhere is an example of Hypothesis refused for the time that it took.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from client_app.threads import share_cores  # also tells OpenMP to wait passively, before torch is there to read it

# files that take longest, the longest first; those that wait for processes are apart, lest they wait for one another
LONG = (
    "benchmarks/test_training",
    "strategies/test_thousand_nodes",
    "group/test_survival",
    "evaluation/test_replay",
    "adapters/test_elsewhere",
    "group/test_ranks",
    "strategies/test_fuzz",
    "evaluation/test_main",
    "client_app/test_engine",
    "strategies/test_faults",
    "group/test_access",
    "strategies/test_sealed_snapshots",
    "benchmarks/test_gpu",
    "strategies/test_soak",
    "group/test_orphans",
    "group/test_message",
    "strategies/test_resume",
    "benchmarks/test_encryption",
)

gc.disable()  # until the tests are collected, see below

settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

if "PYTEST_XDIST_WORKER" in os.environ:
    share_cores(1)  # of this process alone: what tests start finds its own number


@pytest.fixture(scope="module", autouse=True)
def _levels() -> Iterator[None]:
    """Commands that tests call make loggers quieter; the next module finds them as they were."""
    loggers = [logging.getLogger(name) for name in ("flwr", "crossward", "crossward.node", "crossward.data")]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A CROSSWARD_HOME of the module's own, and one torch thread; both as they were afterwards."""
    import torch

    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        made = tmp_path_factory.mktemp("home")
        patch.setenv("CROSSWARD_HOME", str(made))
        torch.set_num_threads(1)
        yield made
    torch.set_num_threads(threads)


def _turn(item: pytest.Item) -> int:
    """Place of the file among those that begin early: real runtimes, then ``LONG``, then the rest as it comes."""
    if {"endtoend", "deployment"} & {mark.name for mark in item.iter_markers()}:
        return -1
    path = item.path.as_posix()
    return next((i for i, name in enumerate(LONG) if path.endswith(f"/{name}.py")), len(LONG))


def pytest_collection_finish() -> None:
    """Importing torch, transformers and the tests made a million objects that stay. The collector never looks at them.

    Going through them again and again was a third of the suite's CPU time.
    """
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: a minute at the end would find the other processes with nothing left to do."""
    items.sort(key=_turn)
