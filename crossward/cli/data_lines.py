"""What ``crossward data check`` prints of its findings.

Not for: the commands (``crossward.cli.data``) or the page (``crossward.evaluation.notes_page``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from crossward.config.data_settings import DataConfig
    from data.check.findings import Checked, Findings, Part, WhatWasRead

_MOST = 12  # names in a line
_SIZES = ("hospital", "part", "notes", "patients", "median", "95 %", "longest")
_TEXTS = ("hospital", "notes a patient", "median", "95 %", "longest", "too long", "repeated", "shared", "nearly")
_ABOUT_TEXTS = (
    "lengths in tokens; too long: more than the {room} that fit (data.max-tokens); repeated: notes of the same patient "
    "word for word, used once; shared: with another patient; nearly: four fifths of the words as in another note"
)


def print_findings(found: Findings, config: DataConfig) -> None:
    """Two tables, lines on each hospital, and what is worth a look."""
    from rich.console import Console

    console = Console(width=None if Console().is_terminal else 120, highlight=False)
    title = f"Notes of {config.path or 'the made-up hospitals'} (data.source = {config.source})"
    sizes = titled_table(title, _SIZES, "lengths in characters", left=2)
    texts = titled_table("Their texts", _TEXTS, _ABOUT_TEXTS.format(room=_room(found)), left=1)
    for one in found.hospitals:
        sizes.add_row(one.name, "training", *_cells(one.train))
        sizes.add_row("", "held out", *_cells(one.test))
        texts.add_row(one.name, *_of_texts(one))
    console.print(sizes)
    console.print(texts)
    for line in lines(found):
        console.print(line, markup=False)
    for warning in found.warnings:
        console.print(f"warning: {warning}", markup=False, style="yellow")


def titled_table(title: str, columns: Sequence[str], caption: str, left: int) -> Table:
    """An empty table; the first ``left`` columns are set to the left."""
    from rich.table import Table

    table = Table(title=title, caption=caption, caption_justify="left")
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < left else "right")
    return table


def _room(found: Findings) -> str:
    rooms = {one.lengths.room for one in found.hospitals if one.lengths is not None}
    return f"{min(rooms):,} tokens" if rooms else "tokens"


def lines(found: Findings) -> Iterator[str]:
    """What was read, and what the hospitals' notes are of."""
    yield from read_lines(found, "notes")
    if unused := found.counts.get("kept", 0) - sum(one.notes for one in found.hospitals):
        yield f"{unused:,} of those kept are not used: repeated word for word, without a site, or too many"
    for one in found.hospitals:
        prefix = f"{one.name}: " if len(found.hospitals) > 1 else ""
        for line in _of_hospital(one):
            yield prefix + line


def read_lines(found: WhatWasRead, rows: str) -> Iterator[str]:
    """What was read and left out, what the files are, and where rows that could not be read are listed."""
    from data.check.reading import described

    read, kept = found.counts.get("read", 0), found.counts.get("kept", 0)
    yield f"{read:,} {rows} read, {kept:,} kept" + "".join(f", {n:,} {why}" for why, n in found.left_out.items())
    yield from described(found.files)
    if found.unread:
        yield f"rows that could not be read, such as {'; '.join(found.unread)}, are listed in {found.quarantine}"


def _of_hospital(one: Checked) -> Iterator[str]:
    if one.span is not None:
        undated = f"; {one.span.undated:,} without a date" if one.span.undated else ""
        yield f"written from {one.span.first} to {one.span.last}{undated}"
    if one.labels:
        missing = sum(not number for number in one.labels.values())
        none = f"; {missing} labels of the task have no note" if missing else ""
        yield f"labels: {named({name: n for name, n in one.labels.items() if n})}{none}"
    if one.categories and list(one.categories) != ["none"]:
        yield f"categories: {named(one.categories)}"
    if one.common:
        yield f"common categories: {named(one.common)}"
    if one.lengths is not None and one.lengths.lost:
        yield f"cut out of notes that are too long: {one.lengths.lost / one.lengths.tokens:.0%} of all tokens"


def _of_texts(one: Checked) -> list[str]:
    same, (median, _, most) = one.duplicates, one.notes_per_patient
    tokens = ["-"] * 4
    if (lengths := one.lengths) is not None:
        tokens = [f"{n:,}" for n in (lengths.median, lengths.p95, lengths.longest)] + [f"{lengths.share_longer:.0%}"]
    alike = same.near_within + same.near_across
    return [
        f"{median:,} to {most:,}",
        *tokens,
        f"{same.within:,}",
        f"{same.across:,}",
        f"{alike:,} of {same.sampled:,}",
    ]


def named(counts: Mapping[str, int]) -> str:
    """Names and counts, the first few of many."""
    shown = [f"{name} {number:,}" for name, number in list(counts.items())[:_MOST]]
    more = len(counts) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more else [])])


def _cells(part: Part) -> list[str]:
    return [f"{n:,}" for n in (part.notes, part.patients, part.median, part.p95, part.longest)]
