"""Cached updates over whole runs: nodes hold what plain floats give, and a node's cache what the sums hold of it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from client_app.cached.own import OwnCache
from client_app.update.payloads import Vault
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.run_config import RunConfig
from crossward.config.schedule import Schedule
from crossward.config.settings import SettingsError
from crossward.config.strategy_settings import StrategySettings
from crossward.config.variance_reduction import FADE, PACE, Block
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.ledger.lines import read_line
from crossward.protocol.messages import ACCEPTED
from crossward.protocol.wire import read_task
from crossward.simulation.strategy import Simulated, simulate
from crossward.simulation.toy import ToyLearner
from crossward.simulation.virtual_grid import Speed
from strategies.history.journal import MemoryJournal
from tests.strategies.conftest import DIMENSION
from tests.strategies.test_evaluation_rounds import Poisoned

CACHED: dict[str, Any] = {"variance_reduction": "cached", "weighting": "equal"}
KEY = ConsortiumKey(Secret(bytes(range(32))))
SEALED, OPENED = (Vault(EncryptionSettings(scheme=scheme, workers=1), KEY) for scheme in ("bfv", "committee"))


HOSPITAL = {"privacy.unit": "hospital", "privacy.epsilon": 8.0, "strategy.weighting": "equal"}


class Replica:
    """A run in plain floats, from what hospitals sent and the weights and dithers of the ledger's versions."""

    def __init__(self, f: Any) -> None:
        self.f, self.known = f, set[str]()
        self.adapter: dict[int, np.ndarray] = {0: np.zeros(DIMENSION)}
        self.caches: dict[int, dict[int, np.ndarray]] = {0: {}}  # version -> node -> its cache
        self.sums: dict[int, np.ndarray] = {0: np.zeros(DIMENSION)}  # H and what the block brought
        x, held, recent = np.zeros(DIMENSION), np.zeros(DIMENSION), np.zeros(DIMENSION)
        own: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(DIMENSION))
        inside = hospitals = 0
        gain, states = f.settings.buffer_size, {0: (x, held, recent, dict(own), inside, hospitals)}
        for line in f.made():
            if line.get("reverts"):  # newest first: back to where it was before
                x, held, recent, kept, inside, hospitals = states[line["reverts"] - 1]
                own = defaultdict(lambda: np.zeros(DIMENSION), kept)
            else:
                every = f.settings.evaluate_every
                if not inside or inside * gain >= hospitals or (every and (line["version"] - 1) % every == 0):
                    held, recent, inside, hospitals = FADE * (held + recent), np.zeros(DIMENSION), 0, len(self.known)
                    own = defaultdict(lambda: np.zeros(DIMENSION), {n: FADE * c for n, c in own.items()})
                unit = f.schedule.value_range(line["epoch"]) / f.plan.q_max / f.plan.total_weight
                mean = f.version_sum(line) * unit
                x = x + f.schedule.server_rate * (held / max(hospitals, 1) + mean)
                recent, inside = recent + PACE * gain * mean, inside + 1
                for task, weight in zip(line["tasks"], line["weights"], strict=True):
                    node, update = f.sent[task]
                    own[node] = own[node] + PACE * gain * weight * unit * f.opened(update.payload, 1, update.key)
                self.known |= set(line["hospitals"])
            states[line["version"]] = (x, held, recent, dict(own), inside, hospitals)
            self.adapter[line["version"]], self.sums[line["version"]] = x, held + recent
            self.caches[line["version"]] = dict(own)

    def scale(self) -> float:
        """Units of the nodes' arrays."""
        return float(self.f.schedule.value_range(0) / self.f.plan.q_max / self.f.plan.total_weight)

    def check(self, nodes: Any = None) -> None:
        """Nodes hold the last adapter, the same bits, and their own caches."""
        last, copies = self.f.strategy.state.version, []
        for node in nodes or self.f.nodes:
            state = self.f.state_of(node)
            copies.append(state.copy)
            assert state.copy.version == state.own.version == last
            vector = state.copy.vector(np.zeros(DIMENSION, np.float32), self.f.plan, self.f.schedule)
            assert np.allclose(vector, self.adapter[last], rtol=0, atol=2e-6)
            own = np.zeros(DIMENSION) if state.own.values is None else state.own.values * self.scale()
            assert np.allclose(own, self.caches[last].get(node, 0.0), rtol=0, atol=1e-9), node
            assert state.residual is None and state.pending is None
        assert len({copy.hash("x", b"key") for copy in copies}) == 1
        sums = (copies[0].cached.caches + copies[0].cached.recent) * self.scale()
        assert np.allclose(sums, self.sums[last], rtol=0, atol=1e-9)

    def check_sent(self) -> int:
        """What was sent is the delta less the cache, to a unit, where the range holds it; how many updates were."""
        for update in self.f.sent.values():
            node, content = update
            unit = self.f.schedule.value_range(content.epoch) / self.f.plan.q_max
            got = self.f.opened(content.payload, 1, content.key) * unit
            wanted = self.f.deltas[node, content.version] - self.caches[content.version].get(node, 0.0)
            inside = np.abs(wanted) < unit * (self.f.plan.q_max - 1)
            assert np.abs(got - wanted)[inside].max() <= 1.001 * unit and np.sign(got[~inside] * wanted[~inside]).min(
                initial=1
            )
        return len(self.f.sent)


