"""Where processes share the tests, as in ``make test``: one torch thread in each; the longest tests begin first.

Two processes with two threads each on two cores are ten times slower than with one each. Started by hand, pytest runs
in one process and leaves torch its threads.
"""

from __future__ import annotations

import os

import pytest

from client_app.threads import share_cores  # also tells OpenMP to wait passively, before torch is there to read it

if "PYTEST_XDIST_WORKER" in os.environ:
    share_cores(1)  # of this process alone: what tests start finds its own number


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real runtimes first: a minute at the end would find the other process with nothing left to do."""
    items.sort(key=lambda item: not {"endtoend", "deployment"} & {mark.name for mark in item.iter_markers()})
