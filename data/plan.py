"""Decides, from the small columns of a notes file, which rows are whose: hospitals, training and held-out notes.

Not for reading notes (notes_file.py) nor for the rules themselves (splits.py).
"""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import BY_SITE, DIRICHLET, DataConfig
from data import splits
from data.cache import cached, digest
from data.errors import DataError
from data.quoting import is_quotable, quoted
from data.splits import Ints

log = logging.getLogger("crossward.data")

_FIELDS = (
    "partition",
    "dirichlet_alpha",
    "min_patients",
    "max_notes",
    "test_fraction",
    "seed",
    "grouping_column",
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Rows of the notes file by hospital, and what occurs in it."""

    names: list[str]
    train: list[Ints]
    test: list[Ints]
    labels: dict[str, int]  # in order, and how many patients have each


@dataclasses.dataclass(frozen=True)
class _Table:
    """The small columns of a notes file: what partitions and splits are decided from, repeated notes left out."""

    rows: Ints  # of the file
    patient: Ints  # code of each row
    site: Ints  # code of each row, -1 for none
    patients: list[str]
    sites: list[str]
    labels: dict[str, int]  # that occur, in order, and how many patients have each


def _codes(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Codes in the order of sorted distinct values."""
    coded = pc.dictionary_encode(column).unify_dictionaries().combine_chunks()
    coded = coded.chunk(0) if isinstance(coded, pa.ChunkedArray) else coded
    values = coded.dictionary.to_pylist()
    order = np.argsort(np.array(values, dtype=object), kind="stable")
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    return rank[coded.indices.to_numpy(zero_copy_only=False)], [values[i] for i in order]


def _small_columns(folder: Path) -> _Table:
    with pa.memory_map(str(folder / "notes.arrow")) as file:
        table = pa.ipc.open_stream(file).read_all()
        patient, patients = _codes(table["patient_id"])
        site, sites = _codes(table["site"])
        label, labels = _codes(table["label"])
        hashes = np.concatenate([chunk.to_numpy() for chunk in table["hash"].chunks])
        del table
    mixed = hashes ^ (patient.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))  # one number: patient and text
    _, first = np.unique(mixed, return_index=True)
    rows = np.sort(first)
    if repeated := len(hashes) - len(rows):
        log.info("%d notes are repeated word for word by the same patient and counted once", repeated)
    if sites and sites[0] == "":
        site, sites = site - 1, sites[1:]
    pairs = np.unique(label * max(1, len(patients)) + patient)
    owners = np.bincount(pairs // max(1, len(patients)), minlength=len(labels))
    having = {name: int(owners[code]) for code, name in enumerate(labels)}
    return _Table(rows, patient[rows], site[rows], patients, sites, having)


def _sizes(table: _Table, of_patient: Ints) -> list[int]:
    return np.bincount(of_patient[of_patient >= 0], minlength=len(table.sites)).tolist()  # type: ignore[no-any-return]


def _by_size(table: _Table, sizes: list[int]) -> str:
    """The largest sites with their numbers of patients."""
    order = sorted((s for s in range(len(sizes)) if sizes[s]), key=lambda s: (-sizes[s], s))
    return "; ".join(f"{quoted(table.sites[s], sizes[s])}: {sizes[s]} patients" for s in order[:12])


def _name(table: _Table, site: int, patients: int) -> str:
    """What a site is called in reports: its value in the file, or its number where that may not be repeated."""
    return table.sites[site] if is_quotable(table.sites[site], patients) else f"site {site + 1}"


def _by_site(table: _Table, config: DataConfig, hospitals: int) -> tuple[Ints, list[str]]:
    of_patient = splits.sites_of_patients(table.patient, table.site, len(table.patients), len(table.sites))
    sizes = _sizes(table, of_patient)
    used = [site for site, size in enumerate(sizes) if size]
    if len(used) < hospitals:
        raise DataError(
            f"data.partition = 'site' finds {len(used)} sites for {hospitals} hospitals "
            f"({_by_size(table, sizes) or 'none'}). "
            "Use fewer hospitals, another data.site-column, or data.partition = 'dirichlet' or 'even'."
        )
    if lost := int((of_patient < 0).sum()):
        log.warning("%d of %d patients have no site and are left out", lost, len(table.patients))
    groups = splits.merged_groups([sizes[s] for s in used], hospitals)
    to_hospital = np.full(len(table.sites) + 1, -1, dtype=np.int64)
    names = []
    for hospital, group in enumerate(groups):
        members = [used[i] for i in group]
        to_hospital[members] = hospital
        first = " + ".join(_name(table, s, sizes[s]) for s in members[:3])
        names.append(first + (f" + {len(members) - 3} more" if len(members) > 3 else ""))
    return to_hospital[of_patient], names


def _by_dirichlet(table: _Table, config: DataConfig, hospitals: int) -> tuple[Ints, list[str]]:
    if len(table.sites) < 2:
        raise DataError(
            f"data.partition = 'dirichlet' skews by the column {config.grouping_column!r}, which has "
            f"{len(table.sites)} values here. Name a column with several, or use data.partition = 'even'."
        )
    group = splits.sites_of_patients(table.patient, table.site, len(table.patients), len(table.sites))
    found = splits.dirichlet(table.patients, group, hospitals, config.dirichlet_alpha, config.min_patients, config.seed)
    names = []
    for hospital in range(hospitals):
        there = np.bincount(group[(found == hospital) & (group >= 0)], minlength=len(table.sites))
        most = int(there.argmax())
        names.append(f"hospital {hospital + 1}, mostly {_name(table, most, _sizes(table, group)[most])}")
    return found, names


def _partitioned(table: _Table, config: DataConfig, hospitals: int) -> tuple[Ints, list[str]]:
    if config.partition == BY_SITE:
        found, names = _by_site(table, config, hospitals)
    elif config.partition == DIRICHLET:
        found, names = _by_dirichlet(table, config, hospitals)
    else:
        found = splits.even(table.patients, hospitals, config.seed)
        names = [f"hospital {i + 1}" for i in range(hospitals)]
    sizes = np.bincount(found[found >= 0], minlength=hospitals)
    if sizes.min() < config.min_patients:
        message = ", ".join(f"{name}: {size}" for name, size in zip(names, sizes, strict=True))
        raise DataError(
            f"a hospital has fewer than data.min-patients = {config.min_patients} patients ({message}). Use fewer "
            "hospitals, data.partition = 'dirichlet' or 'even', or a lower data.min-patients."
        )
    return found, names


def _capped(table: _Table, mine: Ints, config: DataConfig) -> Ints:
    """Patients of a hospital, whole ones in a random but stable order, up to ``data.max-notes`` notes."""
    if not config.max_notes or not len(mine):
        return mine
    order = mine[np.argsort(splits.uniforms([table.patients[p] for p in mine], config.seed, "cap"), kind="stable")]
    notes = np.bincount(table.patient, minlength=len(table.patients))[order]
    return np.sort(order[: max(2, int((np.cumsum(notes) <= config.max_notes).sum()))])


def _write(folder: Path, notes: Path, config: DataConfig, hospitals: int | None) -> None:
    table = _small_columns(notes)
    if hospitals is None:
        found, names = np.zeros(len(table.patients), dtype=np.int64), [""]
    else:
        found, names = _partitioned(table, config, hospitals)
    arrays: dict[str, Ints] = {}
    for hospital in range(len(names)):
        mine = _capped(table, np.flatnonzero(found == hospital), config)
        test = splits.held_out([table.patients[p] for p in mine], config.seed, config.test_fraction)
        for part, patients in (("train", mine[~test]), ("test", mine[test])):
            arrays[f"{part}{hospital}"] = table.rows[np.isin(table.patient, patients)]
    np.savez(folder / "rows.npz", **arrays)  # type: ignore[arg-type]
    (folder / "plan.json").write_text(json.dumps({"names": names, "labels": table.labels}))


def plan(notes: Path, config: DataConfig, hospitals: int | None) -> Plan:
    """The plan for the notes file in folder ``notes``; ``hospitals`` None makes all of it one hospital's."""
    settings = {name: getattr(config, name) for name in _FIELDS}
    key = digest("plan", notes.name, settings, hospitals)
    folder = cached("plans", key, lambda folder: _write(folder, notes, config, hospitals))
    stored = json.loads((folder / "plan.json").read_text())
    with np.load(folder / "rows.npz", allow_pickle=False) as rows:
        parts = [[rows[f"{part}{i}"] for i in range(len(stored["names"]))] for part in ("train", "test")]
    return Plan(stored["names"], parts[0], parts[1], stored["labels"])
