"""Where a node's worker group is found, and how a missing one is started.

``<node's state>/workers/`` (0700) holds ``group.json`` (the supervisor's process, its socket, what it serves),
``options.json`` (what it is started with) and ``group.log``. The socket lies in a fresh private folder of the system's
temporary directory, or of /tmp where that is too long for a socket's path. A lock makes one group of two requests that
come at once.

Not for: what is asked of a group (``client_app.group.client``).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from client_app.group import frames
from crossward.machine.files import write_atomic

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
PREFIX = "crossward-"  # of the private folders that sockets lie in
_INFO = {"pid": int, "created": float, "key": str, "socket": str}
_ROOMS = ("client_app", "crossward", "data")
# what a launcher leaves in its children's environment would be taken for the ranks' own
_FOREIGN = (
    "RANK",
    "WORLD_SIZE",
    "MASTER_",
    "LOCAL_",
    "GROUP_",
    "ROLE_",
    "TORCHELASTIC",
    "ACCELERATE_",
    "OMP_NUM_THREADS",
)


class GroupError(RuntimeError):
    """The worker group failed; the message says why. The next message starts a new group."""


@dataclass(frozen=True)
class Options:
    """What a group is started with; ``key`` says what it serves, 0 ``processes`` one a GPU, 0 ``threads`` all cores."""

    key: str
    processes: int
    threads: int
    device: str
    idle_timeout: float
    stall_timeout: float

    def to_json(self) -> dict[str, Any]:
        """Plain values by field name, for the group's options.json."""
        return asdict(self)


def code_version() -> str:
    """The folder of this code and when it last changed: a group that runs other code must not serve it."""
    newest = max(path.stat().st_mtime_ns for room in _ROOMS for path in (ROOT / room).rglob("*.py"))
    return f"{ROOT}:{newest}"


def started(pid: int) -> float:
    """When a process was started, to tell it from a later one with its number; 0 when it is none, or a zombie.

    On Linux in clock ticks since the machine was, which putting its clock right does not change.
    """
    try:
        if sys.platform == "linux":
            state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return 0.0 if state in "ZX" else float(rest[18])
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except (OSError, psutil.Error):
        return 0.0


def owner() -> tuple[int, float]:
    """The process that starts ClientApps, which exits with the SuperNode: its id and start."""
    parent = os.getppid()
    return parent, started(parent)


def alive(pid: int, created: float) -> bool:
    """Whether the process that was started then still runs."""
    return created > 0.0 and started(pid) == created


def private_folder(folder: Path) -> None:
    """Make ``folder`` for its owner alone, or refuse one that others may look into."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise GroupError(f"{folder} belongs to another user: point state-dir to a folder of this node's own user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def read_info(folder: Path) -> dict[str, Any]:
    """Content of ``group.json``; empty when missing or unreadable."""
    try:
        found = json.loads((folder / "group.json").read_text(encoding="utf-8"))
        sound = all(type(found[name]) is kind for name, kind in _INFO.items())
        return found if sound else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Replace ``path`` by ``content``, readable by its owner alone."""
    write_atomic(path, json.dumps(content), durable=False, private=True)


def announce(folder: Path, name: str, info: dict[str, Any]) -> bool:
    """Write ``group.json`` for the group started as ``name``, unless another was started in its place meanwhile.

    A ClientApp that is killed while it starts a group leaves a supervisor that nobody waits for; it may be ready later
    than its successor, and must not put itself in its place.
    """
    with FileLock(folder / "group.lock"):
        if json.loads((folder / "options.json").read_text(encoding="utf-8"))["name"] != name:
            return False
        write_private(folder / "group.json", info)
        return True


def connect(folder: Path, options: Options) -> socket.socket:
    """A connection to the node's group; started if missing, or if it serves something else.

    Raises
    ------
    GroupError
        it could not be started.
    """
    private_folder(folder)
    with FileLock(folder / "start.lock"):
        info = read_info(folder)
        found = _reach(info)
        if found is None and info and alive(info["pid"], info["created"]):
            os.kill(info["pid"], signal.SIGKILL)  # it hangs, or cannot be reached; its ranks go with it
            _await_end(info)
        if found is not None and info["key"] != options.key:
            _dismiss(found, info)
            found = None
        return found if found is not None else _start(folder, options)


def _reach(info: dict[str, Any]) -> socket.socket | None:
    if not info or not alive(info["pid"], info["created"]):
        return None
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(ANSWER_SECONDS)
        sock.connect(info["socket"])
        frames.send(sock, {"do": "answer"})
        frames.receive(sock)
        sock.settimeout(None)
        return sock
    except (OSError, EOFError, frames.FrameError):
        sock.close()
        return None


def _dismiss(sock: socket.socket, info: dict[str, Any]) -> None:
    """Let a group finish what it does, then leave; it holds the memory that another one needs."""
    with sock:
        try:
            frames.send(sock, {"do": "leave", "why": "another model or number of processes was requested"})
            while "done" not in frames.receive(sock)[0]:
                pass
        except (OSError, EOFError, frames.FrameError):
            pass
    _await_end(info)


def _await_end(info: dict[str, Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while alive(info["pid"], info["created"]):
        if time.monotonic() > deadline:
            raise GroupError(f"the worker group of process {info['pid']} does not exit: kill that process")
        time.sleep(0.05)


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    path = os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    return kept | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _start(folder: Path, options: Options) -> socket.socket:
    stale = read_info(folder)
    name = uuid.uuid4().hex
    with FileLock(folder / "group.lock"):
        (folder / "group.json").unlink(missing_ok=True)
        write_private(folder / "options.json", options.to_json() | {"owner": owner(), "name": name})
    if stale and (left := Path(stale["socket"]).parent).name.startswith(PREFIX):
        shutil.rmtree(left, ignore_errors=True)
    log = folder / "group.log"
    if log.exists():
        log.replace(folder / "group.log.1")
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "client_app.group", str(folder), name],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        info = read_info(folder)
        if info.get("pid") == process.pid and (found := _reach(info)) is not None:
            process.returncode = 0  # it outlives this process on purpose: no warning that it still runs
            return found
        time.sleep(0.02)
    code = process.poll()
    process.kill()
    process.wait()
    what = "did not answer" if code is None else f"ended with code {code}"
    raise GroupError(f"the worker group's supervisor {what}: {log_tail(log)}")


def log_tail(log: Path, lines: int = 3) -> str:
    """The last lines of a group's log, or where it is."""
    try:
        found = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:]
    except OSError:
        found = []
    return " | ".join(found)[-600:] if found else f"its log {log} is empty"
