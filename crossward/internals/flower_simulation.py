"""Flower's simulation, changed so that messages of some types wait for no training.

A simulation answers messages in the order in which they arrive, with as many actors as clients fit on the machine:
while all of them train, a message that takes milliseconds waits for a training to end. Here messages of the chosen
types have an actor of their own. It holds no CPU in Ray's accounts, so as many clients train at once as before, on as
many threads; and it starts with the first such message, so that a run without any has no further process.

Not for: deployments (``crossward.internals.flower_supernode``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container
from queue import Queue
from typing import TYPE_CHECKING, Any

from crossward.internals.flower import FLOWER

if TYPE_CHECKING:
    from flwr.app import Context, Message

LOOK, LOOK_A_NODE = 0.01, 0.001  # seconds between looks for messages: at least, and for each node
_ENGINE = "flwr.server.superlink.fleet.vce.vce_api"


class _OwnActor:
    """A backend of Flower's simulation with one actor; a new one takes the place of one that crashed."""

    def __init__(self, app: Callable[[], Any]) -> None:
        self._app = app
        self._actor: Any = None

    def process_message(self, message: Message, context: Context) -> tuple[Message, Context]:
        """The reply, and the client's context after it."""
        import ray

        if self._actor is None:
            actor = FLOWER.require("flwr.simulation.ray_transport.ray_actor:ClientAppActor")
            self._actor = actor.options(num_cpus=0, num_gpus=0).remote()
        try:
            client = str(context.node_config["partition-id"])
            _, reply, after = ray.get(self._actor.run.remote(self._app, message, client, context))
        except ray.exceptions.RayActorError:
            self._actor = None
            raise
        return reply, after


class _Sorted:
    """A queue's ``put`` that puts messages of the types ``beside`` into another queue."""

    def __init__(self, queue: Queue[Message], other: Queue[Message], beside: Container[str]) -> None:
        self._queue, self._other, self._beside = queue, other, beside

    def put(self, message: Message) -> None:
        """Put it where it belongs."""
        (self._other if message.metadata.message_type in self._beside else self._queue).put(message)


class _Often:
    """A stop event that is waited for more briefly: Flower looks for messages every 0.1 s, a node at a time."""

    def __init__(self, stop: threading.Event, nodes: int) -> None:
        self._stop, self._most = stop, min(max(LOOK, LOOK_A_NODE * nodes), 0.1)

    def is_set(self) -> bool:
        """Whether the run has ended."""
        return self._stop.is_set()

    def wait(self, timeout: float) -> bool:
        """Wait for the run's end, but not as long as Flower asks for."""
        return self._stop.wait(min(timeout, self._most))


def simulation_command(beside: Container[str]) -> Callable[[], None]:
    """The function behind the command ``flwr-simulation``; messages of the types ``beside`` have their own actor.

    Raises
    ------
    InternalsError
        Flower's simulation is made of other parts.
    """
    engine = FLOWER.require(_ENGINE)
    run_api = FLOWER.require(f"{_ENGINE}:run_api", "app_fn", "state_factory", "node_info_stores", "f_stop", "metrics")
    extract = FLOWER.require(f"{_ENGINE}:add_messages_to_queue", "state", "queue", "nodes_mapping", "f_stop")
    answer = FLOWER.require(f"{_ENGINE}:worker", "messageins_queue", "messageres_queue", "backend", "metrics")
    inject = FLOWER.require(f"{_ENGINE}:put_message_into_state", "state", "queue", "f_stop")
    command: Callable[[], None] = FLOWER.require("flwr.simulation.app:flwr_simulation")

    def run_with_own_actor(
        app_fn: Any, backend_fn: Any, nodes_mapping: Any, state_factory: Any, stores: Any, f_stop: Any, metrics: Any
    ) -> None:
        light: Queue[Message] = Queue()
        replies: Queue[Message] = Queue()

        def extract_sorted(state: Any, queue: Queue[Message], nodes: Any, stop: Any) -> None:
            extract(state, _Sorted(queue, light, beside), nodes, _Often(stop, len(nodes)))

        engine.add_messages_to_queue = extract_sorted
        threads = [
            threading.Thread(target=answer, args=(light, replies, stores, _OwnActor(app_fn), f_stop, metrics)),
            threading.Thread(target=inject, args=(state_factory.state(), replies, f_stop)),
        ]
        for thread in threads:
            thread.start()
        try:
            run_api(app_fn, backend_fn, nodes_mapping, state_factory, stores, f_stop, metrics)
        finally:
            for thread in threads:
                thread.join()

    engine.run_api = run_with_own_actor
    return command
