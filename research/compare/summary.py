"""Jobs' results into the comparison: a row a method, with means and spreads over seeds and what sets it apart.

Not for: running jobs (``research.compare.work``) or claims about sizes and times (``research.compare.claims``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from research.compare.leakage import Leakage
from research.compare.methods import CENTRALISED, FL, Method
from research.compare.settings import Comparison
from research.compare.statistics import paired, spread

Facts = dict[str, Any]
Jobs = Sequence[Facts]
SPREAD = (
    "loss",
    "perplexity",
    "perplexity_mean",
    "perplexity_worst",
    "token_accuracy",
    "loss_elsewhere",
    "auroc_mean",
    "auroc_worst",
    "auroc_pooled",
    "brier",
    "ece",
    "macro_f1_mean",
    "bytes_per_round",
    "bytes_up_per_round",
    "bytes_down_per_round",
    "seconds_per_round",
    "seconds_per_round_here",
    "train_seconds_per_round",
    "seal_seconds_per_round",
    "open_seconds_per_round",
    "add_seconds_per_round",
    "crypto_seconds_per_round",
    "epsilon",
)
ONCE = ("values", "rounds", "versions", "updates", "trainings", "steps", "float32_bytes_per_round")


def row(method: Method, jobs: Jobs, leakage: Leakage, unavailable: str = "") -> Facts:
    """A method's row: means under the plain names, ``spread`` of each over seeds, the hospitals' means in ``sites``."""
    spreads = {name: spread([job.get(name) for job in jobs]) for name in SPREAD}
    out: Facts = {
        "method": method.name,
        "title": method.title,
        "sealed": method.sealed,
        **{name: spreads[name]["mean"] for name in SPREAD},
        **{name: jobs[0].get(name) if jobs else None for name in ONCE},
        "leakage": leakage.value,
        "leakage_low": leakage.low,
        "leakage_high": leakage.high,
        "leakage_how": leakage.how,
        "leakage_score": leakage.score,
        "seeds": [job["seed"] for job in jobs],
        "adapters": [job["adapter"] for job in jobs],
        "sites": _sites(jobs),
        "spread": {name: found for name, found in spreads.items() if found["mean"] is not None},
    }
    return out | ({"unavailable": unavailable} if unavailable else {})


def _sites(jobs: Jobs) -> Facts:
    """Each hospital's mean loss, perplexity and AUROC over seeds."""
    out: Facts = {}
    for site in jobs[0]["sites"] if jobs else ():
        out[site] = {name: spread([job["sites"][site][name] for job in jobs]) for name in ("loss", "perplexity")}
        if any(job.get("auroc_sites", {}).get(site) is not None for job in jobs):
            out[site]["auroc"] = spread([job.get("auroc_sites", {}).get(site) for job in jobs])
    return out


def compared(rows: Sequence[Facts], jobs: Mapping[str, Jobs], setting: Comparison) -> None:
    """Add to every row what sets it apart from central training and from FL, paired by seed."""
    for found in rows:
        for other, name in ((CENTRALISED, "against_centralised"), (FL, "against_fl")):
            if found["method"] == other or not jobs.get(other) or not jobs.get(found["method"]):
                continue
            theirs = {job["seed"]: job for job in jobs[other]}
            pairs = [(job, theirs[job["seed"]]) for job in jobs[found["method"]] if job["seed"] in theirs]
            found[name] = {
                measure: paired([a.get(measure) for a, _ in pairs], [b.get(measure) for _, b in pairs], margin)
                for measure, margin in (("loss", setting.loss_margin), ("auroc_mean", setting.auroc_margin))
            }
            losses = [(_every_hospital_alike(a), _every_hospital_alike(b)) for a, b in pairs]
            found[name]["loss_mean"] = paired([a for a, _ in losses], [b for _, b in losses], setting.loss_margin)
        against = found.get("against_centralised")
        found["loss_delta"] = against["loss"]["difference"] if against else _difference(found, rows, "loss")
        found["auroc_delta"] = against["auroc_mean"]["difference"] if against else None


def _every_hospital_alike(job: Facts) -> float:
    """The mean of the hospitals' losses, whatever their number of tokens: methods weigh hospitals differently."""
    losses = [site["loss"] for site in job["sites"].values()]
    return float(sum(losses) / len(losses))


def _difference(found: Facts, rows: Sequence[Facts], name: str) -> float | None:
    central = next((r for r in rows if r["method"] == CENTRALISED), None)
    if central is None or found[name] is None or central[name] is None:
        return None
    return float(found[name] - central[name])
