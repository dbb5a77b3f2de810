"""A node's state on disk: before or after, never between; and what cannot be read says what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from client_app.state.accumulators import Accumulators
from client_app.state.folder import NodeState, StateError, StateFolder
from crossward.protocol.messages import Head


def state(mark: int) -> NodeState:
    return NodeState(
        "layout",
        Accumulators(mark, {0: np.array([mark, -(2**40), 0]), 3: np.array([1, 2, 3])}, {1: True, 2: False}, mark),
        np.array([mark, 0.5, -0.25], dtype=np.float32),
        100 + mark,
        np.array([0, 0, mark], dtype=np.float32),
        Head(mark, f"hash{mark}"),
    )


def same(a: NodeState, b: NodeState) -> bool:
    arrays = [(a.residual, b.residual), (a.pending, b.pending)]
    return (
        (a.layout, a.copy.version, a.pending_task, a.head) == (b.layout, b.copy.version, b.pending_task, b.head)
        and (a.copy.reverted, a.copy.since) == (b.copy.reverted, b.copy.since)
        and a.copy.values.keys() == b.copy.values.keys()
        and all(np.array_equal(a.copy.values[e], b.copy.values[e]) for e in a.copy.values)
        and all((x is None) == (y is None) and (x is None or np.array_equal(x, y)) for x, y in arrays)
    )


@pytest.mark.parametrize("durable", [True, False])
def test_what_is_saved_is_loaded(tmp_path: Path, durable: bool) -> None:
    store = StateFolder(tmp_path / "node", durable)
    assert same(store.load("layout"), NodeState("layout"))
    for mark in (1, 2):
        store.save(state(mark))
        assert same(StateFolder(tmp_path / "node").load("layout"), state(mark))
    assert len(list((tmp_path / "node").glob("arrays-*"))) == 1
    store.save(NodeState("layout"))
    assert same(store.load("layout"), NodeState("layout"))


def test_another_layout_starts_afresh(tmp_path: Path) -> None:
    store = StateFolder(tmp_path)
    store.save(state(1))
    assert same(store.load("other"), NodeState("other"))
    assert same(store.load("layout"), state(1))


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("step", ["savez", "dumps", "replace", "unlink"])
def test_a_kill_between_any_two_files_leaves_the_state_before_or_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store = StateFolder(tmp_path)
    store.save(state(1))

    def kill(*args: object, **keywords: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        match step:
            case "savez":
                patch.setattr("client_app.state.folder.np.savez", kill)
            case "dumps":
                patch.setattr("client_app.state.folder.json.dumps", kill)
            case "replace":
                patch.setattr(Path, "replace", kill)
            case "unlink":
                patch.setattr(Path, "unlink", kill)
        with pytest.raises(Killed):
            store.save(state(2))
    assert same(StateFolder(tmp_path).load("layout"), state(2 if step == "unlink" else 1))
    store.save(state(3))
    assert same(store.load("layout"), state(3))
    assert len(list(tmp_path.glob("arrays-*"))) == 1


def test_drafts_and_strange_files_do_no_harm(tmp_path: Path) -> None:
    store = StateFolder(tmp_path)
    store.save(state(1))
    (tmp_path / "state.draft").write_text("{")
    (tmp_path / "arrays-0123.npz").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("hello")
    assert same(store.load("layout"), state(1))
    store.save(state(2))
    assert same(store.load("layout"), state(2))
    assert (tmp_path / "notes.txt").exists() and not (tmp_path / "arrays-0123.npz").exists()


@pytest.mark.parametrize("damage", ["empty", "text", "list", "key", "format", "arrays-cut", "arrays-gone", "head"])
def test_a_state_that_cannot_be_read_says_what_to_do(tmp_path: Path, damage: str) -> None:
    store = StateFolder(tmp_path)
    store.save(state(1))
    facts = json.loads(store.path.read_text())
    (arrays,) = tmp_path.glob("arrays-*")
    match damage:
        case "empty":
            store.path.write_text("")
        case "text":
            store.path.write_bytes(b"\xff\xfe")
        case "list":
            store.path.write_text("[]")
        case "key":
            del facts["pending_task"]
            store.path.write_text(json.dumps(facts))
        case "format":
            store.path.write_text(json.dumps(facts | {"format": 9}))
        case "arrays-cut":
            arrays.write_bytes(arrays.read_bytes()[:-3])
        case "arrays-gone":
            arrays.unlink()
        case "head":
            store.path.write_text(json.dumps(facts | {"head": [1, 2, 3]}))
    with pytest.raises(StateError) as caught:
        store.load("layout")
    assert str(tmp_path) in str(caught.value) and "Delete that folder" in str(caught.value)


def small(tmp_path: Path) -> tuple[StateFolder, NodeState, Path]:
    """A state of one array, and the file that holds it."""
    store = StateFolder(tmp_path / "node", durable=False)
    kept = NodeState("layout", residual=np.arange(1, 11, dtype=np.float32))
    store.save(kept)
    (arrays,) = store.folder.glob("arrays-*")
    return store, kept, arrays


def damaged(store: StateFolder) -> bool:
    """Whether it is told what to do; nothing else may be raised."""
    try:
        store.load("layout")
    except StateError as error:
        assert "Delete that folder" in str(error)
        return True
    return False


@pytest.mark.filterwarnings("default")  # as in a run: numpy only warns of some headers
def test_no_bit_of_the_arrays_can_flip_unseen(tmp_path: Path) -> None:
    """Numpy's header is Python, zip's has lengths and methods: what a damaged one raises is of a dozen kinds."""
    store, kept, arrays = small(tmp_path)
    raw = arrays.read_bytes()
    seen = tried = 0
    for place in range(len(raw)):
        for bit in range(8) if place < 192 else [place % 8]:  # all of the headers before the values
            arrays.write_bytes(raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :])
            found = damaged(store)
            assert found or same(store.load("layout"), kept), (place, bit)  # dates and the like are read by nobody
            seen, tried = seen + found, tried + 1
    assert seen > tried / 2


def test_no_length_of_the_arrays_is_enough_but_the_whole(tmp_path: Path) -> None:
    store, _, arrays = small(tmp_path)
    raw = arrays.read_bytes()
    for length in range(len(raw)):
        arrays.write_bytes(raw[:length])
        assert damaged(store), length


def test_a_header_that_asks_for_less_than_there_is_is_damage(tmp_path: Path) -> None:
    """The checksum is only compared where a member ends, which who reads less does not come to."""
    store = StateFolder(tmp_path, durable=False)
    store.save(NodeState("layout", residual=np.ones(5000, np.float32)))
    (arrays,) = tmp_path.glob("arrays-*")
    raw = arrays.read_bytes()
    arrays.write_bytes(raw.replace(b"(5000,)", b"(4000,)"))  # one bit
    assert arrays.read_bytes() != raw and damaged(store)


def test_a_header_that_asks_for_more_than_all_memory_is_damage_but_too_little_memory_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _, arrays = small(tmp_path)
    raw = arrays.read_bytes()
    arrays.write_bytes(raw.replace(b"(10,), }" + b" " * 15, b"(10" + b"0" * 15 + b",), }"))
    assert len(arrays.read_bytes()) == len(raw) and damaged(store)
    arrays.write_bytes(raw)

    def full(*args: object, **keywords: object) -> None:
        raise MemoryError

    monkeypatch.setattr("client_app.state.folder.read_array", full)
    with pytest.raises(MemoryError):
        store.load("layout")


def test_a_full_disk_keeps_the_earlier_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StateFolder(tmp_path)
    store.save(state(1))

    def full(*args: object, **keywords: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(StateError, match=r"No space left.*the earlier state is kept. Free disk space"):
            store.save(state(2))
    assert same(store.load("layout"), state(1))
    assert len(list(tmp_path.glob("arrays-*"))) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_fills_up_under_the_arrays_is_a_state_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = StateFolder(tmp_path)
    store.save(state(1))

    def full(*args: object, **keywords: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("client_app.state.folder.np.savez", full)
        with pytest.raises(StateError, match=r"No space left"):
            store.save(state(2))
    assert same(store.load("layout"), state(1)) and len(list(tmp_path.glob("arrays-*"))) == 1


# ---------------------------------------------------------------------- the pending residual


def test_an_accepted_update_commits_its_residual() -> None:
    s = state(1)
    pending = s.pending
    assert s.settle((3, 101)) == "committed"
    assert s.residual is pending and s.pending is None and s.pending_task == -1
    assert s.settle((101,)) == ""


def test_any_other_update_rolls_it_back() -> None:
    s = state(1)
    residual = s.residual
    assert s.settle((100, 102)) == "rolled back"
    assert s.residual is residual and s.pending is None and s.pending_task == -1


def test_without_a_pending_residual_nothing_happens() -> None:
    s = NodeState("layout")
    assert s.settle((-1, 5)) == "" and s.residual is None


def test_heads_are_kept_line_by_line(tmp_path: Path) -> None:
    store = StateFolder(tmp_path / "new")
    store.keep_head(Head(1, "a"))
    store.keep_head(Head(5, "b"))
    lines = (tmp_path / "new" / "heads.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"seq": 1, "hash": "a"}, {"seq": 5, "hash": "b"}]


def test_the_new_state_is_on_the_disk_before_the_old_arrays_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut at any moment must leave a state whose arrays are there."""
    store = StateFolder(tmp_path)
    store.save(state(1))
    (old,) = tmp_path.glob("arrays-*")
    seen = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        what = Path(f"/proc/self/fd/{descriptor}").readlink()
        seen.append((what.is_dir(), old.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    store.save(state(2))
    assert seen[-1] == (True, True) and len(seen) == 3 and not old.exists()


def test_a_ledger_head_is_on_the_disk_before_the_node_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append((tmp_path / "heads.jsonl").read_bytes()))
    StateFolder(tmp_path).keep_head(Head(7, "ab"))
    StateFolder(tmp_path, durable=False).keep_head(Head(8, "cd"))
    assert synced == [b'{"seq": 7, "hash": "ab"}\n']
