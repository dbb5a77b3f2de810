"""A hospital's side: a SuperNode that comes back after whatever killed it, and is let in again at once.

A SuperLink takes a killed SuperNode for alive until its heartbeats have been missing for a minute, and refuses its
successor meanwhile. The holder of the node's key may sign it off: so this does before a new start
(:func:`release`), and waits a moment, so that the aggregator sees the node gone and asks another hospital for the
update that was lost.

Not for: training (``client_app``), the roster that the node follows (``crossward.deploy.roster``), or the SuperNode's
settings (its node config is passed on unchanged).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossward.config.node_config import NodeConfig
from crossward.config.party_toml import FILE as PARTY
from crossward.config.settings import path_keys
from crossward.deploy.addresses import parted
from crossward.deploy.awaiting import WaitReporter
from crossward.deploy.certificates import days_left
from crossward.deploy.environment import CHUNK_HELP, CHUNK_KIB, environment
from crossward.deploy.errors import DeployError
from crossward.deploy.files import field_of, only_one, path_in, read_table, write_new
from crossward.deploy.keeper import Keeper, Service
from crossward.deploy.node_keys import fingerprint, load_node_key, make_node_key, text_of
from crossward.internals.flower import NODE_ID, NOT_ACTIVATED, deactivate_node, task_poll_variable
from crossward.launcher.overrides import flatten, to_toml
from crossward.machine.files import write_atomic
from crossward.machine.ports import trouble

LOOPBACK = "127.0.0.1"
IDENTITY_PUBLIC, ROSTER = "identity.pub", "roster.json"
SETTING = "stop the process that uses it, or change `port` in {path}"
TASK_POLL = 0.2  # seconds between looks for a task to start a process for
SEEN_GONE = 3.0  # seconds between signing off and a new start; the aggregator looks several times a second
_REFUSALS = {
    NOT_ACTIVATED: "{config.superlink} refused this SuperNode. Its key {fingerprint} is not registered there "
    "(send node.pub to the aggregator's operator), or an earlier SuperNode with it still counts as connected",
    "address already in use": "port {config.port} on 127.0.0.1, which the SuperNode needs, was taken meanwhile: stop "
    "the process that uses it, or change port in hospital.toml",
    "CERTIFICATE_VERIFY_FAILED": "{config.superlink} presents a certificate that does not verify against "
    "{config.authority}: get the aggregator's current ca.crt, and check the host name in superlink",
}
_TEMPLATE = """\
# A hospital of a Crossward consortium; read by `crossward deploy hospital`. Paths are from this file's folder.
superlink = "{superlink}"      # the aggregator's host and port
authority = "ca.crt"           # from the aggregator
node-key = "node.key"          # made here; its public half node.pub goes to the aggregator
port = {port}                  # for this machine's own processes, on the loopback only

[node-config]                  # all keys: `crossward settings`
site = {site}
{notes} = {data}
state-dir = {state}
key-path = {key}
roster-path = {roster}
"""


@dataclass(frozen=True)
class HospitalConfig:
    """``hospital.toml`` without its node config."""

    superlink: str = field(metadata=field_of("superlink", "the aggregator's host and port"))
    authority: Path = field(metadata=field_of("authority", "the CA's certificate, from the aggregator"))
    node_key: Path = field(metadata=field_of("node-key", "this SuperNode's private key"))
    chunk: int = field(default=CHUNK_KIB, metadata=field_of("chunk-kib", CHUNK_HELP))
    port: int = field(default=9094, metadata=field_of("port", "port on the loopback for this machine's own processes"))


def init_hospital(
    folder: Path,
    superlink: str,
    site: str,
    data: Path,
    authority: Path,
    consortium_key: Path,
    port: int = 9094,
    state: Path | None = None,
    roster: Path | None = None,
    identity: bool = True,
) -> Path:
    """A new hospital's folder: node key, the CA's certificate, config; its identity, in the state folder.

    Notes (or the ``notes.toml`` that describes them), consortium key and roster are only named, and so is the state
    folder without ``identity``: it may be that of a container.
    """
    from crossward.deploy.roster import make_identity

    parted(superlink)  # everything is looked at before anything is made
    days_left(authority)
    state, roster = state or folder / "state", roster or consortium_key.with_name(ROSTER)
    line = make_identity(state, site) if identity else ""
    make_node_key(folder)
    write_new(folder / "ca.crt", authority.read_bytes())
    if line:
        write_new(folder / IDENTITY_PUBLIC, line.encode())
    described = {PARTY: "party-path"}.get(data.name, "notes-path")
    notes = described if data.suffix.lower() == ".toml" else "data-path"
    paths = {"data": data, "state": state, "key": consortium_key, "roster": roster}
    quoted = {"site": site, **{name: str(path) for name, path in paths.items()}}
    text = {name: json.dumps(value, ensure_ascii=False) for name, value in quoted.items()}
    write_new(folder / "hospital.toml", _TEMPLATE.format(superlink=superlink, port=port, notes=notes, **text).encode())
    return folder / "hospital.toml"


def read_hospital(path: Path) -> tuple[HospitalConfig, dict[str, Any]]:
    """``hospital.toml`` and its node config.

    Raises
    ------
    DeployError
        says what is missing or wrong.
    """
    config, node = read_table(HospitalConfig, path, "node-config")
    parted(config.superlink)
    load_node_key(config.node_key)
    if not config.authority.is_file():
        raise DeployError(f"{config.authority}, the aggregator's CA certificate, is missing: ask the aggregator for it")
    node = flatten(node)
    for key, value in node.items():
        if not isinstance(value, bool | int | float | str):
            raise DeployError(f"{path}: [node-config] {key} = {value!r} is not one plain value")
    for key in path_keys(NodeConfig):
        if isinstance(value := node.get(key), str) and value:
            node[key] = str(path_in(path, f"[node-config] {key}", value))
    if not isinstance(node.get("state-dir"), str) or not node["state-dir"]:
        raise DeployError(f"{path}: [node-config] state-dir is missing: the folder for this node's state and identity")
    return config, node


def write_node_config(node: dict[str, Any], folder: Path) -> Path:
    """The node config as a file: Flower's command line takes no text with a quote in it, its file takes any."""
    path = folder / "node-config.toml"
    write_atomic(path, to_toml(node), durable=False)
    return path


