"""The ledger: what is appended comes back, and whatever is changed afterwards is found and named."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.cli.app import main
from crossward.ledger.chain import EMPTY, digest, encode
from crossward.ledger.file import Head, Ledger, LedgerError, read_entries, read_heads, verify

FACTS = st.dictionaries(
    st.text(max_size=8).filter(lambda k: k not in {"seq", "time", "event", "prev", "hash", "self"}),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


def write(path: Path, count: int = 4) -> list[Head]:
    """A ledger of ``count`` lines; returns the head after each."""
    ticks = itertools.count(0.1, 0.1)
    with Ledger(path, lambda: next(ticks), durable=False) as ledger:
        heads = []
        for i in range(count):
            ledger.append("accepted", node=i, weight=i / 3, layers=[{"b": 1, "a": None}])
            heads.append(ledger.head())
    return heads


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Head]]:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    heads = write(path)
    return path.read_bytes(), heads


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=12), FACTS), max_size=5))
def test_whatever_is_appended_comes_back_exactly_after_reopening(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, dict[str, object]]]
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    with Ledger(path, lambda: 0.1 + 0.2, durable=False) as ledger:
        written = [ledger.append(event, **facts) for event, facts in events]
        head = ledger.head()
        assert list(ledger.entries()) == written
    with Ledger(path, lambda: 0.0, durable=False) as ledger:
        assert list(ledger.entries()) == written and ledger.head() == head
        assert [(e.event, e.facts, e.time) for e in ledger.entries()] == [(e, f, 0.1 + 0.2) for e, f in events]
    assert verify(path, [head, EMPTY]).ok


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_changed_byte_is_found(
    sample: tuple[bytes, list[Head]], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(sample[0])
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "changed.jsonl"
    path.write_bytes(content)
    found = verify(path)
    assert not found.ok
    line = sample[0][:at].count(b"\n") + 1
    assert f"line {line}" in found.problems[0] or f"line {line + 1}" in found.problems[0]


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(4)), st.sets(st.integers(0, 3)), st.integers(0, 4), st.integers(0, 3))
def test_reordered_dropped_and_repeated_lines_are_found(
    sample: tuple[bytes, list[Head]],
    tmp_path_factory: pytest.TempPathFactory,
    order: list[int],
    dropped: set[int],
    repeat_at: int,
    repeated: int,
) -> None:
    lines, heads = sample[0].splitlines(keepends=True), sample[1]
    path = tmp_path_factory.getbasetemp() / "moved.jsonl"
    for changed in (
        [lines[i] for i in order],
        [line for i, line in enumerate(lines) if i not in dropped],
        [*lines[:repeat_at], lines[repeated], *lines[repeat_at:]],
    ):
        path.write_bytes(b"".join(changed))
        assert verify(path, heads).ok == (changed == lines)


def test_an_inserted_line_that_hashes_well_is_still_found(sample: tuple[bytes, list[Head]], tmp_path: Path) -> None:
    lines, heads = sample[0].splitlines(keepends=True), sample[1]
    forged = {"seq": 3, "time": 9.0, "event": "accepted", "prev": heads[1].hash}
    forged["hash"] = digest(forged)
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"".join([*lines[:2], encode(forged) + b"\n", *lines[2:]]))
    assert "line 4: seq is 3, expected 4" in verify(path).problems[0]


def test_a_chain_rewritten_from_the_start_is_found_by_the_heads_that_nodes_kept(tmp_path: Path) -> None:
    heads = write(tmp_path / "true.jsonl")
    with Ledger(tmp_path / "false.jsonl", lambda: 0.0, durable=False) as ledger:
        for _ in range(6):
            ledger.append("accepted")
    assert verify(tmp_path / "false.jsonl").ok
    found = verify(tmp_path / "false.jsonl", [heads[1], heads[1], heads[3]])
    assert found.heads == 2 and len(found.problems) == 2
    assert f"but a node kept {heads[1].hash}" in found.problems[0]


def test_a_chain_cut_short_is_found_by_the_heads(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    heads = write(path)
    assert verify(path, [*heads, EMPTY]).ok
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    assert verify(path).ok and verify(path, heads[:3]).ok
    assert "kept head 4" in verify(path, heads).problems[0]
    path.write_bytes(b"")
    assert len(verify(path, heads).problems) == 4


@pytest.mark.parametrize("cut", [1, 2, 40, -1])
def test_a_torn_last_line_is_moved_aside_and_the_chain_goes_on(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "ledger.jsonl"
    heads = write(path)
    content = path.read_bytes()
    last = content.rstrip(b"\n").rfind(b"\n") + 1
    torn = content[last : len(content) - 1] if cut == -1 else content[last : last + cut]
    path.write_bytes(content[:last] + torn)
    assert "torn" in verify(path).problems[0]
    with Ledger(path, lambda: 5.0) as ledger:
        repaired = list(ledger.entries())[-1]
        assert repaired.event == "repaired" and repaired.facts["torn_bytes"] == len(torn)
        ledger.append("accepted")
    assert (tmp_path / "ledger.jsonl.torn").read_bytes() == torn + b"\n"
    found = verify(path, heads[:3])
    assert found.ok and found.entries == 5


def test_reading_leaves_a_torn_line_out_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    heads = write(path)
    torn = path.read_bytes()[:-3]
    path.write_bytes(torn)
    assert [entry.hash for entry in read_entries(path)] == [head.hash for head in heads[:3]]
    assert path.read_bytes() == torn
    path.write_bytes(torn.replace(b'"node":0', b'"node":9'))
    with pytest.raises(LedgerError, match="line 1"):
        list(read_entries(path))


def test_a_file_torn_in_its_first_line_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"seq":1,"ti')
    with Ledger(path, lambda: 0.0, durable=False) as ledger:
        assert [e.event for e in ledger.entries()] == ["repaired"]


def test_a_broken_chain_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path)
    broken = path.read_bytes().replace(b'"node":1', b'"node":7') + b'{"seq":'
    path.write_bytes(broken)
    with pytest.raises(LedgerError, match=r"line 2: hash is .* but its content hashes to"):
        Ledger(path, lambda: 0.0)
    assert path.read_bytes() == broken and not path.with_name("ledger.jsonl.torn").exists()


@pytest.mark.parametrize(
    "line",
    [b"null\n", b"[]\n", b"{}\n", b"\n", b"\x00\xff\n", b"[" * 9999 + b"\n", b'{"seq":1}\n', b'{"seq":NaN}\n'],
)
def test_lines_that_are_not_entries_are_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(line)
    with pytest.raises(LedgerError, match="line 1"):
        Ledger(path, lambda: 0.0)


@pytest.mark.parametrize(("facts", "named"), [({"a": float("nan")}, "'a'"), ({"b": b""}, "'b'"), ({"seq": 1}, "seq")])
def test_facts_that_cannot_be_kept_are_refused_and_nothing_is_written(
    tmp_path: Path, facts: dict[str, object], named: str
) -> None:
    with Ledger(tmp_path / "ledger.jsonl", lambda: 0.0, durable=False) as ledger:
        with pytest.raises(LedgerError, match=named):
            ledger.append("accepted", **facts)
        assert ledger.append("accepted", event_name="x").seq == 1
    assert verify(tmp_path / "ledger.jsonl").entries == 1


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with Ledger(tmp_path / "ledger.jsonl", lambda: 0.0) as ledger:
        ledger.append("accepted")
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(LedgerError, match="disk full"):
                ledger.append("accepted")
        assert ledger.append("accepted").seq == 2
    assert verify(tmp_path / "ledger.jsonl").ok


def test_two_writers_are_refused(tmp_path: Path) -> None:
    with (
        Ledger(tmp_path / "ledger.jsonl", lambda: 0.0, durable=False),
        pytest.raises(LedgerError, match="being written by another"),
    ):
        Ledger(tmp_path / "ledger.jsonl", lambda: 0.0)


def test_the_command_says_ok_or_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heads = write(tmp_path / "ledger.jsonl")
    kept = tmp_path / "heads.jsonl"
    kept.write_text("".join(json.dumps({"seq": h.seq, "hash": h.hash}) + "\n" for h in heads))
    assert list(read_heads(kept)) == heads
    assert main(["ledger", "verify", str(tmp_path), "--heads", str(kept)]) == 0
    assert "OK: 4 entries, 4 kept heads, head 4" in capsys.readouterr().out
    kept.write_text('{"seq": 2, "hash": "00"}\n')
    assert main(["ledger", "verify", str(tmp_path / "ledger.jsonl"), "--heads", str(kept)]) == 1
    assert "BROKEN" in capsys.readouterr().out
    kept.write_text('{"seq": 2}\n')
    assert main(["ledger", "verify", str(tmp_path), "--heads", str(kept)]) == 1
    assert "heads.jsonl, line 1: expected" in capsys.readouterr().err
    assert main(["ledger", "verify", str(tmp_path / "nowhere.jsonl")]) == 1


def test_the_module_runs_as_a_command(tmp_path: Path) -> None:
    write(tmp_path / "ledger.jsonl")
    done = subprocess.run(
        [sys.executable, "-m", "crossward", "ledger", "verify", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout[:2], done.stderr) == (0, "OK", "")
