"""``load_hospital`` and ``load_hospitals``: notes of any source as hospitals with training and held-out notes.

Data sets are views into one memory-mapped file: a row's text is read from disk when it is asked for. Not for
deciding whose a note is: see plan.py and splits.py.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from datasets import Dataset

from crossward.config.data_settings import LABEL, DataConfig
from crossward.config.data_sources import SOURCES
from data.cache import digest
from data.errors import DataError
from data.labels import as_label, given_labels
from data.notes_file import notes_file
from data.own_notes import in_its_words
from data.plan import Plan, plan
from data.quoting import listed, no_text_of_others
from data.sources import make, place, public_label, separate
from data.splits import Ints

_COLUMNS = ["note_id", "patient_id", "time", "text", "category", "kind", "label"]
_MOST_LABELS = 200


@dataclasses.dataclass(frozen=True)
class Hospital:
    """One hospital's notes.

    ``train`` and ``test`` have the columns note_id, patient_id, time (ISO 8601), text, category (the source's own),
    kind (the common category), label (all strings; label is "" for the notes task) and share no patient. ``labels``
    is the label task's whole vocabulary, the same at every hospital, empty for the notes task.
    """

    name: str
    train: Dataset
    test: Dataset
    labels: tuple[str, ...]


def _labels(config: DataConfig, found: Plan, whole: bool) -> tuple[str, ...]:
    if config.task != LABEL:
        return ()
    if len(found.labels) > _MOST_LABELS:
        raise DataError(
            f"{config.path}: column {config.label_column!r} has {len(found.labels)} different values, more than the "
            f"{_MOST_LABELS} that can be told apart. "
            "Set data.label to a column of few, or data.labels to those meant."
        )
    given, public = given_labels(config), public_label(config)
    if public:
        given = public.values
    elif not given and not whole:
        raise DataError(
            f"{config.path}: the labels of {config.label_column!r} must be the same list at every hospital. "
            f"Set data.labels to all of them, comma-separated (here: {listed(found.labels, spell=as_label)})."
        )
    if len(found.labels) < 2:
        raise DataError(
            f"{config.path}: every usable note has the label {listed(found.labels, given_labels(config))}, so there is "
            "nothing to learn. Check data.label and data.note-types, or bring more notes."
        )
    return given or tuple(found.labels)


def prepare(config: DataConfig, hospitals: int | None) -> tuple[Path, Plan, tuple[str, ...], str]:
    """The folder of cleaned notes, whose rows are whose, the labels, and the name of a hospital that has all of them.

    Raises
    ------
    DataError
        see :func:`load_hospital`.
    """
    if hospitals is not None and hospitals < 1:
        raise DataError(f"{hospitals} hospitals were asked for; at least one is needed")
    if not config.path and not SOURCES[config.source].maker:
        raise DataError(
            f"data.source = {config.source!r} needs the folder or file of the notes: data.path in the run config, or "
            "data-path in the node config"
        )
    config, names = make(config, hospitals)
    path = place(config)
    config = dataclasses.replace(config, path=str(path))
    with in_its_words(config):
        notes = notes_file(path, config)
        found = plan(notes, config, hospitals)
        labels = _labels(config, found, hospitals is not None)
    found = dataclasses.replace(found, names=[names.get(name, name) for name in found.names])
    return notes, found, labels, config.name or path.name.split(".")[0]


def _dataset(notes: Path, rows: Ints, name: str) -> Dataset:
    dataset = Dataset.from_file(str(notes / "notes.arrow")).select_columns(_COLUMNS)
    return dataset.select(rows, new_fingerprint=digest("rows", notes.name, name, rows.tobytes().hex()))


def hospital_of(prepared: tuple[Path, Plan, tuple[str, ...], str], index: int, alone: bool) -> Hospital:
    """Hospital ``index`` of what :func:`prepare` returned; ``alone``: it has all the notes."""
    notes, found, labels, known = prepared
    train, test = _dataset(notes, found.train[index], "train"), _dataset(notes, found.test[index], "test")
    return Hospital(known if alone else found.names[index], train, test, labels)


@no_text_of_others("the notes cannot be read")
def load_hospital(config: DataConfig, partition_id: int | None = None, num_partitions: int | None = None) -> Hospital:
    """One hospital's notes.

    Without ``partition_id`` all notes of ``data.path`` are this hospital's (a real node); with it, hospital
    ``partition_id`` of ``num_partitions`` that the data set is shared out to, or each of which has notes of its own
    there (a simulation).

    Raises
    ------
    DataError
        the notes cannot be read or shared out so; it says what to change.
    """
    if partition_id is None:
        return hospital_of(prepare(config, None), 0, True)
    if num_partitions is None or not 0 <= partition_id < num_partitions:
        raise DataError(f"there is no hospital {partition_id} of {num_partitions}: ids count from 0")
    if own := separate(config, num_partitions):
        return load_hospital(own[partition_id])
    return hospital_of(prepare(config, num_partitions), partition_id, False)


@no_text_of_others("the notes cannot be read")
def load_hospitals(config: DataConfig, num_partitions: int) -> list[Hospital]:
    """All ``num_partitions`` hospitals that a data set is shared out to, in the order of their partition ids."""
    if own := separate(config, num_partitions):
        return [load_hospital(one) for one in own]
    prepared = prepare(config, num_partitions)
    return [hospital_of(prepared, index, False) for index in range(num_partitions)]
