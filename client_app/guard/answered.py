"""How many runs of a kind a hospital answers in all: a record on its disk of those it has.

Some runs give away little each and much together, such as profiles of slightly different notes, or alignments with sets
of guessed patients. So a hospital answers a few, and counts them over all lineages.

Not for: what one run gives away, or privacy budgets (``client_app.guard.budget``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from client_app.state.locks import exclusive
from crossward.machine.files import write_atomic


class AnsweredError(RuntimeError):
    """This hospital answers no further run of a kind, or cannot tell how many it has answered."""

    tellable = True  # see client_app.guard.refusals


@dataclass(frozen=True)
class Kind:
    """A kind of runs: ``what`` they are called, the node-config ``key`` of how many, and ``why`` there is a limit."""

    what: str
    key: str
    why: str


PROFILES = Kind(
    "profile runs (run.profile)", "max-profiles", "profiles of slightly different notes give away what each hides"
)
ALIGNMENTS = Kind(
    "alignments of patients (vertical and transfer runs)",
    "max-alignments",
    "each says which of another party's identifiers are patients here, so that many could try out guesses",
)


@dataclass(frozen=True)
class Answered:
    """The lineages of answered runs of a ``kind``, in the file ``path`` (JSON); ``most`` are answered in all."""

    path: Path
    most: int
    kind: Kind

    def allow(self, lineage: str) -> None:
        """Let ``lineage`` be answered, which is on disk before anything of it is.

        Raises
        ------
        AnsweredError
            there were ``most`` others before, or the record cannot be read or written.
        """
        what = self.kind.what
        busy = AnsweredError(f"another task holds the record of {what}: ask again")
        with exclusive(self.path.with_name(self.path.name + ".lock"), busy, self._unwritten):
            answered = self._read()
            if lineage in answered:
                return
            if len(answered) >= self.most:
                raise AnsweredError(
                    f"this hospital has answered {len(answered)} {what}, and allows {self.kind.key} = {self.most}: "
                    f"{self.kind.why}. If the hospital agrees, raise {self.kind.key} in its node config. Nothing was "
                    "read or sent"
                )
            try:
                write_atomic(self.path, json.dumps([*answered, lineage], indent=2) + "\n")
            except OSError as error:
                raise self._unwritten(error) from error

    def _read(self) -> list[str]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise AnsweredError(f"the record of {self.kind.what} cannot be read ({type(error).__name__})") from error
        if not isinstance(found, list):
            raise AnsweredError(f"the record of {self.kind.what} is no list: restore it from a backup")
        return [str(one) for one in found]

    def _unwritten(self, error: OSError) -> AnsweredError:
        return AnsweredError(
            f"the record of {self.kind.what} cannot be written ({error.strerror}): nothing was read or sent"
        )
