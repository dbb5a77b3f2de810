"""Real worker groups: messages as processes of their own, and whether anything of a group is left when it is gone.

A group is shared by all tests of this folder that leave it alive: whoever asks finds it, or starts another. Each rank
imports torch and transformers, four seconds of CPU time, so the files of this folder go to one process
(``tests/conftest.py``), and what ends a group comes last (``test_survival``).
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from client_app.group.client import GroupLearner
from client_app.group.place import Options, code_version
from client_app.training.spec import LearnerSpec
from crossward.config.run_config import RunConfig
from tests.processes import below, cmdline, kill, runs

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 300.0  # of a test that waits for what is to come, or for an end: no measure of either
TINY = {
    "model.device": "cpu",
    "lora.rank": 2,
    "data.source": "csv",
    "data.patient-column": "subject",
    "data.max-tokens": 48,
    "strategy.num-versions": 2,
    "train.local-steps": 6,
    "train.batch-size": 4,
    "node.engine": "worker-group",
    "node.num-processes": 2,
    "node.threads": 1,
}
# what a launcher may have left in a SuperNode's environment
FOREIGN = {"RANK": "5", "WORLD_SIZE": "9", "LOCAL_RANK": "5", "MASTER_ADDR": "192.0.2.1", "OMP_NUM_THREADS": "64"}

MESSAGE = """
import hashlib, json, logging, sys
from pathlib import Path
from client_app.group.client import GroupLearner
from client_app.training.spec import LearnerSpec
from crossward.config.run_config import RunConfig

config, folder, seed, last = json.loads(sys.argv[1])
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="log %(message)s")
logging.root.handlers[0].addFilter(lambda record: "waiting for" not in record.getMessage())  # no sign of a step
try:
    learner = GroupLearner(LearnerSpec(RunConfig.read(config)), Path(folder))
    print("open", flush=True)
    got = learner.train(learner.initial(), 0, seed)
    learner.close(last)
    digest = hashlib.sha256(got.vector.tobytes()).hexdigest()
    print("trained", json.dumps([digest, got.num_tokens, got.loss_sum, got.steps]), flush=True)
except Exception as error:
    print("failed", type(error).__name__, str(error), flush=True)
"""
# a busy machine, on which a launcher never gets to its ranks
NO_RANKS = """
import sys, time
class Slow:
    def find_spec(self, name, *rest):
        if name == "torch":
            time.sleep(600)
if "client_app.group.launch" in sys.orig_argv:
    sys.meta_path.insert(0, Slow())
