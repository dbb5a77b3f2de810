"""Finding a group, or starting one: what lies there from before, who comes at once, who is gone when it has started.

These groups are left before their ranks have come.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from client_app.group import client, frames, place
from client_app.group.place import GroupError, Options, alive, code_version, connect, owner, read_info, write_private

START = """
import json, os, sys, time
from pathlib import Path
from client_app.group import place
if sys.argv[3] == "killed":  # as soon as the supervisor has been started
    place.time.sleep = lambda seconds: os._exit(0)
place.connect(Path(sys.argv[1]), place.Options(**json.loads(sys.argv[2])))
"""


@pytest.fixture
def node(hospitals: Callable[[], Any]) -> Iterator[Any]:
    """A node whose group, if any, does not outlive the test."""
    made = hospitals()
    yield made
    clear(made.folder)


def clear(folder: Path) -> None:
    """End the folder's groups, launchers first: one that has just begun would outlive its supervisor for a while."""
    for supervisor in supervisors(folder):
        for process in (*supervisor.children(recursive=True), supervisor):
            process.kill()


def supervisors(folder: Path) -> list[psutil.Process]:
    """Living supervisors of groups of that folder."""
    out = []
    for process in psutil.process_iter():
        try:
            if process.cmdline()[-1:] == [str(folder)] and process.status() != psutil.STATUS_ZOMBIE:
                out.append(process)
        except psutil.Error:
            continue
    return out


def dead() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def answers(sock: socket.socket, node: Any) -> bool:
    """Whether a supervisor is at the other end, and the one that is written down."""
    with sock:
        sock.settimeout(20)
        frames.send(sock, {"do": "leave"})
        return bool(frames.receive(sock)[0]["done"])


def stale(kind: str, node: Any) -> str:
    """What ``group.json`` may hold."""
    info: dict[str, Any] = {"pid": dead(), "created": time.time(), "key": node.options().key, "socket": ""}
    room = node.base / "crossward-stale"
    room.mkdir()
    info["socket"] = str(room / "group.sock")
    own = psutil.Process()
    match kind:
        case "dead":
            return json.dumps(info)
        case "another process":
            return json.dumps(info | {"pid": own.pid, "created": own.create_time() - 1000})
        case "a process without a socket":
            return json.dumps(info | {"pid": own.pid, "created": own.create_time()})
        case "nobody listens":
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(info["socket"])
            return json.dumps(info | {"pid": own.pid, "created": own.create_time()})
        case "cut off":
            return json.dumps(info)[:-9]
        case "wrong types":
            return json.dumps(info | {"pid": "1", "created": None})
        case "no text":
            return json.dumps(info | {"socket": 5})
    return kind


@pytest.mark.parametrize(
    "kind",
    [
        "dead",
        "another process",
        "a process without a socket",
        "nobody listens",
        "cut off",
        "",
        "no JSON",
        "[]",
        "{}",
        "null",
        *(
            pytest.param(
                kind,
                marks=pytest.mark.xfail(
                    strict=True, raises=TypeError, reason="values of other types in group.json raise at every message"
                ),
            )
            for kind in ("wrong types", "no text")
        ),
    ],
)
def test_what_lies_there_from_before_is_replaced(node: Any, kind: str) -> None:
    node.folder.mkdir(parents=True)
    (node.folder / "group.json").write_text(stale(kind, node))
    sock = connect(node.folder, node.options())
    assert read_info(node.folder)["pid"] == supervisors(node.folder)[0].pid
    assert answers(sock, node)
    if kind == "dead":
        assert not (node.base / "crossward-stale").exists()


@pytest.mark.xfail(strict=True, reason="the folder of whatever socket group.json names is deleted, whoever made it")
def test_only_a_groups_own_folder_is_cleared_away(node: Any) -> None:
    precious = node.base / "precious"
    precious.mkdir()
    (precious / "notes.csv").touch()
    write_private_in(node.folder, {"pid": dead(), "created": 0.0, "key": "", "socket": str(precious / "group.sock")})
    connect(node.folder, node.options()).close()
    assert (precious / "notes.csv").exists()


