"""ClientApps are forked from a process that has Flower imported, and nothing of the app; all else starts as ever."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crossward.internals.check import InternalsError
from crossward.internals.flower import FLOWER
from crossward.internals.flower_superexec import CLIENTAPP, superexec_command

ROOT = Path(__file__).resolve().parents[3]
EXECUTOR = FLOWER.require("flwr.supercore.superexec.executor.subprocess_executor")
# a process in place of the one that forks: it notes what it is asked, or ends at once
NOTES = "import sys; open(sys.argv[1], 'wb').writelines(iter(sys.stdin.buffer.readline, b''))"
FORKS = """
import json, os, sys, threading
import crossward.internals.flower
from crossward.internals.flower_superexec import fork_for_each
first = os.getpid()
args = fork_for_each(sys.stdin.buffer)
ours = [name for name in sys.modules if name.split(".")[0] == "crossward"]


def tell(line):  # one write a line: processes share the pipe
    os.write(1, json.dumps(line).encode() + b"\\n")


if args is None:
    tell(["over", bool(ours)])
else:
    done = os.spawnlp(os.P_WAIT, "true", "true")  # its own children are its to wait for
    tell([args, ours, os.getppid() == first, sys.stdin.buffer.raw.readinto(bytearray(1)), done])
"""


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Changes Flower's executor, and returns what it asks for forks."""
    monkeypatch.setattr(EXECUTOR, "subprocess", subprocess)
    made = []

    def change(*forking: str) -> Any:
        assert superexec_command([sys.executable, "-c", *forking]).__name__ == "flower_superexec"
        made.append(EXECUTOR.subprocess.Popen.__self__)
        return made[0]

    yield change
    for forks in made:
        forks._parent.stdin.close()
        forks._parent.wait(30)


def specification(kind: str, **changes: Any) -> Any:
    types = FLOWER.require("flwr.supercore.superexec.executor.types")
    task = FLOWER.require("flwr.supercore.constant:TaskType")
    facts = {name: None for name in types.ExecutionSpec.__dataclass_fields__}
    given = {
        "task_type": task(kind),
        "runtime_api_address": "127.0.0.1:9",
        "token": "secret",
        "insecure": True,
        "task_id": 1,
    }
    return types.ExecutionSpec(**facts | given | {"parent_pid": 7, "suppress_output": False} | changes)


def test_a_clientapp_is_asked_of_the_process_that_forks(changed: Callable[..., Any], tmp_path: Path) -> None:
    notes = tmp_path / "asked"
    forks = changed(NOTES, str(notes))
    for token in ("one", "two"):
        assert EXECUTOR.SubprocessExecutor().launch(specification(CLIENTAPP, token=token)).status.value == "accepted"
    forks._parent.stdin.close()
    forks._parent.wait(30)
    asked = [json.loads(line) for line in notes.read_bytes().splitlines()]
    assert [words[words.index("--token") + 1] for words in asked] == ["one", "two"]
    assert asked[0][:2] == ["--runtime-api-address", "127.0.0.1:9"] and asked[0][-2:] == ["--parent-pid", "7"]


def test_all_else_and_what_cannot_be_forked_starts_as_ever(
    monkeypatch: pytest.MonkeyPatch, changed: Callable[..., Any]
) -> None:
    forks = changed("pass")
    forks._parent.wait(30)
    started: list[Any] = []

    def popen(args: Sequence[str], **options: Any) -> Any:
        started.append((args[0], sorted(options)))
        return SimpleNamespace(poll=lambda: None, wait=lambda _: 0, stdin=SimpleNamespace(write=refuse, close=int))

    def refuse(_: bytes) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(subprocess, "Popen", popen)
    EXECUTOR.SubprocessExecutor().launch(specification("flwr-serverapp"))
    EXECUTOR.SubprocessExecutor().launch(specification(CLIENTAPP, suppress_output=True))
    assert started == [("flwr-serverapp", []), (CLIENTAPP, ["stderr", "stdout"])]
    EXECUTOR.SubprocessExecutor().launch(specification(CLIENTAPP))  # another that forks, which has just ended too
    assert started[2:] == [(sys.executable, ["bufsize", "stdin"]), (CLIENTAPP, [])]
    assert EXECUTOR.subprocess.DEVNULL == subprocess.DEVNULL


def test_each_request_has_a_process_without_this_package_in_it() -> None:
    requests = b'["--token", "a"]\n["--token", "b"]\n'
    args = [sys.executable, "-c", FORKS]
    done = subprocess.run(args, input=requests, cwd=ROOT, capture_output=True, timeout=300, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["over", True] in lines
    found = sorted(line for line in lines if line[0] != "over")
    assert [line[:2] for line in found] == [[["--token", "a"], []], [["--token", "b"], []]]
    assert all(line[3:] == [0, 0] for line in found)  # nothing to read, and a child that was waited for


def test_a_superexec_of_other_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(EXECUTOR, "subprocess")
    with pytest.raises(InternalsError, match=r"subprocess_executor\.subprocess\.Popen does not exist"):
        superexec_command([])
