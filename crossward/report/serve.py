"""The report of a run as a web page on the loopback, drawn anew as the run goes on: ``crossward watch RUN --serve``.

It serves one page to this machine and nothing else: no file is opened by a name from a request. A request must name
this machine as its host, so that a foreign page, whose name was made to point here, cannot read it.

Not for: reaching it from another machine (forward the port over SSH), or what the page shows
(``crossward.report.views``).
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from crossward.config.settings import SettingsError
from crossward.ledger.file import FILE_NAME, LedgerError
from crossward.report.reported_loss import ExactLoss
from crossward.report.svg import clean
from crossward.report.views import draw_page
from server_app.run_folder import RunFolderError

HOST, NAMES = "127.0.0.1", frozenset({"127.0.0.1", "localhost", "[::1]"})
REFRESH = 3  # seconds between two loads of the page while the run is under way
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class LivePage:
    """The page of the run in ``folder``, drawn again when its ledger has grown."""

    def __init__(self, folder: Path, exact: ExactLoss | None) -> None:
        self.folder, self.exact = folder, exact
        self._mutex = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._text = ""

    def __call__(self) -> str:
        """The page now; raises as :func:`crossward.report.views.draw_page` does."""
        with self._mutex:
            found = (self.folder / FILE_NAME).stat()
            if (stamp := (found.st_size, found.st_mtime_ns)) != self._stamp:
                self._text = draw_page(self.folder, self.exact)
                self._stamp = stamp
            return self._text

    @property
    def finished(self) -> bool:
        """Whether the run has gone to its end."""
        return (self.folder / "result.json").exists()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False  # a port that another program listens on is refused

    def __init__(self, port: int, live: LivePage) -> None:
        self.live = live
        super().__init__((HOST, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "crossward", ""
    timeout = 30  # seconds that a request may take to arrive

    def do_GET(self) -> None:
        host = self.headers.get("Host", "").rpartition(":")
        if (host[0] if host[2].isdigit() else "".join(host)) not in NAMES:
            return self._answer(HTTPStatus.FORBIDDEN, "This page is served to this machine alone.")
        if self.path != "/":
            return self._answer(HTTPStatus.NOT_FOUND, "There is one page here: /")
        live = self.server.live
        try:
            self._answer(HTTPStatus.OK, live(), "text/html", refresh=not live.finished)
        except (LedgerError, RunFolderError, SettingsError, OSError) as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, clean(error, 500), refresh=True)

    do_HEAD = do_GET

    def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain", refresh: bool = False) -> None:
        body = text.encode()
        self.send_response(status)
        extra = {"Refresh": str(REFRESH)} if refresh else {}
        for name, value in (HEADERS | extra | {"Content-Type": f"{kind}; charset=utf-8"}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Requests are nobody's business."""


def make_server(folder: Path, exact: ExactLoss | None, port: int) -> _Server:
    """A server of the report of the run in ``folder``, bound to the loopback; port 0 is any that is free.

    Raises
    ------
    LedgerError
        ``folder`` holds no run.
    OSError
        the port cannot be had.
    """
    if not (folder / FILE_NAME).is_file():
        raise LedgerError(f"{folder} is no run folder: it holds no {FILE_NAME}")
    try:
        return _Server(port, LivePage(folder, exact))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise OSError(f"port {port} of {HOST} cannot be used ({error.strerror}): give another --port, or 0") from error


def serve_report(folder: Path, exact: ExactLoss | None, port: int, say: Callable[[str], None]) -> None:
    """Serve until interrupted; ``say`` gets the address. Raises as :func:`make_server` does."""
    with make_server(folder, exact, port) as server:
        say(f"http://{HOST}:{server.server_address[1]}/ shows {folder}; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
