"""From a Flower message to a party's answer and back. Whatever happens, a Message returns.

Not for: what a party does (``client_app.vertical.party``).
"""

from __future__ import annotations

import logging

from flwr.app import Context, Message

from client_app.guard.refusals import in_full, redacted
from client_app.vertical.builders import build_party
from client_app.vertical.errors import PartyError
from crossward.protocol.parts import ProtocolError
from crossward.protocol.vertical.messages import FAILED, MALFORMED, REFUSED, Answer, NotDone
from crossward.protocol.vertical.wire import read_work, write_answer

logger = logging.getLogger("crossward.node")


def respond(message: Message, context: Context) -> Message:
    """Read the step, let the party do it, answer; what went wrong is in the party's own log in full."""
    answer: Answer
    try:
        work = read_work(message.content)
    except ProtocolError as error:
        answer = NotDone("", -1, -1, MALFORMED, str(error))
    else:
        try:
            answer = build_party(context, work).act(work)
        except Exception as error:
            logger.exception("step %s (%s) failed", work.step, work.action)
            say = in_full if "partition-id" in context.node_config else redacted
            kind = REFUSED if isinstance(error, PartyError) else FAILED
            answer = NotDone(work.lineage, work.task, work.step, kind, say(error))
    if isinstance(answer, NotDone):
        logger.warning("a step was not done (%s): %s", answer.kind, answer.reason)
    return Message(content=write_answer(answer), reply_to=message)