def run(federation: Any, **keywords: Any) -> Any:
    f = federation(**CACHED | {"compute": (1, 1.1, 2.3, 5.7, 9.9), "versions": 14} | keywords)
    f.start()
    return f


@pytest.mark.parametrize("plan", [FieldPlan(8, 7, 2), FieldPlan(12, 10, 0), FieldPlan(8, 6, 6)])
@pytest.mark.parametrize("evaluate_every", [0, 4])
def test_nodes_hold_what_plain_floats_give(federation: Any, plan: FieldPlan, evaluate_every: int) -> None:
    f = run(federation, plan=plan, evaluate_every=evaluate_every, snapshot_every=0)
    replica = Replica(f)
    replica.check()
    assert replica.check_sent() > 30
    for (_, version), start in f.starts.items():
        assert np.allclose(start, replica.adapter[version], rtol=0, atol=2e-6)
    f.check_accounts()
    # a control: the sums alone are another adapter
    assert not np.allclose(f.reference(), replica.adapter[14], atol=1e-3)


def test_versions_of_a_block_travel_as_one_sum(federation: Any) -> None:
    longest = 0

    def watch(who: int, message: Message, reply: Message) -> Any:
        nonlocal longest
        for head, _ in read_task(message.content).records:
            longest = max(longest, head.last - head.first + 1)
        return [(0.0, reply)]

    f = run(federation, compute=(1,) * 9 + (31.0,), versions=40, plan=FieldPlan(8, 6, 6), fault=watch, max_staleness=40)
    assert longest > 2
    Replica(f).check()


def test_caches_add_up_to_their_sum_but_for_the_dithers(federation: Any) -> None:
    f = run(federation, plan=FieldPlan(12, 12, 0))
    replica = Replica(f)
    replica.check()
    left = np.abs(replica.sums[14] - sum(replica.caches[14].values()))
    unit = f.schedule.value_range(0) / f.plan.q_max
    assert left.max() < 14 * 3 * unit < 0.1 * np.abs(replica.sums[14]).max()


def test_lost_late_and_failed_updates_leave_no_trace(federation: Any) -> None:
    fates: dict[int, int] = defaultdict(int)

    def faults(who: int, message: Message, reply: Message) -> Any:
        if message.metadata.message_type != "train":
            return [(0.0, reply)]
        fates[who] += 1
        if who == 1 and fates[who] in (2, 5):
            return []  # lost
        return [(40.0 if who == 2 and fates[who] == 3 else 0.0, reply)]

    f = run(federation, versions=24, fault=faults, max_staleness=3, task_timeout=20.0, min_timeout=5.0)
    outcomes = {o for found in f.outcomes().values() for o in found}
    assert {"late", "failed"} <= outcomes
    Replica(f).check()
    f.check_accounts()


def test_a_newcomer_starts_from_a_snapshot_with_the_mean_in_it(federation: Any) -> None:
    sent: list[Any] = []

    def watch(who: int, message: Message, reply: Message) -> Any:
        if who == 5:
            sent.append(read_task(message.content))
        return [(0.0, reply)]

    given = {"versions": 45, "snapshot_every": 5, "max_staleness": 20, "buffer_size": 4, "joins": {5: 34.5}}
    f = run(federation, compute=(1,) * 5, vault=SEALED, plan=FieldPlan(8, 7, 0), fault=watch, **given)
    assert sent[0].snapshot is not None and len(sent[0].snapshot[0].cached) == 6
    assert any("toy-4" in line["sites"] for line in f.made())
    Replica(f).check()


