"""What a launch does differently by scenario: ``LAUNCHES``.

Not for: a launch from start to end (``crossward.launcher.launch``), what scenarios are
(``crossward.config.scenarios``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from crossward.config.encryption_settings import NONE
from crossward.config.privacy_settings import NO_UNIT
from crossward.config.run_config import RunConfig
from crossward.config.scenarios import HORIZONTAL, TRANSFER, VERTICAL
from crossward.launcher.preflight import check_size, read_notes, read_parties

Say = Callable[[str], None]


@dataclass(frozen=True)
class ScenarioLaunch:
    """How a scenario is launched.

    Parameters
    ----------
    nodes : int
        Simulated nodes where the user names no number.
    check : callable
        (run config, nodes) -> None; raises a SettingsError where they do not go together.
    read : callable
        (run config, nodes, say) -> how many notes are held out: reads the data before Flower is started.
    outline : callable
        (run config, nodes) -> the run in a line.
    forecasts : bool
        Whether memory and time of training are estimated first.
    own : callable
        (nodes) -> run-config keys that follow from their number, where the user does not set them.
    following : tuple of str
        Commands that are of use afterwards, with ``{command}``, ``{folder}`` and ``{key}``.
    """

    nodes: int
    check: Callable[[RunConfig, int], None]
    read: Callable[[RunConfig, int, Say], int]
    outline: Callable[[RunConfig, int], str]
    forecasts: bool
    own: Callable[[int], dict[str, Any]]
    following: tuple[str, ...]


def _horizontal(config: RunConfig, nodes: int) -> str:
    used, unit = config.encryption, config.privacy.unit
    if config.run.profile:
        return f"{nodes} simulated hospitals count their notes, encrypted ({used.scheme})"
    return (
        f"{nodes} simulated hospitals, {config.schedule.versions} versions, "
        f"{config.strategy.name}, model {config.model.name}, "
        + (f"updates encrypted ({used.scheme}, {used.policy})" if used.policy != NONE else "no encryption")
        + (f", {unit}-level privacy" if unit != NO_UNIT else "")
    )


def _vertical(config: RunConfig, nodes: int) -> str:
    vertical = config.vertical
    if vertical.cardinality_only:
        return f"{nodes} simulated parties find out how many patients they have in common"
    exchanges = f"{vertical.exchanges} exchanges" if vertical.exchanges else "one exchange"
    private = f", epsilon {vertical.epsilon:g}" if vertical.epsilon else ""
    return (
        f"{nodes} simulated parties with features of the same patients, {exchanges}, model {config.model.name}, "
        f"embeddings {vertical.protection}{private}"
    )


def _check_vertical(config: RunConfig, nodes: int) -> None:
    from client_app.vertical.simulated import check_parties

    check_parties(nodes)


FEW = {"vertical.overlap": 0.05, "vertical.exchanges": 0}  # what a transfer run tries, where the user does not say
_VERTICAL = ScenarioLaunch(
    3,
    _check_vertical,
    read_parties,
    _vertical,
    False,
    lambda nodes: {"vertical.parties": nodes},
    (
        "{command} watch {folder} --serve   # the report as a web page",
        "{command} predict {folder} --party Laboratory --out predictions.csv",
    ),
)
LAUNCHES: dict[str, ScenarioLaunch] = {
    HORIZONTAL: ScenarioLaunch(
        4,
        check_size,
        read_notes,
        _horizontal,
        True,
        lambda nodes: {},
        (
            "{command} watch {folder} --serve   # the report as a web page",
            "{command} report {folder}          # redraw it",
            "{command} export {folder} --out adapter{key}",
            "{command} evaluate {folder} --centralised{key}",
        ),
    ),
    VERTICAL: _VERTICAL,
    TRANSFER: replace(_VERTICAL, own=lambda nodes: {"vertical.parties": nodes, **FEW}),
}
