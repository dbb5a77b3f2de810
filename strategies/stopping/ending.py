"""How a run ends: at its last version, by what an evaluation round says, or because nobody gets on.

Not for: when versions are made (``strategies.async_hybrid``), what losses mean (``strategies.stopping.convergence``).
"""

from __future__ import annotations

from logging import WARNING

from flwr.app import MetricRecord
from flwr.common import log
from flwr.serverapp.strategy import Result

from crossward.ledger import reasons
from crossward.ledger.events import Evaluated
from crossward.protocol.messages import ALONE, FAILED, TRAIN
from strategies.aggregation.versions import roll_back
from strategies.exchange.reception import ATTEMPTS, fail
from strategies.exchange.waiting import for_committee
from strategies.history.state import RunError, ServerState
from strategies.opening.making import drop


class Ending:
    """Ends ``state``'s run at ``last_version`` or before; ``began`` is when its present session did."""

    def __init__(self, state: ServerState, result: Result, last_version: int) -> None:
        self.state, self.result, self.last_version = state, result, last_version
        self.began = 0.0
        self._told = False  # that a run waits for hospitals with budget left

    def close_round(self) -> MetricRecord | None:
        """End the evaluation round under way and judge its loss: go on, stop or roll back."""
        s = self.state
        done, s.round = s.round, None
        if done is None:
            return None
        loss, (judged, clamped) = done.loss("global"), done.judged("global", s.settings)
        judge = float("inf") if judged is None else judged  # None where there is no loss either
        complete = loss is not None and done.complete()
        jumped = complete and loss is not None and not s.stop_reason and s.convergence.must_roll_back(judge)
        reverts = list(range(s.version, s.convergence.best_version, -1)) if jumped else []
        s.record(
            Evaluated(
                version=done.version,
                loss=loss,
                sites=tuple(sorted(done.sites())),
                complete=complete,
                reverts=tuple(reverts),
                judged=judged,
                clamped=tuple(clamped),
            )
        )
        if clamped:
            log(WARNING, "Clamped in the evaluation of version %s: %s", done.version, "; ".join(clamped))
        if loss is None:
            return None
        metrics = self.result.evaluate_metrics_clientapp[done.version] = done.metrics()
        if not complete:
            return metrics
        if reverts:
            log(WARNING, "The loss jumped to %.3f: versions after %s are rolled back", judged, reverts[-1] - 1)
            drop(s, reasons.ROLLED_BACK(version=s.version + 1))
            roll_back(s, reverts)
            self.stop_at_last()
        elif (reason := s.convergence.observe(done.version, judge)) and not s.stop_reason:
            self.stop(reason)
        return metrics

    def stop_at_last(self) -> None:
        """Stop if the last version is made."""
        if self.state.version >= self.last_version:
            self.stop(reasons.ALL_VERSIONS(versions=self.last_version).text)

    def stop(self, reason: str) -> None:
        """Train no more, for ``reason``; every node is asked its last task."""
        if not self.state.stop_reason:
            self.close_round()
        if not self.state.stop_reason:  # the round's own loss may have ended the run just now
            self.state.stop_reason = reason
            self.state.ask_all(self.state.last_task)

    def stop_without_budget(self) -> None:
        """Stop where privacy budgets leave fewer hospitals than a version needs: the run is complete, as it is.

        A hospital that is away, or has yet to join, counts as having budget left; for these ``check_stall`` waits.

        Raises
        ------
        RunError
            there is no version yet: the settings do not fit the budgets of those who came, and nobody joined them
            within ``strategy.max-wait``.
        """
        s = self.state
        if s.stop_reason or not any(map(s.exhausted, s.roster.nodes)):
            return
        (left, known), needed = s.with_budget(), s.settings.min_contributors
        if left >= needed:
            return
        if s.version:
            self.stop(reasons.SPENT(left=left, known=known, needed=needed).text)
            return
        last = next(view.reason for view in reversed(s.roster.nodes.values()) if s.exhausted(view.node))
        message = (
            f"{known - left} of {known} nodes refused their first training for its privacy cost, fewer than "
            f"strategy.min-contributors = {needed} are left; the last reason: {last}"
        )
        if not left or s.clock.now() - self.began >= s.settings.max_wait:
            raise RunError(f"no version was made: {message}")
        if not self._told:
            self._told = True
            log(WARNING, "%s. Waiting up to strategy.max-wait = %g s for others to join", message, s.settings.max_wait)

    def done(self) -> bool:
        """Whether nothing is under way or owed any more."""
        s = self.state
        return bool(s.stop_reason) and not s.roster.flights and not s.owing() and s.round is None

    def patience(self) -> float:
        """Seconds without progress after which nothing is waited for: more where nodes are known to take longer."""
        s = self.state
        known = max((s.forecast.expected(node, TRAIN) or 0.0 for node in s.roster.present), default=0.0)
        if s.stop_reason and s.last_task == ALONE:  # a training over the whole schedule, or over as many steps as given
            steps = s.last_steps or s.schedule.local_steps * s.schedule.versions
            known *= max(steps / s.schedule.local_steps, 1.0)
        return max(s.settings.stall_seconds, s.settings.timeout_factor * known)

    def _leave_behind(self) -> None:
        """Wait no more for answers to last tasks: all versions are made, and a silent node may stay so for hours."""
        s = self.state
        for message_id, flight in list(s.roster.flights.items()):
            s.roster.land(message_id)
            fail(s, flight, FAILED, reasons.NO_LAST_ANSWER(reason=s.stop_reason).text)
        for node in s.roster.present:
            if (view := s.roster.nodes[node]).todo:
                log(WARNING, "%s has not answered '%s': the run ends without it", view.hospital, view.todo)
                view.todo = ""

    def check_stall(self) -> None:
        """Give up when nothing can come of waiting on: the run, or, once that is complete, who does not answer.

        Raises
        ------
        RunError
            why, and what to do.
        """
        s = self.state
        views = [s.roster.nodes[node] for node in s.roster.present]
        if s.progress == self.began and views and all(view.failures >= ATTEMPTS for view in views):
            raise RunError(
                f"every node failed {ATTEMPTS} times and nothing was ever accepted; the last reason: {views[-1].reason}"
            )
        if views and all(view.refusing and view.failures >= ATTEMPTS for view in views):
            raise RunError(f"every node refuses to go on; the last reason: {views[-1].reason}")
        still = s.clock.now() - s.progress
        if still > s.settings.stall_seconds and still > (patience := self.patience()):  # which is no less
            if s.stop_reason:
                self._leave_behind()
                return
            spent = sum(map(s.exhausted, s.roster.nodes))
            budgets = f", {spent} have spent their privacy budget" if spent else ""
            budgets += f"; {opening}" if (opening := for_committee(s)) else ""
            raise RunError(
                f"no update was accepted for {patience:g} s (see strategy.task-timeout): {len(s.buffer)} "
                f"updates of {s.settings.min_contributors} needed wait and {len(s.roster.present)} nodes are "
                f"connected{budgets}. The ledger's last lines show what failed; the run can be resumed"
            )
