"""Where processes share the tests, as in ``make test``: one torch thread in each; the longest files begin first.

Two processes with two threads each on two cores are ten times slower than with one each. Started by hand, pytest runs
in one process and leaves torch its threads. Nowhere is an example of Hypothesis refused for the time that it took.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from client_app.training.threads import (
    share_cores,  # also tells OpenMP to wait passively, before torch is there to read it
)
from crossward.machine.proxies import go_direct
from tests.leftovers import differences, process_state, running, still_running

GROUPS = "client_app/group/"
# one process has all files of such a folder: they share worker groups, a laboratory, or finished runs
TOGETHER = (GROUPS, "research/attacks/", "crossward/evaluation/")
# what takes longest, the longest first; those that wait for processes are apart, lest they wait for one another
LONG = (
    *TOGETHER,
    "strategies/test_soak",
    "benchmarks/test_training",
    "examples/test_examples",
    "benchmarks/test_encryption",
    "strategies/test_many_hospitals",
    "strategies/test_same_adapters",
    "crossward/simulation/test_committee",
    "research/compare/test_work",
    "client_app/training/test_learner",
    "benchmarks/test_gpu",
    "strategies/test_cached_updates",
    "strategies/test_resume",
    "strategies/test_faults",
    "strategies/test_sealed_snapshots",
    "client_app/training/test_engine",
    "crossward/cli/test_members",
    "client_app/test_app",
    "strategies/opening/test_availability",
    "crossward/launcher/forecast/test_command",
    "strategies/test_budgets",
    "strategies/opening/test_rosters",
    "strategies/test_fuzz",
    "data/test_synthetic",
    "benchmarks/test_hospital_privacy",
    "benchmarks/test_personal",
    "crossward/adapters/test_elsewhere",
    "strategies/test_sealed",
    "strategies/test_membership",
    "crossward/privacy/test_accounting",
    "crossward/report/test_page_browser",
    "strategies/test_rotation",
)

gc.disable()  # until the tests are collected, see below
with warnings.catch_warnings():  # what Flower's dependencies deprecate is no error of ours
    warnings.simplefilter("ignore")
    importlib.import_module("flwr.serverapp")
    importlib.import_module("flwr.clientapp")

settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

go_direct()  # what tests start talks over the loopback, whatever proxy this machine has

if "PYTEST_XDIST_WORKER" in os.environ:
    share_cores(1)  # of this process alone: what tests start finds its own number


@pytest.fixture(scope="module", autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A module leaves its process as it found it, see ``tests.leftovers``; ``GROUPS`` have processes in common."""
    before, begun = process_state(), running()
    yield
    left = differences(before, process_state())
    left += [] if f"tests/{GROUPS}" in request.node.nodeid else still_running(begun)
    assert not left, "the module leaves these behind for the next one:\n" + "\n".join(left)


@pytest.fixture(scope="module", autouse=True)
def _put_right(_nothing_left: None) -> Iterator[None]:
    """Commands that tests call change levels of loggers and threads of torch: the next module finds neither changed."""
    loggers = [logging.getLogger(name) for name in ("flwr", "crossward", "crossward.node", "crossward.data")]
    before, torch = [logger.level for logger in loggers], sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)
    if torch and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


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
    return next((i for i, name in enumerate(LONG) if f"/tests/{name}" in path), len(LONG))


def pytest_collection_finish() -> None:
    """Importing torch, transformers and the tests made a million objects that stay. The collector never looks at them.

    Going through them again and again was a third of the suite's CPU time.
    """
    gc.freeze()
    gc.enable()


class _Shares(LoadFileScheduling):
    """Files are dealt out whole, and those that are ``TOGETHER`` as if they were one."""

    def _split_scope(self, nodeid: str) -> str:
        folder = next((folder for folder in TOGETHER if f"tests/{folder}" in nodeid), "")
        return folder or super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Shares:
    return _Shares(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leave out the files that take longest (make test-fast)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long files first: a minute at the end would find the other processes with nothing left to do."""
    items.sort(key=_turn)
    if config.getoption("--fast"):
        long = [item for item in items if _turn(item) < len(LONG)]
        items[:] = items[len(long) :]
        config.hook.pytest_deselected(items=long)