def release(superlink: str, authority: Path, node_key: Path, node: int) -> None:
    """Report SuperNode ``node`` to the SuperLink as disconnected; if that fails, the SuperLink finds out by itself."""
    deactivate_node(superlink, authority, load_node_key(node_key), node)


class NodeIdFile:
    """The running SuperNode's node id, on disk: one that is found after a kill is to be released."""

    def __init__(self, config: HospitalConfig, state: Path, say: Callable[[str], None]) -> None:
        self.config, self.path, self.say = config, state / "supernode.json", say

    def on_line(self, line: str) -> None:
        """Record the id that the SuperNode prints; explain why it was refused."""
        for sign, message in _REFUSALS.items():
            if sign in line:
                public = text_of(load_node_key(self.config.node_key).public_key())
                self.say(f"REFUSED: {message.format(config=self.config, fingerprint=fingerprint(public))}")
        if found := NODE_ID.search(line):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, json.dumps({"node": int(found[1])}))

    def ended(self, code: int) -> None:
        """A SuperNode that ended in order has signed off itself."""
        if code == 0:
            self.path.unlink(missing_ok=True)

    def before(self) -> None:
        """Sign off for a predecessor that could not."""
        try:
            node = int(json.loads(self.path.read_text(encoding="utf-8"))["node"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        try:
            release(self.config.superlink, self.config.authority, self.config.node_key, node)
            self.say(f"node {node} did not exit cleanly; reported to the SuperLink as disconnected")
            time.sleep(SEEN_GONE)
            self.path.unlink(missing_ok=True)
        except Exception as error:  # of several libraries; tried again at the next start
            self.say(f"could not report node {node} to the SuperLink as disconnected ({type(error).__name__}: {error})")


def keep_hospital(path: Path, say: Callable[[str], None]) -> int:
    """Run the SuperNode that ``path`` describes until asked to stop."""
    config, node = read_hospital(path)
    state = Path(node["state-dir"])
    lock = only_one(state, "hospital")
    home = state / "flower"
    home.mkdir(exist_ok=True)
    args = [sys.executable, "-m", "crossward.deploy.supernode", "--superlink", config.superlink]
    args += ["--root-certificates", str(config.authority), "--auth-supernode-private-key", str(config.node_key)]
    args += ["--port", str(config.port), "--node-config", str(write_node_config(node, state))]
    node_id_file = NodeIdFile(config, state, say)
    env = environment(home, config.chunk) | task_poll_variable(TASK_POLL)

    awaiting = WaitReporter(config.superlink, say)

    def before() -> None:
        if why := trouble(LOOPBACK, config.port):
            raise DeployError(f"{why}: {SETTING.format(path=path)}")
        node_id_file.before()
        awaiting.begins()

    def on_line(line: str) -> None:
        awaiting.on_line(line)
        node_id_file.on_line(line)

    service = Service("SuperNode", args, env, before=before, on_line=on_line, ended=node_id_file.ended)
    with lock:
        return Keeper([service], say, awaiting.look).run()
