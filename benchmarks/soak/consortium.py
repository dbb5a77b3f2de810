"""What the hospitals of a soak share: the consortium's keys, and, under the committee scheme, roster and sealing keys.

The roster names everybody who may ever join; on the way a second revision of it moves a seat of the committee.

Not for: hospitals themselves (``benchmarks.soak.hospitals``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from client_app.committee.keys import CommitteeKeys, Consortium
from client_app.committee.payloads import CommitteePayloads
from client_app.update.payloads import Payloads, Vault
from crossward.config.encryption_schemes import COMMITTEE
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.committee.roster_file import RosterBook, make_book
from crossward.encryption.committee.statements import Rules
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.simulation.toy import toy_identity

MOST_HOSPITALS = 11
STRETCH = 8  # versions
MEMBERS = ("toy-00", "toy-01", "toy-02", "toy-03")
LATER_MEMBERS = ("toy-00", "toy-01", "toy-03", "toy-04")
UNTRUE = "toy-00"  # the one member that lies and that forgets: as many as the committee allows for
OLD, NEW, OTHER = (Secret(bytes(range(start, start + 32))) for start in (0, 100, 200))


def name_of(number: int) -> str:
    """A hospital's name in the roster."""
    return f"toy-{number:02}"


@dataclass
class Shared:
    """Vaults and, with a committee, both revisions of the roster. ``folder`` has the members' sealing keys."""

    scheme: str
    folder: Path
    plan: FieldPlan
    rules: Rules
    before: Vault = field(init=False)
    after: Vault = field(init=False)
    wrong: Vault = field(init=False)
    books: tuple[RosterBook, ...] = field(init=False)

    def __post_init__(self) -> None:
        settings = EncryptionSettings(workers=1, scheme=self.scheme, stretch=STRETCH)
        keys = ConsortiumKey(OLD), ConsortiumKey(NEW, (OLD,)), ConsortiumKey(OTHER)
        self.before, self.after, self.wrong = (Vault(settings, key) for key in keys)
        identities = {name_of(number): toy_identity(number + 1) for number in range(MOST_HOSPITALS)}
        first = make_book(identities, MEMBERS)
        later = first.next(first.roster.hospitals, LATER_MEMBERS, first.roster.threshold, first.roster.colluders)
        for name, identity in identities.items():
            later = later.signed(name, identity.sign)
        self.books = (first, later.check())

    @property
    def has_committee(self) -> bool:
        """Whether members of a committee open versions."""
        return self.scheme == COMMITTEE

    def keys(self, number: int, book: RosterBook, folder: Path | None = None) -> CommitteeKeys | None:
        """What hospital ``number`` holds of the committee scheme; None under another."""
        if not self.has_committee:
            return None
        return CommitteeKeys.of(book, self.rules, toy_identity(number + 1), folder or self.seat(number), STRETCH)

    def seat(self, number: int) -> Path:
        """Where hospital ``number`` has its sealing keys and what it opened with them."""
        return self.folder / str(number)

    @property
    def consortium(self) -> Consortium | None:
        """What checks the versions that a committee opened."""
        return Consortium(self.books[-1], self.rules) if self.has_committee else None

    def opener(self, sizes: tuple[int, ...], lineage: str) -> Payloads:
        """Opens every record of the run."""
        if (consortium := self.consortium) is None:
            return Payloads(sizes, self.plan, self.after)
        return CommitteePayloads(sizes, self.plan, self.after, lineage, consortium)


def shared(scheme: str, folder: Path, plan: FieldPlan, settings: StrategySettings) -> Shared:
    """Those of a soak in ``folder``, whose members demand what its ``settings`` say."""
    return Shared(scheme, folder / "seats", plan, Rules(settings.min_contributors, settings.max_share))
