"""Messages of some types wait for no training in Flower's own simulation, and nothing else changes."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from queue import Queue
from typing import Any

import pytest
from flwr.app import Context, Message, RecordDict

from crossward.internals import flower_simulation
from crossward.internals.check import InternalsError
from crossward.internals.flower import FLOWER, set_message_id, set_task_identity
from crossward.internals.flower_simulation import _OwnActor, simulation_command

ENGINE = FLOWER.require("flwr.server.superlink.fleet.vce.vce_api")
METRICS = FLOWER.require("flwr.server.superlink.fleet.vce.metrics:VceMetrics")


@pytest.fixture(autouse=True)
def same_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    set_task_identity()
    for name in ("run_api", "add_messages_to_queue"):
        monkeypatch.setattr(ENGINE, name, getattr(ENGINE, name))


def message(node: int, kind: str) -> Message:
    made = Message(content=RecordDict(), dst_node_id=node, message_type=kind)
    set_message_id(made, f"{node}:{kind}")
    return made


def context(node: int) -> Context:
    return Context(run_id=1, node_id=node, node_config={"partition-id": node}, state=RecordDict(), run_config={})


class Simulation:
    """What Flower's simulation engine works with: messages and replies, contexts, and a backend of one actor.

    The actor's trainings last until ``trained``, which the answer of a message of type ``until`` sets.
    """

    num_workers = 1

    def __init__(self, messages: list[Message], until: str) -> None:
        self.messages, self.until, self.expected = messages, until, len(messages)
        self.answered: list[str] = []
        self.trained, self.stop = threading.Event(), threading.Event()
        if not until:
            self.trained.set()

    def run(self) -> list[str]:
        """The types of the messages in the order of their replies."""
        stores = {node: self for node in (1, 2)}
        ENGINE.run_api(lambda: None, lambda: self, {1: 1, 2: 2}, self, stores, self.stop, METRICS())
        return self.answered

    def state(self) -> Simulation:
        return self

    def get_message_ins(self, node_id: int, limit: int) -> list[Message]:
        found = [m for m in self.messages if m.metadata.dst_node_id == node_id][:limit]
        self.messages = [m for m in self.messages if m not in found]
        return found

    def store_message_res(self, reply: Message) -> None:
        kind = reply.metadata.message_type
        self.answered.append(kind)
        if kind == self.until:
            self.trained.set()
        if len(self.answered) == self.expected:
            self.stop.set()

    def retrieve_context(self, run_id: int) -> Context:
        return context(1)

    def update_context(self, run_id: int, context: Context) -> None: ...

    def build(self, app_fn: Callable[[], Any]) -> None: ...

    def terminate(self) -> None: ...

    def process_message(self, message: Message, context: Context) -> tuple[Message, Context]:
        assert self.trained.wait(20)
        return Message(content=RecordDict(), reply_to=message), context


class Answers:
    """Stands for the actor of its own."""

    def __init__(self, app: Callable[[], Any]) -> None: ...

    def process_message(self, message: Message, context: Context) -> tuple[Message, Context]:
        return Message(content=RecordDict(), reply_to=message), context


@pytest.mark.parametrize(("beside", "order"), [(True, [2, 0, 1]), (False, [0, 1, 2])])
def test_a_message_of_a_chosen_type_is_answered_while_all_train(
    monkeypatch: pytest.MonkeyPatch, beside: bool, order: list[int]
) -> None:
    monkeypatch.setattr(flower_simulation, "_OwnActor", Answers)
    simulation_command({"query.consent"} if beside else ())
    kinds = ["train", "train", "query.consent"]
    messages = [message(node, kind) for node, kind in zip((1, 2, 1), kinds, strict=True)]
    found = Simulation(messages, until="query.consent" if beside else "").run()
    assert found == [kinds[number] for number in order]


class FakeRay(types.ModuleType):
    """A ray whose actors are made by Flower's ClientAppActor; ``crash`` ends the next call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__("ray")
        self.exceptions = types.SimpleNamespace(RayActorError=ConnectionError)
        self.made: list[dict[str, int]] = []
        self.crash = False
        monkeypatch.setitem(sys.modules, "ray", self)
        actor = types.SimpleNamespace(options=self.options)
        monkeypatch.setattr(FLOWER.require("flwr.simulation.ray_transport.ray_actor"), "ClientAppActor", actor)

    def options(self, **resources: int) -> Any:
        def make() -> Any:
            self.made.append(resources)
            return types.SimpleNamespace(run=types.SimpleNamespace(remote=lambda *args: args))

        return types.SimpleNamespace(remote=make)

    def get(self, call: Any) -> Any:
        if self.crash:
            raise ConnectionError
        app, message, client, context = call
        return client, (app, message), context


def test_the_actor_takes_no_cpu_and_starts_with_the_first_message(monkeypatch: pytest.MonkeyPatch) -> None:
    FLOWER.require("flwr.simulation.ray_transport.ray_actor")  # with the real ray
    ray = FakeRay(monkeypatch)
    own: Any = _OwnActor(app := lambda: None)
    assert not ray.made
    sent = message(1, "query.consent")
    for _ in range(2):
        assert own.process_message(sent, here := context(1)) == ((app, sent), here)
    assert ray.made == [{"num_cpus": 0, "num_gpus": 0}]
    ray.crash = True
    with pytest.raises(ConnectionError):
        own.process_message(sent, context(1))
    ray.crash = False
    own.process_message(sent, context(1))
    assert len(ray.made) == 2  # one that crashed has a successor


@pytest.mark.parametrize("name", ["run_api", "add_messages_to_queue", "worker", "put_message_into_state"])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(ENGINE, name)
    with pytest.raises(InternalsError, match=rf"^flwr \S+: {ENGINE.__name__}\.{name} does not exist .* install that"):
        simulation_command(())


def test_queues_are_sorted_by_type_alone() -> None:
    others: Queue[Message] = Queue()
    light: Queue[Message] = Queue()
    sort = flower_simulation._Sorted(others, light, {"query.answer"})
    for kind in ("train", "query.answer", "query.consent"):
        sort.put(message(1, kind))
    assert light.get_nowait().metadata.message_type == "query.answer" and light.empty() and others.qsize() == 2
