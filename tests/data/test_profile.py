"""Counts of a profile: every note once in each group, whatever order it is in, and cells that follow from settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from crossward.config.harmonising import CATEGORIES
from crossward.config.run_config import RunConfig
from data.hospitals import Hospital
from data.lengths import BUCKETS, bucket_names, buckets, histogram, sampled, token_lengths
from data.profile import NOT_KNOWN, Layout, layout_of, notes_of

ROWS = [  # note, patient, kind, label, characters (as many tokens)
    ("a", "P1", "nursing", "died", 10),
    ("b", "P1", "nursing", "survived", 63),
    ("c", "P2", "radiology", "survived", 64),
    ("d", "P3", "", "other word", 9000),
    ("e", "P3", "no such kind", "died", 200),
]


def dataset(rows: list[tuple[str, str, str, str, int]]) -> Dataset:
    names = ("note_id", "patient_id", "kind", "label", "text")
    return Dataset.from_dict({n: [(*row[:4], "x" * row[4])[i] for row in rows] for i, n in enumerate(names)})


def config(**given: Any) -> Any:
    return RunConfig.read({f"data.{key}": value for key, value in given.items()}).data


def named(layout: Layout, counts: np.ndarray) -> dict[tuple[str, str], int]:
    return {(group, name): int(counts[place]) for group, name, place in layout.places() if counts[place]}


def test_every_note_is_in_one_cell_of_each_group(make_tokenizer: Callable[..., Any]) -> None:
    asked = config(task="label", label="mortality", source="mimic-iii")
    hospital = Hospital("North", dataset(ROWS[:3]), dataset(ROWS[3:]), ("survived", "died"))
    layout = layout_of(asked)
    found = notes_of(hospital, layout, make_tokenizer(eos_token="."), asked).counts(layout)
    assert named(layout, found) == {
        ("all", "notes"): 5,
        ("all", "patients"): 3,
        ("category", "nursing"): 2,
        ("category", "radiology"): 1,
        ("category", NOT_KNOWN): 2,
        ("length", "below 64"): 2,
        ("length", "64 to 127"): 1,
        ("length", "128 to 255"): 1,
        ("length", "8,192 or more"): 1,
        ("label", "died"): 2,
        ("label", "survived"): 2,
    }


def test_some_of_the_notes_can_be_counted(make_tokenizer: Callable[..., Any]) -> None:
    layout = layout_of(config())
    hospital = Hospital("North", dataset(ROWS[:3]), dataset(ROWS[3:]), ())
    notes = notes_of(hospital, layout, make_tokenizer(eos_token="."), config())
    found = named(layout, notes.counts(layout, np.array([1, 2])))
    assert (found["all", "notes"], found["all", "patients"]) == (2, 2)
    assert found["category", "radiology"] == 1 and found["length", "below 64"] == 1


def test_cells_follow_from_the_settings_alone() -> None:
    of_mimic, of_csv = (config(task="label", label="mortality", source=source) for source in ("mimic-iii", "csv"))
    assert layout_of(of_mimic) == layout_of(of_csv)
    assert layout_of(of_mimic).fingerprint != layout_of(config()).fingerprint
    listed = layout_of(config(task="label", label="outcome", source="csv", labels="yes,no"))
    assert listed.groups[-1] == ("label", ("yes", "no"))
    assert set(CATEGORIES) <= set(listed.groups[1][1])
    assert len(list(listed.places())) == listed.size == 2 + len(CATEGORIES) + 1 + len(BUCKETS) + 1 + 2


def test_buckets_begin_at_their_number() -> None:
    lengths = np.array([0, 63, 64, 127, 128, 8191, 8192, 10**6])
    assert [bucket_names()[one] for one in buckets(lengths)] == [
        *("below 64", "below 64", "64 to 127", "64 to 127", "128 to 255", "4,096 to 8,191"),
        *("8,192 or more", "8,192 or more"),
    ]
    assert histogram(lengths).tolist() == [2, 2, 1, 0, 0, 0, 0, 1, 2]


def test_lengths_are_of_the_notes_alone(make_tokenizer: Callable[..., Any]) -> None:
    found = token_lengths(dataset(ROWS), make_tokenizer(eos_token=".", bos_token=","))
    assert found.tolist() == [row[4] for row in ROWS]


@pytest.mark.parametrize(("count", "most"), [(5, 9), (9, 9), (1000, 10)])
def test_a_sample_is_of_so_many_notes_and_the_same_each_time(count: int, most: int) -> None:
    found = sampled(count, most, 3)
    assert len(np.unique(found)) == min(count, most) and found.max() < count
    assert (found == sampled(count, most, 3)).all()