def test_a_resumed_run_goes_on_with_the_same_mean(federation: Any) -> None:
    class GoneError(Exception):
        """The process is gone."""

    journal = MemoryJournal()
    first = federation(journal=journal, **CACHED, compute=(1, 1.1, 2.3, 5.7, 9.9), versions=14)
    record = journal.record

    def interrupted(event: str, **facts: Any) -> None:
        record(event, **facts)
        if event == "version" and facts["version"] == 6:
            raise GoneError

    journal.record = interrupted  # type: ignore[method-assign]
    with pytest.raises(GoneError):
        first.start()
    journal.record = record  # type: ignore[method-assign]
    again = federation(journal=journal, **CACHED, compute=(1, 1.1, 2.3, 5.7, 9.9), versions=14)
    again.sent, again.starts, again.deltas = first.sent, first.starts, first.deltas
    again.start()
    assert again.strategy.state.version == 14
    replica = Replica(again)
    replica.check()
    assert replica.check_sent()


def test_a_rollback_leads_back_and_goes_on(federation: Any) -> None:
    gentle = Schedule(versions=24, local_steps=5, peak=0.05, kind="constant")
    given = {"compute": (1, 1.01, 1.02, 1.03), "buffer_size": 3, "max_staleness": 50}
    f = run(
        federation,
        learner=Poisoned,
        schedule=gentle,
        evaluate_every=4,
        rollback_ratio=1.2,
        **given,
        plan=FieldPlan(8, 7, 2),
    )
    back = [line for line in f.made() if line.get("reverts")]
    assert len(back) >= 4 and len({line["block"] is None for line in f.made() if "block" in line}) == 1
    replica = Replica(f)
    best, end = back[-1]["reverts"] - 1, back[-1]["version"]
    assert np.allclose(replica.adapter[end], replica.adapter[best]) and best
    replica.check()
    starts = {version: s for (_, version), s in f.starts.items()}
    if end in starts and best in starts:
        assert starts[end].tobytes() == starts[best].tobytes()


def test_a_node_that_lost_its_state_takes_part_again(federation: Any) -> None:
    """What the sum still holds of it fades; all hold the same copy, and its cache is what it sent since."""
    f = federation(**CACHED, compute=(1, 1.1, 2.3, 5.7, 9.9), versions=20)
    lost = False

    def lose(who: int, message: Message, reply: Message) -> Any:
        nonlocal lost
        if who == 1 and not lost and read_task(message.content).version >= 8:
            lost = True
            for path in (f.folder / f.journal.lineage / "0").glob("*"):
                path.unlink()
        return [(0.0, reply)]

    f.fault = lose
    f.start()
    assert lost
    copies = [f.state_of(node).copy for node in f.nodes]
    assert len({copy.hash("x", b"key") for copy in copies}) == 1
    Replica(f).check([2, 3, 4, 5])


def test_sealed_and_clear_runs_hold_the_same_bits() -> None:
    schedule = Schedule(versions=12, local_steps=5, peak=0.05)
    settings = StrategySettings(buffer_size=3, evaluate_every=0, max_share=0.45, **CACHED)
    found = []
    for vault in (None, SEALED):
        learners = [ToyLearner(number, schedule) for number in range(5)]
        speeds = [Speed(1e15, 0.0, 1.0 + 0.7 * number, 0.0) for number in range(5)]
        done = simulate(learners, settings, schedule, speeds, vault=vault, plan=FieldPlan(8, 6, 6))
        found.append({done.vector(number).tobytes() for number in range(5)})
    assert found[0] == found[1] and len(found[0]) == 1


def test_a_committee_opens_cached_updates() -> None:
    schedule = Schedule(versions=8, local_steps=5, peak=0.05)
    settings = StrategySettings(buffer_size=3, evaluate_every=0, **CACHED)
    learners = [ToyLearner(number, schedule) for number in range(5)]
    done = simulate(learners, settings, schedule, [Speed(1e15, 0.0, 1.0 + number) for number in range(5)], vault=OPENED)
    assert len({done.vector(number).tobytes() for number in range(5)}) == 1
    assert all(made.block and made.openers for made in done.versions)
    check_sums(done)


