"""Members by folder: who is registered, who no more, and what is said of those who are turned away."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from crossward.deploy import members as members_module
from crossward.deploy.members import BOOK, Members
from crossward.deploy.node_keys import fingerprint, load_node_key, make_node_key, public_text
from crossward.launcher.errors import LauncherError


class Flower:
    """Answers as ``flwr supernode`` does; ``refuse`` makes it fail."""

    connection = "ours"

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.keys: list[bytes] = []
        self.refuse = ""

    def call(self, *args: str) -> dict[str, Any]:
        self.calls.append(args)
        if args[1] == "register":  # what it reads in the file that it is given
            self.keys.append(Path(args[2]).read_bytes())
        if self.refuse:
            raise LauncherError(self.refuse)
        return {"node-id": 100 + len(self.calls)}


def made(folder: Path, flower: Flower, lines: list[str]) -> Members:
    return Members(folder / "nodes", folder, flower, lambda: True, lines.append)  # type: ignore[arg-type]


@pytest.fixture
def members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Members, Flower, list[str]]:
    flower, lines = Flower(), []
    (tmp_path / "nodes").mkdir()
    monkeypatch.setattr(members_module, "EVERY", 0.0)
    return made(tmp_path, flower, lines), flower, lines


def look(found: Members) -> None:
    """A look from beginning to end, however long ago the last one was."""
    found._next = 0.0
    found.look()
    found.settle()


def join(found: Members, name: str, tmp_path: Path) -> Path:
    make_node_key(tmp_path / name)
    path = found.nodes / f"{name}.pub"
    path.write_bytes((tmp_path / name / "node.pub").read_bytes())
    return path


def test_members_are_those_of_the_folder(members: Any, tmp_path: Path) -> None:
    found, flower, lines = members
    look(found)
    assert flower.calls == []
    one, two = join(found, "north", tmp_path), join(found, "south", tmp_path)
    look(found)
    assert sorted((*call[:2], call[-1]) for call in flower.calls) == [
        ("supernode", "register", name) for name in ("north", "south")
    ]
    assert sorted(flower.keys) == sorted(f"{public_text(path)}\n".encode() for path in (one, two))
    assert {row["name"] for row in found.known().values()} == {"north", "south"}
    look(found)
    assert len(flower.calls) == 2  # nothing changed
    node = found.known()[public_text(one)]["node"]
    one.unlink()
    look(found)
    assert flower.calls[-1][:3] == ("supernode", "unregister", node)
    assert {row["name"] for row in found.known().values()} == {"south"} and "north is no longer a member" in lines[-1]
    again = made(tmp_path, flower, lines)  # the aggregator was started anew
    look(again)
    assert len(flower.calls) == 3


def test_a_bad_file_keeps_nobody_else_out(members: Any, tmp_path: Path) -> None:
    found, flower, lines = members
    (found.nodes / "bad.pub").write_text("rubbish")
    join(found, "north", tmp_path)
    look(found)
    assert len(flower.calls) == 1 and any("bad.pub holds no OpenSSH public key" in line for line in lines)


def test_a_key_that_was_saved_on_windows_is_registered_as_flower_reads_it(members: Any, tmp_path: Path) -> None:
    found, flower, _ = members
    path = join(found, "north", tmp_path)
    key = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + key.replace(b"\n", b"\r\n"))
    look(found)
    assert flower.keys == [key] and list(found.known()) == [public_text(tmp_path / "north" / "node.pub")]


def test_what_could_not_be_registered_is_tried_again(members: Any, tmp_path: Path) -> None:
    found, flower, lines = members
    join(found, "north", tmp_path)
    flower.refuse = "`flwr supernode` was refused: busy"
    look(found)
    assert found.known() == {} and any("north could not be registered" in line for line in lines)
    flower.refuse = ""
    look(found)
    assert len(found.known()) == 1


def test_who_is_turned_away_is_named(members: Any, tmp_path: Path) -> None:
    found, _, lines = members
    path = join(found, "north", tmp_path)
    pem = load_node_key(tmp_path / "north" / "node.key").public_key()
    text = pem.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    line = f"[/v1/fleet/activate-node][ApiError:2004] Attempted to register SuperNode with public key: {text!r}, exc"
    found.on_line(line)
    assert fingerprint(public_text(path)) in lines[-1] and "not a member. Its hospital must send node.pub" in lines[-1]
    (tmp_path / BOOK).write_text(json.dumps({public_text(path): {"name": "north", "node": "1"}}))
    found.on_line(line)
    assert "north, which counts as connected already" in lines[-1]
    count = len(lines)
    found.on_line("[ApiError:2004] -----BEGIN PUBLIC KEY-----rubbish-----END PUBLIC KEY-----")
    found.on_line("anything else")
    assert len(lines) == count


def test_a_folder_that_cannot_be_read_throws_nobody_out(members: Any, tmp_path: Path) -> None:
    found, flower, lines = members
    join(found, "north", tmp_path)
    look(found)
    found.nodes.rename(tmp_path / "elsewhere")
    look(found)
    look(found)
    assert len(flower.calls) == 1 and len(found.known()) == 1
    assert [line for line in lines if "members are unchanged" in line] == [lines[-1]]  # told once


def test_a_half_copied_key_keeps_its_member_and_odd_files_are_passed_over(members: Any, tmp_path: Path) -> None:
    found, flower, _ = members
    path = join(found, "north", tmp_path)
    look(found)
    path.write_text("ecdsa-sha2-nistp384 AAAA")
    (found.nodes / ".#lock.pub").symlink_to("nobody@nowhere")
    (found.nodes / "dangling.pub").symlink_to("nowhere")
    look(found)
    assert len(flower.calls) == 1 and {row["name"] for row in found.known().values()} == {"north"}


def test_what_flower_has_done_already_is_done(members: Any, tmp_path: Path) -> None:
    """A list that was lost, or a call whose answer was: neither may block those that come after."""
    found, flower, lines = members
    one = join(found, "north", tmp_path)
    flower.refuse = "`flwr supernode` was refused: [code: 23] Public key already in use."
    look(found)
    assert [row["node"] for row in found.known().values()] == [""] and "registered already" in lines[-1]
    flower.refuse = ""
    two = join(found, "south", tmp_path)
    look(found)
    two.unlink()
    flower.refuse = "`flwr supernode` was refused: [code: 24] Node ID not found for account."
    look(found)
    assert {row["name"] for row in found.known().values()} == {"north"}
    one.unlink()
    look(found)
    assert "remove it with `flwr supernode list`" in lines[-1]


def test_a_damaged_list_is_said_and_changes_nothing(members: Any, tmp_path: Path) -> None:
    found, flower, lines = members
    (tmp_path / BOOK).write_text("[1]")
    join(found, "north", tmp_path)
    look(found)
    assert flower.calls == [] and "members.json cannot be read" in lines[-1]


def test_a_slow_flower_holds_nobody_up(members: Any, tmp_path: Path) -> None:
    found, flower, _ = members
    join(found, "north", tmp_path)
    waiting = threading.Event()
    call, flower.call = flower.call, lambda *args: (waiting.wait(60), call(*args))[1]  # type: ignore[func-returns-value]
    found._next = 0.0
    found.look()
    found.look()
    assert flower.calls == []
    waiting.set()
    found.settle()
    assert len(flower.calls) == 1


def test_a_member_is_not_called_gone_because_something_else_was_not_found(members: Any, tmp_path: Path) -> None:
    found, flower, lines = members
    path = join(found, "north", tmp_path)
    look(found)
    path.unlink()
    flower.refuse = "`flwr supernode` failed: SuperLink connection 'ours' not found"
    look(found)
    assert {row["name"] for row in found.known().values()} == {"north"} and "could not be unregistered" in lines[-1]
