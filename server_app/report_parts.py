"""Pieces of the report page: sections, the headline tiles and the tables. Every text in them is escaped.

Not for: drawings (``server_app.figures``, ``server_app.timeline``) or the page as a whole (``server_app.report``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from protocol.measures import Measure
from protocol.messages import ACCEPTED, BEHIND, FAILED, LATE
from server_app.figures import MODELS
from server_app.history import LOST, MEASURED, UNDER_WAY, History, Trouble, total
from server_app.ledger import FILE_NAME
from server_app.svg import count, duration, escape, short, size

_SHOWN = 60
STYLE = """
:root{color-scheme:light}
body{margin:0;background:#f3f5f8;color:#17222e;
font:15px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1200px;margin:0 auto;padding:28px 20px 48px}
h1{font-size:27px;margin:0;letter-spacing:-.01em} h2{font-size:19px;margin:0 0 2px;letter-spacing:-.005em}
p{margin:0 0 12px;color:#5d6b7a} header p{margin:4px 0 20px;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:12px;margin-bottom:18px}
.tile,section{background:#fff;border:1px solid #e1e6ec;border-radius:10px}
.tile{padding:13px 16px} .tile b{display:block;font-size:22px;line-height:1.25;font-weight:650}
.tile span{display:block;color:#5d6b7a;font-size:13px} .tile span:first-child{color:#17222e;font-weight:600}
section{padding:20px 24px;margin-bottom:18px;overflow:hidden}
svg{display:block;width:100%;height:auto;font-family:inherit}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:18px}
.pair section{min-width:0}
@media(max-width:900px){.pair{display:block}}
.wide{overflow-x:auto} table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th{font-weight:600;color:#5d6b7a;font-size:13px;text-align:left;vertical-align:bottom}
th,td{padding:6px 12px 6px 0;border-bottom:1px solid #e8ecf1} td{overflow-wrap:anywhere}
.n{text-align:right;white-space:nowrap} td small{color:#5d6b7a;font-size:12.5px}
tr.all td{font-weight:600} i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:8px}
.state{display:inline-block;padding:2px 12px;border-radius:12px;margin:10px 0 0;
background:#e2f3ea;color:#14583f;font-weight:600}
.state.open{background:#fdeccd;color:#7a4b00} summary{cursor:pointer}
footer{color:#5d6b7a;font-size:13px;overflow-wrap:anywhere}
@media print{body{background:#fff} section,.tile{break-inside:avoid}}
"""


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
    return f'<div class="tile"><span>{escape(what)}</span><b>{escape(value)}</b><span>{escape(more)}</span></div>'


def tiles(history: History) -> str:
    """The headline facts."""
    accepted, late, failed = history.count(ACCEPTED), history.count(LATE), history.count(FAILED)
    others = len(history.spans) - history.count(ACCEPTED, LATE, FAILED, BEHIND, MEASURED, LOST, UNDER_WAY)
    pauses = len(history.sittings) - 1
    began = datetime.fromtimestamp(history.began, UTC).strftime("%Y-%m-%d %H:%M UTC") if history.began else "-"
    resumed = f", resumed {count(pauses, 'time')} over {duration(history.ended - history.began)}" if pauses > 0 else ""
    back = sum(made.reverts is not None for made in history.versions)
    tiles = [
        tile(
            "Versions made",
            f"{history.last} of {history.planned}",
            f"{count(back, 'version')} rolled back" if back else f"from {count(accepted, 'accepted update')}",
        ),
        tile("Hospitals", str(len(history.hospitals)), f"{count(len(history.spans), 'task')} sent to them"),
        tile(
            "Updates accepted",
            str(accepted),
            f"{late} late, {failed} failed, {others} refused",
        ),
        tile("Wall time", duration(history.running), f"from {began}{resumed}"),
        tile(
            "Bytes up and down",
            f"{size(sum(s.up for s in history.spans))} ↑ {size(sum(s.down for s in history.spans))} ↓",
            "adapter updates up, records to catch up down",
        ),
    ]
    if keys := list(dict.fromkeys(made.key for made in history.versions if made.key)):
        shares = [made.crypto_share for made in history.versions if made.weights]
        tiles.append(
            tile(
                "Encryption's share of a version's time",
                f"{median(shares):.1%}" if shares else "-",
                f"sealed under key {', '.join(keys)}; the server holds none",
            )
        )
    base, tuned = total(history, "base"), total(history, "global")
    if base is not None and tuned is not None:
        low, high = tuned.perplexity_interval()
        tiles.append(
            tile(
                "Held-out perplexity, base → global",
                f"{short(base.perplexity)} → {short(tuned.perplexity)}",
                f"95 % interval of global {short(low)} to {short(high)}",
            )
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def state(history: History) -> str:
    """Whether and why the run ended."""
    if history.finished is not None:
        return f'<p class="state">Finished: {escape(history.finished)}</p>'
    return '<p class="state open">Unfinished: under way, or stopped before its end</p>'


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
    alike: dict[tuple[str, str, str, str], list[Trouble]] = {}
    for trouble in history.troubles:
        alike.setdefault((trouble.what, trouble.hospital, trouble.kind, trouble.reason), []).append(trouble)
    rows = []
    for (what, name, kind, reason), found in list(alike.items())[:_SHOWN]:
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
