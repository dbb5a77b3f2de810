"""Whether a port can be listened on, and who holds it otherwise."""

from __future__ import annotations

import os
import socket

import psutil
import pytest

from crossward.machine import ports
from crossward.machine.ports import free_ports, holder, trouble


def test_a_port_that_is_taken_is_told_with_its_holder() -> None:
    (port,) = free_ports(1)
    assert trouble("127.0.0.1", port) == ""
    with socket.create_server(("127.0.0.1", port)):
        message = trouble("127.0.0.1", port)
        assert message == f"port {port} on 127.0.0.1 is taken by {psutil.Process().name()} (process {os.getpid()})"
        assert trouble("0.0.0.0", port).startswith(f"port {port} on 0.0.0.0 is taken by ")
        assert trouble("", port).startswith(f"port {port} on all interfaces is taken by ")
    assert trouble("127.0.0.1", port) == ""


def test_whose_it_is_may_be_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: str) -> list[object]:
        raise psutil.AccessDenied

    monkeypatch.setattr(ports.psutil, "net_connections", denied)
    with socket.create_server(("127.0.0.1", 0)) as one:
        assert holder(one.getsockname()[1]) == "another process"


def test_an_address_that_is_not_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trouble("203.0.113.7", 9) == "port 9 on 203.0.113.7 cannot be used: this machine has no such address"


def test_free_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5
