"""Times in ISO 8601: those that are, and those in the formats that the hospital states (``times``).

Nothing is guessed: 03/04/2019 is a day in March or in April, and only the hospital knows. A time in no stated format is
left empty and counted; one that two stated formats read differently is refused.
"""

from __future__ import annotations

import re
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import DataConfig
from data.errors import DataError

_ISO = r"^\d{4}(-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?)?)?(Z|[+-]\d{2}:?\d{2})?$"
_FIRST = 1850  # years before are two digits that %Y took for four


class Step:
    """``time`` as YYYY-MM-DD or YYYY-MM-DDThh:mm:ss; "" where it cannot be read."""

    def __init__(self, config: DataConfig) -> None:
        self.formats, self.file = config.notes.times, config.notes.file
        self.unread: Counter[str] = Counter()  # by shape: digits as 9, letters as A

    def __call__(self, piece: pa.Table) -> pa.Table:
        """``piece`` with its times in ISO 8601."""
        given = pc.utf8_trim_whitespace(piece["time"])
        found = pc.if_else(pc.equal(given, ""), "", None)
        for stated in self.formats:
            found = self._both(found, _read(given, stated))
        if not any(stated.startswith("%Y-") for stated in self.formats):  # which may put the day before the month
            iso = pc.match_substring_regex(given, _ISO)
            plain = pc.replace_substring(given, " ", "T", max_replacements=1)
            found = pc.coalesce(found, pc.if_else(iso, plain, None))
        missing = pc.is_null(found)
        self.unread.update(_shape(value) for value in given.filter(missing).to_pylist())
        return piece.set_column(piece.schema.get_field_index("time"), "time", pc.fill_null(found, ""))

    def _both(self, one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
        clash = pc.fill_null(pc.not_equal(one, other), False)
        if pc.any(clash).as_py():
            number = pc.sum(clash.cast(pa.int64())).as_py()
            raise DataError(
                f"{self.file}: times: {number} times are read differently by two of the formats "
                f"{', '.join(map(repr, self.formats))}: keep the one that the table is written in"
            )
        return pc.coalesce(one, other)

    def report(self) -> str:
        """The shapes of times that could not be read."""
        if not self.unread:
            return ""
        shapes = ", ".join(repr(shape) for shape, _ in self.unread.most_common(3))
        return (
            f"{self.unread.total()} notes have a time that is not ISO 8601 and in no format of `times` (such as "
            f'{shapes}): state it, for example times = "%d.%m.%Y"'
        )


def _read(column: pa.ChunkedArray, stated: str) -> pa.ChunkedArray:
    """Times in one format, ISO 8601, null where they are not in it; a day alone where the format has no hour."""
    times = pc.strptime(column, format=stated, unit="s", error_is_null=True)
    times = pc.if_else(pc.less(pc.year(times), _FIRST), None, times)
    return pc.strftime(times, format="%Y-%m-%dT%H:%M:%S" if re.search(r"%[HITRXcs]", stated) else "%Y-%m-%d")


def _shape(value: str) -> str:
    return re.sub(r"[^\W\d_]", "A", re.sub(r"\d", "9", value))[:24]
