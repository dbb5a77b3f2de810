"""The part of the page that says what joining brought: sentences, dots with intervals, the table.

Until the run is evaluated it shows what the label holder reports of the joint model.

Not for: reading scores, or the words (``crossward.report.vertical.scores``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from crossward.report.axes import FIGURE
from crossward.report.palette import INK, MUTED
from crossward.report.parts import section, table
from crossward.report.svg import Drawing, escape, scale, ticks
from crossward.report.vertical.history import VerticalHistory
from crossward.report.vertical.reported import reported_rows
from crossward.report.vertical.scores import (
    CENTRAL,
    DISTILLED,
    JOINT,
    Level,
    Score,
    ScoresError,
    owner,
    read_scores,
    sentences,
)
from crossward.report.vertical.timeline import lanes_of

TITLE = "What joining brought each party"
FIGURE_NAME = "AUROC and AUPRC by model"
_COLOURS = {JOINT: INK, CENTRAL: "#66717e", DISTILLED: "#8a6a00"}
_ROW, _HEAD, _NAMES, _NUMBER = 24.0, 28.0, 196.0, 62.0  # pixels; the last: right of the plots, for values


def results_section(history: VerticalHistory, folder: Path) -> str:
    """The card, whatever is known by now."""
    try:
        scores = read_scores(folder)
    except ScoresError as error:
        return section(TITLE, "", "", f"{error}.")
    if not scores:
        return _reported_section(history)
    lines = "".join(f"<li>{escape(text)}</li>" for text in sentences(scores, history.state.met))
    return section(
        TITLE,
        "Area under the ROC curve and under the precision-recall curve, each with its 95 % interval; right is better.",
        f"<ul>{lines}</ul>{scores_figure(history, scores)}{scores_table(history, scores)}",
    )


def _reported_section(history: VerticalHistory) -> str:
    rows = [
        f"<tr><td>{escape(party)}</td><td>{escape(step)}</td><td>{escape(name)}</td>"
        f'<td class="n">{escape(value)}</td></tr>'
        for party, step, name, value in reported_rows(history.state)
    ]
    return section(
        TITLE,
        "As the parties report it. An evaluation compares all models on the same patients, with intervals.",
        table(["party", "step", "reported", ""], rows, [3]) if rows else "",
        "The joint model is not finished yet.",
    )


def _colour(history: VerticalHistory, score: Score) -> str:
    mine = {lane.name: lane.colour for lane in lanes_of(history)}
    return _COLOURS.get(score.model) or mine.get(owner(score, history.state.met), MUTED)


def _name(score: Score) -> str:
    name = f"{score.model} alone" if score.alone else score.model
    return f"{name}, {score.party}" if score.party else name


def scores_figure(history: VerticalHistory, scores: Sequence[Score]) -> str:
    """A row a model in two plots, AUROC and AUPRC; models are compared within the patients of a heading."""
    places = list(dict.fromkeys(score.where for score in scores))
    top = 24.0
    tall = top + _HEAD * len(places) + _ROW * len(scores)
    pen = Drawing(FIGURE, tall + 26, FIGURE_NAME)
    wide = (FIGURE - _NAMES - 2 * _NUMBER - 40) / 2
    plots = []
    for i, (title, of) in enumerate((("AUROC", _auroc), ("AUPRC", _auprc))):
        left = _NAMES + i * (wide + _NUMBER + 20)
        low, high = _range([of(score) for score in scores])
        x = scale(low, high, left, left + wide)
        pen.text(left + wide / 2, 14, title, "middle", bold=True)
        for tick in ticks(low, high, 4):
            pen.line(x(tick), top, x(tick), tall)
            pen.text(x(tick), tall + 17, f"{tick:.3g}", "middle", MUTED, 11)
        plots.append((of, x))
    for place in places:
        some = [score for score in scores if score.where == place]
        pen.text(8, top + 20, f"{place} ({', '.join(sorted({str(one.patients) for one in some}))})", colour=MUTED)
        top += _HEAD
        for score in some:
            middle, colour = top + _ROW / 2, _colour(history, score)
            pen.line(8, top + _ROW, FIGURE - 16, top + _ROW)
            pen.swatch(10, middle + 4, colour)
            pen.text(26, middle + 4, _cut(_name(score)), bold=score.model == JOINT, whole=_name(score))
            for of, x in plots:
                _mark(pen, of(score), x, middle, colour, _name(score))
            top += _ROW
    return pen.markup()


def _auroc(score: Score) -> Level:
    return score.auroc


def _auprc(score: Score) -> Level:
    return score.auprc


def _ends(level: Level) -> tuple[float, float]:
    return (level.value if level.low is None else level.low, level.value if level.high is None else level.high)


def _range(levels: Sequence[Level]) -> tuple[float, float]:
    low, high = min(_ends(level)[0] for level in levels), max(_ends(level)[1] for level in levels)
    room = max(0.06 * (high - low), 0.01)
    return max(low - room, 0.0), min(high + room, 1.0 + room)


def _mark(pen: Drawing, level: Level, x: Callable[[float], float], y: float, colour: str, name: str) -> None:
    start, end = (x(value) for value in _ends(level))
    if end > start:
        pen.line(start, y, end, y, colour, 2)
    pen.circle(x(level.value), y, 4.5, colour, title=f"{name}: {level.text()}")
    pen.text(end + 9, y + 4, f"{level.value:.3f}", colour=colour, size=11)


def _cut(name: str, longest: int = 26) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def scores_table(history: VerticalHistory, scores: Sequence[Score]) -> str:
    """The figures, folded away."""
    rows = []
    for score in scores:
        cells = "".join(f'<td class="n">{_cell(level)}</td>' for level in (score.auroc, score.auprc))
        rows.append(
            f'<tr><td><i style="background:{_colour(history, score)}"></i>{escape(_name(score))}</td>'
            f'<td>{escape(score.where)}</td><td class="n">{score.patients}</td>{cells}</tr>'
        )
    head = ["model", "patients of", "patients", "AUROC", "AUPRC"]
    return f"<details><summary>The figures</summary>{table(head, rows, [2, 3, 4])}</details>"


def _cell(level: Level) -> str:
    value, _, interval = level.text().partition(" ")
    return f"{value} <small>{interval}</small>" if interval else value
