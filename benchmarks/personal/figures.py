"""Tables by patient -> rows of figures, and what is required of them.

Not for: training (``benchmarks.personal.consortium``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness.figures import Row, at_most
from client_app.training.measuring import Table, measured
from crossward.protocol.measures import Difference, difference

PRODUCT = "personal"
REFERENCES = ("alone", "global")


def gap(one: Table, other: Table) -> Difference:
    """Nats that ``one`` loses more than ``other``, paired by patient."""
    return difference(*(tuple(map(tuple, table.tolist())) for table in (one, other)))


def _interval(found: Difference) -> dict[str, Any]:
    half = found.half_width() or 0.0
    return {"nats": found.loss, "low": found.loss - half, "high": found.loss + half}


def row(setting: str, seed: int, site: str, home: dict[str, Table], elsewhere: Mapping[str, Sequence[Table]]) -> Row:
    """One hospital: each model's perplexity at home and elsewhere, and its gaps to alone and global, nats a token."""
    out: Row = {"setting": setting, "seed": seed, "site": site, "patients": int(measured(home["global"]).patients)}
    for where, tables in (("home", {name: [table] for name, table in home.items()}), ("elsewhere", elsewhere)):
        for name, found in tables.items():
            total = sum((measured(table) for table in found[1:]), measured(found[0]))
            out[f"{name} {where}"] = total.perplexity
            for other in REFERENCES:
                if name not in (other, "global", "base"):
                    pairs = [gap(a, b) for a, b in zip(found, tables[other], strict=True)]
                    out[f"{name}-{other} {where}"] = _interval(sum(pairs[1:], pairs[0]))
    return out


def requirements(rows: Sequence[Row]) -> list[Row]:
    """At home no hospital's personal adapter is shown to be worse than the one trained alone, or the global one."""
    out = []
    for setting in dict.fromkeys(one["setting"] for one in rows):
        mine = [one for one in rows if one["setting"] == setting]
        for other in REFERENCES:
            worse = [one for one in mine if one[f"{PRODUCT}-{other} home"]["low"] > 0]
            what = f"{setting}: hospitals where personal is worse than {other}, of {len(mine)}"
            out.append(at_most(what, len(worse), 0))
            most = max(one[f"{PRODUCT}-{other} home"]["nats"] for one in mine)
            out.append(at_most(f"{setting}: largest gap of personal to {other}, nats a token", most, 0.0))
    return out
