"""``report.html`` of a run whose hospitals have notes of different patients: one page for people, whole in itself.

No scripts, nothing loaded from anywhere. Site names and reasons come from nodes and are shown as text, whatever they
hold.

Not for: machines (``ledger.jsonl``, ``metrics.jsonl``), opening the adapter (``crossward.evaluation``), runs of other
kinds (``crossward.report.views``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crossward.config.privacy_settings import PrivacySettings
from crossward.config.run_config import RunConfig
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events
from crossward.protocol.messages import ACCEPTED
from crossward.report.adapter_figures import perplexity_figure
from crossward.report.common_sections import activity_section, committee_section, footer, troubles_section
from crossward.report.document import document, write_page
from crossward.report.figures import bytes_figure, staleness_figure, weight_figure
from crossward.report.history import History, read_history
from crossward.report.joining.figures import Joining, evaluated
from crossward.report.joining.section import joining_section
from crossward.report.loss_figures import epsilon_figure, estimate_figure, loss_figure, train_figure
from crossward.report.parts import measures, section, state, tiles, trend
from crossward.report.privacy_figures import hospital_section
from crossward.report.profile.figures import Profile, profiled
from crossward.report.profile.page import profile_page
from crossward.report.profile.section import profile_section
from crossward.report.reported_loss import ExactLoss, rounding
from crossward.report.svg import count, escape
from crossward.report.timeline import shares_figure
from server_app.run_folder import read_config


def page(
    history: History,
    config: dict[str, Any],
    lineage: str,
    folder: str,
    joinings: Sequence[Joining] = (),
    profile: Profile | None = None,
) -> str:
    """The page: well-formed HTML that is XML too.

    ``joinings`` are what an evaluation has found, ``profile`` what the hospitals' notes are of, where that is known.
    """
    run = RunConfig.stored(config)
    if run.run.profile:
        return profile_page(history, config, lineage, folder, profile)
    half = len(history.hospitals) <= 8 and len(history.versions) <= 8
    width = 548.0 if half else 1120.0
    pair = ('<div class="pair">', "</div>") if half else ("", "")
    unused = history.count(ACCEPTED) - sum(len(made.weights) for made in history.versions)
    spare = f" {count(unused, 'accepted update')} went into no version." if unused > 0 else ""
    weights = section(
        "Weight of each hospital in every version",
        "Integer weights, as a share of their sum (Σ).",
        weight_figure(history, width),
        "No version was made.",
    )
    stale = section(
        "Contributors of every version and their staleness",
        "Versions made between an update's start and its arrival; empty: not in that version." + spare,
        staleness_figure(history, width),
        "No version was made.",
    )
    name = f"{run.strategy.name}, {run.strategy.rule.weighting} weighting, buffer of {run.strategy.buffer_size}, model "
    name += run.model.name
    body = [
        f'<header><div class="title"><h1>Crossward run {escape(lineage[:8])}</h1>{state(history)}</div>',
        f"<p>{escape(name)}<br/>{escape(folder)}</p></header>",
        tiles(history),
        section(
            trend(history),
            "Held-out notes stay at the hospital: each hospital reports sums over its own. Hollow: not all answered.",
            loss_figure(history),
            "No hospital has measured its held-out notes yet.",
        ),
        hospital_section(history),
        *_estimates(history),
        _training(history, run.train.loss_grid),
        *_spent(history, run.privacy),
        joining_section(joinings) if joinings else _at_home(history),
        activity_section(history),
        section(
            "How every hospital spent its time",
            "Parts of the time that the server ran. In a simulation the rest of a round trip is also waiting for the "
            "machine that all share, and the time that slow hospitals are held back.",
            shares_figure(history),
            "No task was sent.",
        ),
        pair[0] + weights + stale + pair[1],
        section(
            "Bytes up and down by hospital",
            "The ledger does not record the size of refused or lost updates.",
            bytes_figure(history),
            "Nothing was transferred.",
        ),
        *([profile_section(profile)] if profile is not None else []),
        *committee_section(history),
        section(
            "Held-out measures",
            "Perplexity, and next-token accuracy below it, each with its 95 % interval by patient.",
            measures(history),
            "No hospital has measured its held-out notes yet.",
        ),
        troubles_section(history),
        footer(history, config, lineage),
    ]
    return document(f"Crossward run {lineage[:8]}", "".join(body))


def _estimates(history: History) -> list[str]:
    """The losses that hospitals reported with noise, where they did."""
    if not (figure := estimate_figure(history)):
        return []
    says = (
        "The loss of the global model on a sample of each hospital's held-out notes, as the hospital estimated it "
        "before each training: with noise that hides single patients, and smoothed over versions, so that it lags "
        "behind a fast fall."
    )
    return [section("Estimated held-out loss of each hospital", says, figure, "")]


def _at_home(history: History) -> str:
    """The adapters at each hospital, as it reported them."""
    alone = any(model == "own" for model, _ in history.measures)
    return section(
        "The hospitals' adapters against the untuned base" + (" and against training alone" if alone else ""),
        "Held-out perplexity of each hospital's own notes with 95 % intervals by patient, as it last reported it.",
        perplexity_figure(history),
        "No hospital has measured its held-out notes yet.",
    )


def _training(history: History, grid: float) -> str:
    """The training losses, under the name of what they are; nothing where all hospitals report estimates instead."""
    kinds = {span.noise > 0 for span in history.spans if span.loss is not None}
    if kinds == {True}:
        return ""
    of = "Mean over the notes that an accepted update was trained on"
    title, says = "Training loss of each hospital's updates", f"{of}, as each hospital reported it."
    if history.rounding:
        title = f"Reported training loss of each hospital's updates, {history.rounding}"
        says = (
            f"{of}. Hospitals round it before they report it, so that it reveals little about single patients: smaller "
            "changes do not show. The held-out loss above shows how well the run does."
        )
    elif rounded := rounding(grid):
        says = (
            f"{of}: exact, as the simulated hospitals keep it on this machine. They report an estimate of the held-out "
            f"loss, with noise, or this loss {rounded}; an aggregator sees nothing finer."
        )
    unit = history.privacy_unit or ("hospital" if history.hospital_privacy is not None else "")
    withheld = f"Withheld: it would reveal what privacy.unit = {unit!r} protects."
    return section(title, says, train_figure(history), withheld if unit else "No update was accepted.")


def _spent(history: History, privacy: PrivacySettings) -> list[str]:
    """What hospitals spent of their privacy budgets, in a run that has any."""
    if not history.privacy_unit:
        return []
    budget, delta = privacy.epsilon, privacy.delta
    return [
        section(
            f"{history.privacy_unit.capitalize()}-level epsilon, per hospital",
            f"At delta = {delta:g}, as each hospital's own accountant has it, over all its trainings so far in this "
            f"run; {f'its budget is {budget:g}' if budget else 'there is no budget'}. It protects what a hospital "
            "trains on, not its held-out patients, whose measures are exact.",
            epsilon_figure(history),
        )
    ]


def draw_page(folder: Path, exact: ExactLoss | None = None) -> str:
    """The page of the run in ``folder``, which may be under way.

    ``exact`` training losses, which only who runs a simulation has, are drawn in place of those that were reported.

    Raises
    ------
    RunFolderError
        ``folder`` holds no run.
    LedgerError
        the ledger's chain does not hold.
    SettingsError
        the run's settings are none of this version's.
    OSError
        the ledger cannot be read.
    """
    began = read_config(folder)
    config = began["config"]
    history = read_history(read_events(folder / FILE_NAME), rounding(RunConfig.stored(config).train.loss_grid), exact)
    joinings = evaluated(folder, history.last)
    return page(history, config, began["lineage"], folder.name, joinings, profiled(folder))


def write_report(folder: Path, exact: ExactLoss | None = None) -> Path:
    """Write :func:`draw_page`'s page into the run folder as ``report.html``; its path. Raises as it does."""
    return write_page(folder, draw_page(folder, exact))
