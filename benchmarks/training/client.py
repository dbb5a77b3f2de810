"""``python -m benchmarks.training.client FILE``: a process with one message, as a SuperNode starts one for each.

It imports what ``flwr-clientapp`` does, then this app (or, to compare, an empty one), calls the handler as Flower does,
and prints when it was where. FILE says what to ask.

Not for: deciding what to ask (``benchmarks.training.messages``).
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

BEGAN = time.monotonic()


def ask(wanted: dict[str, Any], app: Any) -> dict[str, Any]:
    """The handler's times (``time.monotonic``) and what it replied."""
    from flwr.app import Context, Message, RecordDict

    from crossward.internals.flower import set_message_id, set_task_identity
    from crossward.protocol.messages import TRAIN, Head, RecordHead, Task, Update
    from crossward.protocol.parts import PartHead, Payload
    from crossward.protocol.wire import read_reply, write_task

    set_task_identity()
    records = [
        (RecordHead(*head), Payload([PartHead(*part) for part in parts], Path(path).read_bytes()))
        for head, parts, path in wanted["records"]
    ]
    facts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in wanted["task"].items()}
    task = Task(**facts, head=Head(facts["task"], "ab" * 32), records=tuple(records))
    context = Context(1, 1, wanted["node_config"], RecordDict(), wanted["run_config"])
    message = Message(content=write_task(task), message_type=TRAIN, dst_node_id=1, group_id="")
    set_message_id(message, "message-1")
    entered = time.monotonic()
    answer = app(message, context)
    left = time.monotonic()
    reply = read_reply(answer.content)
    if not isinstance(reply, Update):
        raise SystemExit(f"no update came: {reply}")
    Path(wanted["payload"]).write_bytes(reply.payload.data)
    names = ("train_seconds", "compute_seconds", "seal_seconds", "open_seconds", "num_tokens", "loss_sum", "key")
    told = {name: getattr(reply, name) for name in names}
    return {"entered": entered, "left": left, "parts": reply.payload.heads, **told}


def main(argv: list[str]) -> None:
    """Answer the message in ``argv[1]``."""
    from crossward.internals.flower import clientapp_command

    wanted = json.loads(Path(argv[1]).read_text())
    clientapp_command()  # imports what the command imports
    out: dict[str, Any] = {"began": BEGAN, "flower": time.monotonic()}
    if wanted["empty"]:
        importlib.import_module("flwr.clientapp").ClientApp()
    else:
        app = importlib.import_module("client_app.app").app
    out["imported"] = time.monotonic()
    if not wanted["empty"]:
        logging.getLogger("crossward.node").setLevel(logging.WARNING)
        out.update(ask(wanted, app))
    out["torch"] = "torch" in sys.modules
    print(json.dumps(out))


if __name__ == "__main__":
    main(sys.argv)
