"""What a message, a log line or a name may repeat of a file's content: this module alone decides it.

A value is repeated when it cannot be about one person: it is a public word (``data.vocabulary``), a word of the
configuration, or short and shared by at least ``SHARED`` patients. Anything else is described: how many there are and
how long. So neither a file without a line of column names nor a column that was configured by mistake can put a note
into a log, whatever the note looks like.

Not for: what may leave the hospital (``client_app.guard.refusals``); nothing of a ``DataError`` does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from traceback import walk_tb

from data.errors import DataError
from data.vocabulary import PUBLIC

SHARED = 5  # patients who have the same value: it is not one person's
_LONGEST = 40
_ROOT = Path(__file__).resolve().parents[1]


def is_quotable(value: str, patients: int = 0, known: Iterable[str] = ()) -> bool:
    """Whether ``value``, which ``patients`` patients have, may be repeated; ``known``: words of the configuration."""
    word = value.strip().lower()
    if word in PUBLIC or word in {name.strip().lower() for name in known}:
        return True
    return patients >= SHARED and len(value) <= _LONGEST and value.isprintable()


def quoted(value: str, patients: int = 0, known: Iterable[str] = ()) -> str:
    """``value``, or what it is like."""
    if not value.strip():
        return "(empty)"
    if is_quotable(value, patients, known):
        return value
    return f"(a text of {len(value)} characters, not shown)"


def listed(
    values: Iterable[str] | Mapping[str, int],
    known: Iterable[str] = (),
    most: int = 12,
    spell: Callable[[str], str] = str,
) -> str:
    """Values of a column for a message, spelt so; a mapping says how many patients have each."""
    counts = values if isinstance(values, Mapping) else dict.fromkeys(values, 0)
    known = list(known)
    open_to_all = [v for v in counts if not v.strip() or is_quotable(v, counts[v], known)]
    withheld = [len(v) for v in counts if v not in set(open_to_all)]
    parts = [spell(quoted(value, counts[value], known)) for value in open_to_all[:most]]
    if more := len(open_to_all) - len(parts):
        parts.append(f"{more} more")
    if withheld:
        parts.append(f"{len(withheld)} not shown, of up to {max(withheld)} characters")
    return ", ".join(parts) or "none"


def columns(names: Sequence[str], known: Iterable[str] = ()) -> str:
    """What stands where a table's column names should, for a message."""
    found = listed([name.strip() for name in names if name.strip()], known, most=40)
    return f"{len(names)} {'field' if len(names) == 1 else 'fields'} ({found})"


def cause(error: BaseException) -> str:
    """An error whose own text may hold a file's content: the system's reason, or the class and where it was raised."""
    if isinstance(error, OSError) and error.errno and error.strerror:
        return error.strerror
    place = ""
    for frame, line in walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_ROOT) and ".venv" not in path.parts:
            place = f" in {path.relative_to(_ROOT)}, line {line}"
    return f"{type(error).__name__}{place}"


@contextlib.contextmanager
def no_text_of_others(what: str) -> Iterator[None]:
    """Errors of other packages become a DataError without their text, which may repeat what they were given."""
    try:
        yield
    except (DataError, MemoryError):
        raise
    except Exception as error:
        advice = "Its own text is withheld, as it may repeat a note. If the files and the data.* settings are right, "
        advice = "" if isinstance(error, OSError) else f" {advice}report it as a fault of this program."
        raise DataError(f"{what}: {cause(error)}.{advice}") from None