def write_private_in(folder: Path, info: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    write_private(folder / "group.json", info)


def test_the_same_group_is_found_again_and_another_is_started_for_something_else(node: Any) -> None:
    connect(node.folder, node.options()).close()
    first = read_info(node.folder)
    connect(node.folder, node.options(train__batch_size=2)).close()
    assert read_info(node.folder) == first
    connect(node.folder, node.options(lora__rank=5)).close()
    assert read_info(node.folder)["pid"] != first["pid"] and not alive(first["pid"], first["created"])
    assert not Path(first["socket"]).parent.exists()
    assert json.loads((node.folder / "options.json").read_text()) == node.options(lora__rank=5).to_json()


def test_a_supervisor_that_cannot_start_says_why(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = node.base / ("long" * 30)
    deep.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(deep))
    with pytest.raises(GroupError, match=r"supervisor ended with code 1: .*AF_UNIX path too long"):
        connect(node.folder, node.options())
    assert list(deep.iterdir()) == [] and supervisors(node.folder) == []
    monkeypatch.undo()
    assert answers(connect(node.folder, node.options()), node)


# ---------------------------------------------------------------------- groups that nobody would find again


@pytest.fixture(scope="module")
def after(hospitals: Callable[[], Any]) -> dict[str, tuple[int, bool]]:
    """How many supervisors are left after each of these, and whether the one that is written down is among them."""
    lost, killed, gone = hospitals(), hospitals(), hospitals()
    options = lost.options()
    connect(lost.folder, options).close()  # the system's temporary folder is tidied while the group lives
    Path(read_info(lost.folder)["socket"]).unlink()
    connect(lost.folder, options).close()

    start(killed.folder, options, "killed")  # a ClientApp is killed while it starts the group; another one comes
    connect(killed.folder, options).close()

    start(gone.folder, options, "gone")  # ClientApp and SuperNode are killed before anything is asked
    expected = {"lost": (lost, 1), "killed": (killed, 1), "gone": (gone, 0)}

    def done() -> bool:
        return all(len(supervisors(node.folder)) == count for node, count in expected.values())

    deadline = time.monotonic() + 6.0
    while not done() and time.monotonic() < deadline:
        time.sleep(0.1)
    out = {}
    for name, (node, _) in expected.items():
        left = supervisors(node.folder)
        out[name] = len(left), read_info(node.folder).get("pid") in [p.pid for p in left]
        clear(node.folder)
    return out


def start(folder: Path, options: Options, how: str) -> None:
    """A ClientApp, child of a process of its own, starts a group and ends."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    command = [sys.executable, "-c", code, START, str(folder), json.dumps(options.to_json()), how]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(place.ROOT)}, timeout=60, check=True)


ORPHAN = pytest.mark.xfail(strict=True, reason="a supervisor does not notice that another one has taken its place")


@ORPHAN
def test_a_group_whose_socket_is_gone_makes_way(after: dict[str, tuple[int, bool]]) -> None:
    assert after["lost"] == (1, True)


@ORPHAN
def test_a_client_that_is_killed_while_it_starts_a_group_leaves_one_group(after: dict[str, tuple[int, bool]]) -> None:
    assert after["killed"] == (1, True)


@pytest.mark.xfail(strict=True, reason="until it is asked something a group does not know whose it is")
def test_a_group_that_was_never_asked_goes_with_its_node(after: dict[str, tuple[int, bool]]) -> None:
    assert after["gone"] == (0, False)


@pytest.mark.xfail(strict=True, raises=GroupError, reason="a supervisor that does not answer is never replaced")
def test_a_supervisor_that_hangs_is_replaced_at_the_next_message(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SILENCE", 1.0)
    connect(node.folder, node.options()).close()
    (hung,) = supervisors(node.folder)
    hung.suspend()
    with pytest.raises(GroupError, match=r"was lost while it was to open \(TimeoutError\)"):
        node.learner()
    monkeypatch.undo()
    monkeypatch.setattr(client.GroupLearner, "_ask", lambda *_: ({"layout": "", "sizes": [], "site": ""}, []))
    if supervisors(node.folder) == [hung]:
        raise GroupError("the same one again")
    node.learner()


# ---------------------------------------------------------------------- whose processes


def test_a_process_is_told_from_another_with_its_number() -> None:
    own = psutil.Process()
    assert alive(own.pid, own.create_time())
    assert not alive(own.pid, own.create_time() - 60)
    assert not alive(dead(), time.time())
    pid, created = owner()
    assert pid == os.getppid() and alive(pid, created)


def test_a_process_that_nobody_waited_for_is_dead() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    created = psutil.Process(process.pid).create_time()
    until = time.monotonic() + 20
    while alive(process.pid, created):
        assert time.monotonic() < until
    process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process's start is no sum of two clocks")
@pytest.mark.xfail(strict=True, reason="a process's start is told by the wall clock: once that is put right by a "
                   "second, every group and every SuperNode counts as another")  # fmt: skip
def test_putting_the_clock_right_makes_no_process_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pid, created = owner()
    booted = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted + 5.0)
    assert alive(pid, created)


def test_code_that_changes_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("client_app", "adapters", "data", "protocol"):
        (tmp_path / room / "deeper").mkdir(parents=True)
        (tmp_path / room / "deeper" / "a.py").touch()
    real = code_version()
    monkeypatch.setattr(place, "ROOT", tmp_path)
    first = code_version()
    assert first != real and code_version() == first
    later = time.time_ns() + 10**9
    os.utime(tmp_path / "data" / "deeper" / "a.py", ns=(later, later))
    assert code_version() != first


def test_options_are_what_a_supervisor_reads_back(node: Any) -> None:
    options = node.options()
    assert Options(**json.loads(json.dumps(options.to_json()))) == options
    assert replace(options, key="") != options
