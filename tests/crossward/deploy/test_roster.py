"""A hospital's identity, with its public half beside its configuration, and the roster that is in force here."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client_app.committee.rosters import accept
from crossward.cli.app import main
from crossward.deploy.certificates import make_authority
from crossward.deploy.errors import DeployError
from crossward.deploy.files import only_one
from crossward.deploy.hospital import init_hospital
from crossward.deploy.roster import public_identity, put_in_force
from crossward.encryption.committee.roster_file import RosterBook, make_book
from crossward.encryption.identity import load_identity, public_line, public_of, read_identity, read_public


@pytest.fixture
def file(tmp_path: Path) -> Path:
    make_authority(tmp_path / "ca")
    args = (tmp_path / "notes", tmp_path / "ca" / "ca.crt", tmp_path / "consortium.key", 9100)
    return init_hospital(tmp_path / "ours", "aggregator.example:8000", 'St. "Mary"', *args)


def test_the_identity_is_made_with_it_and_its_public_half_is_beside_it(file: Path) -> None:
    path = file.parent / "state" / "identity.pem"
    key = read_identity(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (file.parent / "identity.pub").read_text() == f'{public_of(key)} St. "Mary"\n'
    assert read_public(file.parent / "identity.pub") == (public_of(key), 'St. "Mary"')
    assert public_identity(file) == public_line(key, 'St. "Mary"')  # the same one, asked again


def test_another_identity_leaves_the_old_one_beside_it(file: Path) -> None:
    path = file.parent / "state" / "identity.pem"
    old = path.read_bytes()
    with only_one(path.parent, "hospital"), pytest.raises(DeployError, match="is in use: stop this hospital before it"):
        public_identity(file, new=True)
    assert path.read_bytes() == old
    line = public_identity(file, new=True)
    (kept,) = path.parent.glob("identity.pem.*")
    assert kept.read_bytes() == old and kept.stat().st_mode & 0o777 == path.stat().st_mode & 0o777 == 0o600
    assert line == (file.parent / "identity.pub").read_text() == public_line(read_identity(path), 'St. "Mary"')
    assert public_of(read_identity(kept)) not in line
    assert sorted(one.name for one in path.parent.iterdir()) == sorted([".lock", "identity.pem", kept.name])


def test_a_state_folder_that_is_elsewhere_is_left_alone(tmp_path: Path) -> None:
    make_authority(tmp_path / "ca")
    args = ("h:1", "A", tmp_path, tmp_path / "ca" / "ca.crt", tmp_path / "c.key", 9100)
    init_hospital(tmp_path / "ours", *args, state=tmp_path / "none", identity=False)
    assert not (tmp_path / "none").exists() and not (tmp_path / "ours" / "identity.pub").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(DeployError, match=r"identity.pem could not be written .*: init-hospital --no-identity here"):
        init_hospital(tmp_path / "theirs", *args, state=tmp_path / "file")
    assert not (tmp_path / "theirs").exists()  # nothing was made


# ---------------------------------------------------------------------- the roster in force

OTHERS = {name: Ed25519PrivateKey.generate() for name in "BCDE"}


@pytest.fixture
def keys(file: Path) -> dict[str, Ed25519PrivateKey]:
    return {"Ours": load_identity(file.parent / "state" / "identity.pem"), **OTHERS}


def signed(book: RosterBook, keys: dict[str, Ed25519PrivateKey]) -> RosterBook:
    for name in book.roster.hospitals:
        book = book.signed(name, keys[name].sign)
    return book


def test_a_complete_roster_is_put_in_force_and_then_those_that_follow_it(
    file: Path, keys: dict[str, Ed25519PrivateKey], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, force = tmp_path / "new.json", tmp_path / "roster.json"
    first = make_book({name: keys[name] for name in ("Ours", "B", "C", "D")})
    second = signed(first.next({**first.roster.hospitals, "E": public_of(keys["E"])}), keys)
    third = signed(second.next(threshold=2), keys)
    for book in (first, first, third):  # the same once more, and one over another
        new.write_bytes(book.to_bytes())
        assert main(["deploy", "roster", str(file), str(new)]) == 0
        said = f"Ours follows roster {book.roster.fingerprint[:16]}, revision {book.roster.revision}, from its next"
        assert said in capsys.readouterr().out
        assert RosterBook.load(force) == book
    fork = signed(second.next(threshold=3), keys)
    for book in (second, fork, make_book(keys)):
        new.write_bytes(book.to_bytes())
        with pytest.raises(DeployError, match=r"new.json: roster .* does not follow revision 3 .*last one accepted"):
            put_in_force(file, new)
        assert RosterBook.load(force) == third


def test_a_roster_that_follows_none_is_put_in_force_on_request(
    file: Path, keys: dict[str, Ed25519PrivateKey], tmp_path: Path
) -> None:
    old, anew, state = tmp_path / "old.json", tmp_path / "anew.json", file.parent / "state"
    old.write_bytes(make_book({name: keys[name] for name in ("Ours", "B", "C", "D")}).to_bytes())
    anew.write_bytes((book := make_book(keys)).to_bytes())
    put_in_force(file, old)
    accept(tmp_path / "roster.json", state)  # as the node does with its next task
    (tmp_path / "roster.json").unlink()  # what was accepted is not forgotten with the file
    with pytest.raises(
        DeployError, match=r"does not follow .*delete .*identity.roster \(`crossward deploy roster --new`"
    ):
        put_in_force(file, anew)
    assert not (tmp_path / "roster.json").exists()
    assert main(["deploy", "roster", str(file), str(anew), "--new"]) == 0
    assert RosterBook.load(tmp_path / "roster.json") == book == accept(tmp_path / "roster.json", state)
    with pytest.raises(DeployError, match="does not follow"):
        put_in_force(file, old)


def test_no_other_roster_is_put_in_force(file: Path, keys: dict[str, Ed25519PrivateKey], tmp_path: Path) -> None:
    new = tmp_path / "new.json"
    book = make_book(keys)
    unsigned = {name: data for name, data in book.signatures.items() if name != "B"}
    for content, says in (
        (RosterBook(book.roster, unsigned).to_bytes(), "new.json: .* is not signed by B"),
        (make_book(OTHERS).to_bytes(), "no hospital in roster .* has the identity key"),
        (b"", "new.json: not JSON"),
    ):
        new.write_bytes(content)
        with pytest.raises(DeployError, match=says):
            put_in_force(file, new)
    new.write_bytes(book.to_bytes())
    (tmp_path / "roster.json").write_text("mine")
    with pytest.raises(DeployError, match=r"roster.json: not JSON"):  # what is there is not overwritten unread
        put_in_force(file, new)
    assert (tmp_path / "roster.json").read_text() == "mine"
    (tmp_path / "roster.json").unlink()
    file.write_text(file.read_text().replace("roster-path", "#"))
    with pytest.raises(DeployError, match=r"has no roster-path"):
        put_in_force(file, new)
    assert not (tmp_path / "roster.json").exists()
