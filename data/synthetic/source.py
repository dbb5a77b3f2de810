"""The source ``synthetic``: made-up hospitals' tables in the cache, to be read as a MIMIC-III folder.

For the label task notes state what their labels follow from (``data.synthetic.stated``).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from crossward.config.data_settings import BY_SITE, LABEL, DataConfig
from crossward.config.data_sources import MIMIC_III
from data.cache import cached, digest
from data.errors import DataError
from data.synthetic.houses import HOUSES
from data.synthetic.stated import stated
from data.synthetic.tables import records
from data.synthetic.tables_iii import write_mimic_iii

_USUAL_HOSPITALS = 4  # when they are not to be one partition each


def make(config: DataConfig, hospitals: int | None) -> tuple[DataConfig, dict[str, str]]:
    """The configuration by which to read the tables, and each unit's hospital unless ``config.name`` names them all."""
    count = hospitals if hospitals and config.partition == BY_SITE else _USUAL_HOSPITALS
    if count > len(HOUSES):
        raise DataError(
            f"there are {len(HOUSES)} made-up hospitals, not {count}: use fewer hospitals, or share these out with "
            "data.partition = 'dirichlet' or 'even'"
        )

    seed, label = config.seed, config.task == LABEL

    def build(folder: Path) -> None:
        found = records(config.synthetic_patients, count, seed)
        write_mimic_iii((stated(record, seed) for record in found) if label else found, folder)

    folder = cached("synthetic", digest("mimic-iii", config.synthetic_patients, count, seed, label), build)
    names = {} if config.name else {house.unit: house.name for house in HOUSES}
    name = config.name or "made-up hospitals"
    return dataclasses.replace(config, source=MIMIC_III, path=str(folder), encoding="utf-8", name=name), names
