"""Small tables of a party, and the configuration that describes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from crossward.config.party_settings import Cohort, PartyConfig


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write lines as a file and return its path."""

    def lines(name: str, *rows: str) -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        return path

    return lines


@pytest.fixture
def labs(write: Callable[..., Path], tmp_path: Path) -> Callable[..., PartyConfig]:
    """A laboratory's table of these rows, and three stays of two patients in the cohort."""

    def make(rows: Iterable[str], **more: Any) -> PartyConfig:
        write("stays.csv", "p,t,died", "A1,2150-01-01 08:00:00,0", "B2,2150-02-01,1", "A1,2149-01-01 08:00:00,0")
        path = write("labs.csv", "p,t,i,v,u", *rows)
        fields = (("patient", "p"), ("time", "t"), ("item", "i"), ("value", "v"), ("unit", "u"))
        settings: dict[str, Any] = {"columns": fields, "cohort": Cohort(str(tmp_path / "stays.csv"), "p", "t")} | more
        return PartyConfig("Lab", "labs", "table", str(path), file=str(tmp_path / "party.toml"), **settings)

    return make
