"""A large MIMIC-III folder quickly: a pool of made-up notes filed again and again under new patients and dates.

For measuring readers, not for learning: note bodies repeat, though no two rows are the same text.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from data.synthetic.tables import Record, records
from data.synthetic.tables_iii import write_mimic_iii

_POOL = 600  # patients whose notes are the pool


def _longer(pool: list[Record], rng: random.Random) -> Iterator[tuple[Record, int]]:
    """Records without end and the bytes of their notes; a note is two pool notes, about MIMIC-III's mean length."""
    texts = [note.text for record in pool for note in record.notes]
    for number in itertools.count():
        like = pool[number % len(pool)]
        subject = 1_000_000 + number
        stay = dataclasses.replace(like.stay, subject=subject, hadm=10 * subject)
        notes = []
        for index in range(6):
            body = "\n\n".join(rng.choices(texts, k=2))
            text = f"[**{2100 + number % 90}-{1 + index}-{1 + number % 28}**] {number}/{index}\n{body}"
            like_note = like.notes[index % len(like.notes)]
            notes.append(
                dataclasses.replace(like_note, text=text, charted=like_note.charted + dt.timedelta(hours=index))
            )
        yield Record(like.house, stay, tuple(notes)), sum(len(note.text) for note in notes)


def write_bulk(folder: Path, size: int, seed: int, progress: Callable[[int], None] | None = None) -> int:
    """Write a MIMIC-III folder whose NOTEEVENTS.csv has about ``size`` bytes; returns the number of notes."""
    rng = random.Random(seed)
    pool = [record for record in records(_POOL, 4, seed) if record.notes]
    written = 0

    def until_enough() -> Iterator[Record]:
        nonlocal written
        for record, length in _longer(pool, rng):
            if written >= size:
                return
            written += length + 110 * len(record.notes)
            yield record

    return write_mimic_iii(until_enough(), folder, progress=progress)
