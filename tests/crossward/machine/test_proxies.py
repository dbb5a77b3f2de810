"""Calls to this machine go past any proxy; Flower's own client is asked, in a process started as ours are."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from crossward.launcher.processes import ProcessTree
from crossward.machine.proxies import direct, found, hidden, trouble

DEAD = {name: "http://127.0.0.1:9" for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy")}
CALL = """
import sys
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.proto.fleet_pb2 import ActivateNodeRequest
for address in sys.argv[1:]:
    with FleetHttpClient.from_server_address(address, True, None, []) as client:
        client.ActivateNode(ActivateNodeRequest())
"""


class Answer(BaseHTTPRequestHandler):
    """An empty protobuf message to whatever is asked."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """A server on the loopback; its port."""
    with HTTPServer(("127.0.0.1", 0), Answer) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made.server_port
        made.shutdown()
        thread.join()


def test_flowers_client_calls_the_loopback_past_a_dead_proxy(server: int) -> None:
    env = {"PATH": "/usr/bin:/bin", "NO_PROXY": "hub.example", **DEAD}
    started = ProcessTree().start(
        [sys.executable, "-c", CALL, f"127.0.0.1:{server}", f"localhost:{server}"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    out, _ = started.communicate(timeout=300)
    assert started.returncode == 0, out.decode()


def test_without_that_the_same_call_fails(server: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALL, f"127.0.0.1:{server}"],
        env={"PATH": "/usr/bin:/bin", **DEAD},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode and "Connection refused" in done.stderr


def test_what_was_excepted_already_stays_in_either_spelling() -> None:
    env = {"NO_PROXY": "hub.example, 10.0.0.1", "no_proxy": "other.example,127.0.0.1", "X": "1"}
    made = direct(env, "10.1.1.1")
    assert made["X"] == "1" and made["no_proxy"] == made["NO_PROXY"]
    assert made["no_proxy"].split(",") == [
        "other.example",
        "127.0.0.1",
        "hub.example",
        "10.0.0.1",
        "localhost",
        "::1",
        "10.1.1.1",
    ]
    assert direct(made, "10.1.1.1") == made


def test_proxies_are_shown_without_who_uses_them() -> None:
    env = {"https_proxy": "http://ada:secret@proxy:3128", "NO_PROXY": "a", "HTTP_PROXY": "", "PATH": "/bin"}
    assert found(env) == {"NO_PROXY": "a", "https_proxy": "http://***@proxy:3128"}
    assert hidden("ada:secret@proxy:3128") == "***@proxy:3128" and hidden("http://proxy:1") == "http://proxy:1"


def test_a_proxy_that_flowers_client_cannot_use_is_told_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trouble({"PATH": "/bin"}) == "" == trouble(DEAD) == trouble(direct(DEAD, "fe80::1", "a.example"))
    message = trouble({"ALL_PROXY": "socks4://ada:secret@proxy:1080"})
    assert "ALL_PROXY=socks4://***@proxy:1080" in message and "Unknown scheme" in message and "secret" not in message
    assert "cannot use these proxies" in trouble({"all_proxy": "socks5://proxy:1080"})
    monkeypatch.setenv("HTTP_PROXY", "socks4://x")
    assert trouble({"HTTP_PROXY": "http://proxy:1"}) == ""  # the environment that is asked about is the given one
