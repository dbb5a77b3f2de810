"""The ClientApp: which builder makes this node, and the handlers, of each scenario's messages.

Not for: what a handler does (``client_app.node``, ``client_app.vertical.party``).
"""

from __future__ import annotations

from flwr.app import Context, Message

from client_app.builders.hospital import build_hospital, hospital_seat
from client_app.builders.simulated import build_simulated, simulated_seat
from client_app.committee.seat import Seat
from client_app.handlers import make_app
from client_app.node import Node
from crossward.config.run_settings import SimulationSettings
from crossward.config.settings import read_settings
from crossward.protocol.messages import TRAIN, Task
from crossward.protocol.simulated import SimulatedSpeed, write_simulated_speed
from crossward.protocol.vertical.messages import STEP


def build(context: Context, task: Task) -> Node:
    """This node for a task: its learner (kept by the process or the worker group), state folder and identity."""
    builder = build_simulated if "partition-id" in context.node_config else build_hospital
    return builder(context, task)


def build_seat(context: Context, task: Task) -> Seat:
    """This node's seat on the committee: keys alone."""
    builder = simulated_seat if "partition-id" in context.node_config else hospital_seat
    return builder(context, task)


def add_simulated_speed(reply: Message, context: Context, seconds: float) -> None:
    """In a simulation, add this hospital's simulated link and speed; only training is slowed down."""
    if reply.metadata.message_type != TRAIN:
        return
    simulation = read_settings(SimulationSettings, context.run_config)
    partition = context.node_config.get("partition-id")
    if isinstance(partition, int) and (mbit := simulation.link(partition)):
        write_simulated_speed(reply.content, SimulatedSpeed(mbit, simulation.slowdown(partition), seconds))


app = make_app(build, add_simulated_speed, build_seat)


@app.train(STEP.partition(".")[2])
def party_step(message: Message, context: Context) -> Message:
    """A step of a vertical run."""
    from client_app.vertical.handlers import respond  # its rooms import what horizontal runs need not

    return respond(message, context)
