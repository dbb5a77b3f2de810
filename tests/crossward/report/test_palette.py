"""Colours can be seen on white and told apart, by the colour-blind too."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from crossward.report.adapter_figures import LOOKS as ADAPTERS
from crossward.report.palette import ALERT, INK, LEAST, MUTED, colours, contrast, ink_on
from crossward.report.timeline import LOOKS

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB
SEEN = {
    "all": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, eyes: str) -> np.ndarray:
    """CIELAB of a colour as ``eyes`` see it."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.asarray(SEEN[eyes]) @ linear, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(found: list[str], eyes: str) -> float:
    return min(float(np.linalg.norm(lab(a, eyes) - lab(b, eyes))) for a, b in combinations(found, 2))


def test_contrast() -> None:
    assert contrast("#000000", "#ffffff") == contrast("#ffffff", "#000000") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert ink_on("#0072b2") == "#ffffff" and ink_on("#d55e00") == INK


@pytest.mark.parametrize("colour", [*colours(60), *(look[0] for look in LOOKS.values()), ALERT])
def test_marks_stand_out_from_white_and_what_is_written_on_them_from_them(colour: str) -> None:
    assert contrast(colour, "#ffffff") >= LEAST
    assert contrast(colour, ink_on(colour)) >= 4.0


def test_text_can_be_read() -> None:
    assert min(contrast(colour, "#ffffff") for colour in (INK, MUTED)) >= 4.5
    assert all(contrast(colour, "#ffffff") >= LEAST for _, colour in ADAPTERS.values())


@pytest.mark.parametrize("eyes", SEEN)
def test_the_first_six_hospitals_and_the_activities_can_be_told_apart(eyes: str) -> None:
    assert nearest(colours(6), eyes) >= 12.0
    assert nearest([LOOKS[what][0] for what in ("training", "transfer", "waiting")], eyes) >= 25.0