"""
NODE = """
import subprocess, sys
raise SystemExit(subprocess.run([sys.executable, "-c", *sys.argv[1:]]).returncode)
"""


def until(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What ``true`` gives once it gives something."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"{what} did not come in {seconds:g} s"
        time.sleep(0.02)
    return found


class Message:
    """A ClientApp process that has one training done, as a child of this process or of a node's of its own."""

    def __init__(
        self, config: dict[str, Any], folder: Path, seed: int, last: bool, own_node: bool, env: dict[str, str]
    ) -> None:
        script = [MESSAGE, json.dumps([config, str(folder), seed, last])]
        env = os.environ | FOREIGN | {"PYTHONPATH": str(ROOT)} | env
        self.process = subprocess.Popen(
            [sys.executable, "-c", *([NODE] if own_node else []), *script], stdout=subprocess.PIPE, env=env, text=True
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.seen: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.process.stdout.close()
        self.lines.put("end")

    def until(self, *words: str, seconds: float = PATIENCE) -> str:
        """The next line that begins with one of ``words``."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                pytest.fail(f"no {words} in {seconds:g} s, only {self.seen}")
            self.seen.append(line)
            if line.startswith(words):
                return line
            assert line != "end", f"it ended without {words}: {self.seen}"

    def trains(self) -> Message:
        """Wait until the first step is done."""
        self.until("log")
        return self

    def trained(self) -> tuple[str, int, float, int]:
        """Digest of the adapter, tokens, sum of the loss, steps."""
        digest, tokens, loss, steps = json.loads(self.until("trained").removeprefix("trained "))
        assert self.process.wait(PATIENCE) == 0
        return digest, tokens, loss, steps

    def failure(self, seconds: float = PATIENCE) -> str:
        """The error's name and what it says."""
        found = self.until("failed", seconds=seconds).removeprefix("failed ")
        self.process.wait(PATIENCE)
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


class Group:
    """The processes of the group that a folder names now, and its private folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info = until(lambda: read(folder / "group.json"), "group.json")
        self.room = Path(self.info["socket"]).parent
        self.supervisor = psutil.Process(self.info["pid"])
        self.processes = [self.supervisor, *self.supervisor.children(recursive=True)]
        self.torchrun = self._of("client_app.group.launch")
        self.ranks = self._of("client_app.group.rank")

    def _of(self, module: str) -> list[psutil.Process]:
        return [p for p in self.processes if module in cmdline(p)]

    def left(self) -> list[psutil.Process]:
        """Its processes that still run."""
        return [p for p in self.processes if runs(p)]

    def await_end(self, seconds: float = PATIENCE, room: bool = True) -> None:
        """It is gone: its processes and (unless its supervisor could not see to that) what it left on disk."""
        until(lambda: not self.left(), f"the end of {self.left()}", seconds)
        if room:
            assert not self.room.exists()
            assert read(self.folder / "group.json").get("pid") != self.supervisor.pid


def read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


class Hospital:
    """A node's folder and what it asks with; keywords are run-config keys, ``__`` for a dot and ``_`` for a dash."""

    until, read = staticmethod(until), staticmethod(read)

    def __init__(self, base: Path, notes: Path, environment: dict[str, str]) -> None:
        self.base, self.folder, self.notes, self.environment = base, base / "workers", notes, environment
        self.keeps = False  # its messages outlive a test
        self.messages: list[Message] = []
        self.learners: list[GroupLearner] = []

    def config(self, **changes: Any) -> dict[str, Any]:
        tables = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["config"]
        defaults = {f"{table}.{key}": value for table, rows in tables.items() for key, value in rows.items()}
        given = {key.replace("__", ".").replace("_", "-"): value for key, value in changes.items()}
        return defaults | TINY | {"data.path": str(self.notes)} | given

    def spec(self, **changes: Any) -> LearnerSpec:
        return LearnerSpec(RunConfig.read(self.config(**changes)))

    def options(self, **changes: Any) -> Options:
        """What a group for that config is started with."""
        spec = self.spec(**changes)
        s, key = spec.config.node, spec.group_key(code_version())
        return Options(key, s.processes, s.threads, "cpu", s.idle_timeout, s.stall_timeout)

    def learner(self, **changes: Any) -> GroupLearner:
        """The group's learner, asked by this process."""
        self.learners.append(GroupLearner(self.spec(**changes), self.folder))
        return self.learners[-1]

    def send(self, seed: int = 0, last: bool = False, own_node: bool = False, **changes: Any) -> Message:
        """A message, in a process of its own."""
        message = Message(self.config(**changes), self.folder, seed, last, own_node, self.environment)
        self.messages.append(message)
        return message

    def endless(self, **changes: Any) -> Message:
        """A message whose training would take an hour."""
        return self.send(**{"train__local_steps": 100_000, **changes})

    def group(self) -> Group:
        return Group(self.folder)

    def hang_up(self) -> None:
        """Nobody asks any more; the group stays."""
        for learner in self.learners:
            learner.close(False)
        for message in self.messages:
            message.kill()
        self.learners, self.messages = [], []

    def supervisors(self) -> list[psutil.Process]:
        """Living supervisors of its groups."""
        return [p for p in psutil.process_iter() if cmdline(p)[-2:-1] == [str(self.folder)] and runs(p)]

    def end_groups(self) -> None:
        """Launchers first: one that has just begun would outlive its supervisor for a while."""
        for supervisor in self.supervisors():
            for process in (*below(supervisor.pid), supervisor):
                kill(process)


@pytest.fixture(scope="session")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Hospital]]:
    """Makes nodes of their own; whatever they left is ended and removed with the session."""
    base, made = tmp_path_factory.mktemp("groups"), list[Hospital]()
    rooms = Path(tempfile.mkdtemp(prefix="groups-"))  # a socket's path must be short
    rooms.chmod(0o711)  # as open as the system's own, so that a group's folders must see to themselves
    notes = base / "notes.csv"
    rows = [f'p{i},"Patient {i} was admitted with pain{", treated and sent home" * (i % 4)}."' for i in range(11)]
    notes.write_text("subject,text\n" + "\n".join(rows) + "\n")

    environment = {"CROSSWARD_HOME": str(base / "home"), "TMPDIR": str(rooms)}

    def make() -> Hospital:
        made.append(Hospital(base / f"node-{len(made)}", notes, environment))
        return made[-1]

    make.made, make.environment = made, environment  # type: ignore[attr-defined]
    yield make
    for hospital in made:
        hospital.hang_up()
        hospital.end_groups()
    for process in psutil.process_iter():  # what had no supervisor any more
        if any(str(rooms) in word for word in cmdline(process)):
            kill(process)
    shutil.rmtree(rooms)


@pytest.fixture(scope="module", autouse=True)
def environment(hospitals: Any) -> Iterator[None]:
    """Where groups that this process starts live; files of other folders have their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in hospitals.environment.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def shared(hospitals: Callable[[], Hospital]) -> Hospital:
    """The node whose group, two ranks, all tests may use."""
    return hospitals()


@pytest.fixture(scope="session")
def halves(hospitals: Callable[[], Hospital]) -> Hospital:
    """The node whose group holds the model in two parts; it ends when it is idle, while other groups are tested."""
    return hospitals()


@pytest.fixture(scope="session")
def no_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH: groups that are started with it have a supervisor and a launcher, and no ranks."""
    folder = tmp_path_factory.mktemp("no-ranks")
    (folder / "sitecustomize.py").write_text(NO_RANKS)
    return folder


@pytest.fixture
def node(hospitals: Callable[[], Hospital]) -> Iterator[Hospital]:
    """A node whose group, if any, does not outlive the test."""
    made = hospitals()
    yield made
    made.end_groups()


@pytest.fixture(autouse=True)
def nobody_asks(hospitals: Any) -> Iterator[None]:
    yield
    for hospital in hospitals.made:
        if not hospital.keeps:
            hospital.hang_up()


class Hung:
    """A node whose rank stops in the middle of a training; it takes a while until that is noticed."""

    def __init__(self, node: Hospital) -> None:
        self.node, self.printed = node, ""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.node.keeps = True
        limit = 30.0
        while not self.printed:
            message = self.node.endless(node__num_processes=1, node__stall_timeout=limit)
            if message.until("log", "failed").startswith("failed"):  # this machine is busy: no rank came in time
                limit *= 2
                continue
            self.group = self.node.group()
            self.group.ranks[0].suspend()
            self.printed = message.failure(limit + PATIENCE)

    def outcome(self) -> str:
        self.thread.join(4 * PATIENCE)
        return self.printed


@pytest.fixture(scope="session")
def hung(hospitals: Callable[[], Hospital]) -> Hung:
    return Hung(hospitals())


@pytest.fixture(scope="session", autouse=True)
def begun(request: pytest.FixtureRequest) -> None:
    """Begin with the folder's first test what takes long."""
    if any("hung" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("hung")
