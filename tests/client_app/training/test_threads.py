"""Shares of a machine's cores, and OpenMP's settings before torch is there to read them."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from client_app.training import threads

ROOT = Path(__file__).resolve().parents[3]
KEYS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OPENBLAS_NUM_THREADS", "TOKENIZERS_PARALLELISM")


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def fake_ray(monkeypatch: pytest.MonkeyPatch, total: float, mine: float | None, initialised: bool = True) -> None:
    """A ray whose cluster has ``total`` CPUs and whose actor holds ``mine``."""
    ray = types.ModuleType("ray")
    resources = {} if mine is None else {"CPU": mine}
    context = types.SimpleNamespace(get_assigned_resources=lambda: resources)
    vars(ray).update(
        is_initialized=lambda: initialised,
        get_runtime_context=lambda: context,
        cluster_resources=lambda: {"CPU": total, "memory": 1e9},
    )
    monkeypatch.setitem(sys.modules, "ray", ray)


def test_without_ray_a_client_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    assert threads.concurrent_clients() == 1
    monkeypatch.setattr(threads, "cores", lambda: 6)
    assert threads.share_cores() == 6 == torch.get_num_threads()


def test_a_ray_that_nobody_started_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ray(monkeypatch, 8, 1, initialised=False)
    assert threads.concurrent_clients() == 1


@pytest.mark.parametrize(
    ("cores", "total", "mine", "clients", "share"),
    [
        (8, 8.0, 2.0, 4, 2),
        (2, 2.0, 1.0, 2, 1),
        (2, 2.0, 2.0, 1, 2),
        (8, 8.0, 3.0, 2, 4),  # two actors fit, not two and two thirds
        (2, 8.0, 1.0, 8, 1),  # more clients than cores: one thread each, never none
        (8, 4.0, 2.0, 2, 4),
        (8, 1.0, 2.0, 1, 8),
        (8, 8.0, None, 8, 1),  # an actor that was given no CPU may be one of as many as there are
        (8, 8.0, 0.5, 8, 1),
    ],
)
def test_cores_are_shared_among_the_clients_that_fit(
    monkeypatch: pytest.MonkeyPatch, cores: int, total: float, mine: float | None, clients: int, share: int
) -> None:
    fake_ray(monkeypatch, total, mine)
    monkeypatch.setattr(threads, "cores", lambda: cores)
    assert threads.concurrent_clients() == clients
    assert threads.share_cores() == share == torch.get_num_threads()


def test_a_number_that_was_asked_for_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ray(monkeypatch, 8, 1)
    assert threads.share_cores(3) == 3 == torch.get_num_threads()


@pytest.mark.parametrize("module", ["client_app.app", "server_app.app", "crossward.evaluation"])
def test_torch_is_imported_only_after_openmp_has_been_told(module: str) -> None:
    """Importing an app, as Flower does, must cost no import of torch, and leave what the user has set."""
    code = (
        f"import warnings; warnings.simplefilter('ignore'); import {module}, sys, os; print('torch' in sys.modules, "
        f"*(os.environ.get(k) for k in {KEYS}))"
    )
    env = {k: v for k, v in os.environ.items() if k not in KEYS}
    if module == "client_app.app":
        env |= {"GOMP_SPINCOUNT": "7"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    wanted = {
        "client_app.app": "False PASSIVE 7 1 false",
        "server_app.app": "False None None None None",
        "crossward.evaluation": "False PASSIVE 0 1 false",
    }
    assert done.stdout.strip() == wanted[module]


@pytest.mark.parametrize("module", ["research.attacks", "research.compare"])
def test_numpy_computes_on_one_thread_where_attacks_do(module: str) -> None:
    found = "{p['num_threads'] for p in threadpool_info() if p['internal_api'] == 'openblas'}"
    code = f"import {module}, numpy; from threadpoolctl import threadpool_info; print(*{found})"
    env = {k: v for k, v in os.environ.items() if k not in KEYS}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
