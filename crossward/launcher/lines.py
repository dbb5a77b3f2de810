"""Which lines of a run's log a person wants to see, and how they look.

The log file keeps every line. The terminal gets what the ServerApp says; Flower's and Ray's greetings, the clients'
output and tracebacks (shown once, from the log, when the run has failed) stay in the file.

Not for: judging how a run ended; that is read from its status and its run folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LEVEL = re.compile(r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL)\s*:\s*(.*)$")
_NOISE = re.compile(
    "|".join(
        (
            r"^Using SuperLink:",
            r"^Starting logstream",
            r"^Starting Flower Simulation",
            r"^Since flwr ",
            r"^Federation `",
            r"^To change federation size",
            r"^\s*flwr federation simulation-config",
            r"^Successfully installed \S+ to ",
            r"^\s*warnings\.warn\(",
            r"FutureWarning: Tip: In future versions of Ray",
            r"^\((raylet|autoscaler|gcs_server|bundle|pid=|\w+ pid=)",
            r"^\[\d{4}-\d\d-\d\d [\d:,]+ [IWE] ",
            r"^\d{4}-\d\d-\d\d [\d:,]+\s+(INFO|WARNING) ",
            r"^Simulation raised an exception",
            r"^An exception occurred !!",
            r"^Exit Code: \d+$",
            r"^An unhandled exception occurred when running the simulation",
            r"^For more information, visit: <https://flower",
        )
    )
)
_TRACEBACK = re.compile(r"^(\s*Traceback \(most recent call last\):|\s*\+ Exception Group Traceback|ray::)")
# Unindented lines that belong to a traceback; Ray nests several.
_OF_TRACEBACK = re.compile(
    r"^(\s|[\w.]*(Error|Exception|Exit|Interrupt|Group)(\(\w+\))?(:|$)|traceback: |ray\.exceptions\.|ray::"
    r"|The above exception was|During handling of the above)"
)


def plain(line: str) -> str:
    """Without colours, carriage returns and the newline."""
    return _ANSI.sub("", line).replace("\r", "").rstrip("\n")


class Screen:
    """Passes the lines for people on to ``write``, which returns False for one that it does not show."""

    def __init__(self, write: Callable[[str], bool | None]) -> None:
        self._write, self._in_traceback = write, False

    def show(self, line: str) -> bool:
        """Write the line if it is for people; whether it was shown."""
        return (text := self._readable(line)) is not None and self._write(text) is not False

    def _readable(self, line: str) -> str | None:
        text, level = plain(line), ""
        if found := _LEVEL.match(text):
            level, text = found[1], found[2]
        if _TRACEBACK.match(text):
            self._in_traceback = True
            return None
        if not text.strip() or _NOISE.search(text) or level == "DEBUG":
            return None
        if self._in_traceback and not level and _OF_TRACEBACK.match(text):
            return None
        self._in_traceback = level in ("ERROR", "CRITICAL")
        return f"{level.lower()}: {text}" if level in ("WARNING", "ERROR", "CRITICAL") else text
