"""What parties share in a run, by the name that ``run.scenario`` takes: ``SCENARIOS``.

The registry is here and not with the code because a run config is checked without it; ``server_app.app`` has what each
calls.

Not for: the settings of vertical runs (``crossward.config.vertical_settings``).
"""

from __future__ import annotations

from dataclasses import dataclass

HORIZONTAL, VERTICAL, TRANSFER = "horizontal", "vertical", "transfer"


@dataclass(frozen=True)
class Scenario:
    """One kind of federation.

    Parameters
    ----------
    about : str
        Its words in the settings' reference.
    data_of_parties : bool
        Whether parties hold features of the same patients, rather than notes of different ones.
    """

    about: str
    data_of_parties: bool = False


SCENARIOS: dict[str, Scenario] = {
    HORIZONTAL: Scenario("hospitals have notes of different patients"),
    VERTICAL: Scenario("parties have other features of the same patients", True),
    TRANSFER: Scenario("the same, with few patients in common", True),
}
