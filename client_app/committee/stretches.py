"""Which sealing keys of a committee member are alive: those of the stretch that a run is in and of its neighbours.

Updates that were trained before a change of stretch are still opened in the next one, and a hospital that is ahead of
this member's last task may seal in the next one already. What is older is destroyed for good, whatever version is asked
for later: a stretch number only ever goes up. What is begun on the disk says how far it went.

Not for: what a stretch is (``crossward.encryption.committee.stretch``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from client_app.state.locks import exclusive
from crossward.encryption.committee.roster import stretch_of
from crossward.encryption.committee.stretch import (
    Stretch,
    StretchError,
    begun_in,
    destroy_key,
    keys_in,
    undo_interrupted,
)

LISTS_PER_VERSION = 4  # that are answered in a stretch at most: it ends, even if the aggregator never moves on
logger = logging.getLogger("crossward.node")


class Stretches:
    """A member's stretches of ``length`` versions of one lineage, in ``folder``."""

    def __init__(self, folder: Path, lineage: str, length: int) -> None:
        self.folder, self.lineage, self.length = folder, lineage, length

    def reach(self, version: int) -> tuple[Stretch, ...]:
        """The stretches alive when a run is at ``version``; new ones are made, older ones destroyed.

        Raises
        ------
        StretchError
            the folder cannot be used.
        """
        if version < 0:
            raise StretchError(f"there is no stretch of version {version}")
        with self.locked():
            begun = begun_in(self.folder)
            now = max([stretch_of(version, self.length), *(number - 1 for number in begun[-1:])])
            for number in (now, now + 1):
                undo_interrupted(self.folder, number)
                if number not in begun_in(self.folder):
                    Stretch.create(self.folder, self.lineage, number)
            for number in keys_in(self.folder):
                if number < now - 1:
                    destroy_key(self.folder, number)
                    logger.info("stretch %d ended: its sealing key was destroyed", number)
            return tuple(self._usable(range(now - 1, now + 2)))

    def held(self, numbers: Iterable[int]) -> tuple[Stretch, ...]:
        """Those of ``numbers`` whose keys are not destroyed; call it within :meth:`locked`.

        Raises
        ------
        StretchError
            one cannot be used.
        """
        kept = set(keys_in(self.folder)) & set(numbers)
        return tuple(Stretch.load(self.folder, self.lineage, number) for number in sorted(kept))

    def check_room(self, stretches: Iterable[Stretch], digest: str) -> None:
        """Refuse the list ``digest`` where a stretch has had as many lists as it answers; within :meth:`locked`.

        Raises
        ------
        StretchError
            naming the stretch.
        """
        most = LISTS_PER_VERSION * self.length
        for stretch in stretches:
            opened = stretch.opened()
            if digest not in opened and len(opened) >= most:
                raise StretchError(
                    f"stretch {stretch.number} of {self.length} versions had {len(opened)} lists, at most {most} are "
                    "answered in it: go on to the next stretch"
                )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While no other task of this node makes, destroys or counts.

        Raises
        ------
        StretchError
            another one has for a minute, or the folder cannot be written.
        """
        busy = StretchError("another task of this node is at this committee member's keys: ask again")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(exist_ok=True, mode=0o700)
        with exclusive(self.folder / "lock", busy, self._unwritten):
            yield

    def _usable(self, numbers: Iterable[int]) -> Iterator[Stretch]:
        for number in numbers:
            try:
                yield from self.held([number])
            except StretchError as error:
                logger.warning("stretch %d cannot be used: %s", number, error)

    def _unwritten(self, error: OSError) -> StretchError:
        return StretchError(f"{self.folder} cannot be written ({error.strerror or error})")
