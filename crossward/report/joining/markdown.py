"""What joining brought each hospital, as Markdown for a model card.

Not for: the card (``crossward.evaluation.model_card``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crossward.report.joining.figures import ADAPTERS, PAIRS, Joining, Level, Place, present
from crossward.report.joining.sentence import gap_text, sentence
from crossward.report.svg import clean, short


def cell(text: str) -> str:
    """``text`` as one printable line that Markdown shows as it is."""
    plain = clean(text, 200)
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in plain)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _level(level: Level | None) -> str:
    if level is None:
        return "-"
    if level.low is None or level.high is None:
        return short(level.perplexity)
    return f"{short(level.perplexity)} [{short(level.low)}, {short(level.high)}]"


def results(joinings: Sequence[Joining]) -> str:
    """The table of adapters at home and elsewhere, and a sentence a hospital; empty without any."""
    if not joinings:
        return ""
    places: list[tuple[str, Place]] = [(f"{cell(one.site)}, at home", one.home) for one in joinings]
    places += [(f"{cell(one.site)}, elsewhere", one.elsewhere) for one in joinings if one.elsewhere is not None]
    models = present(joinings)
    pairs = [pair for pair in PAIRS if any("-".join(pair) in place.differences for _, place in places)]
    rows = []
    for name, place in places:
        gaps = (place.differences.get("-".join(pair)) for pair in pairs)
        levels = (_level(place.adapters.get(model)) for model in models)
        rows.append((name, str(place.patients), *levels, *("-" if gap is None else gap_text(gap) for gap in gaps)))
    head = ("", "patients", *(ADAPTERS[model] for model in models), *(f"{one} - {other}" for one, other in pairs))
    says = "Held-out perplexity with 95 % intervals by patient; lower is better."
    says += " Differences are nats a token, ± 95 % paired by patient." if pairs else " As the hospitals reported it."
    lines = "\n".join(f"- {cell(one.site)}: {sentence(one)}" for one in joinings) if pairs else ""
    return "\n\n".join(filter(None, [says, table(head, rows), lines]))
