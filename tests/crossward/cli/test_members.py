"""The roster's command: who makes, changes and signs it, what it shows first, and that no signature is ever lost."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from crossward.cli.app import main as command
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.identity import load_identity, public_line, public_of
from crossward.machine import files

ROOT = Path(__file__).parents[3]
NAMES = ["A", "B", "St. Columba", "D", "E"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a hospital, with its identity and the public half."""
    home = tmp_path_factory.mktemp("hospitals")
    for name in NAMES:
        key = load_identity(home / name / "identity.pem")
        (home / name / "identity.pub").write_text(public_line(key, name))
    return home


@pytest.fixture
def roster(home: Path, tmp_path: Path) -> Path:
    """Of the first four, complete."""
    path = tmp_path / "roster.json"
    assert main("init", path, *given(home, *NAMES[:4])) == 0
    for name in NAMES[:4]:
        assert sign(path, home, name) == 0
    return path


def main(*arguments: object) -> int:
    return command(["members", *map(str, arguments)])


def given(home: Path, *names: str) -> list[str]:
    return [f"{name}={home / name / 'identity.pub'}" for name in names]


def sign(path: Path, home: Path, name: str, *more: object) -> int:
    return main("sign", path, "--identity", home / name / "identity.pem", "--yes", *more)


def public(home: Path, name: str) -> str:
    return public_of(load_identity(home / name / "identity.pem"))


# ---------------------------------------------------------------------- first revision


