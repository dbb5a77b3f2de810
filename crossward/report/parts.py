"""Pieces of the report page: sections, the headline tiles and the tables. Every text in them is escaped.

Not for: drawings (``crossward.report.figures``, ``crossward.report.timeline``) or the page as a whole
(``crossward.report.page``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from crossward.ledger.file import FILE_NAME
from crossward.protocol.measures import Measure
from crossward.protocol.messages import ACCEPTED, BEHIND, FAILED, LATE
from crossward.report.history import CLAMPED, LOST, MEASURED, UNDER_WAY, History, Problem, total
from crossward.report.loss_figures import MODELS
from crossward.report.svg import count, duration, escape, short, size

_SHOWN = 60


def section(title: str, says: str, body: str, missing: str = "Nothing to show yet.") -> str:
    """A card; ``missing`` is said where there is no ``body``."""
    inside = f'<p>{escape(says)}</p><div class="wide">{body}</div>' if body else f"<p>{escape(missing)}</p>"
    return f"<section><h2>{escape(title)}</h2>{inside}</section>"


def table(head: Sequence[str], rows: Iterable[str], numbers: Iterable[int] = ()) -> str:
    """A table; ``rows`` are markup, ``numbers`` the columns set to the right."""
    right = set(numbers)
    cells = "".join(f'<th class="{"n" if i in right else ""}">{escape(h)}</th>' for i, h in enumerate(head))
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def tile(what: str, value: str, more: str) -> str:
    """A headline figure with what it is above and more about it below."""
    return f'<div class="tile"><span>{escape(what)}</span><b>{escape(value)}</b><span>{escape(more)}</span></div>'


def tiles(history: History) -> str:
    """The headline facts: two rows of four where there is room."""
    accepted, late, failed = history.count(ACCEPTED), history.count(LATE), history.count(FAILED)
    others = len(history.spans) - history.count(ACCEPTED, LATE, FAILED, BEHIND, MEASURED, LOST, UNDER_WAY)
    pauses = len(history.sessions) - 1
    began = datetime.fromtimestamp(history.began, UTC).strftime("%Y-%m-%d %H:%M UTC") if history.began else "-"
    resumed = f", resumed {count(pauses, 'time')} over {duration(history.ended - history.began)}" if pauses > 0 else ""
    back = sum(made.reverts is not None for made in history.versions)
    base, tuned = total(history, "base"), total(history, "global")
    perplexity, interval = "-", "not measured yet"
    if base is not None and tuned is not None:
        low, high = tuned.perplexity_interval()
        perplexity = f"{short(base.perplexity)} → {short(tuned.perplexity)}"
        interval = f"base → global, 95 %: {short(low)} to {short(high)}"
    shares = [made.crypto_share for made in history.versions if made.weights and made.key]
    sent = size(sum(s.down for s in history.spans))
    clamped = f", {clamps} clamped" if (clamps := sum(t.what == CLAMPED for t in history.troubles)) else ""
    return (
        '<div class="tiles">'
        + "".join(
            (
                tile("Held-out perplexity", perplexity, interval),
                tile(
                    "Versions made",
                    f"{history.last} of {history.planned}",
                    f"{count(back, 'version')} rolled back" if back else f"from {count(accepted, 'accepted update')}",
                ),
                tile("Updates accepted", str(accepted), f"{late} late, {failed} failed, {others} refused{clamped}"),
                tile("Wall time", duration(history.running), f"from {began}{resumed}"),
                tile("Hospitals", str(len(history.hospitals)), f"{count(len(history.spans), 'task')} sent to them"),
                tile("Bytes up", size(sum(s.up for s in history.spans)), "accepted adapter updates"),
                tile("Bytes down", sent, "records to catch up"),
                tile(
                    "Encryption's share",
                    f"{100 * median(shares):.1f} %" if shares else "-",
                    "of a version's time" if shares else "no version is sealed",
                ),
            )
        )
        + "</div>"
    )


def sealed(history: History) -> str:
    """Under which keys the versions are sealed."""
    keys = list(dict.fromkeys(made.key for made in history.versions if made.key))
    return f"Sealed under key {escape(', '.join(keys))}, which the server does not hold." if keys else ""


def state(history: History) -> str:
    """Whether and why the run ended."""
    if history.finished is not None:
        return f'<span class="state">Finished: {escape(history.finished)}</span>'
    return '<span class="state open">Unfinished: under way, or stopped before its end</span>'


def trend(history: History) -> str:
    """What the held-out loss did, as a title."""
    whole = [(version, loss) for version, loss, complete in history.heldout if complete]
    if len(whole) < 2:
        return "Loss by version"
    (first, start), (last, end) = whole[0], whole[-1]
    way = "fell" if end < start else "rose" if end > start else "stayed"
    origin = "on the untuned base" if first == 0 else f"at version {first}"
    return f"Held-out loss {way} from {start:.3f} {origin} to {end:.3f} at version {last}"


def _measure_cell(measure: Measure | None) -> str:
    if measure is None:
        return '<td class="n">-</td>'
    (low, high), (least, most) = measure.perplexity_interval(), measure.accuracy_interval()
    return (
        f'<td class="n">{short(measure.perplexity)} <small>[{short(low)}, {short(high)}]</small><br/>'
        f"<small>{100 * measure.token_accuracy:.1f} % [{100 * least:.1f}, {100 * most:.1f}]</small></td>"
    )


def measures(history: History) -> str:
    """The held-out measures by hospital."""
    lanes = sorted({int(lane) for _, lane in history.measures})
    rows = []
    for lane in lanes:
        hospital = history.hospitals[lane]
        held = [history.measures.get((model, str(lane))) for model in MODELS]
        patients = max((m.patients for m in held if m is not None), default=0)
        name = f'<td><i style="background:{hospital.colour}"></i>{escape(hospital.name)}</td>'
        rows.append(f'<tr>{name}<td class="n">{patients:.0f}</td>{"".join(map(_measure_cell, held))}</tr>')
    if len(lanes) > 1:
        held = [total(history, model) for model in MODELS]
        patients = max((m.patients for m in held if m is not None), default=0)
        cells = "".join(map(_measure_cell, held))
        rows.append(f'<tr class="all"><td>All hospitals</td><td class="n">{patients:.0f}</td>{cells}</tr>')
    head = ["hospital", "held-out patients", *(title for title, _ in MODELS.values())]
    return table(head, rows, range(1, 5)) if rows else ""


def troubles(history: History) -> str:
    """One row for all that is the same but for its moment, newest kinds last."""
    alike: dict[tuple[str, str, str, str], list[Problem]] = {}
    for trouble in history.troubles:
        # clamped claims of one fact differ in their figures only: the last is shown
        about = trouble.reason.split(" ")[0] if trouble.what == CLAMPED else trouble.reason
        alike.setdefault((trouble.what, trouble.hospital, trouble.kind, about), []).append(trouble)
    rows = []
    for (what, name, kind, _), found in list(alike.items())[:_SHOWN]:
        reason = found[-1].reason + (", the last time" if what == CLAMPED and len(found) > 1 else "")
        when = duration(found[0].at) + (f" to {duration(found[-1].at)}" if len(found) > 1 else "")
        rows.append(
            f'<tr><td>{escape(what)}</td><td>{escape(name)}</td><td>{escape(kind)}</td><td class="n">{len(found)}</td>'
            f"<td>{escape(when)}</td><td>{escape(reason, 400)}</td></tr>"
        )
    if (more := len(alike) - _SHOWN) > 0:
        rows.append(f'<tr><td colspan="6">and {more} more kinds; all of them are in {FILE_NAME}</td></tr>')
    return table(["outcome", "hospital", "task", "times", "after", "reason"], rows, [3]) if rows else ""


def settings(config: dict[str, Any]) -> str:
    """Every setting, folded away."""
    rows = (f"<tr><td>{escape(key)}</td><td>{escape(value, 200)}</td></tr>" for key, value in sorted(config.items()))
    return f"<details><summary>All settings of the run</summary>{table(['setting', 'value'], rows)}</details>"
