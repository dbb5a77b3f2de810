"""Finding a group, or starting one: what lies there from before, who comes at once, who is gone when it has started.

These groups have no ranks yet.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from client_app.group import frames, place
from client_app.group.place import (
    GroupError,
    Options,
    alive,
    code_version,
    connect,
    owner,
    read_info,
    started,
    write_private,
)


@pytest.fixture(autouse=True)
def without_ranks(no_ranks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(no_ranks))


def dead() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def answers(sock: socket.socket) -> bool:
    """Whether a supervisor is at the other end."""
    with sock:
        sock.settimeout(60)
        frames.send(sock, {"do": "leave"})
        return bool(frames.receive(sock)[0]["done"])


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is no group's."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def stale(kind: str, node: Any, living: int) -> str:
    """What ``group.json`` may hold."""
    room = node.base / "crossward-stale"
    room.mkdir()
    info = {"pid": dead(), "created": 5.0, "key": node.options().key, "socket": str(room / "group.sock")}
    match kind:
        case "dead":
            return json.dumps(info)
        case "another process":
            return json.dumps(info | {"pid": living, "created": started(living) - 1000.0})
        case "no socket":
            return json.dumps(info | {"pid": living, "created": started(living)})
        case "nobody listens":
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(str(info["socket"]))
            return json.dumps(info | {"pid": living, "created": started(living)})
        case "cut off":
            return json.dumps(info)[:-9]
        case "wrong types":
            return json.dumps(info | {"pid": "1", "created": None})
        case "no text":
            return json.dumps(info | {"socket": 5})
    return kind


KINDS = ["dead", "another process", "no socket", "nobody listens", "cut off", "wrong types", "no text"]


@pytest.mark.parametrize("kind", [*KINDS, "", "no JSON", "[]", "{}", "null", "[" * 100_000])
def test_what_lies_there_from_before_is_replaced(node: Any, kind: str, bystander: subprocess.Popen[bytes]) -> None:
    node.folder.mkdir(parents=True)
    (node.folder / "group.json").write_text(stale(kind, node, bystander.pid))
    sock = connect(node.folder, node.options())
    assert read_info(node.folder)["pid"] == node.supervisors()[0].pid
    assert answers(sock)
    if kind == "dead":
        assert not (node.base / "crossward-stale").exists()
    if kind == "another process":
        assert bystander.poll() is None


def test_only_a_groups_own_folder_is_cleared_away(node: Any) -> None:
    precious = node.base / "precious"
    precious.mkdir(parents=True)
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
    assert node.options(lora__rank=5).to_json().items() <= node.read(node.folder / "options.json").items()


def test_a_supervisor_that_cannot_start_says_why(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONHASHSEED", "rubbish")
        with pytest.raises(GroupError, match=r"supervisor ended with code 1: .*PYTHONHASHSEED must be"):
            connect(node.folder, node.options())
    assert node.supervisors() == []
    assert answers(connect(node.folder, node.options()))


def test_a_temporary_directory_that_is_too_deep_for_a_socket_is_not_used(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = node.base / ("x" * (108 - len(str(node.base))))
    deep.mkdir(parents=True)
    assert len(str(deep)) == 109
    monkeypatch.setenv("TMPDIR", str(deep))
    sock = connect(node.folder, node.options())
    room = Path(read_info(node.folder)["socket"]).parent
    assert not room.is_relative_to(deep) and list(deep.iterdir()) == []
    place._dismiss(sock, read_info(node.folder))
    assert not room.exists() and node.supervisors() == []


# ---------------------------------------------------------------------- whose processes


def test_a_process_is_told_from_another_with_its_number() -> None:
    own = os.getpid()
    assert alive(own, started(own))
    assert not alive(own, started(own) - 60) and not alive(own, 0.0)
    gone = dead()
    assert started(gone) == 0.0 and not alive(gone, 0.0)
    pid, created = owner()
    assert pid == os.getppid() and alive(pid, created)


def test_a_process_that_nobody_waited_for_is_dead() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    created = started(process.pid)
    assert alive(process.pid, created)
    assert process.stdin is not None
    process.stdin.close()
    until = time.monotonic() + 300
    while alive(process.pid, created):
        assert time.monotonic() < until
    process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process's start is no sum of two clocks")
def test_putting_the_clock_right_makes_no_process_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pid, created = owner()
    booted = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted + 5.0)
    assert alive(pid, created)


def test_code_that_changes_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("client_app", "crossward", "data"):
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