def test_hospitals_that_train_on_while_their_list_is_opened_count_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their next update differs from what they will have in the sums by then."""
    waited = 0
    expected = OwnCache.expected

    def noted(self: OwnCache, accepted: Any, total_weight: int) -> Any:
        nonlocal waited
        found = expected(self, accepted, total_weight)
        waited += found is not self.values
        return found

    monkeypatch.setattr(OwnCache, "expected", noted)
    schedule = Schedule(versions=14, local_steps=5, peak=0.05, kind="constant")
    settings = StrategySettings(buffer_size=3, evaluate_every=0, max_staleness=20, **CACHED)
    learners = [ToyLearner(number, schedule) for number in range(13)]
    speeds = [Speed(1e15, 0.5, 1.0 + 0.3 * number) for number in range(13)]
    done = simulate(learners, settings, schedule, speeds, vault=OPENED)
    assert waited > 10
    assert len({done.vector(number).tobytes() for number in range(13)}) == 1
    check_sums(done)


def check_sums(done: Simulated) -> None:
    """The nodes' caches add up to what each node holds as their sum, but for the dithers of versions."""
    states = [node.store.load("") for node in done.nodes]
    caches = sum(state.own.values for state in states if state.own.values is not None)
    held = states[0].copy.cached
    assert held is not None
    total, carriers = done.strategy.state.plan.total_weight, 4
    versions = len(done.versions)
    assert np.abs(held.caches + held.recent - caches).max() < versions * 3 * carriers * total / 2
    assert np.abs(held.caches + held.recent).max() > 20 * total


def test_who_takes_part_seldom_counts_as_much() -> None:
    """Two fast hospitals want one thing and two slow ones another: the mean of all four is where a run should end."""
    schedule = Schedule(versions=120, local_steps=5, peak=0.02, kind="constant", warmup=0.0)

    class Linear(ToyLearner):
        """Deltas proportional to the way that is left."""

        def train(self, start: np.ndarray, version: int, seed: int) -> Any:
            trained = super().train(start, version, seed)
            return type(trained)(
                (start + 0.1 * (self.target - start)).astype(np.float32), *list(vars(trained).values())[1:]
            )

    ends = {}
    for name in ("none", "cached"):
        learners: list[Any] = [Linear(number, schedule) for number in range(4)]
        for number, learner in enumerate(learners):
            learner.target = np.full(16, 0.5 if number < 2 else -0.5, np.float32)
        settings = StrategySettings(
            buffer_size=2,
            min_contributors=2,
            evaluate_every=0,
            weighting="equal",
            variance_reduction=name,
            max_staleness=50,
        )
        speeds = [Speed(1e15, 0.0, seconds, 0.0) for seconds in (1.0, 1.1, 6.3, 7.9)]
        ends[name] = float(simulate(learners, settings, schedule, speeds).vector().mean())
    assert ends["none"] > 0.25 and abs(ends["cached"]) < 0.25 * ends["none"]


# ---------------------------------------------------------------------- settings and messages


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"strategy.weighting": "paper"}, "set strategy.weighting to 'equal'"),
        ({"strategy.weighting": "equal", "strategy.name": "fedavg", "strategy.buffer-size": 0}, "does nothing where"),
        (HOSPITAL, "privacy.unit = 'hospital'"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        RunConfig.read({"strategy.variance-reduction": "cached"} | given)
    RunConfig.read({"strategy.variance-reduction": "cached", "strategy.weighting": "equal"})


def test_a_node_that_follows_other_settings_says_so(federation: Any) -> None:
    f = federation(compute=(1, 1, 1, 1), versions=3, **CACHED)
    f.settings = StrategySettings(buffer_size=3, evaluate_every=0)  # what nodes read from now on
    with pytest.raises(Exception, match=r"."):
        f.start()
    reasons = {line["reason"] for line in f.lines("malformed", "failed")}
    assert any("strategy.variance-reduction" in reason for reason in reasons), reasons


def test_the_ledger_says_where_versions_are(federation: Any) -> None:
    f = run(federation)
    blocks = [Block(*line["block"]) for line in f.made()]
    assert blocks[0] == (3, 1, 1, 1, 0, 0) and all(b.gain == 3 for b in blocks)
    for one, other in itertools.pairwise(blocks):
        assert (other.number, other.position) in ((one.number, one.position + 1), (one.number + 1, 1))
    assert {type(read_line(line)).__name__ for line in f.made()} == {"Version"}
    assert not any("block" in line for line in federation(compute=(1, 1, 1), versions=1).made())
    assert f.lines(ACCEPTED)
