"""The aggregator's side: a SuperLink that hospitals reach over TLS with registered keys, and what runs its ServerApps.

The SuperLink keeps its state in a database and runs in process isolation: a ServerApp is no child of it but of a
SuperExec beside it. So a SuperLink that is killed comes back and the run goes on.

Not for: who may come in (``crossward.deploy.members``), what a run does (``server_app``). Nothing here can reach the
consortium's key.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import ssl
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from crossward.deploy.addresses import joined
from crossward.deploy.certificates import (
    WARN_DAYS,
    check_names,
    days_left,
    host_names,
    make_authority,
    make_server_certificate,
)
from crossward.deploy.environment import CHUNK_HELP, CHUNK_KIB, environment
from crossward.deploy.errors import DeployError
from crossward.deploy.files import check_private, field_of, only_one, read_table, replace, write_new
from crossward.deploy.keeper import Keeper, Service
from crossward.deploy.members import Members
from crossward.launcher.control import Control
from crossward.launcher.environment import command
from crossward.launcher.processes import ProcessTree
from crossward.machine.files import write_atomic
from crossward.machine.ports import trouble

CONNECTION = "crossward"
SETTING = "stop the process that uses it, or change `port` in {path} (and in the gateway that forwards to it)"
_TEMPLATE = """\
# The aggregator of a Crossward consortium; read by `crossward deploy aggregator`. Paths are from this file's folder.
address = "{address}"          # the address that hospitals connect to, named in the certificate
host = "{host}"                # interface to listen on
port = {port}
certificate = "server.crt"
private-key = "server.key"
authority = "ca.crt"
nodes = "nodes"                # public keys (*.pub) of the hospitals that may come in
superexec-secret = "superexec.secret"
state = {state}                # database, Flower's files; back it up with the run folders
runs = {runs}                  # run folders
"""


@dataclass(frozen=True)
class AggregatorConfig:
    """``aggregator.toml``."""

    address: str = field(metadata=field_of("address", "host name or address that hospitals connect to"))
    port: int = field(metadata=field_of("port", "port to listen on"))
    certificate: Path = field(metadata=field_of("certificate", "the server's certificate"))
    private_key: Path = field(metadata=field_of("private-key", "the server's private key"))
    authority: Path = field(metadata=field_of("authority", "the CA's certificate, which hospitals also need"))
    nodes: Path = field(metadata=field_of("nodes", "folder of the hospitals' public keys"))
    secret: Path = field(metadata=field_of("superexec-secret", "the SuperExec's secret towards the SuperLink"))
    state: Path = field(metadata=field_of("state", "folder of the database and of Flower's files"))
    runs: Path = field(metadata=field_of("runs", "where run folders go"))
    chunk: int = field(default=CHUNK_KIB, metadata=field_of("chunk-kib", CHUNK_HELP))
    host: str = field(default="127.0.0.1", metadata=field_of("host", "interface to listen on"))

    @property
    def own_host(self) -> str:
        """Host by which processes of this machine reach the SuperLink."""
        return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    @property
    def own_address(self) -> str:
        """The same with the port."""
        return joined(self.own_host, self.port)


def init_aggregator(
    folder: Path, address: str, port: int, host: str, authority: Path | None = None, state: Path | None = None
) -> Path:
    """A new aggregator's folder: CA (in ``authority``, default ``<folder>/authority``), certificate, secret, config.

    ``state`` is where the database and the run folders go, if not into the folder: a container's volume.
    """
    authority = authority or folder / "authority"
    own = [host] if host not in ("0.0.0.0", "::", "") else []  # its own processes call it there, or on the loopback
    names = check_names([address, *own, "localhost", "127.0.0.1", "::1"])
    if not (authority / "ca.key").exists():
        make_authority(authority)
    write_new(folder / "ca.crt", (authority / "ca.crt").read_bytes())
    make_server_certificate(authority, folder, names)
    write_new(folder / "superexec.secret", secrets.token_hex(32).encode(), secret=True)
    (folder / "nodes").mkdir(exist_ok=True)
    path = folder / "aggregator.toml"
    kept = (str(state), str(state / "runs")) if state else ("state", "runs")
    quoted = dict(zip(("state", "runs"), (json.dumps(one, ensure_ascii=False) for one in kept), strict=True))
    write_new(path, _TEMPLATE.format(address=address, host=host, port=port, **quoted).encode())
    return path


def renew(path: Path, authority: Path) -> list[str]:
    """A new server certificate and key for the same names; the old ones stay beside them. The names."""
    config, _ = read_table(AggregatorConfig, path)
    names = host_names(config.certificate)
    with tempfile.TemporaryDirectory(prefix=".renewing-", dir=config.certificate.parent) as made:
        make_server_certificate(authority, Path(made), names)
        replace(config.private_key, Path(made) / "server.key")
        replace(config.certificate, Path(made) / "server.crt")
    return names


def read_aggregator(path: Path) -> AggregatorConfig:
    """``aggregator.toml``, with what it names checked.

    Raises
    ------
    DeployError
        says what is missing, open to others or expired.
    """
    config, _ = read_table(AggregatorConfig, path)
    check_private(config.private_key, "the server's private key")
    check_private(config.secret, "the SuperExec's secret")
    if days_left(config.authority) < 0:
        raise DeployError(f"{config.authority} has expired: create a new authority, and send every hospital its ca.crt")
    if days_left(config.certificate) < 0:
        raise DeployError(f"{config.certificate} has expired: `crossward deploy renew {path}`")
    return config


def control(config: AggregatorConfig, tree: ProcessTree) -> Control:
    """Flower's commands for this SuperLink."""
    home = config.state / "flower"
    home.mkdir(parents=True, exist_ok=True)
    quoted = json.dumps(str(config.authority), ensure_ascii=False)
    write_atomic(
        home / "config.toml",
        f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\naddress = "{config.own_address}"\n'
        f"root-certificates = {quoted}\n",
        durable=False,
    )
    return Control(home, environment(home, config.chunk, config.own_host), tree, CONNECTION)