def test_a_roster_is_made_and_signed_by_all(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "roster.json"
    assert main("init", path, *given(home, *NAMES)) == 0
    assert capsys.readouterr().out.endswith(f"not complete: to be signed by {', '.join(NAMES)}\n")
    for number, name in enumerate(NAMES, 1):
        assert main("show", path) == 1
        assert sign(path, home, name) == 0
        assert RosterBook.load(path, complete=False).missing == tuple(NAMES[number:])
    assert capsys.readouterr().out.endswith("signed by E; complete: every hospital in it has signed\n")
    assert main("show", path) == 0
    book = RosterBook.load(path)
    assert book.roster.hospitals == {name: public(home, name) for name in NAMES}
    assert book.roster.committee == tuple(NAMES[:4])
    shown = capsys.readouterr().out
    digits = book.roster.fingerprint
    assert shown.splitlines() == [
        f"fingerprint  {' '.join(digits[at : at + 4] for at in range(0, 32, 4))}",
        f"             {' '.join(digits[at : at + 4] for at in range(32, 64, 4))}",
        "revision     1",
        "committee    4 of 5 hospitals: A, B, St. Columba, D",
        "threshold    1: the keys of any 1 of 4 open nothing",
        "colluders    1: 1 of 4 may collude with an aggregator that lies",
        "quorum       3 of 4 consent to a version before any of them answers",
        "answers      2 of 4 open a version",
        "absent       1 of 4 may be absent",
        "signatures   5 of 5",
        "",
        "key                  committee  signed     hospital",
        *(
            f"{' '.join(public(home, name)[at : at + 4] for at in range(0, 16, 4))}  {on:<9}  yes        {name}"
            for name, on in zip(NAMES, ["yes"] * 4 + ["no"], strict=True)
        ),
        "",
        f"revision 1   {' '.join(digits[at : at + 4] for at in range(0, 16, 4))}",
        "             hospitals: A, B, St. Columba, D, E",
        "             committee: A, B, St. Columba, D; threshold 1, colluders 1",
        "",
        "complete: every hospital in it has signed",
    ]


def test_keys_may_be_given_as_digits_and_the_committee_chosen(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "roster.json"
    digits = [f"{name}={public(home, name).upper()}" for name in NAMES]
    chosen = [word for name in NAMES[1:] for word in ("--committee", name)]
    assert main("init", path, *digits, *chosen, "--threshold", 2, "--colluders", 2) == 0
    roster = RosterBook.load(path, complete=False).roster
    assert roster.hospitals == {name: public(home, name) for name in NAMES}
    assert (roster.committee, roster.threshold, roster.colluders) == (tuple(NAMES[1:]), 2, 2)


@pytest.mark.parametrize(
    ("hospitals", "code", "says"),
    [
        (["A"], 2, "'A': expected NAME=PUBLIC"),
        (["=x"], 2, "expected NAME=PUBLIC"),
        (["A="], 2, "expected NAME=PUBLIC"),
        (["A={A}", "B={B}"], 1, "2 hospitals: encryption.scheme = 'committee' takes 3 or more; with fewer, set"),
        (["A={A}", "B={B}", "A={D}"], 1, "A is given twice"),
        (["A={A}", "B={B}", "X={A}"], 1, "is the identity of 'A', not of 'X'"),
        (["A={A}", "B={B}", "C=" + "0" * 63], 1, "cannot be read (No such file or directory)"),
        (["A={A}", "B={B}", "C={secret}"], 1, "holds a private key: keep it secret"),
        (["A={A}", "B={B}", "C\x1b=" + "0" * 64], 1, "'C' is not a hospital's name: expected 1 to 64 printable"),
        (["A={A}", "B={B}", "C={hexA}"], 1, "A, C have the same identity key"),
        (["A={A}", "B={B}", "D={D}", "--committee", "Z"], 1, "the committee lists Z, who are not in the roster"),
        (["A={A}", "B={B}", "D={D}", "--threshold", "3"], 1, "a committee of 3 with threshold 3 against 1"),
        (["A={A}", "B={B}", "D={D}", "--threshold", "0"], 2, "0 is not in the range x>=1"),
    ],
)
def test_what_makes_no_roster_is_one_line_and_no_file(
    hospitals: list[str], code: int, says: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {name: str(home / name / "identity.pub") for name in "ABD"}
    names |= {"secret": str(home / "A" / "identity.pem"), "hexA": public(home, "A")}
    assert main("init", tmp_path / "roster.json", *(text.format(**names) for text in hospitals)) == code
    error = capsys.readouterr().err
    assert says in error and error.startswith("crossward members init: ") and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- next revisions


def test_a_hospital_is_added(roster: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, second = roster.read_bytes(), tmp_path / "second.json"
    capsys.readouterr()
    assert main("add", roster, *given(home, "E"), "--out", second) == 0
    output = capsys.readouterr().out
    assert "             added: E\n" in output
    assert output.endswith("not complete: to be signed by A, B, St. Columba, D, E\n")  # all of them, again
    assert roster.read_bytes() == before  # which stays in force meanwhile
    for name in reversed(NAMES):
        assert sign(second, home, name, "--after", roster) == 0
    book = RosterBook.load(second).follows(RosterBook.load(roster))
    assert list(book.roster.hospitals) == NAMES and book.roster.committee == tuple(NAMES[:4])
    assert book.of(RosterBook.load(roster).roster.fingerprint).revision == 1


def test_a_hospital_that_is_removed_need_not_sign(roster: Path, home: Path, tmp_path: Path, capsys: Any) -> None:
    second = tmp_path / "second.json"
    assert main("remove", roster, "B", "--out", second) == 0
    output = capsys.readouterr().out
    assert "removed: B\n" in output and "committee: A, St. Columba, D (before A, B, St. Columba, D)\n" in output
    for name in ("A", "St. Columba", "D"):
        assert sign(second, home, name) == 0
    assert main("show", second) == 0
    assert sign(second, home, "B") == 1
    assert f"has the identity key {public(home, 'B')}" in capsys.readouterr().err


def test_a_stolen_key_is_replaced_in_one_revision(roster: Path, home: Path, tmp_path: Path, capsys: Any) -> None:
    second, new = tmp_path / "second.json", load_identity(tmp_path / "B" / "identity.pem")
    assert main("add", roster, f"B={public_of(new)}", "--replace", "--out", second) == 0
    old, now = public(home, "B")[:4], public_of(new)[:4]
    output = capsys.readouterr().out
    assert f"another key: B (before {old} " in output and f", now {now} " in output
    assert sign(second, home, "B") == 1  # the thief
    assert sign(second, tmp_path, "B") == 0
    for name in ("A", "St. Columba", "D"):
        assert sign(second, home, name) == 0
    assert RosterBook.load(second).roster.identity("B") == public_of(new)


def test_the_committee_is_changed(roster: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = tmp_path / "second.json"
    assert main("change", roster, "--threshold", 2, "--out", second) == 0
    assert "threshold: 2 (before 1)\n" in capsys.readouterr().out
    assert RosterBook.load(second, complete=False).roster.openers == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["add", "A={A}"], "A are in {roster} already: --replace gives them the new keys"),
        (["add", "E={E}", "--replace"], "E are not in {roster}, so there is no key to replace"),
        (["add", "E={A}"], "is the identity of 'A', not of 'E'"),
        (["remove", "Z"], "'Z' is not in roster"),
        (["remove", "A", "B"], "2 hospitals: encryption.scheme = 'committee' takes 3 or more"),
        (["change"], "nothing would change from revision 1"),
        (["change", "--colluders", "2"], "a committee of 4 with threshold 1 against 2 colluding members"),
    ],
)
def test_a_change_that_cannot_be_is_one_line_and_no_file(
    words: list[str], says: str, roster: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    filled = [word.format(**{name: home / name / "identity.pub" for name in "AE"}) for word in words]
    assert main(filled[0], roster, *filled[1:], "--out", tmp_path / "second.json") == 1
    out, error = capsys.readouterr()
    assert says.format(roster=roster) in error and error.count("\n") == 1 and out == ""
    assert not (tmp_path / "second.json").exists()


def test_only_a_complete_roster_has_a_next_revision_and_no_file_is_overwritten(
    roster: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second, before = tmp_path / "second.json", roster.read_bytes()
    assert main("change", roster, "--threshold", 2, "--out", roster) == 1
    assert main("init", roster, *given(home, *NAMES)) == 1
    assert capsys.readouterr().err.count("already exists and is left unchanged: name a new file\n") == 2
    assert roster.read_bytes() == before
    assert main("change", roster, "--threshold", 2, "--out", second) == 0
    assert main("add", second, *given(home, "E"), "--out", tmp_path / "third.json") == 1
    assert "(revision 2) is not signed by A, B, St. Columba, D" in capsys.readouterr().err
    assert main("init", tmp_path / "no folder" / "r.json", *given(home, *NAMES)) == 1
    assert "No such file or directory" in capsys.readouterr().err


# ---------------------------------------------------------------------- signing


@pytest.fixture
def draft(roster: Path, home: Path, tmp_path: Path) -> Path:
    """The next revision, with E, which nobody has signed."""
    path = tmp_path / "draft.json"
    assert main("add", roster, *given(home, "E"), "--out", path) == 0
    return path


def test_it_is_shown_and_asked_for_first(draft: Path, home: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    before, asked, seen = draft.read_bytes(), [], []
    answers = iter([False, True])

    def confirm(question: str) -> bool:
        asked.append(question)
        seen.append(capsys.readouterr().out)
        return next(answers)

    monkeypatch.setattr(typer, "confirm", confirm)
    words = ("sign", draft, "--identity", home / "D" / "identity.pem")
    assert main(*words) == 1
    assert draft.read_bytes() == before and capsys.readouterr().err == "crossward members sign: not signed\n"
    assert main(*words) == 0
    assert asked == ["Do the others see the same fingerprint? Sign for D?"] * 2
    assert all("fingerprint  " in text and "added: E\n" in text for text in seen)
    assert RosterBook.load(draft, complete=False).missing == ("A", "B", "St. Columba", "E")
    assert main(*words) == 0 and len(asked) == 2  # signed already: nothing to ask


def test_without_a_terminal_nothing_is_signed_unless_it_was_compared(
    draft: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    before = draft.read_bytes()
    assert main("sign", draft, "--identity", home / "A" / "identity.pem") == 1
    assert "no terminal to ask at. Compare the fingerprint first, then give --yes" in capsys.readouterr().err
    assert draft.read_bytes() == before


def test_what_others_sign_while_one_reads_is_kept(draft: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    def meanwhile(_: str) -> bool:
        assert sign(draft, home, "B") == sign(draft, home, "E") == 0
        return True

    monkeypatch.setattr(typer, "confirm", meanwhile)
    assert main("sign", draft, "--identity", home / "A" / "identity.pem") == 0
    assert RosterBook.load(draft, complete=False).missing == ("St. Columba", "D")


def test_a_roster_that_is_another_one_by_then_is_not_signed(
    draft: Path, roster: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "confirm", lambda _: bool(draft.write_bytes(roster.read_bytes())))
    assert main("sign", draft, "--identity", home / "A" / "identity.pem") == 1
    assert "is another than" in capsys.readouterr().err and draft.read_bytes() == roster.read_bytes()


def test_hospitals_that_sign_one_file_at_once_lose_nothing(draft: Path, home: Path) -> None:
    words = [sys.executable, "-m", "crossward", "members", "sign", draft, "--yes", "--identity"]
    running = [
        subprocess.Popen([*words, home / name / "identity.pem"], cwd=ROOT, stdout=subprocess.DEVNULL) for name in NAMES
    ]
    assert [process.wait(60) for process in running] == [0] * len(NAMES)
    assert RosterBook.load(draft).roster.revision == 2
    assert not [path for path in draft.parent.iterdir() if path.name.startswith(".")]


def test_a_signature_is_written_under_the_folders_lock(draft: Path, home: Path, monkeypatch: Any) -> None:
    write, locked = files.write_atomic, []

    def watched(path: Path, data: bytes) -> None:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            locked.append(path)
        finally:
            os.close(folder)
        write(path, data)

    monkeypatch.setattr(files, "write_atomic", watched)
    assert sign(draft, home, "A") == 0 and locked == [draft]


def test_copies_that_travelled_apart_are_joined(draft: Path, home: Path, tmp_path: Path) -> None:
    copies = []
    for name in NAMES[1:]:
        copies.append(tmp_path / f"from {name}.json")
        copies[-1].write_bytes(draft.read_bytes())
        assert sign(copies[-1], home, name) == 0
    others = [word for copy in copies for word in ("--with", copy)]
    assert sign(draft, home, "A", *others) == 0
    assert main("show", draft) == 0
    assert sign(copies[0], home, "B", "--with", draft) == 0  # signed already: joined all the same
    assert RosterBook.load(copies[0]) == RosterBook.load(draft)


def test_what_does_not_fit_is_not_joined_or_signed(
    draft: Path, roster: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = draft.read_bytes()
    (tmp_path / "rubbish.json").write_text("{")
    other = tmp_path / "other.json"
    assert main("change", roster, "--threshold", 2, "--out", other) == 0
    for name in NAMES[:4]:
        assert sign(other, home, name) == 0
    capsys.readouterr()
    for more, says in (
        (["--with", roster], f"{roster}: roster "),
        (["--with", tmp_path / "rubbish.json"], "rubbish.json: not JSON"),
        (["--with", tmp_path / "none.json"], "there is no roster at"),
        (["--after", other], "does not follow revision 2"),
    ):
        assert sign(draft, home, "A", *more) == 1
        out, error = capsys.readouterr()
        assert says in error and error.count("\n") == 1 and out == ""
    (tmp_path / "stranger").mkdir()
    load_identity(tmp_path / "stranger" / "identity.pem")
    assert sign(draft, tmp_path, "stranger") == 1
    assert "no hospital in roster" in capsys.readouterr().err
    assert sign(draft, tmp_path, "nobody") == 1
    assert "there is no identity at" in capsys.readouterr().err and not (tmp_path / "nobody").exists()
    assert draft.read_bytes() == before


def test_a_signature_that_does_not_verify_is_shown_and_replaced(
    draft: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = RosterBook.load(draft, complete=False)
    draft.write_bytes(RosterBook(book.roster, {"B": bytes(64)}, book.earlier).to_bytes())
    assert main("show", draft) == 1
    out = capsys.readouterr().out
    assert "  NOT VALID  B\n" in out and out.endswith("to be signed by A, B, St. Columba, D, E\n")
    assert sign(draft, home, "B") == 0
    assert RosterBook.load(draft, complete=False).missing == ("A", "St. Columba", "D", "E")


def test_behind_a_link_the_file_is_changed_and_not_the_link(draft: Path, home: Path, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(draft)
    assert sign(tmp_path / "link.json", home, "A") == 0
    assert (tmp_path / "link.json").is_symlink()
    assert "A" not in RosterBook.load(draft, complete=False).missing
