"""What Crossward uses of Flower beyond its public interface, except the Grid (``crossward.internals.flower_grid``).

The lines that Flower prints, and that Crossward acts on, are at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from crossward.internals.check import Dependency

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from flwr.app import Message
    from flwr.supercore.run import Run as Run

FLOWER = Dependency("flwr", "1.42", __name__)

# ---------------------------------------------------------------------- environment variables


def chunk_variable(size: int) -> dict[str, str]:
    """The environment variable by which Flower sends arrays in chunks of ``size`` bytes."""
    name = "FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE"
    FLOWER.require_text("flwr/common/constant.py", f'"{name}"')
    return {name: str(size)}


def port_variables(port: int, control_port: int) -> dict[str, str]:
    """The environment variables by which ``flwr run`` looks for the local SuperLink on these ports."""
    variables = {"FLWR_LOCAL_SUPERLINK_HTTP_API_PORT": str(port), "FLWR_LOCAL_CONTROL_API_PORT": str(control_port)}
    FLOWER.require_text("flwr/cli/constant.py", *(f'"{name}"' for name in variables))
    return variables


def task_poll_variable(seconds: float) -> dict[str, str]:
    """The environment variable by which a SuperNode's SuperExec looks every ``seconds`` for tasks to start."""
    name = "FLWR_SUPEREXEC_TASK_POLL_INTERVAL"
    FLOWER.require_text("flwr/supercore/superexec/run_superexec.py", f'"{name}"')
    return {name: str(seconds)}


# ---------------------------------------------------------------------- SuperLink and SuperNode


def superlink_command() -> Callable[[], None]:
    """The function behind the command ``flower-superlink``."""
    command: Callable[[], None] = FLOWER.require("flwr.superlink.cli:flower_superlink")
    return command


def clientapp_command() -> Callable[[], None]:
    """The function behind the command ``flwr-clientapp``, by which a SuperNode starts a process for a message."""
    command: Callable[[], None] = FLOWER.require("flwr.supernode.cli:flwr_clientapp")
    return command


def set_busy_timeout(milliseconds: int) -> None:
    """Let a statement of the SuperLink's SQLite database wait this long for others; before Flower loads its database.

    Raises
    ------
    InternalsError
        Flower sets no such pragma, or its database code does not take up the changed value.
    """
    constant = FLOWER.require("flwr.supercore.constant")
    pragmas = dict(FLOWER.require("flwr.supercore.constant:SQLITE_PRAGMAS"))
    if "busy_timeout" not in pragmas:
        raise FLOWER.differs("flwr.supercore.constant.SQLITE_PRAGMAS has no busy_timeout")
    constant.SQLITE_PRAGMAS = tuple((pragmas | {"busy_timeout": str(milliseconds)}).items())
    if FLOWER.require("flwr.supercore.sql_mixin:SQLITE_PRAGMAS") is not constant.SQLITE_PRAGMAS:
        raise FLOWER.differs("flwr.supercore.sql_mixin does not use the pragmas of flwr.supercore.constant")


def deactivate_node(superlink: str, authority: Path, key: EllipticCurvePrivateKey, node: int) -> None:
    """Report to the SuperLink that the SuperNode ``node`` with this key has gone.

    ``superlink`` is HOST:PORT, ``authority`` the CA certificate's file. Raises whatever Flower and the network do.
    """
    request = FLOWER.require("flwr.proto.fleet_pb2:DeactivateNodeRequest")
    versions = FLOWER.require(
        "flwr.supercore.interceptors.http.runtime_version:RuntimeVersionHttpInterceptor", "component_name"
    )
    signing = FLOWER.require("flwr.supernode.node_auth_http_interceptor:NodeAuthHttpInterceptor")
    connect = FLOWER.require(
        "flwr.supernode.fleet_http_client:FleetHttpClient.from_server_address",
        *("server_address", "insecure", "root_certificates", "interceptors"),
    )
    interceptors = [versions(component_name="SuperNode"), signing(key, key.public_key())]
    with connect(superlink, False, str(authority), interceptors) as client:
        client.DeactivateNode(request(node_id=node))


# ---------------------------------------------------------------------- messages without a runtime


def set_task_identity() -> None:
    """Make this process run 1, node 1 and task 1, as Flower sets a process at its start: messages need it."""
    identity = FLOWER.require("flwr.supercore.task_identity:TaskIdentity")
    for name in ("run_id", "node_id", "task_id"):
        if not isinstance(getattr(type(identity), name, None), property):
            raise FLOWER.differs(f"flwr.supercore.task_identity.TaskIdentity has no {name}")
        setattr(identity, name, 1)


def set_message_id(message: Message, message_id: str) -> None:
    """Give ``message`` the id and the run (1) that a runtime's Grid gives it when it is pushed."""
    facts = vars(message.metadata)
    if not {"_message_id", "_run_id"} <= facts.keys():
        raise FLOWER.differs("flwr.app.Metadata keeps a message's id and run elsewhere")
    facts["_message_id"], facts["_run_id"] = message_id, 1


def empty_run() -> Run:
    """The description of a run (id 1) without an app."""
    run: Run = FLOWER.require("flwr.supercore.run:Run.create_empty", "run_id")(run_id=1)
    return run


# ---------------------------------------------------------------------- lines

NODE_ID = re.compile(r"SuperNode ID: (\d+)")  # a SuperNode has been let in
RECEIVING = re.compile(r"Receiving: (\S+) message")  # a SuperNode has got a task
SENDING = re.compile(r"Sending: (\S+) message")  # a SuperNode begins to send its reply
SENT, IGNORED = "Sent successfully", "Ignoring reply message"  # a SuperNode is done with one
NOT_ACTIVATED = "[code: 2004]"  # a SuperNode was not let in; the SuperLink's line has the key
KEY_NOT_ACTIVATED = re.compile(r"\[ApiError:2004\].*?(-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----)")
KEY_IN_USE, NODE_NOT_FOUND = "[code: 23]", "[code: 24]"  # ``flwr supernode register`` and ``unregister``
GREETINGS = ("Flower configuration not found", "Using SuperLink:")  # of every ``flwr`` command


def is_waiting(line: str) -> bool:
    """Whether a SuperNode that printed ``line`` now waits for a task."""
    return any(sign in line for sign in ("SuperNode ID:", SENT, IGNORED))
