"""A deployment on one machine takes a folder that is its own, and ports that are free."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from crossward.config.notes_toml import read_notes
from crossward.config.party_toml import read_party_toml
from crossward.deploy.aggregator import init_aggregator
from crossward.deploy.errors import DeployError
from crossward.deploy.hospital import init_hospital, read_hospital
from crossward.deploy.local import LocalDeployment
from crossward.deploy.parties import LocalParties
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.identity import public_of, read_identity
from crossward.machine.ports import free_ports

FORMS = ("mimic-iii", "omop", "fhir", "csv")


@pytest.fixture
def local(tmp_path: Path) -> LocalDeployment:
    return LocalDeployment(tmp_path / "deployment", 3, 24, lambda _: None)


def test_a_folder_with_somebody_elses_files_is_left_alone(local: LocalDeployment) -> None:
    local.folder.mkdir()
    (local.folder / "thesis.tex").write_text("mine")
    with pytest.raises(DeployError, match=r"is no deployment and not empty \(it holds thesis.tex\)"):
        local.prepare()
    assert [path.name for path in local.folder.iterdir()] == ["thesis.tex"]
    with pytest.raises(DeployError, match="cannot be used: Not a directory"):
        LocalDeployment(local.folder / "thesis.tex", 3, 24, lambda _: None).prepare()


def test_the_hospitals_have_a_roster_that_all_have_signed(tmp_path: Path) -> None:
    said: list[str] = []

    def prepared() -> LocalDeployment:
        local = LocalDeployment(tmp_path / "deployment", 4, 40, said.append, FORMS)
        local.prepare()
        assert local._lock is not None
        local._lock.close()
        return local

    local = prepared()
    book = RosterBook.load(local.roster)
    assert len(book.roster.hospitals) == 4 == len(book.roster.committee)
    for number in range(1, 5):
        _, node = read_hospital(local.hospital(number))
        key = read_identity(Path(node["state-dir"]) / "identity.pem")
        assert node["roster-path"] == str(local.roster) and book.roster.name_of(public_of(key)) == node["site"]
    assert said == [f"{local.roster}: signed with the keys of all 4 hospitals, which one user holds here"]
    for number, form in enumerate(FORMS, 1):  # as in the simulation of several sources
        assert read_notes(Path(read_hospital(local.hospital(number))[1]["notes-path"])).source == form
    other = LocalDeployment(local.folder, 4, 40, said.append)
    with pytest.raises(DeployError, match="was made with --hospitals 4 --patients 40 --form mimic-iii --form omop"):
        other.prepare()
    assert other._lock is not None
    other._lock.close()
    before = local.roster.read_bytes()
    prepared()
    assert local.roster.read_bytes() == before and len(said) == 1


def test_a_port_that_is_taken_names_who_needs_it(local: LocalDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something was started")

    monkeypatch.setattr(local.tree, "start", refuse)
    ports = free_ports(4)
    init_aggregator(local.aggregator.parent, "127.0.0.1", ports[0], "127.0.0.1")
    for number in (1, 2, 3):
        folder = local.hospital(number).parent
        authority = local.aggregator.with_name("ca.crt")
        init_hospital(folder, f"127.0.0.1:{ports[0]}", "A", folder, authority, local.key, ports[number])
    for port, who in ((ports[0], local.aggregator), (ports[2], local.hospital(2))):
        needs = rf"^port {port} on 127\.0\.0\.1 is taken by .*{who} needs it: stop"
        with socket.create_server(("127.0.0.1", port)), pytest.raises(DeployError, match=needs):
            local.start()


def test_parties_say_what_they_have_in_a_party_toml(tmp_path: Path) -> None:
    local = LocalParties(tmp_path / "deployment", 60, lambda _: None)
    local.prepare()
    for number, name in enumerate(("Harbour Heart", "Millbrook", "Laboratory"), 1):
        _, node = read_hospital(local.hospital(number))
        assert node["site"] == name and "data-path" not in node
        assert (read_party_toml(Path(node["party-path"])).outcome is not None) == (number == 1)
    assert "run.scenario=vertical" in local.settings()[0]
    with pytest.raises(DeployError, match="a vertical run has no committee"):
        local.check(["member"])
    assert local._lock is not None
    local._lock.close()
