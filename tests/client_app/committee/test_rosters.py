"""Where a node's roster comes from: a hospital's file, or a simulation's own, made once for all of its hospitals."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from client_app.committee.keys import CommitteeKeys
from client_app.committee.rosters import ACCEPTED, hospital_roster, keys_of_all, simulated_roster
from crossward.config.node_config import NodeConfig
from crossward.config.settings import SettingsError
from crossward.encryption.committee.roster import RosterError
from crossward.encryption.committee.roster_file import RosterBook, make_book
from crossward.encryption.committee.statements import Rules
from crossward.encryption.identity import load_identity, public_of
from tests.at_once import at_once
from tests.client_app.committee.consortium import identity


def own(state: Path, number: int = 0) -> Any:
    return load_identity(state / "identities" / f"site-{number}.pem")


def test_a_simulations_roster_is_made_once_and_signed_for_all(tmp_path: Path, caplog: Any) -> None:
    book = simulated_roster(tmp_path, 5, own(tmp_path))
    assert book.check() is book and list(book.roster.hospitals) == [f"site-{i}" for i in range(5)]
    assert book.roster.committee == ("site-0", "site-1", "site-2", "site-3")
    assert "this machine holds all their keys" in caplog.text
    caplog.clear()
    for number in range(5):
        assert simulated_roster(tmp_path, 5, own(tmp_path, number)).roster == book.roster
    assert not caplog.text
    three = simulated_roster(tmp_path, 3, own(tmp_path))
    assert three.roster.absent == 0 and three.roster.fingerprint != book.roster.fingerprint


def test_a_simulation_of_two_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"takes 3 hospitals or more, the simulation has 2: .*scheme = 'bfv'"):
        simulated_roster(tmp_path, 2, own(tmp_path))


def test_it_is_made_anew_where_an_identity_changed_or_the_file_is_damaged(tmp_path: Path) -> None:
    book = simulated_roster(tmp_path, 3, own(tmp_path))
    (tmp_path / "identities" / "site-1.pem").unlink()
    again = simulated_roster(tmp_path, 3, own(tmp_path, 1))
    assert again.roster.hospitals["site-0"] == book.roster.hospitals["site-0"]
    assert again.roster.hospitals["site-1"] != book.roster.hospitals["site-1"]
    (tmp_path / "rosters" / "3.json").write_text("{}")
    assert simulated_roster(tmp_path, 3, own(tmp_path)).roster == again.roster


def test_all_hospitals_of_a_simulation_that_begin_at_once_have_one_roster(tmp_path: Path) -> None:
    def one(number: int) -> str:
        return simulated_roster(tmp_path, 6, own(tmp_path, number)).roster.fingerprint

    found = set(at_once([functools.partial(one, number) for number in range(6)]))
    assert len(found) == 1


def test_a_roster_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    identity_of_one = own(tmp_path)
    (tmp_path / "rosters").write_text("in the way")
    with pytest.raises(RosterError, match=r"the simulation's roster .*3\.json cannot be written"):
        simulated_roster(tmp_path, 3, identity_of_one)


def at(path: Path) -> NodeConfig:
    """Node config of a hospital whose state folder is the path's."""
    return NodeConfig(roster_path=str(path), state_dir=str(path.parent))


def next_of(book: RosterBook, **changes: Any) -> RosterBook:
    """The next revision, signed by the hospitals named h0, h1, ..."""
    book = book.next(**changes)
    for name in book.roster.hospitals:
        book = book.signed(name, identity(int(name[1:])).sign)
    return book


def test_a_hospitals_roster_is_the_file_that_its_node_config_names(tmp_path: Path) -> None:
    path = tmp_path / "roster.json"
    book = make_book({f"h{n}": identity(n) for n in range(3)})
    path.write_bytes(book.to_bytes())
    assert hospital_roster(at(path)).roster == book.roster
    more = next_of(book, hospitals={f"h{n}": public_of(identity(n)) for n in range(4)})
    path.write_bytes(more.to_bytes())
    assert len(hospital_roster(at(path)).roster.hospitals) == 4  # without a restart
    with pytest.raises(SettingsError, match=r"roster-path is missing.*`crossward members`.*encryption.scheme = 'bfv'"):
        hospital_roster(NodeConfig())
    with pytest.raises(RosterError, match="there is no roster at"):
        hospital_roster(at(tmp_path / "gone.json"))


def test_a_hospital_refuses_a_roster_that_does_not_follow_the_last_one_it_accepted(tmp_path: Path) -> None:
    path, accepted = tmp_path / "roster.json", tmp_path / ACCEPTED
    first = make_book({f"h{n}": identity(n) for n in range(4)})
    second = next_of(first, threshold=1, committee=("h0", "h1", "h2"))
    third = next_of(second, committee=("h0", "h1", "h3"))
    for book in (first, first, third):  # the same once more, and one over another
        path.write_bytes(book.to_bytes())
        assert hospital_roster(at(path)) == book == RosterBook.load(accepted)
    fork = next_of(second, committee=("h1", "h2", "h3"))
    for book in (first, second, fork, make_book({f"h{n}": identity(n) for n in range(5)})):
        path.write_bytes(book.to_bytes())
        with pytest.raises(
            RosterError,
            match=rf"roster .* does not follow revision 3 .*, the last one accepted here\. .*delete {accepted}",
        ):
            hospital_roster(at(path))
        assert RosterBook.load(accepted) == third
    path.write_bytes(third.to_bytes())
    assert hospital_roster(at(path)) == third
    accepted.unlink()  # as the message says
    path.write_bytes(fork.to_bytes())
    assert hospital_roster(at(path)) == fork == RosterBook.load(accepted)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            b"{}",
            r"the last roster accepted here cannot be used: .*identity.roster: not a roster.* Restore it, or, if all",
        ),
        (None, r"the last roster accepted here cannot be used: .*identity.roster: not a regular file"),
    ],
)
def test_a_damaged_record_of_the_last_roster_is_not_taken_for_none(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    path, accepted = tmp_path / "roster.json", tmp_path / ACCEPTED
    path.write_bytes(make_book({f"h{n}": identity(n) for n in range(4)}).to_bytes())
    if content is None:
        accepted.mkdir()
    else:
        accepted.write_bytes(content)
    with pytest.raises(RosterError, match=says):
        hospital_roster(at(path))


def test_a_state_folder_that_cannot_be_written_accepts_no_roster(tmp_path: Path) -> None:
    path = tmp_path / "roster.json"
    path.write_bytes(make_book({f"h{n}": identity(n) for n in range(4)}).to_bytes())
    with pytest.raises(RosterError, match=r"nowhere/identity.roster cannot be written \(No such file"):
        hospital_roster(NodeConfig(roster_path=str(path), state_dir=str(tmp_path / "nowhere")))


def test_a_hospital_finds_its_name_by_its_key_or_says_whose_is_missing(tmp_path: Path) -> None:
    identities = {f"h{n}": identity(n) for n in range(3)}
    keys = keys_of_all(tmp_path, identities, Rules(), 16)
    assert [one.name for one in keys.values()] == list(identities)
    assert keys["h1"].folder == tmp_path / "h1" and keys["h1"].book is keys["h0"].book
    with pytest.raises(
        RosterError, match=r"which is this hospital's: restore the identity.pem .*crossward members add"
    ):
        CommitteeKeys.of(keys["h0"].book, Rules(), identity(7), tmp_path, 16)