def healthy(config: AggregatorConfig, timeout: float = 2.0) -> bool:
    """Whether the SuperLink answers."""
    with contextlib.suppress(OSError, HTTPException):
        context = ssl.create_default_context(cafile=str(config.authority))
        https = urllib.request.HTTPSHandler(context=context)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), https)
        with opener.open(f"https://{config.own_address}/health", timeout=timeout):
            return True
    return False


def keep_aggregator(path: Path, say: Callable[[str], None]) -> int:
    """Run the aggregator that ``path`` describes until asked to stop."""
    config = read_aggregator(path)
    lock = only_one(config.state, "aggregator")
    if (left := days_left(config.certificate)) < WARN_DAYS:
        say(f"{config.certificate} expires in {left:.0f} days: `crossward deploy renew {path}`")
    home = config.state / "flower"
    home.mkdir(exist_ok=True)
    # a ServerApp keeps what is not for a run folder (dither keys) with the rest of this aggregator's state
    env = environment(home, config.chunk, config.own_host) | {"CROSSWARD_HOME": str(config.state)}
    superlink = [
        sys.executable,
        "-m",
        "crossward.deploy.superlink",
        "--isolation",
        "process",
        "--enable-supernode-auth",
    ]
    superlink += ["--ssl-ca-certfile", str(config.authority), "--ssl-certfile", str(config.certificate)]
    superlink += ["--ssl-keyfile", str(config.private_key), "--host", config.host, "--port", str(config.port)]
    superlink += ["--database", str(config.state / "superlink.db"), "--disable-runtime-dependency-installation"]
    superlink += ["--superexec-auth-secret-file", str(config.secret)]
    superexec = [command("flower-superexec", home), "--runtime-api-address", config.own_address]
    superexec += ["--root-certificates", str(config.authority), "--superexec-auth-secret-file", str(config.secret)]

    def before() -> None:
        if why := trouble(config.host, config.port):
            raise DeployError(f"{why}: {SETTING.format(path=path)}")

    members = Members(config.nodes, config.state, control(config, ProcessTree()), lambda: healthy(config), say)
    services = [
        Service("SuperLink", superlink, env, before=before, on_line=members.on_line),
        Service("SuperExec", superexec, env),
    ]
    with lock:
        return Keeper(services, say, members.look).run()
