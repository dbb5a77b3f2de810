"""How well models of a vertical run predict, as an evaluation has written them into the run folder, and in words.

``evaluation.json`` has ``rows``: ``model``, ``party`` (whose features, or who predicts), ``where`` (whose patients),
``patients``, ``auroc`` and ``auprc``, each with ``_low`` and ``_high`` ends of a 95 % interval. Figures are null where
patients have one outcome alone.

Not for: evaluating (``crossward.evaluation.vertical``), or drawing scores (``crossward.report.vertical.results``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossward.ledger.vertical_events import PartiesMet
from crossward.report.joining.figures import EVALUATION
from crossward.report.svg import clean

JOINT, CENTRAL, DISTILLED = "joint", "central", "distilled"
TOGETHER = {JOINT: "the joint model", CENTRAL: "one model of all data in one place", DISTILLED: "the distilled model"}
HELD_OUT = "held-out common patients"
_NAME = 64
_CLAIMS = {
    "better": "joining helps, as the intervals do not overlap",
    "worse": "joining harms, as the intervals do not overlap",
    "not shown to differ": "the intervals overlap, so that this shows no difference",
}
_UNKNOWN = "without intervals this shows no difference"


class ScoresError(ValueError):
    """evaluation.json is not what an evaluation writes; the text names row and field."""


@dataclass(frozen=True)
class Level:
    """An area under a curve, 0 to 1, and its 95 % interval where that is known."""

    value: float
    low: float | None = None
    high: float | None = None

    def text(self) -> str:
        """``0.842 [0.801, 0.880]``."""
        interval = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{interval}"


@dataclass(frozen=True)
class Score:
    """A model on the patients of ``where``; ``party`` is empty of a model that is of several."""

    model: str
    where: str
    patients: int
    auroc: Level
    auprc: Level
    party: str = ""

    @property
    def alone(self) -> bool:
        """Whether it is a model of what one party has, trained without the others."""
        return self.model not in TOGETHER


def read_scores(folder: Path) -> list[Score]:
    """The scores of the run in ``folder`` that have figures; none where it was not evaluated.

    Raises
    ------
    ScoresError
        the file does not have such rows.
    """
    try:
        found = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
    except OSError:
        return []
    except ValueError as error:
        raise ScoresError(f"{EVALUATION} is not JSON ({error}): evaluate the run again") from error
    rows = found.get("rows") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise ScoresError(f"{EVALUATION} has no list of rows: evaluate the run again")
    scores = [_score(row, f"{EVALUATION}, row {number}") for number, row in enumerate(rows, 1)]
    return [score for score in scores if score is not None]


def _score(row: Any, where: str) -> Score | None:
    if not isinstance(row, dict):
        raise ScoresError(f"{where}: {type(row).__name__}, expected fields by name: evaluate the run again")
    texts = {}
    for name in ("model", "where", "party"):
        texts[name] = row.get(name, "" if name == "party" else None)
        if not isinstance(texts[name], str):
            raise ScoresError(f"{where}: {name!r} is missing or no text: evaluate the run again")
    patients = row.get("patients")
    if not isinstance(patients, int) or patients < 0:
        raise ScoresError(f"{where}: 'patients' is missing or no count: evaluate the run again")
    if all(row.get(name, 0) is None for name in ("auroc", "auprc")):
        return None
    auroc, auprc = (_level(row, name, where) for name in ("auroc", "auprc"))
    if texts["model"] in (JOINT, CENTRAL):  # of all parties
        texts["party"] = ""
    return Score(
        clean(texts["model"], _NAME), clean(texts["where"], _NAME), patients, auroc, auprc, clean(texts["party"], _NAME)
    )


def _level(row: dict[str, Any], name: str, where: str) -> Level:
    found = [row.get(key) for key in (name, f"{name}_low", f"{name}_high")]
    for key, value in zip((name, f"{name}_low", f"{name}_high"), found, strict=True):
        fits = isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1
        if not fits and (value is not None or key == name):
            raise ScoresError(f"{where}: {key!r} is missing or not from 0 to 1: evaluate the run again")
    return Level(*found)  # type: ignore[arg-type]


def owner(score: Score, met: PartiesMet | None) -> str:
    """The party whose features a model of one party's uses; empty where that does not follow."""
    if score.party or met is None or not score.alone:
        return score.party
    found = [
        party
        for party, holds in zip(met.parties, met.holds, strict=True)
        if score.model.casefold() in re.split(r"\W+", holds.casefold())
    ]
    return found[0] if len(found) == 1 else ""


