"""The page of ``crossward data check party.toml --out``: the findings as figures, for whoever answers for the data.

It holds counts and statistics, no identifier and no note, and is for inside the party: counts may be small.

Not for: notes (``crossward.evaluation.notes_page``), or the report of a run.
"""

from __future__ import annotations

from pathlib import Path

from crossward.config.party_settings import PartyConfig
from crossward.evaluation.notes_page import files_list, read_bars, warnings_section
from crossward.evaluation.party_words import feature_cells, lines
from crossward.machine.files import write_atomic
from crossward.machine.text import printable
from crossward.report.bars import bars_figure
from crossward.report.document import document
from crossward.report.parts import section, table, tile
from crossward.report.svg import escape
from data.check.party.findings import PartyFindings

_HEAD = ("Feature", "Patients", "Missing", "Lowest", "Median", "Highest")


def write_party_page(path: Path, found: PartyFindings, config: PartyConfig) -> None:
    """Write the page of ``found``; readable by its owner alone. Raises OSError where it cannot be written."""
    write_atomic(path, party_page(found, config), durable=False, private=True)


def party_page(found: PartyFindings, config: PartyConfig) -> str:
    """The page: well-formed HTML that is XML too."""
    title = printable(f"What {found.name} has")
    body = [
        f'<header><div class="title"><h1>{escape(title)}</h1></div><p>{escape(_where(found, config))}</p></header>',
        _tiles(found),
        warnings_section(found),
        section("Patients, outcome and identifiers", "As a run would get them.", _facts(found)),
        section(
            "What was read, and why rows are left out",
            "Every row that was read is in one of these.",
            bars_figure(read_bars(found), "rows by what became of them") + files_list(found),
        ),
        _features(found),
        "<footer>Drawn by crossward data check. It holds counts of few patients: keep it inside the party.</footer>",
    ]
    return document(title, "".join(body))


def _where(found: PartyFindings, config: PartyConfig) -> str:
    return printable(f"{found.holds}, {config.path} (source = {config.source})")


def _tiles(found: PartyFindings) -> str:
    cohort = sum(found.cohort.values())
    counts, ids = found.counts, found.identifiers
    return (
        '<div class="tiles">'
        + tile("Patients", f"{found.patients:,}", f"of {cohort:,} of the cohort" if cohort else "of the table")
        + tile("Rows used", f"{counts.get('kept', 0):,}", f"of {counts.get('read', 0):,} read")
        + tile("Identifiers", f"{ids.distinct:,}", "distinct, as parties compare them")
        + tile("Worth a look", f"{len(found.warnings)}", "warnings, below" if found.warnings else "nothing")
        + "</div>"
    )


def _facts(found: PartyFindings) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines(found))}</ul>"


def _features(found: PartyFindings) -> str:
    if not found.features:
        return ""
    rows = []
    for one in found.features:
        name, *cells = map(printable, feature_cells(one, found.patients))
        numbers = "".join(f'<td class="n">{escape(cell)}</td>' for cell in cells)
        rows.append(f"<tr><td>{escape(name)}</td>{numbers}</tr>")
    says = "Over patients; of an item that is measured several times the lowest, the median of the last, the highest."
    return section("Features", says, table(_HEAD, rows, range(1, len(_HEAD))))
