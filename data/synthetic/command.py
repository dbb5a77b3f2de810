"""What ``crossward data make`` does: write made-up hospitals into a folder, each with the notes.toml that describes it.

Not for: its options (``crossward.cli.data``).
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from data.errors import DataError
from data.synthetic.bulk import write_bulk
from data.synthetic.forms.entries import FORMS
from data.synthetic.forms.notes_toml import as_toml
from data.synthetic.forms.packing import Packing
from data.synthetic.houses import HOUSES, House
from data.synthetic.measured.values import with_values
from data.synthetic.parties import PARTIES, members, write_party
from data.synthetic.tables import records, shares

NOTES = "notes.toml"


class MakeError(ValueError):
    """The hospitals cannot be made as asked; the text says why."""


class _Progress:
    """A line that counts notes, rewritten on a terminal and silent elsewhere."""

    def __init__(self) -> None:
        self.started = self.shown = time.monotonic()
        self.seen = sys.stderr.isatty()

    def __call__(self, notes: int) -> None:
        if self.seen and time.monotonic() - self.shown > 0.2:
            self.shown = time.monotonic()
            print(f"\r{notes:,} notes", end="", file=sys.stderr, flush=True)


def write(
    forms: Sequence[str],
    out: Path,
    hospitals: int,
    patients: int,
    seed: int,
    megabytes: int,
    packing: Packing,
    split: bool,
    say: Callable[[str], None],
    labs: bool = False,
) -> None:
    """Write ``patients`` of ``hospitals`` into ``out``, or ``megabytes`` of notes; ``say`` what there is.

    With ``split`` each hospital gets a folder, the first of ``forms`` the first hospital, and so on in turn. With
    ``labs`` there are laboratory values and vital signs as well, on which it depends who dies.

    Raises
    ------
    MakeError
        the options do not go together, or ``out`` holds something: it may be real notes.
    """
    if not 1 <= hospitals <= len(HOUSES):
        raise MakeError(f"--hospitals {hospitals}: there are 1 to {len(HOUSES)} made-up hospitals")
    if patients < 2 * hospitals:
        raise MakeError(f"--patients {patients}: at least two for each of {hospitals} hospitals are needed")
    if len(forms) > 1 and not split:
        raise MakeError(f"--form is given {len(forms)} times, which is for hospital by hospital: add --split")
    if megabytes and (list(forms) != ["mimic-iii"] or split or packing is not Packing.plain):
        raise MakeError("--megabytes goes with --form mimic-iii alone, neither --split nor --gzip")
    _must_be_empty(out)
    known = [one for one in Packing if any(one in FORMS[form].packings for form in forms)]
    if packing not in known:
        raise MakeError(f"--{packing} is for none of --form {', '.join(forms)}: these are written {', '.join(known)}")
    if labs and (without := [form for form in forms if not FORMS[form].measured]):
        able = ", ".join(name for name, form in FORMS.items() if form.measured)
        raise MakeError(f"--labs: --form {without[0]} has no laboratory values; use one of {able}")
    if labs and megabytes:
        raise MakeError("--labs goes with --patients, not with --megabytes")
    progress = _Progress()
    if megabytes:
        notes = write_bulk(out, megabytes << 20, seed, progress)
        say(f"{notes:,} notes in {out} in {time.monotonic() - progress.started:.1f} s")
        return
    sizes = shares(patients, hospitals)
    for index in range(hospitals) if split else [None]:
        house = HOUSES[index or 0]
        form = FORMS[forms[(index or 0) % len(forms)]]
        folder = out if index is None else out / f"{index + 1}-{_as_name(house)}"
        packed = packing if packing in form.packings else Packing.plain
        found = records(patients, hospitals, seed, only=index)
        notes = form.write(with_values(found, seed) if labs else found, folder, packed, progress, labs)
        (folder / NOTES).write_text(as_toml(form.describe(house, packed)), encoding="utf-8")
        count = sum(sizes) if index is None else sizes[index]
        say(f"{notes:,} notes of {count:,} patients in {folder}")


def write_parties(out: Path, patients: int, overlap: float, seed: int, say: Callable[[str], None]) -> None:
    """Write the made-up parties that hold different features of ``patients`` patients, a folder each, into ``out``.

    Raises
    ------
    MakeError
        there are too few patients for such an overlap, or ``out`` holds something.
    """
    _must_be_empty(out)
    try:
        for at, party in enumerate(PARTIES):
            folder = out / party.folder
            write_party(at, folder, patients, overlap, seed)
            say(f"{party.name}: {len(members(patients, overlap, seed).of[at]):,} patients in {folder}")
    except DataError as error:
        raise MakeError(str(error)) from error


def _must_be_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MakeError(f"--out {out} is not empty: name a folder that is empty or does not exist")


def _as_name(house: House) -> str:
    return re.sub(r"[^a-z]+", "-", house.name.lower()).strip("-")
