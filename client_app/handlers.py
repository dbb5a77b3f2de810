"""From a Flower message to a node's reply and back. Whatever happens, a Message returns.

A handler that raises or returns nothing wedges its SuperNode, so this is the one place that turns any
exception into a reply that names it. The trace goes to the node's own log, never to the server, nor does any text that
could be of notes (``client_app.guard.refusals``).

Not for: what a node does (``client_app.node``) or its seat on the committee (``client_app.committee.seat``).
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from client_app.committee.seat import Seat
from client_app.guard.refusals import in_full, redacted
from client_app.node import Node
from crossward.protocol.messages import FAILED, KINDS, MALFORMED, Failure, Reply, Task
from crossward.protocol.parts import LARGE, ProtocolError
from crossward.protocol.wire import PAYLOAD, content_size, read_task, write_reply

Build = Callable[[Context, Task], Node]
BuildSeat = Callable[[Context, Task], Seat]
logger = logging.getLogger("crossward.node")


def respond(message: Message, context: Context, build: Build, act: Callable[[Node, Task], Reply]) -> Message:
    """Read the task, let the node act, reply."""
    entered = time.perf_counter()
    return _respond(message, context, lambda task: _act(build(context, task), task, act, entered))


def respond_beside(message: Message, context: Context, build: BuildSeat, act: Callable[[Seat, Task], Reply]) -> Message:
    """Read the task, let the node's seat on the committee act, reply."""
    return _respond(message, context, lambda task: act(build(context, task), task))


def _respond(message: Message, context: Context, answer: Callable[[Task], Reply]) -> Message:
    reply: Reply
    try:
        task = read_task(message.content)
        if content_size(message.content) > LARGE:
            del message.content[PAYLOAD]  # the task has its bytes; nobody else shall hold them while the node trains
    except ProtocolError as error:
        reply = _logged(Failure("", -1, MALFORMED, str(error), -1))
    else:
        try:
            reply = _logged(answer(task))
        except Exception as error:
            logger.exception("task %s (%s) failed", task.task, message.metadata.message_type)
            say = in_full if "partition-id" in context.node_config else redacted  # a simulation is all one machine
            reply = Failure(task.lineage, task.task, FAILED, say(error), -1)
    return Message(content=write_reply(reply), reply_to=message)


def _logged(reply: Reply) -> Reply:
    """The reply; whoever runs this node reads in its log, too, what was refused and why."""
    if isinstance(reply, Failure):
        logger.warning("task %s was not done (%s): %s", reply.task, reply.kind, reply.reason)
    return reply


def _act(node: Node, task: Task, act: Callable[[Node, Task], Reply], entered: float) -> Reply:
    if node.clock is time.perf_counter:
        node.entered = entered
    try:
        return act(node, task)
    finally:
        node.learner.close(task.last)


def make_app(
    build: Build,
    decorate: Callable[[Message, Context, float], None] | None = None,
    build_seat: BuildSeat | None = None,
) -> ClientApp:
    """A ClientApp whose nodes ``build`` makes, and whose seats ``build_seat``.

    ``decorate`` may add records to a node's reply, given its seconds of work. Without ``build_seat`` nobody answers the
    committee's questions.
    """
    app = ClientApp()

    def handle(message: Message, context: Context, act: Callable[[Node, Task], Reply]) -> Message:
        began = time.perf_counter()
        reply = respond(message, context, build, act)
        if decorate is not None:
            try:
                decorate(reply, context, time.perf_counter() - began)
            except Exception:
                logger.exception("the reply is sent without the records that were to be added")
        return reply

    for name, kind in KINDS.items():
        category, _, action = name.partition(".")
        register = getattr(app, category)(*([action] if action else []))
        if not kind.beside:
            register(functools.partial(handle, act=getattr(Node, kind.act)))
        elif build_seat is not None:
            register(functools.partial(respond_beside, build=build_seat, act=getattr(Seat, kind.act)))
    return app
