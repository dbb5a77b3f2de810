"""A few notes as a model would get them, for whoever sits at the hospital's terminal.

Not for: files, logs or messages; nothing else of this package holds a note's text.
"""

from __future__ import annotations

from typing import NamedTuple

from crossward.config.data_settings import DataConfig
from data.hospitals import load_hospital, load_hospitals
from data.lengths import sampled
from data.quoting import no_text_of_others


class Example(NamedTuple):
    """A training note: its hospital, category and label ("" without one), and its text, cleaned."""

    hospital: str
    category: str
    label: str
    text: str


@no_text_of_others("the notes cannot be shown")
def examples(config: DataConfig, hospitals: int | None, count: int) -> list[Example]:
    """``count`` training notes of each hospital, drawn by ``data.seed``. Raises DataError as ``check_notes`` does."""
    found, out = [load_hospital(config)] if hospitals is None else load_hospitals(config, hospitals), []
    for one in found:
        for row in one.train.select(sampled(len(one.train), count, config.seed)):
            out.append(Example(one.name, row["category"], row["label"], row["text"]))
    return out
