"""Whether a patient survived the stay, in any spelling -> ``survived`` or ``died``.

Words, flags (of death: the label is mortality, so that 1, Y and true are ``died``) and discharge disposition codes. A
flag's 1 and a disposition's 1 (discharged home) mean opposite things: a column that holds values of both kinds is
refused until the hospital says which it is. Not for: codes of conditions (``data.harmonise.conditions``).
"""

from __future__ import annotations

from crossward.config.harmonising import DISPOSITION
from crossward.config.notes_settings import LabelColumn
from data.errors import DataError
from data.labels import OUTCOMES

_SURVIVED, _DIED = OUTCOMES
_WORDS = {
    _SURVIVED: (
        "survived alive living lived survivor discharged discharged-alive home alt-home home-health-care other-hcf "
        "hosp long aadvice psy rehab snf hospice lebend entlassen ueberlebt überlebt "
        "vivant vivo viva sobrevivió"
    ),
    _DIED: "died dead deceased expired death dead/expired exp verstorben tot décédé décédée fallecido fallecida morto",
}
WORDS = {word: outcome for outcome, words in _WORDS.items() for word in words.split()}
FLAGS = {
    **dict.fromkeys(("1", "y", "yes", "t", "true", "j", "ja", "oui", "si", "sí"), _DIED),
    **dict.fromkeys(("0", "n", "no", "f", "false", "nein", "non"), _SURVIVED),
}
_DEATHS = ("20", "40", "41", "42")
"""Patient discharge status codes (UB-04, FL 17) that say that the patient died; others up to 95 say that they left."""


class Outcomes:
    """Values of one column, all of one kind."""

    def __init__(self, column: LabelColumn, where: str) -> None:
        self.is_disposition, self.where, self.name = column.system == DISPOSITION, where, column.column
        self.seen: dict[str, str] = {}  # kind of value -> the first one

    def __call__(self, value: str) -> str | None:
        """The outcome; None where the value is not known.

        Raises
        ------
        DataError
            flags and dispositions are in one column.
        """
        word = "-".join(value.lower().split())
        if word in OUTCOMES:
            return word
        if word in WORDS:
            return WORDS[word]
        if self.is_disposition:
            return _disposition(word)
        if word in FLAGS:
            self._is("a flag", value)
            return FLAGS[word]
        if found := _disposition(word) if len(word) == 2 else None:
            self._is("a discharge disposition", value)
            return found
        return None

    def _is(self, kind: str, value: str) -> None:
        self.seen.setdefault(kind, value)
        if len(self.seen) > 1:
            both = " and ".join(f"{one!r}, {what}" for what, one in sorted(self.seen.items()))
            raise DataError(
                f"{self.where}: the column {self.name!r} of label mortality holds {both}: say which it is, with "
                'system = "disposition" or with values = { ... } in [labels.mortality]'
            )


def _disposition(code: str) -> str | None:
    if not code.isdigit() or not 1 <= int(code) <= 95:
        return None
    return _DIED if code in _DEATHS else _SURVIVED
