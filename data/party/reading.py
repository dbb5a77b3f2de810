"""Reads what one party has, as its ``party.toml`` describes it: ``load_party``.

    data = load_party(Path("/srv/laboratory/party.toml"))
    data.values.shape, data.names[0]

What was read is kept in the cache, by what the files are and what is said of them; ``counts.json``,
``quarantine.jsonl`` and ``reading.json`` beside it say what was left out and why (``data.quarantine``).
"""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from pkgutil import resolve_name

from crossward.config.party_settings import PartyConfig
from crossward.config.party_sources import FEATURES, NOTES
from crossward.config.party_toml import PartyError, read_party_toml
from data.cache import cached, digest, stamp
from data.errors import DataError
from data.party import PartyData
from data.party.notes import notes_config
from data.party.stored import load, save
from data.quarantine import write_report
from data.quoting import no_text_of_others
from data.readers.pieces import Counts
from data.sources import place, stamps_of

log = logging.getLogger("crossward.data")
_COUNTS, _COHORT = "counts.json", "cohort.json"


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a party has, how many rows were read and left out for which reason, and what became of its cohort.

    ``cohort`` counts patients, and is empty where the party has none; ``folder`` is the entry of the cache.
    """

    data: PartyData
    counts: dict[str, int]
    cohort: dict[str, int]
    folder: Path


def load_party(path: Path) -> PartyData:
    """What the party has whose ``party.toml`` is at ``path``, or in that folder.

    Raises
    ------
    DataError
        the file is missing or wrong, or what it describes cannot be read; it says what to change.
    """
    try:
        return read_party(read_party_toml(path)).data
    except PartyError as error:
        raise DataError(str(error)) from error


@no_text_of_others("what this party has cannot be read")
def read_party(config: PartyConfig) -> Reading:
    """What the party of ``config`` has.

    Raises
    ------
    DataError
        see :func:`load_party`.
    """
    key = digest("party 2", dataclasses.asdict(config) | {"file": ""}, _stamps(config))
    folder = cached("party", key, lambda folder: _write(folder, config))
    counts, cohort = (json.loads((folder / name).read_text()) for name in (_COUNTS, _COHORT))
    return Reading(load(folder), counts, cohort, folder)


def _write(folder: Path, config: PartyConfig) -> None:
    counts = Counts()
    data: PartyData = resolve_name(f"data.{FEATURES[config.features].reader}")(config, counts)
    found = {reason: number for reason, number in counts.items() if number or reason == "read"}
    log.info("%s: %s", config.path, ", ".join(f"{number} {reason}" for reason, number in found.items()))
    save(folder, data)
    (folder / _COUNTS).write_text(json.dumps(found))
    (folder / _COHORT).write_text(json.dumps(counts.patients))
    write_report(folder, counts.quarantined, counts.facts)


def _stamps(config: PartyConfig) -> list[object]:
    """What says that the files are as they were."""
    own = Path(config.path)
    if not own.exists():
        raise DataError(f"{own}: no such file or folder. path of {config.file} names it.")
    paths = [own] if own.is_file() else sorted(p for p in own.rglob("*") if p.is_file() and not p.name.startswith("."))
    if config.cohort and config.cohort.path and Path(config.cohort.path).is_file():
        paths.append(Path(config.cohort.path))
    found: list[object] = [stamp(path) for path in paths]
    if config.features == NOTES:
        notes = notes_config(config)
        found += [stamps_of(place(notes), notes), dataclasses.asdict(notes.notes) | {"file": ""}]
    return found