def verdict(one: Level, other: Level) -> str:
    """How ``one`` compares with ``other``: a claim only where their intervals do not overlap."""
    if None in (one.low, one.high, other.low, other.high):
        return "higher" if one.value > other.value else "lower" if one.value < other.value else "equal"
    if one.low > other.high:  # type: ignore[operator]
        return "better"
    if one.high < other.low:  # type: ignore[operator]
        return "worse"
    return "not shown to differ"


def _of(scores: Sequence[Score], model: str, where: str, party: str = "") -> Score | None:
    mine = [one for one in scores if one.model == model and one.where == where]
    return next((one for one in mine if one.party == party), mine[0] if mine and not party else None)


def sentences(scores: Sequence[Score], met: PartiesMet | None) -> list[str]:
    """What joining brought: one sentence for all parties, one for each that has a model alone or a distilled one."""
    found = [text for where in dict.fromkeys(one.where for one in scores) if (text := _together(scores, where))]
    for alone in scores:
        if alone.alone and (joint := _of(scores, JOINT, alone.where)) is not None:
            party = owner(alone, met)
            found.append(_against(alone, joint, party, met is None or party in ("", met.holder)))
    return found + [_distilled(one, scores, met) for one in scores if one.model == DISTILLED]


def _together(scores: Sequence[Score], where: str) -> str:
    joint = _of(scores, JOINT, where)
    alone = [one for one in scores if one.alone and one.where == where]
    if joint is None or not alone:
        return ""
    best, central = max(alone, key=lambda one: one.auroc.value), _of(scores, CENTRAL, where)
    text = (
        f"Of {joint.patients} {where} the joint model reaches AUROC {joint.auroc.text()}, the better side alone "
        f"({best.model}) {best.auroc.text()}"
    )
    if central is None:
        return f"{text}."
    text += f", and one model of all data in one place {central.auroc.text()}"
    ahead = central.auroc.value - best.auroc.value
    if ahead <= 0:
        return f"{text}: here data in one place are no better than the better side alone."
    return f"{text}: joining closes {100 * (joint.auroc.value - best.auroc.value) / ahead:.0f} % of that gap."


def _against(alone: Score, joint: Score, party: str, has_outcome: bool) -> str:
    name = f"{party} ({alone.model})" if party else f"Who has {alone.model}"
    by = (
        "AUROC {:.3f} alone"
        if has_outcome
        else "its features alone, with the outcomes that it lacks, reach AUROC {:.3f}"
    )
    gain = joint.auroc.value - alone.auroc.value
    shown = f"{name}: {by.format(alone.auroc.value)}, the joint model {joint.auroc.value:.3f} ({gain:+.3f})"
    return f"{shown}; {_CLAIMS.get(verdict(joint.auroc, alone.auroc), _UNKNOWN)}."


def _distilled(one: Score, scores: Sequence[Score], met: PartiesMet | None) -> str:
    name = one.party or "A party"
    alone = [s for s in scores if s.alone and s.where == one.where and (not one.party or owner(s, met) == one.party)]
    text = f"{name} predicts by itself for {one.patients} patients ({one.where}) with AUROC {one.auroc.text()}"
    if len(alone) != 1:
        return f"{text}, by the model distilled from the joint one."
    claim = verdict(one.auroc, alone[0].auroc)
    return (
        f"{text} by the model distilled from the joint one, against {alone[0].auroc.text()} of {alone[0].model} alone: "
        f"{claim}."
    )
