"""``crossward data check party.toml``: found by the file, printed, a page, exit codes; and no patient in any of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from crossward.cli.app import main

LABS = """
name = "Laboratory"
features = "labs"
path = "labs.csv"
[columns]
patient = "p"
time = "t"
item = "i"
value = "v"
[cohort]
path = "stays.csv"
patient = "p"
time = "t"
"""


@pytest.fixture
def party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Ten patients with two values each, one outside the window, and one patient without; the party.toml is named."""
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    stays = [f"QUILL-{n:04d},2150-01-01 08:00:00" for n in range(11)]
    values = [f"QUILL-{n:04d},2150-01-01 1{k}:00:00,Sodium,{130 + n + k}" for n in range(10) for k in range(2)]
    values += ["QUILL-0003,2151-01-01 10:00:00,Sodium,999", "QUILL-0003,never,Sodium,1"]
    (tmp_path / "stays.csv").write_text("\n".join(["p,t", *stays]) + "\n")

    def write(name: str = "party.toml", text: str = LABS, more: tuple[str, ...] = ()) -> Path:
        (tmp_path / "labs.csv").write_text("\n".join(["p,t,i,v", *values, *more]) + "\n")
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_a_party_is_measured_by_its_file_or_folder_whatever_it_is_called(
    party: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (party(), party().parent, party("ours.toml")):
        assert main(["data", "check", str(path), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["patients"] == 10 and found["cohort"]["have no value in their window"] == 1
        counts = found["counts"]
        assert counts["read"] == 22 == sum(number for why, number in counts.items() if why != "read")
        (sodium,) = found["features"]
        assert (sodium["name"], sodium["patients"], sodium["low"], sodium["high"]) == ("Sodium", 10, 130, 140)
        assert sodium["median"] == 135.5, "of the last values"


def test_table_and_page_name_no_patient(
    party: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "party.html"
    assert main(["data", "check", str(party()), "--out", str(page)]) == 0
    output = capsys.readouterr()
    shown, text = " ".join(output.out.split()), page.read_text()
    words = " ".join(ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>")).itertext())
    facts = (
        "10 patients kept of 11 of the cohort, 1 have no value in their window",
        "from 6 hours before the cohort's time to 48 hours after it",
        "10 distinct, 10 changed by the rules, 0 the same as another",
        "labs.csv, line 23",
        "below 30 there is little to learn from",
    )
    for fact in facts:
        assert fact in shown and fact in " ".join(words.split()), fact
    assert "22 rows read, 20 kept, 1 a time that cannot be read, 1 outside the window" in shown
    assert "Sodium" in shown and "Sodium" in words
    assert "QUILL" not in (output.out + output.err + text).upper().replace(str(tmp_path).upper(), "")
    assert page.stat().st_mode & 0o077 == 0


def test_identifiers_that_an_alignment_refuses_fail_after_all_is_shown(
    party: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = party(more=("quill 0003,2150-01-01 12:00:00,Sodium,140",))
    with (tmp_path / "stays.csv").open("a") as stays:
        stays.write("quill 0003,2150-01-01 08:00:00\n")
    assert main(["data", "check", str(path)]) == 1
    output = capsys.readouterr()
    assert "11 patients kept" in output.out and "1 of 11 are the same as another" in output.err
    assert "quill" not in output.out + output.err.replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("text", "options", "code", "says"),
    [
        (LABS, ["--hospitals", "2"], 2, "--hospitals: of no use for a party.toml"),
        (LABS, ["--run-config", "data.note-types=nursing"], 2, "--run-config: of no use"),
        (LABS.replace("item =", "items ="), [], 1, "items"),
        (LABS.replace('"stays.csv"', '"none.csv"'), [], 1, "none.csv: no such file. cohort.path of"),
        (LABS.replace("2150", "x") + "[window]\nbefore = 0\nafter = 0\n", [], 1, "window.before and window.after"),
    ],
)
def test_exit_codes_are_those_of_notes(
    party: Callable[..., Path],
    text: str,
    options: list[str],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["data", "check", str(party(text=text)), *options]) == code
    output = capsys.readouterr()
    assert says in output.err and "Traceback" not in output.err


def test_a_hospitals_file_says_where_its_party_is(
    party: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub, folder = tmp_path / "hub", tmp_path / "hospital"
    assert main(["deploy", "init-aggregator", str(hub), "--address", "hub.example.org:443"]) == 0
    args = ["--superlink", "hub.example.org:443", "--site", "Laboratory", "--data", str(party())]
    assert main(["deploy", "init-hospital", str(folder), *args, "--authority", str(hub / "ca.crt")]) == 0
    capsys.readouterr()
    assert main(["data", "check", "--hospital", str(folder / "hospital.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["patients"] == 10
