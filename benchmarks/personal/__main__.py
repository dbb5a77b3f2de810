"""``python -m benchmarks.personal``: does a hospital's personal adapter lose to training alone, or to the global one?

Four hospitals train one adapter on the virtual clock; then each trains alone for as many steps, and makes a personal
adapter of the global one. All are measured on held-out notes, at home and at the other hospitals, with intervals
paired by patient. Settings: the synthetic hospitals, 80 patients in all, with --notes a CSV of real notes, with --model
as well a real model on them. --variants adds other ways to make a personal adapter. What was trained is kept in
--folder: a benchmark that was stopped goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.harness.command import parse, parser, say, write_json
from benchmarks.harness.figures import Row
from benchmarks.harness.tables import Columns, requirements_table, show, table_of
from benchmarks.personal.consortium import HOSPITALS, Consortium
from benchmarks.personal.figures import PRODUCT, REFERENCES, requirements, row
from benchmarks.personal.settings import settings_of
from benchmarks.personal.variants import VARIANTS
from client_app.personal.methods import PERSONAL_METHODS
from client_app.training.measuring import Table
from client_app.training.notes_trainer import NotesTrainer
from client_app.training.trained import Vector
from crossward.config.personal_settings import FINE_TUNE
from crossward.machine.paths import own_folder, path_argument


def personal(consortium: Consortium, number: int) -> Vector:
    """The product's personal adapter of hospital ``number``."""

    def make() -> Vector:
        made = PERSONAL_METHODS[FINE_TUNE](NotesTrainer(consortium.learners[number]), consortium.given(number))
        consortium.facts(f"{PRODUCT}-{number}", made.facts())
        say(made.line())
        return made.vector

    return consortium.kept(f"{PRODUCT}-{number}", make)


def tables_at(consortium: Consortium, number: int, site: int, variants: Sequence[str]) -> dict[str, Table]:
    """Every model of hospital ``number``, measured at ``site``."""
    found = {
        "base": consortium.table("base", lambda: consortium.learners[0].initial(), site),
        "global": consortium.table("global", lambda: consortium.start, site),
        "alone": consortium.table(f"alone-{number}", lambda: consortium.alone(number), site),
        PRODUCT: consortium.table(f"{PRODUCT}-{number}", lambda: personal(consortium, number), site),
    }
    return found | {name: VARIANTS[name](consortium, number, site) for name in variants}


def rows_of(consortium: Consortium, variants: Sequence[str], hospitals: Sequence[int], away: bool) -> list[Row]:
    """A row for each of ``hospitals``."""
    rows = []
    for number in hospitals:
        home = tables_at(consortium, number, number, variants)
        others = [site for site in range(HOSPITALS) if site != number] if away else []
        found = [tables_at(consortium, number, site, variants) for site in others]
        elsewhere = {name: [tables[name] for tables in found] for name in home} if away else {}
        site = consortium.learners[number].site
        made = row(consortium.setting.name, consortium.seed, site, home, elsewhere)
        rows.append(made | {PRODUCT: consortium.facts(f"{PRODUCT}-{number}")})
    return rows


def _paired(other: str) -> Callable[[Row], str]:
    def text(found: Row) -> str:
        gap = found[f"{PRODUCT}-{other} home"]
        return f"{gap['nats']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"

    return text


def show_rows(rows: Sequence[Row], variants: Sequence[str]) -> None:
    """Perplexities, and the gaps that the requirement is about."""
    names = ["base", "global", "alone", PRODUCT]
    which: Columns = {"setting": ("setting", ""), "seed": ("seed", ""), "hospital": (lambda r: r["site"][:20], "")}
    gaps: Columns = {f"{PRODUCT} - {other}, nats": (_paired(other), "") for other in REFERENCES}

    def perplexities(of: Sequence[str], where: str) -> Columns:
        return {name: (f"{name} {where}", ".2f") for name in of}

    home = {**which, "patients": ("patients", ""), **perplexities(names, "home"), **gaps}
    show(table_of("At home: perplexity; gaps with 95 % intervals paired by patient", rows, home, left=3))
    if variants:
        show(table_of("Other methods at home", rows, {**which, **perplexities(variants, "home")}, left=3))
    if any(f"{PRODUCT} elsewhere" in found for found in rows):
        away = {**which, **perplexities([*names, *variants], "elsewhere")}
        show(table_of("Elsewhere: perplexity on the other hospitals' held-out notes", rows, away, left=3))


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    p = parser("personal", __doc__)
    p.add_argument("--notes", type=path_argument, metavar="FILE", help="a CSV of real notes")
    p.add_argument("--model", type=path_argument, metavar="FOLDER", help="a real model, tried on those notes")
    p.add_argument("--only", nargs="+", metavar="SETTING", help="synthetic, few-patients, notes, model")
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    p.add_argument("--hospitals", type=int, nargs="+", default=list(range(HOSPITALS)), help="those to look at")
    p.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=[], help="other ways to measure as well")
    p.add_argument("--no-elsewhere", action="store_true", help="measure at home alone")
    p.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="run-config keys of every setting")
    p.add_argument("--folder", type=path_argument, metavar="DIR", help="where what was trained is kept")
    args = parse(p, argv, seeds=[0], hospitals=[0], no_elsewhere=True)
    logging.getLogger("flwr").setLevel(logging.WARNING)
    root: Path = args.folder or own_folder("benchmarks/personal")
    rows = []
    for setting in settings_of(args):
        for seed in args.seeds:
            consortium = Consortium(setting, seed, root / f"{setting.name}{'-quick' * args.quick}-{seed}")
            consortium.folder.mkdir(parents=True, exist_ok=True)
            rows += rows_of(consortium, args.variants, args.hospitals, not args.no_elsewhere)
            write_json(args.json, {"rows": rows, "requirements": requirements(rows)})
    show_rows(rows, args.variants)
    show(requirements_table(requirements(rows)))


if __name__ == "__main__":
    main()
