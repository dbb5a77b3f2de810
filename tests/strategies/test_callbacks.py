"""Callbacks see every event with the state that it led to, can stop a run, and are loaded by name or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossward.ledger.events import Event, Version
from crossward.ledger.state import RunState
from strategies.callbacks import Callback, CallbackError, load_callback, load_callbacks
from tests.ledger_lines import made


class Seen(Callback):
    """Keeps the events' names; asks for a stop at a version."""

    def __init__(self, stop_at: int = 0) -> None:
        self.names: list[str] = []
        self.stop_at = stop_at

    def on_event(self, event: Event, state: RunState) -> None:
        self.names.append(event.name)
        if isinstance(event, Version):
            assert state.version == event.version and not set(event.tasks) & state.buffer.keys()
            if event.version == self.stop_at:
                self.request_stop("seen enough")


class Needy(Callback):
    """Cannot be made without an argument."""

    def __init__(self, what: str) -> None:
        self.what = what


def test_a_callback_sees_every_event_in_order(federation: Any) -> None:
    seen = Seen()
    f = federation(versions=4, compute=(1, 2, 3, 4), evaluate_every=2, callbacks=[seen])
    f.start()
    assert seen.names == [line["event"] for line in f.journal.events()] and len(seen.names) > 30


def test_a_callback_stops_a_run_as_its_last_version_does(federation: Any) -> None:
    f = federation(versions=12, compute=(1, 2, 3, 4), callbacks=[Seen(), Seen(3), Seen(4)])
    f.start()
    assert f.strategy.state.version == 3
    assert f.lines("finished")[0]["reason"] == "stopped by a callback: seen enough"
    assert {line["version"] for line in f.lines("measured")} == {3} and len(f.lines("measured")) == 4
    f.check_accounts()
    f.check_agreement()
    again = federation(journal=f.journal, versions=12, compute=(1, 2, 3, 4))
    again.start()  # it is over, as it would be with any other reason
    assert again.strategy.state.version == 3


def test_a_callback_can_stop_a_run_before_its_first_version(federation: Any) -> None:
    class AtOnce(Callback):
        def on_event(self, event: Event, state: RunState) -> None:
            self.request_stop("not today")

    f = federation(versions=3, callbacks=[AtOnce()])
    f.start()
    assert f.strategy.state.version == 0 and not f.lines("accepted")
    assert f.lines("finished")[0]["reason"] == "stopped by a callback: not today"


def test_an_exception_in_a_callback_ends_the_run_and_loses_nothing(federation: Any) -> None:
    class Broken(Callback):
        def on_event(self, event: Event, state: RunState) -> None:
            if isinstance(event, Version):
                raise ZeroDivisionError

    f = federation(versions=3, compute=(1, 2, 3, 4), callbacks=[Broken()])
    with pytest.raises(ZeroDivisionError):
        f.start()
    again = federation(journal=f.journal, versions=3, compute=(1, 2, 3, 4))
    again.start()
    assert again.strategy.state.version == 3
    again.check_accounts()


def test_callbacks_are_loaded_by_name() -> None:
    first, second = load_callbacks(" tests.strategies.test_callbacks:Seen, tests.strategies.test_callbacks:Seen")
    assert isinstance(first, Seen) and isinstance(second, Seen) and first is not second
    assert load_callbacks("") == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Seen", "expected module:Class, as in"),
        ("module:", "expected module:Class, as in"),
        ("no_such_module:Seen", r"cannot be imported \(ModuleNotFoundError: No module named 'no_such_module'\)"),
        ("tests.strategies.test_callbacks:Nobody", r"cannot be imported \(AttributeError: .*'Nobody'\)"),
        ("pathlib:Path", "not a subclass of strategies.callbacks.Callback"),
        ("pathlib:sys", "not a subclass of strategies.callbacks.Callback"),
        ("tests.strategies.test_callbacks:Needy", r"cannot be made \(TypeError: .*'what'\)"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_line(name: str, expected: str) -> None:
    with pytest.raises(CallbackError, match=expected) as raised:
        load_callback(name)
    assert "\n" not in str(raised.value) and name in str(raised.value)


def test_a_module_that_fails_when_it_is_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_callback.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CallbackError, match=r"RuntimeError: no licence\): install its package .* PYTHONPATH"):
        load_callback("broken_callback:Seen")


def test_the_first_reason_stands() -> None:
    one = Callback()
    one.on_event(made("joined"), RunState())
    one.request_stop("first")
    one.request_stop("second")
    assert one.stop_requested == "first"
