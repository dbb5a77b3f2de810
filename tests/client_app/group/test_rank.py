"""What a rank answers, to a link that only writes down: which failures end the group, and what they tell people."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from client_app.group import rank as ranks
from client_app.group.rank import ORDINARY, Worker
from client_app.training.learner import LoraLearner, adapted_model
from client_app.training.team import SOLO
from crossward.adapters import AdapterError
from data import DataError


class Notebook:
    """A link to nobody."""

    def __init__(self) -> None:
        self.jobs = queue.Queue[Any]()
        self.stage, self.count, self.cancelled = "idle", 0, -1
        self.messages: list[tuple[dict[str, Any], Any]] = []

    def say(self, header: dict[str, Any], blobs: Any = ()) -> None:
        self.messages.append((header, blobs))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    adapted_model.cache_clear()


@pytest.fixture
def worker() -> Worker:
    return Worker(Notebook(), SOLO, "cpu")  # type: ignore[arg-type]


def answered(worker: Worker, request: dict[str, Any], *blobs: bytes) -> tuple[dict[str, Any], Any]:
    """The answer to a request."""
    worker.serve({"job": 7, **request}, [bytearray(b) for b in blobs])
    link: Any = worker.link
    assert link.stage == "idle"
    header, arrays = link.messages[-1]
    assert header.pop("job") == 7
    return header, arrays


def request(shared: Any, do: str, **facts: Any) -> dict[str, Any]:
    return {"do": do, "spec": shared.spec(data__packing=False).to_json(), **facts}


def test_a_rank_does_what_it_is_asked(worker: Worker, shared: Any) -> None:
    header, _ = answered(worker, request(shared, "open"))
    total = sum(header["sizes"])
    assert header["done"] and header["site"] == "notes" and len(header["layout"]) > 8
    _, (start,) = answered(worker, request(shared, "initial"))
    assert start.dtype == np.float32 and len(start) == total
    header, (vector,) = answered(worker, request(shared, "train", version=0, seed=1), start.tobytes())
    assert (
        header.keys() == {"done", "num_examples", "num_tokens", "loss_sum", "steps", "held_out"}
        and header["steps"] == 6
    )
    assert vector.dtype == np.float32 and not np.array_equal(vector, start)
    header, _ = answered(worker, request(shared, "evaluate", models=["a", "b"]), start.tobytes(), vector.tobytes())
    assert header["measures"]["b"]["loss_sum"] < header["measures"]["a"]["loss_sum"]
    header, _ = answered(worker, request(shared, "sensitive", fraction=0.5))
    assert len(header["blocks"]) > 1 and set(header["blocks"]) == {True, False}
    _, (own,) = answered(worker, request(shared, "alone", steps=2, seed=1), start.tobytes())
    assert not np.array_equal(own, start)
    for alone in ([], [own.tobytes()]):
        ask = request(shared, "personal", alone=bool(alone), steps=2, seed=1)
        header, (made,) = answered(worker, ask, start.tobytes(), *alone)
        assert header.keys() == {"done", "method", "steps", "share", "validation"} and len(made) == total


def test_a_rank_that_does_not_lead_sends_nothing_but_that_it_is_done(worker: Worker, shared: Any) -> None:
    worker.team = replace(SOLO, rank=1)
    header, arrays = answered(worker, request(shared, "initial"))
    assert header == {"done": True} and arrays == ()


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError])
def test_out_of_memory_ends_the_group_and_says_what_to_change(
    worker: Worker, shared: Any, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def full(*_: object) -> None:
        raise kind("CUDA out of memory. Tried to allocate 20.00 GiB.\n  GPU 0 has 1 MiB free.")

    _, (start,) = answered(worker, request(shared, "initial"))
    monkeypatch.setattr(LoraLearner, "train", full)
    header, _ = answered(worker, request(shared, "train", version=0, seed=1), start.tobytes())
    assert header["failed"] == kind.__name__ and header["last"] is True
    assert "Tried to allocate 20.00 GiB. GPU 0 has 1 MiB free." in header["reason"]
    for key in ("train.batch-size", "train.accumulation", "train.gradient-checkpointing", "model.quantization"):
        assert key in header["reason"] and key in header["told"]
    assert header["told"].startswith(f"{kind.__name__}: out of memory. Lower") and "GPU 0" not in header["told"]


def test_out_of_memory_on_a_cpu_says_what_to_change_too(
    worker: Worker, shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There torch has no error of its own for it."""
    _, (start,) = answered(worker, request(shared, "initial"))
    monkeypatch.setattr(LoraLearner, "train", lambda *_: torch.empty(2**55))
    header, _ = answered(worker, request(shared, "train", version=0, seed=1), start.tobytes())
    assert header["failed"] == "RuntimeError" and header["last"] is True
    assert header["reason"].startswith("out of memory (") and "train.batch-size" in header["reason"]


