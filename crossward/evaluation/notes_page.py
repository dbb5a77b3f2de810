"""The page of ``crossward data check --out``: the findings as figures, for whoever answers for the notes.

It holds counts and names, no note, and is for inside the hospital: counts may be small.

Not for: the report of a run (``crossward.report.page``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crossward.config.data_settings import DataConfig
from crossward.machine.files import write_atomic
from crossward.report.bars import Bar, bars_figure
from crossward.report.document import document
from crossward.report.parts import section, table, tile
from crossward.report.svg import escape
from data.check.findings import Checked, Findings, Lengths, WhatWasRead
from data.check.reading import described
from data.lengths import BUCKETS, bucket_names

_MOST = 25  # bars of a figure


def write_page(path: Path, found: Findings, config: DataConfig) -> None:
    """Write the page of ``found``; readable by its owner alone. Raises OSError where it cannot be written."""
    write_atomic(path, page(found, config), durable=False, private=True)


def page(found: Findings, config: DataConfig) -> str:
    """The page: well-formed HTML that is XML too."""
    name = found.hospitals[0].name if len(found.hospitals) == 1 else f"{len(found.hospitals)} hospitals"
    where = f"{config.path or 'made-up hospitals'} (data.source = {config.source})"
    body = [
        f'<header><div class="title"><h1>Notes of {escape(name)}</h1></div><p>{escape(where)}</p></header>',
        _tiles(found),
        warnings_section(found),
        section(
            "What was read, and why rows are left out",
            "Every row that was read is in one of these.",
            bars_figure(read_bars(found), "rows by what became of them") + files_list(found),
        ),
        *(part for one in found.hospitals for part in _hospital(one, several=len(found.hospitals) > 1)),
        "<footer>Drawn by crossward data check. It holds counts of few notes: keep it inside the hospital.</footer>",
    ]
    return document(f"Notes of {name}", "".join(body))


def _tiles(found: Findings) -> str:
    read, kept = found.counts.get("read", 0), found.counts.get("kept", 0)
    used = sum(one.notes for one in found.hospitals)
    patients, held_out = (sum(n) for n in zip(*((o.patients, o.test.patients) for o in found.hospitals), strict=True))
    lengths = [one.lengths for one in found.hospitals if one.lengths is not None]
    longer, measured = sum(one.longer for one in lengths), sum(one.measured for one in lengths)
    fits = f"{longer / max(measured, 1):.1%}" if lengths else "-"
    return (
        '<div class="tiles">'
        + tile("Notes used", f"{used:,}", f"of {kept:,} kept and {read:,} read")
        + tile("Patients", f"{patients:,}", f"{held_out:,} of them held out")
        + tile("Longer than a sequence", fits, f"of {measured:,} notes measured" if lengths else "not measured")
        + tile("Worth a look", f"{len(found.warnings)}", "warnings, below" if found.warnings else "nothing")
        + "</div>"
    )


def warnings_section(found: WhatWasRead) -> str:
    """A card of what to look at; empty where there is nothing."""
    if not found.warnings:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in found.warnings)
    return f"<section><h2>Worth a look before a run</h2><ul>{items}</ul></section>"


def read_bars(found: WhatWasRead) -> list[Bar]:
    """What became of the rows that were read, a bar each."""
    read = max(found.counts.get("read", 0), 1)
    kept = found.counts.get("kept", 0)
    rows = [Bar("kept", kept, f"{kept:,} ({kept / read:.1%})")]
    return rows + [Bar(why, n, f"{n:,} ({n / read:.1%})", alert=True) for why, n in found.left_out.items()]


def files_list(found: WhatWasRead) -> str:
    """What each file was found to be, and rows that could not be read."""
    items = [*described(found.files), *(f"not read: {row}" for row in found.unread)]
    items += [f"all rows that were not read: {found.quarantine}"] if found.unread else []
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>" if items else ""


def _hospital(one: Checked, several: bool) -> list[str]:
    of = f"{one.name}: " if several else ""
    missing = [name for name, number in one.labels.items() if not number]
    none = f" None has {', '.join(missing)}." if missing else ""
    parts = [
        _counts(f"{of}Labels", f"Notes with each label of the task, training and held out.{none}", one.labels),
        _counts(f"{of}Categories", "As the source has them.", one.categories),
        _counts(f"{of}Common categories", "What they are called at every hospital.", one.common),
    ]
    if one.lengths is not None:
        parts.append(_lengths(f"{of}Lengths in tokens", one.lengths))
    return [*filter(None, parts), _facts(f"{of}Patients, dates and repetitions", one)]


def _counts(title: str, says: str, counts: Mapping[str, int]) -> str:
    if not counts or list(counts) == ["none"]:
        return ""
    counts, whole = {name: n for name, n in counts.items() if n}, max(sum(counts.values()), 1)
    rows = [Bar(name, n, f"{n:,} ({n / whole:.1%})") for name, n in list(counts.items())[:_MOST]]
    if rest := sum(list(counts.values())[_MOST:]):
        rows.append(Bar(f"{len(counts) - _MOST} more", rest, f"{rest:,} ({rest / whole:.1%})"))
    return section(title, says, bars_figure(rows, f"{title}: notes"))


def _lengths(title: str, lengths: Lengths) -> str:
    lows = (0, *BUCKETS)
    rows = [
        Bar(name, n, f"{n:,} ({n / max(lengths.measured, 1):.1%})", alert=low >= lengths.room)
        for name, n, low in zip(bucket_names(), lengths.histogram, lows, strict=True)
    ]
    happens = "they are divided, nothing is lost" if lengths.divided else f"{lengths.lost:,} tokens are cut out of them"
    says = (
        f"{lengths.measured:,} training notes. {lengths.room:,} tokens fit into a sequence (data.max-tokens = "
        f"{lengths.max_tokens}); {lengths.longer:,} notes are longer ({lengths.share_longer:.1%}): {happens}."
    )
    while len(rows) > 1 and not rows[-1].value:
        rows.pop()
    return section(title, says, bars_figure(rows, f"{title}: notes"))


def _facts(title: str, one: Checked) -> str:
    same, (median, p95, most) = one.duplicates, one.notes_per_patient
    rows = [
        ("Notes per patient", f"{median:,} (median), {p95:,} (95 %), {most:,} at most"),
        ("Training", f"{one.train.notes:,} notes of {one.train.patients:,} patients"),
        ("Held out", f"{one.test.notes:,} notes of {one.test.patients:,} patients"),
        ("Repeated for the same patient, used once", f"{same.within:,} notes"),
        ("Same text at another patient", f"{same.across:,} notes of {same.patients:,} patients"),
        ("Nearly another note of the same patient", f"{same.near_within:,} of {same.sampled:,} compared"),
        ("Nearly another patient's note", f"{same.near_across:,} of {same.sampled:,} compared"),
    ]
    if one.span is not None:
        rows.append(("Written", f"{one.span.first} to {one.span.last}, {one.span.undated:,} without a date"))
    cells = (f"<tr><td>{escape(what)}</td><td>{escape(value)}</td></tr>" for what, value in rows)
    return section(title, "Equal and nearly equal texts are told by hashes and MinHash.", table(("", ""), cells))
