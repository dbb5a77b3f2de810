"""Payload files: whole or not at all, mapped when read, and damage is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossward.protocol.parts import Part, PartHead, Payload, join
from server_app.files import PayloadError, read_payload, write_payload

PARTS = [Part(PartHead("clear", 3, 8, 3), b"abc"), Part(PartHead("other", 1, 62, 8), b"12345678")]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.payload"
    digest = write_payload(path, {"version": 3}, iter(PARTS))
    facts, payload, found = read_payload(path, check=True)
    assert facts == {"version": 3}
    assert payload == join(PARTS)
    assert digest == found == join(PARTS).digest() == payload.digest()
    assert [p.name for p in path.parent.iterdir()] == ["x.payload"]


def test_a_payload_of_nothing_is_a_file_too(tmp_path: Path) -> None:
    write_payload(tmp_path / "x", {}, [])
    assert read_payload(tmp_path / "x", check=True)[1] == Payload((), b"")


def test_a_file_is_replaced_in_one_step_and_earlier_readers_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_payload(path, {}, PARTS)
    _, before, _ = read_payload(path)
    write_payload(path, {}, PARTS[:1])
    assert bytes(before.data) == b"abc12345678"
    assert bytes(read_payload(path)[1].data) == b"abc"


def test_an_interruption_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_payload(path, {"n": 1}, PARTS)

    def parts() -> Iterator[Part]:
        yield PARTS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_payload(path, {"n": 2}, parts())
    assert read_payload(path, check=True)[0] == {"n": 1}


def test_a_failure_while_writing_leaves_no_draft(tmp_path: Path) -> None:
    def parts() -> Iterator[Part]:
        yield PARTS[0]
        raise ValueError("a sum does not fit")

    with pytest.raises(ValueError, match="does not fit"):
        write_payload(tmp_path / "x", {}, parts())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_with_a_remedy_and_leaves_no_draft(tmp_path: Path) -> None:
    def parts() -> Iterator[Part]:
        yield PARTS[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(PayloadError, match=r"x could not be written .*No space left.* free disk space, then resume"):
        write_payload(tmp_path / "x", {}, parts())
    assert list(tmp_path.iterdir()) == []


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_payload(path, {"n": 1}, PARTS)
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(PayloadError, match=r"missing, truncated or damaged .*restore it from a backup"):
            read_payload(path, check=True)


def test_every_changed_byte_is_refused_or_changes_nothing_but_the_facts(tmp_path: Path) -> None:
    path = tmp_path / "x"
    digest = write_payload(path, {"n": 1}, PARTS)
    data = path.read_bytes()
    for i in range(len(data)):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        try:
            _, payload, found = read_payload(path, check=True)
        except PayloadError:
            continue
        assert payload == join(PARTS) and found == digest


@pytest.mark.parametrize(
    "footer", [b"", b"[]", b"{}", b'{"facts": {}, "index": 3, "digest": ""}', b'{"facts": {}, "index": [[1]]}', b"\xff"]
)
def test_an_odd_footer_is_refused(tmp_path: Path, footer: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc" + footer + len(footer).to_bytes(8, "little"))
    with pytest.raises(PayloadError):
        read_payload(path)


def test_a_footer_longer_than_the_file_or_an_index_that_lies_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes((2**63).to_bytes(8, "little"))
    with pytest.raises(PayloadError, match="footer's length"):
        read_payload(path)
    footer = json.dumps({"facts": {}, "index": [["clear", 9, 8, 9]], "digest": ""}).encode()
    path.write_bytes(b"abc" + footer + len(footer).to_bytes(8, "little"))
    with pytest.raises(PayloadError, match="index speaks of 9 bytes but the payload has 3"):
        read_payload(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PayloadError, match=r"nothing is missing, truncated or damaged"):
        read_payload(tmp_path / "nothing")
