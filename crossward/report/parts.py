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
from crossward.report import cost
from crossward.report.history import CLAMPED, LOST, MEASURED, UNDER_WAY, History, Problem, VersionPoint, total
from crossward.report.joining.figures import ALONE, BASE, GLOBAL, PERSONAL, REPORTED
from crossward.report.svg import count, duration, escape, short, size

_SHOWN = 60
_ADAPTERS = {BASE: "untuned base", ALONE: "trained alone", GLOBAL: "global adapter", PERSONAL: "personal adapter"}


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
    took = cost.typical(made.latency for made in history.versions)
    shares = [made.crypto_share for made in history.versions if made.weights and made.key]
    up, down = (sum(getattr(s, way) for s in history.spans) for way in ("up", "down"))
    shared, asked = (sum(getattr(s, way) for s in history.questions) for way in ("up", "down"))
    committee = f" and {count(len(history.questions), 'question')}" if history.questions else ""
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
                tile(
                    "Hospitals",
                    str(len(history.hospitals)),
                    f"{count(len(history.spans), 'task')}{committee} sent to them",
                ),
                tile("Bytes up", size(up + shared), _traffic("accepted adapter updates", shared)),
                tile("Bytes down", size(down + asked), _traffic("records to catch up", asked)),
                tile(
                    "Encryption's share",
                    f"{100 * median(shares):.1f} %" if shares else "-",
                    f"of a version's time{f'; opening {took.seconds:.2g} s, {100 * took.share:.1f} %' if took else ''}"
                    if shares
                    else "no version is sealed",
                ),
            )
        )
        + "</div>"
    )


def _traffic(what: str, of_committee: int) -> str:
    return f"{what}, {size(of_committee)} of the committee's" if of_committee else what


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
    models = {
        model: _ADAPTERS[kind] for model, kind in REPORTED.items() if any(m == model for m, _ in history.measures)
    }
    rows = []
    for lane in lanes:
        hospital = history.hospitals[lane]
        held = [history.measures.get((model, str(lane))) for model in models]
        patients = max((m.patients for m in held if m is not None), default=0)
        name = f'<td><i style="background:{hospital.colour}"></i>{escape(hospital.name)}</td>'
        rows.append(f'<tr>{name}<td class="n">{patients:.0f}</td>{"".join(map(_measure_cell, held))}</tr>')
    if len(lanes) > 1:
        held = [total(history, model) for model in models]
        patients = max((m.patients for m in held if m is not None), default=0)
        cells = "".join(map(_measure_cell, held))
        rows.append(f'<tr class="all"><td>All hospitals</td><td class="n">{patients:.0f}</td>{cells}</tr>')
    head = ["hospital", "held-out patients", *models.values()]
    return table(head, rows, range(1, len(head))) if rows else ""


def committee(history: History) -> str:
    """The committee's members and what each did, then who opened which versions."""
    opened = [made for made in history.versions if made.openers]
    rows = []
    for member in sorted(history.members.values(), key=lambda one: one.name):
        lane = history.hospitals[member.lane] if member.lane >= 0 else None
        site = "" if lane is None or lane.name == member.name else f" <small>{escape(lane.name)}</small>"
        colour = f'<i style="background:{lane.colour}"></i>' if lane is not None else ""
        versions = sum(member.name in made.openers for made in opened)
        cells = (
            str(member.consents),
            f"{versions} of {len(opened)}",
            duration(median(member.answered)) if member.answered else "-",
            duration(member.work),
            size(member.bytes),
        )
        numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        wrong = ", ".join(map(str, member.wrong))
        current = history.committee is not None and member.name in history.committee.members
        notes = [f"answered wrongly for version {wrong}"] if wrong else []
        notes += [] if current else ["no longer a member"]
        rows.append(
            f"<tr><td>{colour}{escape(member.name)}{site}</td>{numbers}<td>{escape('; '.join(notes))}</td></tr>"
        )
    head = ["member", "consents", "versions opened", "an answer took", "work in all", "bytes of shares", ""]
    return table(head, rows, range(1, 6)) + _openers(opened) if rows else ""


def _openers(opened: list[VersionPoint]) -> str:
    """Who opened each version, folded away; versions in a row that the same members opened share a line."""
    runs: list[list[VersionPoint]] = []
    for made in opened:
        if runs and set(runs[-1][-1].openers) == set(made.openers) and runs[-1][-1].number + 1 == made.number:
            runs[-1].append(made)
        else:
            runs.append([made])
    rows = []
    for run in runs:
        first, last, took = run[0].number, run[-1].number, cost.typical(made.latency for made in run)
        which = str(first) if first == last else f"{first} to {last}"
        by = escape(", ".join(sorted(run[0].openers)))
        rows.append(
            f"<tr><td>{which}</td><td>{by}</td>"
            f'<td class="n">{duration(took.seconds) if took is not None else "-"}</td></tr>'
        )
    body = table(["versions", "opened by", "which took (median)"], rows, [2])
    return f"<details><summary>Who opened each version</summary>{body}</details>" if rows else ""


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
