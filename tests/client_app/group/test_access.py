"""A group is its owner's alone: files, socket, ports."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from client_app.group import frames
from client_app.group.place import GroupError, connect, private_folder

NOBODY = 65534
STRANGER = """
import os, socket, struct, json, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(60)
try:
    sock.connect(sys.argv[1])
    text = json.dumps({"do": "leave", "blobs": []}).encode()
    sock.sendall(struct.pack("<I", len(text)) + text)
    print("heard", sock.recv(100))
except OSError as error:
    print(type(error).__name__)
"""
root_alone = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def stranger(path: Path) -> str:
    """What a process of another user gets to hear there."""
    command = [sys.executable, "-I", "-S", "-c", STRANGER, str(path), str(NOBODY)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=300, check=True).stdout.strip()


def test_files_and_socket_are_their_owners_alone(shared: Any) -> None:
    umask = os.umask(0)
    try:
        shared.learner().initial()
    finally:
        os.umask(umask)
    group = shared.group()
    assert mode(shared.folder) == 0o700 and mode(group.room) == 0o700
    for name in ("group.json", "options.json", "group.log"):
        assert mode(shared.folder / name) == 0o600, name
    assert mode(Path(group.info["socket"])) == 0o600
    assert [p for p in group.room.rglob("*") if p.is_file() and mode(p) & 0o077 and mode(p.parent) & 0o077] == []


@root_alone
def test_nobody_else_reaches_the_socket(shared: Any) -> None:
    shared.learner().initial()
    assert stranger(Path(shared.group().info["socket"])) == "PermissionError"


@root_alone
def test_who_is_let_into_the_folder_is_still_refused_by_the_kernels_word(shared: Any) -> None:
    shared.learner().initial()
    group = shared.group()
    path = Path(group.info["socket"])
    group.room.chmod(0o711)
    path.chmod(0o666)
    try:
        assert stranger(path) in ("heard b''", "BrokenPipeError", "ConnectionResetError")
    finally:
        group.room.chmod(0o700)
        path.chmod(0o600)
    assert shared.group().left() == group.processes


def test_no_port_is_opened_to_the_network(shared: Any) -> None:
    learner = shared.learner()
    learner.train(learner.initial(), 0, 1)  # the ranks are connected
    group = shared.group()
    listening = [c for p in group.processes for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert [c for c in listening if c.laddr.ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")] == []
    assert {c.laddr.ip for p in group.ranks for c in p.net_connections("inet")} <= {"127.0.0.1", "::1"}


def test_a_folder_that_others_may_look_into_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir(mode=0o755)
    (tmp_path / "workers").chmod(0o777)
    private_folder(tmp_path / "workers")
    assert mode(tmp_path / "workers") == 0o700


@root_alone
def test_another_users_folder_is_refused(tmp_path: Path, shared: Any) -> None:
    folder = tmp_path / "workers"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(GroupError, match="belongs to another user: point state-dir to"):
        connect(folder, shared.options())


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\x02\x00\x00\x00{}", b"\x02\x00\x00\x00[]", b"\x05", b""]
)
def test_garbage_on_the_socket_does_no_harm(shared: Any, sent: bytes) -> None:
    shared.learner().initial()
    group = shared.group()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(group.info["socket"])
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(group.info["socket"])
        frames.send(sock, {"do": "fly", "spec": shared.spec().to_json()})
        header, _ = frames.receive(sock)
    assert header["failed"] == "SettingsError" and "fly" in header["reason"]
    assert shared.group().left() == group.processes
