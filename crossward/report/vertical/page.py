"""``report.html`` of a vertical or transfer run: one page for people, whole in itself, drawn from the ledger.

Names and reasons come from parties and are shown as text, whatever they hold.

Not for: machines (``ledger.jsonl``), runs of other kinds (``crossward.report.views``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crossward.config.run_config import RunConfig
from crossward.config.scenarios import SCENARIOS
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events
from crossward.protocol.vertical.messages import BLIND, FINISH, MATCH, PIN
from crossward.report.document import document, write_page
from crossward.report.parts import section, settings, table, tile
from crossward.report.svg import count, duration, escape, size
from crossward.report.vertical.history import VerticalHistory, read_vertical
from crossward.report.vertical.privacy import privacy_section
from crossward.report.vertical.results import results_section
from crossward.report.vertical.steps import parties_table, steps_table
from crossward.report.vertical.timeline import timeline_figure
from crossward.report.vertical.traffic import traffic_figure, traffic_table
from crossward.report.vertical.troubles import troubles_table
from crossward.report.vertical.words import figure, listed
from server_app.run_folder import read_config

COMMON, DECLARED = "common patients", "declared patients"  # what parties report of the alignment


def vertical_page(history: VerticalHistory, config: dict[str, Any], lineage: str, folder: Path) -> str:
    """The page: well-formed HTML that is XML too."""
    run = RunConfig.stored(config)
    roster = f" Roster {escape(history.state.met.roster)}." if history.state.met is not None else ""
    body = [
        f'<header><div class="title"><h1>Crossward run {escape(lineage[:8])}</h1>{_state(history)}</div>',
        f"<p>{escape(_sentence(history, run))}<br/>{escape(folder.name)}</p></header>",
        _tiles(history, run),
        results_section(history, folder),
        section(
            "Parties",
            "In the order of the ring in which sets of patients were passed round. Computed: by each party's own word.",
            parties_table(history),
            "Not all parties have introduced themselves yet.",
        ),
        section(
            "Activity of every party, and when steps were done",
            "A lane a party; a numbered line is a step that all have done. Computing is as long as the party reports, "
            "placed in the middle of its round trip.",
            timeline_figure(history),
            "Not all parties have introduced themselves yet.",
        ),
        section(
            "Steps",
            "A step begins when all before it are done. What parties report with a step is public.",
            steps_table(history),
            "The settings do not say which steps this run has.",
        ),
        section("Common patients", "", _alignment(history), "The parties' sets of patients are not compared yet."),
        section(
            "Who sent how much to whom",
            "Sealed envelopes from party to party, by the bytes of each pair; one that is passed on twice counts once.",
            traffic_figure(history) + traffic_table(history),
            "Nothing was sent yet.",
        ),
        section(
            "Failures and absences",
            "Reasons are in the parties' own words.",
            troubles_table(history),
            "Nothing failed, and no party was away.",
        ),
        privacy_section(history, run.vertical, run.privacy.delta),
        f"<footer>Lineage {escape(lineage)}.{roster} Drawn from {FILE_NAME}. {settings(config)}</footer>",
    ]
    return document(f"Crossward run {lineage[:8]}", "".join(body))


def _state(history: VerticalHistory) -> str:
    if history.finished is not None:
        return f'<span class="state">Finished: {escape(history.finished)}</span>'
    return '<span class="state open">Unfinished: under way, or stopped before its end</span>'


def _sentence(history: VerticalHistory, run: RunConfig) -> str:
    """What the run is."""
    about = SCENARIOS[run.run.scenario].about if run.run.scenario in SCENARIOS else ""
    if (met := history.state.met) is None:
        return f"{run.run.scenario.capitalize()} run: {about}; they have not all introduced themselves yet."
    members = listed([f"{name} ({holds})" for name, holds in zip(met.parties, met.holds, strict=True)])
    aim = (
        "find out how many patients they have in common"
        if run.vertical.cardinality_only
        else f"train one model of {met.holder}'s outcome on patients they have in common"
    )
    return f"{run.run.scenario.capitalize()} run: {members} {aim}; none shows another its data."


def _tiles(history: VerticalHistory, run: RunConfig) -> str:
    state, pauses = history.state, len(history.sessions) - 1
    began = datetime.fromtimestamp(history.began, UTC).strftime("%Y-%m-%d %H:%M UTC") if history.began else "-"
    resumed = f", resumed {count(pauses, 'time')}" if pauses > 0 else ""
    finished = state.reported(FINISH).get(history.holder, {})
    auroc = figure(str(finished["auroc"])) if "auroc" in finished else "-"
    patients = (
        f"on {figure(str(finished['patients']))} held-out patients" if "patients" in finished else "not known yet"
    )
    failures = sum(one.what != "left" for one in history.troubles)
    protection = f"epsilon {run.vertical.epsilon:g} a patient" if run.vertical.epsilon else "of embeddings"
    envelopes = sum(found.count for found in history.sent.values())
    return (
        '<div class="tiles">'
        + tile("Joint model, AUROC", auroc, f"as the label holder reports, {patients}")
        + tile(
            "Common patients",
            _common(history),
            f"of {len(history.parties) or '-'} parties",
        )
        + tile("Steps done", f"{history.done} of {history.planned}", f"{failures} failures and absences")
        + tile("Wall time", duration(history.running), f"from {began}{resumed}")
        + tile("Messages", str(state.messages), "between aggregator and parties, both ways")
        + tile("Envelopes", str(envelopes), "sealed from party to party")
        + tile("Bytes sent", size(sum(found.bytes for found in history.sent.values())), "by all parties")
        + tile("Protection", run.vertical.protection, protection)
        + "</div>"
    )


def _common(history: VerticalHistory) -> str:
    found = [
        facts[COMMON] for action in (PIN, MATCH) for facts in history.state.reported(action).values() if COMMON in facts
    ]
    return figure(str(found[0])) if found else "-"


def _alignment(history: VerticalHistory) -> str:
    """What each party declared, and what is common."""
    declared = history.state.reported(BLIND)
    aligned = {**history.state.reported(MATCH), **history.state.reported(PIN)}
    if not declared and not aligned:
        return ""
    rows = []
    for party in history.parties:
        own, common = declared.get(party, {}).get(DECLARED), aligned.get(party, {}).get(COMMON)
        share = f"{100 * common / own:.0f} %" if isinstance(own, float) and isinstance(common, float) and own else "-"
        cells = "".join(
            f'<td class="n">{cell}</td>'
            for cell in (*("-" if value is None else escape(figure(str(value)), 40) for value in (own, common)), share)
        )
        rows.append(f"<tr><td>{escape(party)}</td>{cells}</tr>")
    return table(["party", "patients it declared", "in common with all", "share"], rows, [1, 2, 3])


def draw_vertical_page(folder: Path) -> str:
    """The page of the run in ``folder``, which may be under way.

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
    run = RunConfig.stored(began["config"])
    history = read_vertical(read_events(folder / FILE_NAME), run.vertical)
    return vertical_page(history, began["config"], began["lineage"], folder)


def write_vertical_report(folder: Path) -> Path:
    """Write the page into the run folder as ``report.html``; its path. Raises as :func:`draw_vertical_page` does."""
    return write_page(folder, draw_vertical_page(folder))
