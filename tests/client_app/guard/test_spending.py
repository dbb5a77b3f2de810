"""The record of what was spent: what is read is what was written, or nothing is; budgets are in ``test_budget``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client_app.guard.spending import Record, RecordError, Spending
from crossward.privacy.accounting import Spent

SPENDING = Spending("patient", (Spent(0.1, 1.25, 10), Spent(1e-05, 1.25, 7)), {"6.0:1e-05:0.1:40:rdp": 1.25})
# as the version before wrote it
FORMAT_2 = (
    '{"format": 2, "unit": "patient", "noise": {"6.0:1e-05:0.1:40:rdp": 1.25}, "spent": [{"sampling_rate": 0.1, '
    '"noise_multiplier": 1.25, "steps": 10}, {"sampling_rate": 1e-05, "noise_multiplier": 1.25, "steps": 7}]}'
)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    made = Record(tmp_path / "identity.spent" / "line.json", durable=False)
    with made.exclusive():
        made.write(SPENDING)
    return made


def refused(record: Record) -> str:
    """Why it cannot be read; nothing where it can."""
    try:
        record.read()
    except RecordError as error:
        assert "nothing is trained without it. Restore identity.spent/line.json in this node" in str(error)
        return str(error)
    return ""


def test_what_is_written_is_read(record: Record) -> None:
    assert record.read() == SPENDING and json.loads(record.path.read_text())["format"] == 3
    assert Record(record.path.with_stem("other")).others() == {"line": SPENDING}


def test_no_bit_of_a_record_can_flip_and_change_what_was_spent(record: Record) -> None:
    raw = record.path.read_bytes()
    stopped = 0
    for place in range(len(raw)):
        for bit in range(8):
            record.path.write_bytes(raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :])
            found = refused(record)
            assert found or record.read() == SPENDING, (place, bit)
            stopped += bool(found)
    assert stopped > 7.9 * len(raw)  # 1e-05 is 1E-05


def test_no_cut_record_is_read(record: Record) -> None:
    raw = record.path.read_bytes()
    for length in range(len(raw)):
        record.path.write_bytes(raw[:length])
        assert refused(record), length


def test_a_number_changed_by_hand_is_told_of(record: Record) -> None:
    record.path.write_text(record.path.read_text().replace('"steps": 10', '"steps": 1'))
    assert "its digest does not match its content: it was damaged, or edited by hand" in refused(record)
    with pytest.raises(RecordError, match="its digest does not match"):
        Record(record.path.with_stem("other")).others()


def test_a_record_without_a_digest_is_read_and_written_with_one(record: Record) -> None:
    record.path.write_text(FORMAT_2)
    before = record.read()
    assert before == SPENDING
    record.write(before)
    assert record.read() == SPENDING and "digest" in json.loads(record.path.read_text())


def test_no_record_passes_for_one_of_the_format_without_a_digest(record: Record) -> None:
    facts = json.loads(record.path.read_text())
    facts["spent"][0]["steps"] = 1
    record.path.write_text(json.dumps(facts | {"format": 2}))
    assert "are not those of format 2" in refused(record)
    del facts["digest"]
    record.path.write_text(json.dumps(facts))
    assert "are not those of format 3" in refused(record)
    record.path.write_text(json.dumps(facts | {"format": 4}))
    assert "format 4, expected 3" in refused(record)
