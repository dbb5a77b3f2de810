"""A small SVG pen: marks, scales, tick marks and number formats; every text goes through one escape.

Hand-made rather than drawn by a plotting library: the report stays small, its text stays text, and a ServerApp does not
wait a second for an import.

Not for: what is drawn (``crossward.report.figures``).
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence

from crossward.machine.text import printable
from crossward.report.palette import GRID, INK

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800)


def clean(value: object, limit: int = 0) -> str:
    """``value`` as one printable line, cut to ``limit`` characters: no control, bidirectional or surrogate ones."""
    text = printable(str(value)).strip()
    return text[: limit - 1].rstrip() + "…" if 0 < limit < len(text) else text


def escape(value: object, limit: int = 0) -> str:
    """:func:`clean` text that HTML and SVG take as text, in elements and in attributes."""
    return html.escape(clean(value, limit), quote=True)


def number(value: float) -> str:
    """A coordinate in a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def box(x: float, y: float, width: float, height: float) -> str:
    """A rectangle as a path: many of one colour share an element."""
    return f"M{number(x)} {number(y)}h{number(width)}v{number(height)}h{number(-width)}z"


def dash(x: float, y: float, width: float) -> str:
    """A horizontal line for :meth:`Drawing.strokes`: half as long as a box where there are thousands."""
    return f"M{number(x)} {number(y)}h{number(width)}"


class Drawing:
    """Collects marks; :meth:`markup` is the SVG element. ``label`` says to a screen reader what is drawn."""

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width, self.height, self.label = width, height, label
        self.parts: list[str] = []

    def _add(self, tag: str, attributes: str, title: object = "") -> None:
        inner = f"><title>{escape(title)}</title></{tag}>" if title else "/>"
        self.parts.append(f"<{tag} {attributes}{inner}")

    def text(
        self,
        x: float,
        y: float,
        value: object,
        anchor: str = "start",
        colour: str = INK,
        size: float = 12,
        bold: bool = False,
        whole: str = "",
    ) -> None:
        """``value`` with its baseline at ``y``; ``whole`` is its tooltip if it is cut."""
        weight = ' font-weight="600"' if bold else ""
        title = f"<title>{escape(whole)}</title>" if whole not in ("", str(value)) else ""
        self.parts.append(
            f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}" fill="{colour}" font-size="{size:g}"'
            f"{weight}>{title}{escape(value)}</text>"
        )

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str = GRID, width: float = 1, dash: str = ""
    ) -> None:
        """A straight line; ``dash`` is SVG's stroke-dasharray."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._add(
            "line",
            f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" stroke="{colour}" '
            f'stroke-width="{width:g}"{dashed}',
        )

    def polyline(self, points: Sequence[tuple[float, float]], colour: str, width: float, dash: str = "") -> None:
        """A line through ``points``."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        where = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self._add(
            "polyline",
            f'points="{where}" fill="none" stroke="{colour}" stroke-width="{width:g}" stroke-linejoin="round"{dashed}',
        )

    def circle(self, x: float, y: float, radius: float, fill: str, stroke: str = "#fff", title: object = "") -> None:
        """A filled circle; ``title`` is what the pointer shows over it."""
        self._add(
            "circle",
            f'cx="{number(x)}" cy="{number(y)}" r="{radius:g}" fill="{fill}" stroke="{stroke}" stroke-width="1.5"',
            title,
        )

    def path(self, d: str, fill: str, opacity: float = 1.0, title: object = "", stroke: str = "none") -> None:
        """An area of SVG path data ``d``; ``title`` is what the pointer shows over it."""
        self._add("path", f'd="{d}" fill="{fill}" fill-opacity="{opacity:g}" stroke="{stroke}"', title)

    def strokes(self, d: str, colour: str, thick: float, title: object = "") -> None:
        """Bars as strokes ``thick`` wide along the lines of ``d``."""
        self._add("path", f'd="{d}" fill="none" stroke="{colour}" stroke-width="{number(thick)}"', title)

    def swatch(self, x: float, y: float, colour: str, size: float = 10, opacity: float = 1.0) -> None:
        """A legend's square, its lower edge at the text's baseline ``y``."""
        self._add(
            "rect",
            f'x="{number(x)}" y="{number(y - size + 0.5)}" width="{size:g}" height="{size:g}" rx="2" fill="{colour}" '
            f'fill-opacity="{opacity:g}"',
        )

    def markup(self) -> str:
        """The SVG element."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(self.width)} {number(self.height)}" '
            f'role="img" aria-label="{escape(self.label)}">{"".join(self.parts)}</svg>'
        )


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Linear map from ``low``..``high`` to ``start``..``end``."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between ``low`` and ``high``, about so many."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [low]
    power = 10.0 ** math.floor(math.log10(span / about))
    step = power * next(s for s in _STEPS if s * power * about >= span * 0.999 or s == 10.0)
    return [step * i for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between ``low`` and ``high`` (above 0) on a logarithmic axis."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for leads in ((1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0), (1.0, 2.0, 5.0), (1.0,)):
        found = [lead * 10.0**power for power in powers for lead in leads if low <= lead * 10.0**power <= high]
        if len(found) <= 9:
            break
    return found[:: -(-len(found) // 9)] if found else []


def thinned(values: Sequence[int], room: float, each: float) -> list[int]:
    """Every n-th of ``values``, so that labels ``each`` pixels wide fit into ``room``."""
    if not values:
        return []
    least = len(values) * each / max(room, 1.0)
    step = next(s for power in range(9) for s in (10**power, 2 * 10**power, 5 * 10**power) if s >= least)
    return [v for v in values if v % step == 0] if step > 1 else list(values)


def time_ticks(span: float, about: int = 8) -> list[float]:
    """Round moments between 0 and ``span`` seconds."""
    step = next((s for s in _TIME_STEPS if span / s <= about), 86400 * math.ceil(span / about / 86400))
    return [float(step * i) for i in range(int(span / step) + 1)]


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions as near ``wanted`` as a distance of ``gap`` lets them be, in ``low``..``high`` if they fit."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    out = [0.0] * len(wanted)
    previous = low - gap
    for i in order:
        previous = out[i] = max(wanted[i], previous + gap)
    following = high + gap
    for i in reversed(order):
        following = out[i] = min(out[i], following - gap)
    return out


def count(number: int, noun: str) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """``75`` -> ``1 min 15 s``: two units at most."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds else "0 s"
    whole = round(seconds)
    for size, unit, small, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {below}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def short(value: float) -> str:
    """A measure in about four digits."""
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}" if abs(value) < 10000 else f"{value:.3g}"


def size(count: float) -> str:
    """Bytes in decimal units, three digits."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.3g} {unit}"
