"""The hooks into the standard library exist, and another Python is refused with a clear error."""

from __future__ import annotations

import asyncio.sslproto
import ssl
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import SpawnContext
from types import SimpleNamespace

import pytest

from crossward.internals import python
from crossward.internals.check import InternalsError

PROTOCOL = asyncio.sslproto.SSLProtocol
HOOK = "_on_handshake_complete"


def test_failed_handshakes_of_servers_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real ones are in ``tests/crossward/deploy/test_aggregator.py``."""
    passed_on: list[object] = []
    monkeypatch.setattr(PROTOCOL, HOOK, lambda self, handshake_exc: passed_on.append(handshake_exc))
    message: list[tuple[str, ssl.SSLError]] = []
    python.on_failed_handshake(lambda peer, error: message.append((peer, error)))
    transport = SimpleNamespace(get_extra_info=lambda name: ("10.0.0.1", 5) if name == "peername" else None)
    failed, hook = ssl.SSLError(1, "bad"), getattr(PROTOCOL, HOOK)
    for server, error in ((True, failed), (False, failed), (True, None), (True, ConnectionResetError())):
        hook(SimpleNamespace(_server_side=server, _transport=transport), error)
    hook(SimpleNamespace(_server_side=True, _transport=None), failed)
    assert message == [("10.0.0.1", failed), ("somebody", failed)] and len(passed_on) == 5


@pytest.mark.parametrize("found", [None, lambda self: None])
def test_a_python_without_the_hook_is_refused(monkeypatch: pytest.MonkeyPatch, found: object) -> None:
    if found is None:
        monkeypatch.delattr(PROTOCOL, HOOK)
    else:
        monkeypatch.setattr(PROTOCOL, HOOK, found)
    with pytest.raises(InternalsError, match=r"^Python 3\.\S+: asyncio\.sslproto\.SSLProtocol\._on_handshake_complete"):
        python.on_failed_handshake(lambda peer, error: None)


def test_a_protocol_with_other_attributes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PROTOCOL, HOOK, getattr(PROTOCOL, HOOK))
    monkeypatch.setattr(PROTOCOL, "__init__", lambda self: None)
    with pytest.raises(InternalsError, match="SSLProtocol has no _server_side, _transport"):
        python.on_failed_handshake(lambda peer, error: None)


def test_a_pool_whose_queue_of_results_is_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InternalsError, match="does not take its queue of results from the context"):
        python.PoolContext().Process(target=print)
    monkeypatch.setattr(SpawnContext, "SimpleQueue", lambda self: object())
    with pytest.raises(InternalsError, match="SimpleQueue has no _writer"):
        ProcessPoolExecutor(1, mp_context=python.PoolContext())
