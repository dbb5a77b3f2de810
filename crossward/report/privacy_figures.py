"""A run's hospital-level privacy, for people: the figure of epsilon by version, and the words beside it.

Not for: accounting (``strategies.stopping.hospital_budget`` wrote what is drawn), privacy of examples or patients.
"""

from __future__ import annotations

from crossward.ledger.events import HospitalPrivacy
from crossward.report.axes import FIGURE, version_axis, y_axis
from crossward.report.history import History
from crossward.report.palette import ALERT, INK, MUTED
from crossward.report.parts import section
from crossward.report.svg import Drawing, scale

_MARKED = 300  # so many versions have a mark and a tooltip each


def hospital_section(history: History) -> str:
    """The report's card; nothing where the run has no hospital-level privacy."""
    if history.hospital_privacy is None:
        return ""
    guarantee = guarantee_text(history.hospital_privacy)
    return section("Privacy of a hospital, spent by version", guarantee, epsilon_figure(history))


def guarantee_text(promise: HospitalPrivacy) -> str:
    """The guarantee in words, and what it does not cover."""
    limit = f" of the {promise.limit:g} allowed" if promise.limit else ""
    text = (
        f"Whether the data of a hospital were in the run or were replaced with nothing cannot be inferred from the "
        f"versions and the adapter but by epsilon {promise.epsilon:.4g}{limit} at delta {promise.delta:g}, if it "
        f"takes part in all {promise.versions} versions (noise multiplier {promise.noise_multiplier:g}, carried "
        f"by any {promise.honest} contributors who keep their share of the noise to themselves; RDP accountant). "
        "Further runs on the same data add to it. Not covered: held-out losses, which hospitals report as they are, "
        "when and how fast a hospital answers, and single patients, whom a bound on a whole update does not tell "
        "apart. "
    )
    one, every = promise.alone_epsilon
    alone = (
        "no epsilon at all"
        if one is None
        else f"epsilon {one:.4g} an update"
        + (
            ", and none that can be claimed over the run"
            if every is None
            else f", {every:.4g} over as many as versions"
        )
    )
    if promise.exposed:
        return text + f"The aggregator reads updates in the clear, each with its own noise only: {alone}."
    return text + f"Only sums can be opened; who held the key and a single update would face {alone}."


def epsilon_figure(history: History) -> str:
    """Epsilon by version of whoever has taken part most, the run's budget above it; empty without versions."""
    points, promise = history.hospital_epsilons, history.hospital_privacy
    if not points or promise is None:
        return ""
    limit = promise.limit
    left, right, top, bottom = 58.0, FIGURE - 268.0, 26.0, 210.0
    high = 1.08 * max(limit, *(epsilon for _, epsilon in points))
    pen = Drawing(FIGURE, bottom + 46, "hospital epsilon by version")
    newest = max(history.last, promise.versions, 1)
    x, y = scale(0, newest, left + 8, right), scale(0.0, high, bottom, top)
    y_axis(pen, 0.0, high, top, bottom, left, right)
    version_axis(pen, newest, left + 8, right, bottom, "version")
    pen.text(8, top - 12, f"epsilon at delta {promise.delta:g}", colour=MUTED, size=11)
    steps = [(x(0), y(0.0))]
    for version, epsilon in points:
        steps += [(x(version), steps[-1][1]), (x(version), y(epsilon))]
    pen.polyline(steps, INK, 2.4)
    for version, epsilon in points if len(points) <= _MARKED else ():
        pen.circle(x(version), y(epsilon), 3.4, INK, title=f"version {version}: epsilon {epsilon:.4g}")
    pen.text(right + 42, y(points[-1][1]) + 4, f"took part most  {points[-1][1]:.3g}", bold=True)
    if limit:
        pen.line(left, y(limit), right, y(limit), ALERT, 1.5, "6 4")
        crowded = abs(y(limit) - y(points[-1][1])) < 15
        pen.text(right + 42, y(limit) + (-12 if crowded else 4), f"budget  {limit:g}", colour=ALERT)
    return pen.markup()
