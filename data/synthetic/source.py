"""The source ``synthetic``: made-up hospitals' tables in the cache, to be read as a MIMIC-III folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from crossward.config.data_settings import BY_SITE, DataConfig
from crossward.config.data_sources import MIMIC_III
from data.cache import cached, digest
from data.errors import DataError
from data.synthetic.houses import HOUSES
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

    def build(folder: Path) -> None:
        write_mimic_iii(records(config.synthetic_patients, count, config.seed), folder)

    folder = cached("synthetic", digest("mimic-iii", config.synthetic_patients, count, config.seed), build)
    names = {} if config.name else {house.unit: house.name for house in HOUSES}
    name = config.name or "made-up hospitals"
    return dataclasses.replace(config, source=MIMIC_III, path=str(folder), encoding="utf-8", name=name), names
