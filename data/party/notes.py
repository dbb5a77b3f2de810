"""The notes of a party's patients up to the moment of prediction: ``read``.

They come through the readers, steps and cleaning that any hospital's notes do (``data.notes_file``). Discharge
summaries are left out: they are written when the outcome is known, whatever their time says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import DataConfig
from crossward.config.data_sources import OWN
from crossward.config.harmonising import DISCHARGE
from crossward.config.party_settings import PartyConfig
from data.notes_file import notes_file
from data.own_notes import described, in_its_words
from data.party import PartyData
from data.readers.pieces import Counts
from data.sources import place
from data.tabular.cohort import Stays, read_cohort
from data.tabular.kept import patients_with
from data.tabular.reasons import OUTSIDE_COHORT, OUTSIDE_WINDOW, SUMMARY
from data.tabular.texts import NO_TIME, seconds

BETWEEN = "\n\n"
"""What stands between two notes of a patient."""


def notes_config(config: PartyConfig) -> DataConfig:
    """The configuration by which the notes are read: the party's notes.toml, or a release's tables."""
    base = DataConfig(source=config.source, path=config.path)
    return described(base, Path(config.path)) if config.source == OWN else base


def read(config: PartyConfig, counts: Counts) -> PartyData:
    """The notes of the patients of the cohort.

    Raises
    ------
    DataError
        notes or cohort cannot be read; no patient has a note.
    """
    notes = notes_config(config)
    path = place(notes)
    stays = read_cohort(config, notes.source, path)
    with in_its_words(notes):
        folder = notes_file(path, notes)
    counts.update(json.loads((folder / "counts.json").read_text()))
    counts["kept"] = 0
    texts: list[list[tuple[int, str]]] = [[] for _ in stays.patients]
    for piece in _in_window(_pieces(folder), stays, counts):
        counts["kept"] += piece.num_rows
        for at, time, text in zip(*(piece[name].to_pylist() for name in ("at", "seconds", "text")), strict=True):
            texts[at].append((time, text))
    joined = [BETWEEN.join(dict.fromkeys(text for _, text in sorted(found))) for found in texts]
    return patients_with(stays, np.array([bool(text) for text in joined]), None, (), path, counts, joined)


def _pieces(folder: Path) -> Iterator[pa.Table]:
    with pa.memory_map(str(folder / "notes.arrow")) as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _in_window(pieces: Iterator[pa.Table], stays: Stays, counts: Counts) -> Iterator[pa.Table]:
    """What can be used of the notes, with the place of the patient (``at``) and the time (``seconds``)."""
    for piece in pieces:
        summary = pc.match_substring(pc.utf8_lower(piece["category"]), "discharge")
        summary = pc.or_(summary, pc.equal(piece["kind"], DISCHARGE))
        piece = counts.keep(piece, pc.invert(summary), SUMMARY)
        piece = piece.append_column("at", pa.array(stays.places(piece["patient_id"])))
        piece = counts.keep(piece, pc.greater_equal(piece["at"], 0), OUTSIDE_COHORT)
        piece = piece.append_column("seconds", pa.array(seconds(piece["time"], end_of_day=True)))
        piece = counts.keep(piece, pc.not_equal(piece["seconds"], NO_TIME), "without a time")
        at, times = piece["at"].to_numpy(), piece["seconds"].to_numpy()
        inside = (times >= stays.start[at]) & (times <= stays.stop[at])
        yield counts.keep(piece, pa.array(inside), OUTSIDE_WINDOW)
