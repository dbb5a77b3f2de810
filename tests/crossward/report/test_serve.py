"""The report as a page on the loopback: it follows the run, and serves nothing else and nobody else."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crossward.ledger.file import LedgerError
from crossward.report.page import draw_page
from crossward.report.serve import HOST, REFRESH, make_server, serve_report
from tests.browser import Browser
from tests.crossward.report.test_page_browser import EXAMINE, FIGURES, complaints


@pytest.fixture
def recorded(story: Callable[..., Any]) -> Any:
    """A run of four hospitals that has begun."""
    one = story(["North", "South", "East", "West"], 12)
    one.start()
    return one


@pytest.fixture
def port(recorded: Any) -> Iterator[int]:
    with serving(recorded.path) as port:
        yield port


@contextlib.contextmanager
def serving(folder: Path, exact: Any = None) -> Iterator[int]:
    with make_server(folder, exact, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def ask(port: int, path: str = "/", method: str = "GET", host: str | None = None) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=300)
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", f"{HOST}:{port}" if host is None else host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def test_the_page_is_the_report_and_follows_the_run(recorded: Any, port: int) -> None:
    status, headers, text = ask(port)
    assert status == 200 and text == draw_page(recorded.path) and "text/html" in headers["Content-Type"]
    assert headers["Refresh"] == str(REFRESH) and headers["Cache-Control"] == "no-store"
    assert "No version was made." in text
    tasks = [recorded.ask(i, 0) for i in range(4)]
    for i in range(3):
        recorded.accept(i, tasks[i], 0)
    recorded.version(1, [(i, tasks[i], 10, 0) for i in range(3)])
    later = ask(port)[2]
    assert later == draw_page(recorded.path) != text and "No version was made." not in later


def test_a_finished_run_is_loaded_once(recorded: Any, port: int) -> None:
    recorded.record("finished", version=0, reason="enough")
    (recorded.path / "result.json").write_text("{}")
    status, headers, _ = ask(port)
    assert status == 200 and "Refresh" not in headers


def test_exact_losses_are_drawn_where_there_are_any(story: Callable[..., Any]) -> None:
    one = story(["North", "South", "East", "West"], 4, 1.5)
    one.full_run(4, 3)
    with serving(one.path, lambda task: 2.345) as port:
        assert "an aggregator sees nothing finer" in ask(port)[2]


@pytest.mark.parametrize(
    "path",
    [
        "/config.json",
        "/ledger.jsonl",
        "/../run/ledger.jsonl",
        "/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/?x",
        "/report.html",
    ],
)
def test_there_is_one_page_and_no_file(port: int, path: str) -> None:
    status, _, text = ask(port, path)
    assert status == 404 and text == "There is one page here: /"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example", "localhost.evil:1"])
def test_a_name_that_was_made_to_point_here_is_refused(port: int, host: str) -> None:
    status, headers, text = ask(port, host=host)
    assert status == 403 and "North" not in text and "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "[::1]:99"])
def test_a_forwarded_port_is_let_in(port: int, host: str) -> None:
    assert ask(port, host=host)[0] == 200


def test_it_only_reads(recorded: Any, port: int) -> None:
    before = {path: path.read_bytes() for path in recorded.path.iterdir()}
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(port, method=method)[0] == 501
    status, headers, text = ask(port, method="HEAD")
    assert status == 200 and int(headers["Content-Length"]) > 1000 and text == ""
    ask(port)
    assert {path: path.read_bytes() for path in recorded.path.iterdir()} == before


def test_only_this_machine_is_listened_to(recorded: Any) -> None:
    with make_server(recorded.path, None, 0) as server:
        assert server.socket.getsockname()[0] == "127.0.0.1"


def test_a_damaged_ledger_is_reported_and_looked_at_again(recorded: Any, port: int) -> None:
    whole = (recorded.path / "ledger.jsonl").read_text()
    (recorded.path / "ledger.jsonl").write_text(whole.replace('"last":12', '"last":13'))
    status, headers, text = ask(port)
    assert status == 503 and "it was edited" in text and headers["Refresh"]
    (recorded.path / "ledger.jsonl").write_text(whole)
    assert ask(port)[0] == 200


def test_a_port_that_is_taken_is_named(recorded: Any, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {number} of 127.0.0.1 cannot be used .*: give another --port, or 0"):
            make_server(recorded.path, None, number)
    with pytest.raises(LedgerError, match="is no run folder"):
        make_server(tmp_path / "nowhere", None, 0)


def test_ctrl_c_ends_it_quietly(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("socketserver.BaseServer.serve_forever", interrupted)
    lines: list[str] = []
    serve_report(recorded.path, None, 0, lines.append)
    assert len(lines) == 1 and lines[0].startswith("http://127.0.0.1:") and str(recorded.path) in lines[0]


# ---------------------------------------------------------------------- in a browser


def test_a_browser_shows_it_and_loads_it_again_by_itself(browser: Browser, recorded: Any, port: int) -> None:
    browser.open(f"http://127.0.0.1:{port}/", 1280)
    assert "No version was made." in browser.evaluate("document.body.textContent")
    tasks = [recorded.ask(i, 0) for i in range(4)]
    for i in range(3):
        recorded.accept(i, tasks[i], 0)
    recorded.version(1, [(i, tasks[i], 10, 0) for i in range(3)])
    browser.events.clear()
    while not any(event["method"] == "Page.loadEventFired" for event in browser.events):
        browser._take(browser._read())  # raises after a minute
    assert "No version was made." not in browser.evaluate("document.body.textContent")
    assert not [each for each in complaints(browser) if "favicon" not in each and "asked for" not in each]


def test_a_browser_draws_it_as_the_file(browser: Browser, story: Callable[..., Any]) -> None:
    one = story(["North", "South", "East", "West"], 4)
    one.full_run(4, 3)
    with serving(one.path) as port:
        browser.open(f"http://127.0.0.1:{port}/", 1280)
        names, faults = browser.evaluate(EXAMINE)
    assert sorted(names) == sorted(FIGURES) and faults == []
