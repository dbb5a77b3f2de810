"""Colours of the report, chosen so that marks stand out from white and the first six differ for the colour-blind too.

Beyond six no palette can promise that: a colour is therefore never the only thing that tells hospitals apart, lanes and
lines bear their names.

Not for: what is drawn with them (``crossward.report.figures``, ``crossward.report.timeline``).
"""

from __future__ import annotations

import colorsys

INK, MUTED, GRID, ALERT = "#17222e", "#5d6b7a", "#e3e8ee", "#c0392b"
LEAST = 3.0  # contrast of a mark to white, WCAG 2.2, success criterion 1.4.11
_PALETTE = (
    "#0072b2",
    "#d55e00",
    "#0a9d85",
    "#86164f",
    "#4527a0",
    "#66717e",
    "#c2659b",
    "#263f4f",
    "#8a6a00",
    "#3b9ad9",
)


def _luminance(colour: str) -> float:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours ``#rrggbb``, 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink_on(colour: str) -> str:
    """What to write in on ``colour``: white or ink, whichever stands out more."""
    return max(("#ffffff", INK), key=lambda ink: contrast(ink, colour))


def colours(count: int) -> list[str]:
    """So many colours; beyond the palette the hue goes round by the golden angle and the lightness alternates."""
    out = list(_PALETTE[:count])
    for i in range(len(out), count):
        lightness, colour = (0.34, 0.46, 0.56)[i % 3], "#ffffff"
        while contrast(colour, "#ffffff") < LEAST:
            parts = colorsys.hls_to_rgb((0.07 + 0.381966 * i) % 1.0, lightness, 0.55)
            colour, lightness = "#" + "".join(f"{round(part * 255):02x}" for part in parts), lightness - 0.02
        out.append(colour)
    return out
