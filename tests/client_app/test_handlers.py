"""Whatever happens to a task, a Message returns that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate

from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict

from client_app.handlers import make_app
from client_app.node import Node
from crossward.config.schedule import Schedule
from crossward.protocol.messages import VERSION, Evaluation, Failure, Head, Task, Update
from crossward.protocol.wire import read_reply, write_task
from crossward.simulation.toy import ToyLearner, toy_context, toy_identity
from crossward.simulation.virtual_grid import VirtualClock, VirtualGrid, VirtualNode

SCHEDULE = Schedule(versions=10, local_steps=5, peak=0.05)
TASK = Task("line", 1, 0, 0, 0, 10, (8, 6, 6), Head(3, "abc"))


def answer(app: Any, content: RecordDict, kind: str = "train") -> Message:
    """The app's reply, sent through a grid so that the message has all its metadata."""
    clock = VirtualClock()
    grid = VirtualGrid({1: VirtualNode(app, toy_context(0))}, clock)
    grid.push_messages([Message(content=content, dst_node_id=1, message_type=kind)])
    clock.pause(1.0, float("inf"))
    (reply,) = grid.pull_messages([])
    return reply


def app_of(folder: Path, learner: type[ToyLearner] = ToyLearner, decorate: Any = None) -> Any:
    def build(context: Context, task: Task) -> Node:
        return Node(learner(0, SCHEDULE), folder, toy_identity(1), SCHEDULE, 0, lambda: 0.0, durable=False)

    return make_app(build, decorate)


@pytest.mark.parametrize(
    ("kind", "expected"), [("train", Update), ("evaluate", Evaluation), ("train.alone", Evaluation)]
)
def test_each_kind_of_task_has_its_handler(tmp_path: Path, kind: str, expected: type) -> None:
    reply = answer(app_of(tmp_path), write_task(TASK), kind)
    assert isinstance(read_reply(reply.content), expected)


@pytest.mark.parametrize("kind", ["train", "evaluate", "train.alone"])
def test_a_malformed_task_is_answered(tmp_path: Path, kind: str, caplog: Any) -> None:
    caplog.set_level("WARNING", "crossward.node")
    for content in (RecordDict(), RecordDict({"facts": ConfigRecord({"protocol": VERSION})})):
        got = read_reply(answer(app_of(tmp_path), content, kind).content)
        assert isinstance(got, Failure) and got.kind == "malformed" and got.reason
        assert f"was not done (malformed): {got.reason}" in caplog.text  # for whoever runs the node


class Broken(ToyLearner):
    def train(self, start: Any, version: int, rng: np.random.Generator) -> Any:
        raise MemoryError("no room for the base model")


def test_an_exception_is_named_in_the_reply_without_its_trace(tmp_path: Path, caplog: Any) -> None:
    got = read_reply(answer(app_of(tmp_path, Broken), write_task(TASK)).content)
    assert got == Failure("line", 1, "failed", "MemoryError: no room for the base model", -1)
    assert "Traceback" in caplog.text


def test_an_exception_while_the_node_is_built_is_named_too() -> None:
    def build(context: Context, task: Task) -> Node:
        raise FileNotFoundError("data-path = '/nowhere' does not exist")

    got = read_reply(answer(make_app(build), write_task(TASK)).content)
    assert isinstance(got, Failure) and got.reason == "FileNotFoundError: data-path = '/nowhere' does not exist"


def test_a_damaged_state_is_named_in_the_reply(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    got = read_reply(answer(app_of(tmp_path), write_task(TASK)).content)
    assert isinstance(got, Failure) and "StateError" in got.reason and "Delete that folder" in got.reason


def test_a_long_reason_is_cut(tmp_path: Path) -> None:
    class Talkative(ToyLearner):
        def train(self, start: Any, version: int, rng: np.random.Generator) -> Any:
            raise ValueError("x" * 9999)

    got = read_reply(answer(app_of(tmp_path, Talkative), write_task(TASK)).content)
    assert isinstance(got, Failure) and len(got.reason) == 2000


def test_records_may_be_added_to_a_reply(tmp_path: Path) -> None:
    def decorate(reply: Message, context: Context, seconds: float) -> None:
        assert seconds >= 0
        reply.content["more"] = MetricRecord({"x": 1})

    reply = answer(app_of(tmp_path, decorate=decorate), write_task(TASK))
    assert reply.content.metric_records["more"]["x"] == 1
    assert isinstance(read_reply(reply.content), Update)


def test_an_exception_while_decorating_is_answered_too(tmp_path: Path) -> None:
    def decorate(reply: Message, context: Context, seconds: float) -> None:
        raise ValueError("simulation.links-mbit = 'fast'")

    assert read_reply(answer(app_of(tmp_path, decorate=decorate), write_task(TASK)).content)
