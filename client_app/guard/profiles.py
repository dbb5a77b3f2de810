"""How many profile runs a hospital answers: a record on its disk of those it has.

The aggregator's side chooses what a profile run counts (kinds of notes, labels, dates by other keys), and hospitals
open what it adds up. Each profile by itself hides small cells; the differences of many, of selections that hardly
differ, would not. So a hospital answers a few, and says how many.

Not for: what one profile gives away (``client_app.profile.coding``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from client_app.state.locks import exclusive
from crossward.machine.files import write_atomic


class ProfilesError(RuntimeError):
    """This hospital answers no further profile run, or cannot tell how many it has answered."""

    tellable = True  # see client_app.guard.refusals


@dataclass(frozen=True)
class Profiles:
    """The lineages of answered profile runs, in the file ``path`` (JSON); ``most`` are answered in all."""

    path: Path
    most: int

    def allow(self, lineage: str) -> None:
        """Let ``lineage`` be answered, which is on disk before anything of it is counted.

        Raises
        ------
        ProfilesError
            there were ``most`` others before, or the record cannot be read or written.
        """
        busy = ProfilesError("another task holds the record of profile runs: ask again")
        with exclusive(self.path.with_suffix(".profiles.lock"), busy, _unwritten):
            answered = self._read()
            if lineage in answered:
                return
            if len(answered) >= self.most:
                raise ProfilesError(
                    f"this hospital has answered {len(answered)} profile runs (run.profile), and allows "
                    f"max-profiles = {self.most}: profiles of slightly different notes give away what each hides. If "
                    "the hospital agrees, raise max-profiles in its node config. Nothing was counted or sent"
                )
            try:
                write_atomic(self.path, json.dumps([*answered, lineage], indent=2) + "\n")
            except OSError as error:
                raise _unwritten(error) from error

    def _read(self) -> list[str]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise ProfilesError(f"the record of profile runs cannot be read ({type(error).__name__})") from error
        if not isinstance(found, list):
            raise ProfilesError("the record of profile runs is no list: restore it from a backup")
        return [str(one) for one in found]


def _unwritten(error: OSError) -> ProfilesError:
    return ProfilesError(
        f"the record of profile runs cannot be written ({error.strerror}): nothing was counted or sent"
    )
