"""Why a task failed, or a run ended: a code, its text, and what to do about it.

A line holds the text, filled in; :func:`reason_of` is the one place that finds the code again. So a text that was ever
written must stay readable: whoever rewords one moves the old form to ``older``. Nothing else looks at the words.

What a node says of its own task (``crossward.protocol.messages.Failure``) is free text without a code. It can imitate a
text of ours: nothing that a run does may depend on the code of an outcome that a node chose. Of what is read back only
:data:`SPENT`, which the server itself writes into ``finished``, decides anything.

Not for: which refusal applies (``strategies.exchange.admission``).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

from crossward.protocol import messages

_ALL: dict[str, Reason] = {}


@dataclass(frozen=True)
class Reason:
    """``text`` is a format string; calling the reason fills it in. ``remedy`` says what to do, empty: nothing."""

    code: str
    text: str
    remedy: str = ""
    older: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if _ALL.setdefault(self.code, self) is not self:
            raise ValueError(f"two reasons have the code {self.code!r}")

    def __call__(self, **values: Any) -> Stated:
        """The reason, its text filled in with ``values``."""
        return Stated(self, self.text.format(**values))


@dataclass(frozen=True)
class Stated:
    """A reason with its text filled in."""

    reason: Reason
    text: str

    def __str__(self) -> str:
        return self.text


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], Reason], ...]:
    return tuple((_pattern(text), reason) for reason in _ALL.values() for text in (reason.text, *reason.older))


def _pattern(text: str) -> re.Pattern[str]:
    pieces = (re.escape(literal) + ("" if name is None else "(.*?)") for literal, name, _, _ in Formatter().parse(text))
    return re.compile("".join(pieces), re.DOTALL)


def reason_of(text: str) -> Reason | None:
    """The reason that a line's ``text`` was made of; None for a node's own words."""
    return next((reason for pattern, reason in _patterns() if pattern.fullmatch(text)), None)


# ---------------------------------------------------------------------- the end of a run

SPENT = Reason(
    "budget-spent",
    "the privacy budget is spent: {left} of {known} hospitals may train on, a version needs {needed}",
    "raise privacy.epsilon, connect more hospitals, or use the adapter as trained so far",
    older=("the privacy budget is spent{more}",),
)
ALL_VERSIONS = Reason("all-versions", "all {versions} versions are made")
TARGET = Reason("target-loss", "target loss {target} reached: {loss:.4f} at version {version}")
NO_IMPROVEMENT = Reason("no-improvement", "no improvement over {best:.4f} (version {version}) in {misses} losses")
NEXT_VERSION_OVER_BUDGET = Reason(
    "version-over-budget", "privacy budget: {refusal}", "raise privacy.epsilon or lower strategy.num-versions"
)
CALLBACK = Reason("callback", "stopped by a callback: {reason}")

# ---------------------------------------------------------------------- tasks without an answer that counts

NO_REPLY = Reason(
    "no-reply",
    "no reply within {seconds:.4g} s, the deadline for this node's task",
    "check the node's log and link; deadlines grow by themselves with every one that passes",
)
NOT_SENT = Reason(
    "not-sent", "the message could not be handed to Flower", "check the SuperLink; the task is sent again by itself"
)
INTERRUPTED = Reason("interrupted", "under way when the run was interrupted", "nothing: the node is asked again")
NO_LAST_ANSWER = Reason(
    "no-last-answer",
    "no answer within strategy.stall-timeout after the run's end: {reason}",
    "check the node's log; raise strategy.stall-timeout if its last task takes longer",
)
NO_TASK = Reason("no-task", "a reply to no task under way", "nothing: its task had its outcome before")
FLOWER = Reason("flower", "Flower error {code}: {text}", "look for the error in the node's log")
OTHER_TASK = Reason(
    "other-task",
    "it answers task {task} of lineage {lineage!r}, not task {asked}",
    "check that the node's program is unchanged and takes part in this run",
)
OTHER_KIND = Reason(
    "other-kind", "a {kind} came in reply to '{asked}'", "check that the node runs the same version of the project"
)
LOST = Reason(
    "lost",
    "the server lost this update: {name}: {wrong}, the ledger has {digest}",
    "check the disk of the run folder; the hospital is asked again by itself",
)

# ---------------------------------------------------------------------- updates that may not be added

_SAME_PROGRAM = "check that the node runs the same version of the project with the run's settings"
LOSS_RANGE = Reason(
    "loss-range",
    "a mean loss of {loss:.1f} nats a token is beyond {most}",
    "training has diverged at this hospital: check its notes, lower train.learning-rate",
)
STEPS = Reason("steps", "{steps} steps were made, train.local-steps allows {most}", _SAME_PROGRAM)
UNIT = Reason(
    "privacy-unit",
    "it was made with privacy.unit = {got!r}, the run has {want!r}",
    "set privacy.unit of the node to the run's",
)
RANK = Reason(
    "rank",
    "it trains {rank} components, which is no rank of lora.ranks ({ranks})",
    "set rank of its node config to one of the run's lora.ranks",
)
EPSILON = Reason(
    "epsilon", "it names an epsilon of {epsilon}, but no hospital protects its patients in this run", _SAME_PROGRAM
)
LOSS_REPORTED = Reason(
    "loss-reported",
    "it reports a training loss, which privacy.unit = {unit!r} withholds",
    _SAME_PROGRAM,
    older=("it tells a training loss, which privacy.unit = {unit!r} withholds",),
)
PART_KIND = Reason(
    "part-kind",
    "part {number} is of the kind {kind!r}, the run's encryption.policy allows {allowed}",
    "set encryption.policy and encryption.scheme of the node to the run's",
)
PART_BITS = Reason("part-bits", "part {number} has fields of {bits} bits, expected {want}", _SAME_PROGRAM)
PART_DATA = Reason("part-data", "part {number}: {wrong}", _SAME_PROGRAM)
NO_PART = Reason("no-part", "the update holds no part", _SAME_PROGRAM)
NOTHING_SEALED = Reason(
    "nothing-sealed",
    "nothing in the update is sealed, but the run's encryption.policy seals some of it",
    "set encryption.policy of the node to the run's",
)
SNAPSHOT_HEAD = Reason(
    "snapshot-head", "its snapshot is of version {version}, {epochs} epochs and key {key}", _SAME_PROGRAM
)
SNAPSHOT_EPOCHS = Reason(
    "snapshot-epochs", "its snapshot is of scale epochs {epochs}, there are 0 to {last}", _SAME_PROGRAM
)
SNAPSHOT_VALUES = Reason(
    "snapshot-values", "its snapshot does not hold {values} values of the kind {kind!r}", _SAME_PROGRAM
)
SNAPSHOT_BITS = Reason(
    "snapshot-bits", "a part of its snapshot has fields of {bits} bits, expected {want}", _SAME_PROGRAM
)
SNAPSHOT_SIZE = Reason(
    "snapshot-size", "a part of its snapshot has {size} bytes for {length} fields of {bits} bits", _SAME_PROGRAM
)
_SAME_KEY = "give the hospital the consortium's current key file"
POLICY_KEY = Reason("policy-key", "made under key {key}, against the run's encryption.policy", _SAME_KEY)
RUN_KEY = Reason("run-key", "made under key {key}, this run uses {want}", _SAME_KEY)
WEAK_KEY = Reason(
    "weak-key",
    "its public key is of small order: under such a key any signature fits",
    "no honest node has such an identity: find out who answers under this node's name",
)
SIGNATURE = Reason(
    "signature",
    "the signature does not fit the update and its public key: it was changed on its way or made up",
    "check what lies between the node and the SuperLink, and that the node's identity file is whole",
)
IDENTITY = Reason(
    "identity",
    "the node signed with another identity than before in this run",
    "restore the node's identity file, or let it join under a new node id",
)
LAYOUT = Reason(
    "layout",
    "layout {got} instead of {want}: its base model, tokenizer or LoRA settings differ from the other nodes'",
    "compare model.*, lora.* and the files of model and tokenizer with another hospital's",
)
SHAPE = Reason("shape", "the parts' kinds or lengths differ from the run's", _SAME_PROGRAM)
STALE = Reason(
    "stale",
    "{versions} versions behind, at most {most} are allowed",
    "nothing, if it happens now and then; a hospital that is always late needs fewer train.local-steps, or the run a "
    "larger strategy.max-staleness",
)
COARSE = Reason(
    "coarse", "its scale epoch is {times} times coarser than the present one, at most {room} fits W", "nothing"
)
WAITS = Reason("waits", "an update of the same hospital already waits for this version", "run one node a hospital")
ASTRAY = Reason(
    "astray",
    "it was trained from another state of version {version} than the other nodes hold",
    "nothing: the node starts over from the records; if it happens again, check its disk and memory",
)
EXCLUDED = Reason(
    "excluded",
    "this hospital is excluded: it contributed to every version that did not open",
    "find out why its updates do not open (its key file, its program) before a new run",
)
COMPLETE = Reason("complete", "the run is complete: {reason}", "nothing")
FIXED_LAYOUT = Reason(
    "fixed-layout",
    "version 1 fixed layout {want}, this update has {got}",
    "compare model.*, lora.* and the files of model and tokenizer with another hospital's",
)
FIXED_KEY = Reason("fixed-key", "updates of this run are made under key {want}, this one under {got}", _SAME_KEY)
OUTGROWN = Reason("outgrown", "the run has moved to a scale epoch that it does not fit", "nothing")

# ---------------------------------------------------------------------- a committee that opens versions

_SAME_ROSTER = "compare the hospitals' roster files (`crossward members show`): all must follow the newest"
STATEMENT = Reason("statement", "its sealed values cannot be opened: {wrong}", _SAME_PROGRAM)
NO_COMMITTEE = Reason(
    "no-committee",
    "it comes with a committee's statement, or without one, against the run's encryption.scheme",
    "set encryption.scheme of the node to the run's",
)
SIGNER = Reason(
    "signer", "it is sealed by {signer!r}, whose key in the roster is not the one that signed the update", _SAME_ROSTER
)
ROSTER_CHANGED = Reason(
    "roster-changed", "sealed under roster {got}, the one in force is {want}", "nothing: the hospital is asked again"
)
STRETCH = Reason(
    "stretch",
    "sealed in stretch {got}, its task was of stretch {want}",
    _SAME_PROGRAM,
)
REPLAYED = Reason(
    "replayed",
    "its sealed update {update} was sent before: each is opened once",
    "check that the node runs once, and its program is unchanged",
)
STRETCH_CLOSED = Reason(
    "stretch-closed",
    "sealed in stretch {got}, whose keys are destroyed: the present one is {now}",
    "nothing, if it is rare; else a larger encryption.stretch",
)
DECLINED_BY = Reason(
    "declined-by",
    "too many members of the committee decline to open version {version}: {why}",
    "the members' reasons say what is wrong; the contributors are asked again",
)
OPENING_LOST = Reason(
    "opening-lost",
    "the updates of version {version} are not those that its list was made of",
    "check the disk of the run folder; the hospitals are asked again by themselves",
)
BEHIND_DROPPED = Reason(
    "behind-dropped",
    "it was to be opened behind version {version}, which is not opened",
    "nothing: the hospital is asked again",
)
ROLLED_BACK = Reason(
    "rolled-back", "version {version} was being opened when versions were rolled back", "nothing: it is asked again"
)

# last, as it is the least particular
FACT = Reason("fact", "{name} is {got!r}, expected {want!r}", _SAME_PROGRAM)

# ---------------------------------------------------------------------- outcomes

OUTCOMES = {
    messages.ACCEPTED: "accepted",
    messages.LATE: "refused: too late to be added",
    messages.FAILED: "failed",
    messages.BEHIND: "refused by the node: it lacks versions that the task counted on",
    messages.MALFORMED: "refused: not what the task asked for",
    messages.WRONG_KEY: "refused: of another key",
    messages.WRONG_LAYOUT: "refused: of another adapter layout",
    messages.DUPLICATE: "refused: a second one",
    messages.BUDGET: "refused by the node: its privacy budget does not allow the training",
    messages.DECLINED: "refused by a member of the committee",
}
OF_A_NODE = frozenset({messages.FAILED, messages.BEHIND, messages.BUDGET, messages.DECLINED})
"""Outcomes that a node decides, in its own words; all others are the server's."""
REMEDIES = {
    messages.LATE: "nothing, if it is rare; else fewer train.local-steps or a larger strategy.max-staleness",
    messages.DUPLICATE: "run one node a hospital",
    messages.FAILED: "look for the task in the node's log; it is asked again after a pause",
    messages.BEHIND: "nothing: its next task brings what it lacks",
    messages.MALFORMED: _SAME_PROGRAM,
    messages.WRONG_KEY: _SAME_KEY,
    messages.WRONG_LAYOUT: "compare model.*, lora.* and the files of model and tokenizer with another hospital's",
    messages.BUDGET: "raise the hospital's own limit of epsilon, or go on without it",
    messages.DECLINED: _SAME_ROSTER,
}
"""What to do about an outcome whose reason has no code here: a node's own words, or those of another version."""