@pytest.mark.parametrize("kind", ORDINARY)
def test_what_happens_on_every_rank_alike_leaves_the_group(
    worker: Worker, shared: Any, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def refused(*_: object) -> None:
        raise kind("set train.clip")

    _, (start,) = answered(worker, request(shared, "initial"))
    with monkeypatch.context() as patch:
        patch.setattr(LoraLearner, "train", refused)
        header, _ = answered(worker, request(shared, "train", version=0, seed=1), start.tobytes())
    leaves = header.pop("told")
    assert header == {"failed": kind.__name__, "reason": "set train.clip", "last": False}
    assert leaves.startswith(kind.__name__) and ("train.clip" in leaves) == (kind is not DataError)
    header, _ = answered(worker, request(shared, "train", version=0, seed=1), start.tobytes())
    assert header["done"]


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, KeyError, OSError, AssertionError])
def test_anything_else_ends_it(
    worker: Worker, shared: Any, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def wrong(*_: object, **__: object) -> None:
        raise kind("x")

    monkeypatch.setattr(ranks, "local_learner", wrong)
    header, _ = answered(worker, request(shared, "open"))
    assert header["failed"] == kind.__name__ and header["last"] is True


def test_an_adapter_of_another_size_is_refused(worker: Worker, shared: Any) -> None:
    header, _ = answered(worker, request(shared, "train", version=0, seed=1), np.zeros(3, np.float32).tobytes())
    assert header["failed"] == AdapterError.__name__ and not header["last"] and "3 values" in header["reason"]


def test_a_training_that_nobody_wants_ends_at_its_next_step(worker: Worker, shared: Any) -> None:
    _, (start,) = answered(worker, request(shared, "initial"))
    link: Any = worker.link
    link.cancelled = 7
    header, _ = answered(worker, request(shared, "train", version=0, seed=1), start.tobytes())
    assert header["failed"] == "CancelledError" and not header["last"]
    link.cancelled = 6  # another request
    assert answered(worker, request(shared, "train", version=0, seed=1), start.tobytes())[0]["done"]


def test_the_learner_stays_while_the_same_is_asked_for(worker: Worker, shared: Any) -> None:
    answered(worker, request(shared, "open"))
    assert worker.held is not None
    first = worker.held[1]
    answered(worker, request(shared, "initial"))
    assert worker.held[1] is first
    answered(worker, {"do": "open", "spec": shared.spec(data__packing=True).to_json()})
    assert worker.held[1] is not first and worker.held[1].adapted is first.adapted


def test_every_step_is_a_sign_of_progress(worker: Worker, shared: Any) -> None:
    _, (start,) = answered(worker, request(shared, "initial"))
    link: Any = worker.link
    before = link.count
    answered(worker, request(shared, "train", version=0, seed=1), start.tobytes())
    assert link.count - before >= 6


def test_out_of_memory_in_a_private_run_advises_nothing_that_it_refuses(
    worker: Worker, shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Worker, "do", full)
    protected = {"privacy__unit": "patient", "privacy__epsilon": 8.0, "strategy__weighting": "equal"}
    specs = (shared.spec(**given).to_json() for given in ({}, protected))
    plain, private = (answered(worker, {"spec": spec, "do": "x"})[0] for spec in specs)
    for key in ("train.gradient-checkpointing", "node.sharding", "train.accumulation"):
        assert key in plain["reason"] and key not in private["reason"]
    assert "train.batch-size" in private["reason"] and "4bit" in private["reason"]
