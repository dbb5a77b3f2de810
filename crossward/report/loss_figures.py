"""The report's figures of how well models fit: losses by version and by hospital.

Each takes a :class:`~crossward.report.history.History` and returns an SVG element, or nothing where there is nothing to
draw.

Not for: weights, staleness and bytes (``crossward.report.figures``) or perplexities by adapter
(``crossward.report.adapter_figures``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from crossward.report.axes import FIGURE, version_axis, y_axis
from crossward.report.history import History
from crossward.report.lanes import Lane
from crossward.report.palette import ALERT, INK, MUTED
from crossward.report.rounded_figure import rounded_figure
from crossward.report.svg import Drawing, scale, spread

_MARKED = 300  # so many points of a figure have a mark and a tooltip each
_FROM = "version that the update was trained from"
_CLOSE = 1.5  # pixels that two points of a line are apart at least


@dataclass(frozen=True)
class Series:
    """A line of a figure: (version, loss) points in order; ``hollow`` versions are drawn so. ``of``: whose it is."""

    of: Lane
    points: Sequence[tuple[int, float]]
    thick: float = 1.5
    dash: str = ""
    hollow: Collection[int] = ()


def _lines(
    label: str,
    all_series: Sequence[Series],
    history: History,
    least: float,
    title: str,
    unit: str = "nats per token",
) -> str:
    """Losses (or what else is in ``unit``) by version; each line has its name and last value at the right, apart."""
    drawn = [series for series in all_series if series.points]
    values = [loss for series in drawn for _, loss in series.points]
    if not values:
        return ""
    left, right, top = 58.0, FIGURE - 268.0, 26.0
    bottom = max(least, 15.0 * len(drawn) + 34.0)
    pen = Drawing(FIGURE, bottom + 46, label)
    pad = 0.06 * ((max(values) - min(values)) or max(abs(values[0]), 1.0))
    low, high = min(values) - pad, max(values) + pad
    newest = max([history.last, 1, *(series.points[-1][0] for series in drawn)])
    x, y = scale(0, newest, left + 8, right), scale(low, high, bottom, top)
    y_axis(pen, low, high, top, bottom, left, right)
    version_axis(pen, newest, left + 8, right, bottom, title)
    pen.text(8, top - 12, unit, colour=MUTED, size=11)
    for made in history.versions:
        if made.reverts is not None:
            pen.line(x(made.number), top, x(made.number), bottom, ALERT, 1, "2 3")
            pen.text(x(made.number) - 4, top + 9, "rolled back", "end", ALERT, 11)
    for series in drawn:
        where = [(x(version), y(loss)) for version, loss in series.points]
        if len(where) > 1:
            kept = [where[0]]
            for point in where[1:-1]:
                if point[0] - kept[-1][0] >= _CLOSE:
                    kept.append(point)
            pen.polyline([*kept, where[-1]], series.of.colour, series.thick, series.dash)
        marked = not series.dash and len(values) <= _MARKED
        for (version, loss), (at, height) in (
            zip(series.points, where, strict=True) if marked or len(where) == 1 else ()
        ):
            fill, edge = ("#fff", series.of.colour) if version in series.hollow else (series.of.colour, "#fff")
            pen.circle(at, height, 1.6 + series.thick, fill, edge, f"{series.of.name}, version {version}: {loss:.4g}")
    ends = [(x(series.points[-1][0]), y(series.points[-1][1])) for series in drawn]
    places = spread([end[1] for end in ends], 15, top + 4, bottom)
    for series, end, place in zip(drawn, ends, places, strict=True):
        pen.polyline(
            [(end[0] + 5, end[1]), (max(right, end[0]) + 8, end[1]), (right + 24, place)], series.of.colour, 0.7
        )
        pen.swatch(right + 27, place + 4, series.of.colour)
        pen.text(right + 42, place + 4, f"{series.of.short}  {series.points[-1][1]:.3f}", bold=series.thick > 3)
    return pen.markup()


def loss_figure(history: History) -> str:
    """Held-out loss by version over all (thick) and by hospital (thin).

    Dashed: the training loss where it is exact, or the estimate of the held-out loss that updates came with.
    """
    homes = [
        Series(history.hospitals[lane], sorted(points.items())) for lane, points in sorted(history.by_hospital.items())
    ]
    train = [(m.number, m.train_loss) for m in history.versions if m.train_loss is not None and not m.noise]
    estimates = [(m.number, m.train_loss) for m in history.versions if m.train_loss is not None and m.noise]
    heldout = {version: (loss, whole) for version, loss, whole in history.heldout}
    hollow = {version for version, (_, whole) in heldout.items() if not whole}
    everyone = [(version, loss) for version, (loss, _) in sorted(heldout.items())]
    name, estimate = "training loss (weighted)", "estimate, with noise"
    series = [
        *homes,
        Series(Lane(name, name, MUTED), [] if history.rounding else train, 2.0, "6 4"),
        Series(Lane(estimate, estimate, MUTED), estimates, 2.0, "6 4"),
        Series(Lane("all hospitals", "all hospitals", INK), everyone, 3.2, hollow=hollow),
    ]
    return _lines("loss by version", series, history, 330.0, "version (0 = untuned base)")


def train_figure(history: History) -> str:
    """Mean training loss of every accepted update, by hospital and by the version that it was trained from.

    Rounded losses are marks on the few values that there are, side by side, and no lines: a step is no change.
    """
    found: dict[int, dict[int, float]] = {}
    for span in history.spans:
        if span.loss is not None and not span.noise:
            found.setdefault(span.hospital, {})[span.version] = span.loss
    if history.rounding:
        return rounded_figure(found, history, _FROM)
    series = [Series(history.hospitals[lane], sorted(points.items()), 1.8) for lane, points in sorted(found.items())]
    return _lines("training loss by hospital", series, history, 230.0, _FROM)


def estimate_figure(history: History) -> str:
    """Every hospital's estimates of its held-out loss, which it made with noise, by the version that was measured."""
    found: dict[int, dict[int, float]] = {}
    for span in history.spans:
        if span.loss is not None and span.noise:
            found.setdefault(span.hospital, {})[span.version] = span.loss
    series = [Series(history.hospitals[lane], sorted(points.items()), 1.8) for lane, points in sorted(found.items())]
    return _lines("estimated held-out loss by hospital", series, history, 230.0, "version") if found else ""


def epsilon_figure(history: History) -> str:
    """What every hospital had spent with each accepted update, by the version that it was trained from."""
    found: dict[int, dict[int, float]] = {}
    for span in history.spans:
        if span.epsilon is not None:
            found.setdefault(span.hospital, {})[span.version] = span.epsilon
    series = [Series(history.hospitals[lane], sorted(points.items()), 1.8) for lane, points in sorted(found.items())]
    return _lines("epsilon by hospital", series, history, 230.0, _FROM, f"{history.privacy_unit}-level epsilon")
