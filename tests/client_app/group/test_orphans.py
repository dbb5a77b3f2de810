"""Groups that no message would find again, or that do not answer: they must not stay.

They have no ranks yet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from client_app.group import client, place
from client_app.group.place import GroupError, Options, connect, read_info
from tests.processes import kill, runs

START = """
import json, os, sys, time
from pathlib import Path
from client_app.group import place
if sys.argv[3] == "killed":  # as soon as the supervisor has been started
    place.time.sleep = lambda seconds: os._exit(0)
place.connect(Path(sys.argv[1]), place.Options(**json.loads(sys.argv[2])))
"""

# a busy machine, on which the launcher begins when its supervisor is gone
AFTERWARDS = """
import os, sys, time
if "client_app.group.launch" in sys.orig_argv:
    while os.getppid() == int(sys.orig_argv[-1]):
        time.sleep(0.01)
"""

# a busy machine, on which a supervisor is ready later than the one that was started after it
LATE = """
import sys, time
from pathlib import Path
if "client_app.group" in sys.orig_argv:
    from client_app.group import place
    def late(folder, *rest, announce=place.announce):
        limit = time.monotonic() + 120
        while not (folder / "group.json").exists() and time.monotonic() < limit:
            time.sleep(0.01)
        return announce(folder, *rest)
    place.announce = late
"""


SETTLED = {"lost": (1, True), "killed": (1, True), "gone": (0, False)}


@pytest.fixture(scope="module", autouse=True)
def without_ranks(no_ranks: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(no_ranks))
        yield


@pytest.fixture(scope="module")
def after(
    tmp_path_factory: pytest.TempPathFactory, hospitals: Callable[[], Any], no_ranks: Path
) -> dict[str, tuple[int, bool]]:
    """How many supervisors are left after each of these, and whether the one that is written down is among them."""
    lost, killed, gone = hospitals(), hospitals(), hospitals()
    options = lost.options(node__num_processes=1)
    connect(lost.folder, options).close()  # the system's temporary folder is tidied while the group lives
    Path(read_info(lost.folder)["socket"]).unlink()
    connect(lost.folder, options).close()

    late = tmp_path_factory.mktemp("late")
    (late / "sitecustomize.py").write_text(with_more(no_ranks, LATE))
    start(killed.folder, options, "killed", late)  # a ClientApp is killed while it starts the group; another one comes
    connect(killed.folder, options).close()

    start(gone.folder, options, "gone", no_ranks)  # ClientApp and SuperNode are killed before anything is asked
    nodes = {"lost": lost, "killed": killed, "gone": gone}
    deadline = time.monotonic() + 300.0  # of a failure: each settles in about a second
    while (found := {name: left(node) for name, node in nodes.items()}) != SETTLED and time.monotonic() < deadline:
        time.sleep(0.1)
    for node in nodes.values():
        node.end_groups()
    return found


def with_more(folder: Path, code: str) -> str:
    """What Python runs at its start where that folder is in its path, and more."""
    return (folder / "sitecustomize.py").read_text() + code


def left(node: Any) -> tuple[int, bool]:
    pids = [p.pid for p in node.supervisors()]
    return len(pids), read_info(node.folder).get("pid") in pids


def start(folder: Path, options: Options, how: str, *modules: Path) -> None:
    """A ClientApp, child of a process of its own, starts a group and ends."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    command = [sys.executable, "-c", code, START, str(folder), json.dumps(options.to_json()), how]
    path = os.pathsep.join(map(str, (place.ROOT, *modules)))
    subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, timeout=300, check=True)


def test_a_group_whose_socket_is_gone_makes_way(after: dict[str, tuple[int, bool]]) -> None:
    assert after["lost"] == SETTLED["lost"]


def test_a_client_that_is_killed_while_it_starts_a_group_leaves_one_group(after: dict[str, tuple[int, bool]]) -> None:
    assert after["killed"] == SETTLED["killed"]


def test_a_group_that_was_never_asked_goes_with_its_node(after: dict[str, tuple[int, bool]]) -> None:
    assert after["gone"] == SETTLED["gone"]


def test_a_supervisor_that_hangs_is_replaced_at_the_next_message(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SILENCE", 1.0)
    monkeypatch.setattr(place, "ANSWER_SECONDS", 1.0)
    connect(node.folder, node.options()).close()
    (hung,) = node.supervisors()
    hung.suspend()
    with pytest.raises(GroupError, match=r"was lost before it could open \(TimeoutError\)"):
        node.learner()
    connect(node.folder, node.options()).close()
    (other,) = node.supervisors()
    assert other != hung


def test_a_launcher_that_has_just_begun_goes_with_its_supervisor(
    node: Any, no_ranks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(with_more(no_ranks, AFTERWARDS))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    connect(node.folder, node.options()).close()
    (supervisor,) = node.supervisors()
    (launcher,) = node.until(supervisor.children, "the launcher")
    supervisor.kill()
    try:
        node.until(lambda: not runs(launcher), "the launcher's end", 300.0)
    finally:
        kill(launcher)
