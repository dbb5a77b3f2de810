"""What a party holds the aggregator to: the parties, the settings and the program that the run began with.

An aggregator that could ask for any step could have outcomes returned in a run without exchanges, embeddings sent in
the clear in one of encrypted forward, or the same embeddings noised anew until the noise averages out.

Not for: which runs a party takes part in at all (``client_app.vertical.demands``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client_app.vertical.errors import PartyError
from crossward.config.run_config import DEFAULTS, RunConfig
from crossward.machine.files import write_atomic
from crossward.protocol.vertical.messages import Introduction, Work
from crossward.protocol.vertical.program import program

SECTIONS = ("vertical.", "privacy.", "lora.")
KEYS = ("run.scenario", "run.seed", "model.name")
SERVER_S = "vertical.max-wait"  # says how long the aggregator waits, and nothing of what a party does


def check_step(config: RunConfig, work: Work, own: str) -> None:
    """The step is one of the run's program, and for this party.

    Raises
    ------
    PartyError
        says what the program has there.
    """
    steps = program(config.vertical, config.vertical.parties)
    asked = f"step {work.step}, {work.action} {work.round}"
    if work.step >= len(steps):
        raise PartyError(f"the aggregator asks for {asked}: this run's program has {len(steps)} steps")
    step = steps[work.step]
    if (step.action, step.round) != (work.action, work.round):
        raise PartyError(
            f"the aggregator asks for {asked}: in this run's program that step is {step.action} {step.round}"
        )
    names, holder = tuple(one.name for one in work.parties), next(one.name for one in work.parties if one.outcome)
    if own not in step.parties(names, holder):
        raise PartyError(f"the aggregator asks {own!r} for {asked}: that step is for {step.who}")


def check_parties(config: RunConfig, work: Work, own: Introduction, path: Path) -> None:
    """The parties that the aggregator names are as many as the run's, this one as it is, and stay those in ``path``.

    Raises
    ------
    PartyError
        says what is not so.
    """
    names = [one.name for one in work.parties]
    if next((one for one in work.parties if one.name == own.name), None) != own:
        raise PartyError(
            f"the aggregator does not pass on this party's introduction as it is signed (party {own.name!r}): if its "
            "state folder was emptied since the run began, restore it, or start a new run"
        )
    if names != sorted(set(names)) or len(names) != config.vertical.parties:
        raise PartyError(
            f"the aggregator names {len(names)} parties, expected {config.vertical.parties} (vertical.parties), each "
            "once and in the order of their names"
        )
    if sum(one.outcome for one in work.parties) != 1:
        raise PartyError("the aggregator names no party, or several, that have the outcome")
    text = "\n".join(one.signed_bytes(work.lineage).decode() for one in work.parties) + "\n"
    if not path.exists():
        write_atomic(path, text)
    elif path.read_text() != text:
        raise PartyError("the aggregator names other parties than before in this run: start a new one")


def check_settings(config: RunConfig, began: Mapping[str, Any]) -> None:
    """The settings that decide what this party does are those with which the run ``began`` here.

    Raises
    ------
    PartyError
        names those that are not.
    """
    now, before = config.by_key(), DEFAULTS | dict(began)
    kept = [key for key in now if key in KEYS or key.startswith(SECTIONS)]
    if other := [key for key in kept if key != SERVER_S and before[key] != now[key]]:
        shown = ", ".join(f"{key} ({before[key]!r}, now {now[key]!r})" for key in other[:5])
        raise PartyError(f"the run began at this party with other settings: {shown}. Resume it with those")


def settings_in(path: Path) -> dict[str, Any]:
    """The settings that ``path``, this party's own description of the run, says it began with.

    Raises
    ------
    PartyError
        it cannot be read.
    """
    try:
        found = json.loads(path.read_text())["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PartyError(
            f"{path} cannot be read ({type(error).__name__}): restore this party's state folder, or start a new run"
        ) from error
    return dict(found)
