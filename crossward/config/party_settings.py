"""What one party *has* where parties hold different features of the same patients: ``PartyConfig``.

A party says it once, in a ``party.toml`` (``crossward.config.party_toml``). How parties' patients are found to be the
same and what is learnt together is the run's to say.

Not for: reading what is described (``data.party.reading``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crossward.config.notes_settings import NULLS
from crossward.config.party_sources import FEATURES

FIRST, LAST = "first", "last"
STATISTICS = ("first", "last", "min", "max", "count")
"""What is computed of the values of an item before the moment of prediction."""


@dataclass(frozen=True)
class Cohort:
    """Who was in hospital and from when: a table of one row a stay, or a patient.

    ``path`` is empty where the release's table of admissions says it. ``stay``: which of a patient's stays is meant.
    """

    path: str = ""
    patient: str = ""
    time: str = ""
    stay: str = LAST


@dataclass(frozen=True)
class Outcome:
    """What the label holder predicts: a ``column`` of the cohort, or of the table of features.

    ``positive`` are the values that say that it happened; empty: words and flags of death, such as 1 and died.
    """

    column: str
    positive: tuple[str, ...] = ()


@dataclass(frozen=True)
class Window:
    """What is used of a stay: from ``before`` hours before the cohort's time to ``after`` hours after it.

    The end is the moment of prediction: nothing later is used, be it a value or a note.
    """

    before: float = 6.0
    after: float = 48.0


@dataclass(frozen=True)
class Items:
    """Which items become features: those in ``use``, or the ``most`` that most patients have."""

    use: tuple[str, ...] = ()
    most: int = 20


@dataclass(frozen=True)
class Columns:
    """Which columns of a table become features.

    ``use`` names them (empty: all that are numbers or have at most ``levels`` different values), ``leave`` those that
    do not.
    """

    use: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    levels: int = 12


@dataclass(frozen=True)
class PartyConfig:
    """What one party has.

    Parameters
    ----------
    name
        Of the party, in reports.
    features, source, path
        A name of ``FEATURES``, one of its sources, and the folder or file; for own notes their ``notes.toml``.
    encoding, delimiter, quote, nulls
        As in ``NotesConfig``.
    decimal
        What stands before decimals, "." or ",".
    times
        Formats of times, as ``strptime`` has them; empty: ISO 8601 alone.
    columns
        (field, own column): ``patient``, and of a table of events those of ``EVENT_FIELDS``.
    table, items, cohort, window
        Which columns or items are used, of whom, and until when. ``cohort`` is None where no times divide the rows.
    outcome
        None at all parties but the label holder.
    prefix
        What stands in front of this party's identifiers.
    file
        The ``party.toml``.
    """

    name: str
    features: str
    source: str
    path: str
    encoding: str = ""
    delimiter: str = ""
    quote: str = ""
    nulls: tuple[str, ...] = NULLS
    decimal: str = "."
    times: tuple[str, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    table: Columns = Columns()
    items: Items = Items()
    cohort: Cohort | None = None
    window: Window = Window()
    outcome: Outcome | None = None
    prefix: str = ""
    file: str = field(default="", compare=False)

    def column(self, name: str) -> str:
        """The own column of a field; "" where it has none."""
        return dict(self.columns).get(name, "")

    @property
    def has_moment(self) -> bool:
        """Whether a moment of prediction divides what it has."""
        return FEATURES[self.features].has_moment
