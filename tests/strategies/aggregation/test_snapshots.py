"""State hashes and snapshots: two of a mind are needed, and nothing is left lying about."""

from crossward.ledger.state import RunState
from crossward.protocol.messages import SnapshotHead
from crossward.protocol.parts import Part, PartHead, Payload, join
from strategies.aggregation.snapshots import Snapshots, StateHashes
from strategies.history.journal import MemoryJournal
from tests.ledger_lines import made


def payload(byte: int) -> Payload:
    return join([Part(PartHead("clear", 1, 8, 1), bytes([byte]))])


def confirm(s: Snapshots) -> bool:
    """As a run does it: the event is what confirms."""
    event = s.agreed()
    if event is not None:
        s.run.apply(event)
    return event is not None


def test_a_hash_is_agreed_by_at_least_two_and_more_than_half() -> None:
    h = StateHashes()
    assert h.agreed(3) == ""
    assert h.report(3, "a", "x") and h.agreed(3) == ""
    assert h.report(3, "a", "x") and h.agreed(3) == ""  # the same hospital twice is one voice
    assert h.report(3, "b", "x") and h.agreed(3) == "x"
    assert not h.report(3, "c", "y") and h.agreed(3) == "x"
    assert not h.report(3, "d", "y") and h.agreed(3) == ""


def test_a_hospital_that_corrects_itself_counts_with_its_last_word() -> None:
    h = StateHashes()
    for hospital, digest in (("a", "x"), ("b", "y"), ("b", "x")):
        h.report(3, hospital, digest)
    assert h.agreed(3) == "x"


def test_old_versions_are_forgotten() -> None:
    h = StateHashes()
    for version in range(400):
        h.report(version, "a", "x")
        h.report(version, "b", "x")
    assert h.agreed(0) == "" and h.agreed(399) == "x" and len(h._reports) <= 256


def test_a_disagreement_shows_whoever_came_first() -> None:
    h = StateHashes()
    assert not all([h.report(3, "a", "wrong"), h.report(3, "b", "x"), h.report(3, "c", "x")])


def test_a_snapshot_is_used_once_another_node_reported_its_hash() -> None:
    j, h = MemoryJournal(), StateHashes()
    s = Snapshots(j, h, RunState())
    h.report(5, "a", "x")
    s.offer(SnapshotHead(5, (0, 1)), (payload(1), payload(2)), "x")
    assert not confirm(s) and s.load() is None
    h.report(5, "b", "x")
    assert confirm(s) and s.confirmed == SnapshotHead(5, (0, 1)) and len(s.run.snapshot_digests) == 2
    assert s.load() == (SnapshotHead(5, (0, 1)), (payload(1), payload(2)))
    assert not confirm(s)


def test_a_snapshot_that_the_others_do_not_share_is_never_used() -> None:
    j, h = MemoryJournal(), StateHashes()
    s = Snapshots(j, h, RunState())
    s.offer(SnapshotHead(5, (0,)), (payload(1),), "lie")
    for hospital in "abc":
        h.report(5, hospital, "x")
    assert not confirm(s) and s.load() is None


def test_a_newer_snapshot_replaces_the_old_and_an_older_offer_is_ignored() -> None:
    j, h = MemoryJournal(), StateHashes()
    s = Snapshots(j, h, RunState())
    for version in (5, 9):
        for hospital in "ab":
            h.report(version, hospital, f"x{version}")
        s.offer(SnapshotHead(version, (0,)), (payload(version),), f"x{version}")
        assert confirm(s)
    assert sorted(j.payloads) == ["snapshots/000005-0", "snapshots/000009-0"]  # the ledger still names the first
    s.drop(SnapshotHead(5, (0,)))
    s.offer(SnapshotHead(7, (0,)), (payload(7),), "x7")
    assert s.candidate is None
    assert sorted(j.payloads) == ["snapshots/000009-0"]


def test_a_forgotten_snapshot_is_gone() -> None:
    j, h = MemoryJournal(), StateHashes()
    s = Snapshots(j, h, RunState())
    for hospital in "ab":
        h.report(5, hospital, "x")
    s.offer(SnapshotHead(5, (0,)), (payload(5),), "x")
    assert confirm(s) and s.confirmed is not None
    s.drop(s.confirmed)
    s.run.apply(made("snapshot-dropped"))
    assert s.load() is None and j.payloads == {}


def test_a_candidate_that_is_replaced_leaves_nothing_behind() -> None:
    j, h = MemoryJournal(), StateHashes()
    s = Snapshots(j, h, RunState())
    s.offer(SnapshotHead(5, (0,)), (payload(5),), "lie")
    s.offer(SnapshotHead(6, (0,)), (payload(6),), "x")
    assert sorted(j.payloads) == ["snapshots/000006-0"]
