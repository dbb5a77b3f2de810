"""Made-up notes vary, differ by house, follow from their seed, and tell the outcome with noise only."""

import csv
import hashlib
import itertools
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from crossward.cli.app import main
from data.errors import DataError
from data.synthetic import phrase_files
from data.synthetic.bulk import write_bulk
from data.synthetic.general import general_text
from data.synthetic.grammar import expand
from data.synthetic.houses import HOUSES, House
from data.synthetic.notes import write_note
from data.synthetic.patients import make_stays
from data.synthetic.phrase_files import FOLDER, load
from data.synthetic.stated import CONDITIONS, stated
from data.synthetic.tables import records, shares
from data.synthetic.tables_iii import write_mimic_iii
from data.synthetic.tables_iv import write_mimic_iv
from data.synthetic.words import DRUGS, LABS, WORDS


def test_every_category_of_every_house_can_be_written() -> None:
    rng = random.Random(0)
    for house in HOUSES:
        for category, _ in itertools.product(house.notes, range(25)):
            text = write_note(house, make_stays(house, 1, 1, rng)[0], category, rng).text
            assert len(text) > 40 and "{" not in text and "}" not in text


def _bytes(folder: Path) -> bytes:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)


def _general(folder: Path) -> None:
    texts = itertools.islice(general_text(random.Random(3)), 300)
    (folder / "general.txt").write_text("\n".join(texts), encoding="utf-8", newline="")


@pytest.mark.parametrize(
    ("write", "digest"),
    [
        (lambda folder: write_mimic_iii(records(120, 8, 1), folder), "9f9614cc6b97eb082c7b1de978928305"),
        (lambda folder: write_mimic_iv(records(120, 8, 1), folder), "898b229e971842b654c5d19093b32bee"),
        (lambda folder: write_bulk(folder, 500_000, seed=1), "39ac819ed8c0e4724ab4e0bbb48e4f3e"),
        (_general, "32ee5e710430006b5c8e71b90beac1d4"),
    ],
)
def test_what_is_written_is_the_same_as_ever(write: Callable[[Path], object], digest: str, tmp_path: Path) -> None:
    """Measured figures, and the embedded base model, were made with this text: change it knowingly."""
    write(tmp_path)
    assert hashlib.blake2b(_bytes(tmp_path), digest_size=16).hexdigest() == digest


def test_notes_are_the_same_as_ever_whatever_becomes_of_the_patients() -> None:
    found = hashlib.blake2b(digest_size=16)
    for record in records(120, 8, 1):
        for note in record.notes:
            line = f"{record.stay.hadm}|{note.category}|{note.charted}|{note.error}|{note.text}"
            found.update(line.encode())
    assert found.hexdigest() == "f54ff35042f632f787622c5f6b72c3bb"


def test_what_a_house_asks_for_exists() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(
        ["general", "items", "words", "heart", "medicine", "trauma", "newborn", "nerves", "cancer", "kidney", "mind"]
    )
    for house in HOUSES:
        assert set(house.ward.drugs) <= DRUGS.keys() and set(house.ward.labs) <= LABS.keys()
        for section in itertools.chain(*house.notes.values()):
            assert section.count == (0, 0) or section.kind in {*house.phrases, *WORDS.phrases}, section.heading


@pytest.mark.parametrize(
    ("change", "output"),
    [
        (("deaths = 0\n", ""), "the key 'deaths' is missing"),
        (("deaths = 0\n", "death = 0\n"), "unknown key 'death'; known are name, unit, service"),
        (("deaths = 0\n", 'deaths = "few"\n'), "deaths: expected float, found str 'few'"),
        (("deaths = 0\n", "deaths = true\n"), "deaths: expected float, found bool True"),
        (("age = [67, 12]", "age = [67]"), "age: expected tuple[float, float], found list [67]"),
        (('layout = "commas"', 'layout = "comas"'), "notes: Physician[8]: layout: expected "),
        (('icd9 = "41071", ', ""), "ward: diagnoses[0]: the key 'icd9' is missing"),
        (("deaths = 0\n", "deaths = \n"), "is not TOML: Invalid value (at line 7"),
    ],
)
def test_a_fault_in_a_phrase_file_is_named(
    change: tuple[str, str], output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (FOLDER / "heart.toml").read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / "faulty.toml").write_text(text.replace(*change, 1), encoding="utf-8")
    monkeypatch.setattr(phrase_files, "FOLDER", tmp_path)
    with pytest.raises(DataError) as error:
        load(House, "faulty")
    assert output in str(error.value) and str(tmp_path / "faulty.toml") in str(error.value)
    with pytest.raises(DataError, match=r"none\.toml cannot be read.*install it again"):
        load(House, "none")


def test_an_installed_copy_has_the_phrases(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "installed")
    code = "import data.synthetic.houses as found; print(found.__file__, len(found.HOUSES))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "installed", check=True, capture_output=True, text=True
    )
    file, houses = done.stdout.rsplit(maxsplit=1)
    assert Path(file).is_relative_to(tmp_path / "installed") and int(houses) == len(HOUSES)


def test_records_follow_from_the_seed_and_hospital() -> None:
    whole = [r for r in records(40, 4, 7) if r.house is HOUSES[2]]
    assert whole == list(records(40, 4, 7, only=2))
    assert whole != list(records(40, 4, 8, only=2))
    subjects = [r.stay.subject for r in records(200, 8, 0)]
    assert len(set(subjects)) == sum(shares(200, 8))
    with pytest.raises(ValueError, match="1 to 8"):
        list(records(10, 9, 0))


def test_hardly_a_line_is_written_twice() -> None:
    notes = [note.text for r in records(120, 4, 1) for note in r.notes if not note.error]
    lines = [line for text in set(notes) for line in text.splitlines() if len(line) > 40]
    assert len(set(lines)) > 0.97 * len(lines)
    assert 300 < np.mean([len(text) for text in notes]) < 1400


def test_mortality_is_told_by_the_text_with_noise() -> None:
    found = list(records(2000, 4, 2))
    texts = [" ".join(note.text for note in r.notes) for r in found]
    died = np.array([r.stay.died for r in found])
    assert 0.12 < died.mean() < 0.32
    train = np.arange(len(found)) % 4 > 0
    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True).fit_transform(texts)
    model = LogisticRegression(C=3.0, class_weight="balanced", max_iter=300).fit(vectors[train], died[train])
    area = roc_auc_score(died[~train], model.decision_function(vectors[~train]))
    assert 0.8 < area < 0.97
    best = roc_auc_score(died, [r.stay.severity for r in found])
    assert best < 0.95


def test_nobody_comes_again_after_death_and_the_severest_die() -> None:
    stays: dict[int, list[tuple[bool, float]]] = {}
    for record in records(2000, 4, 2):
        stays.setdefault(record.stay.subject, []).append((record.stay.died, record.stay.severity))
    assert any(len(found) > 1 for found in stays.values())
    assert not any(died for found in stays.values() for died, _ in found[:-1])
    died, severity = zip(*(stay for found in stays.values() for stay in found), strict=True)
    assert 0.8 < roc_auc_score(died, severity) < 0.95


def test_notes_of_the_label_task_state_what_their_labels_follow_from_with_noise() -> None:
    plain = list(records(600, 4, 3))
    found = [stated(record, 3) for record in plain]
    assert found == [stated(record, 3) for record in plain]
    died, bad, named = [], [], []
    for record, before in zip(found, plain, strict=True):
        for note, note_before in zip(record.notes, before.notes, strict=True):
            assert note.text.startswith(note_before.text + "\n")
            line = note.text.removeprefix(note_before.text).strip().lower()
            died.append(record.stay.died)
            bad.append(CONDITIONS.index(line.rstrip(".").split()[-1]))
            named.append(record.stay.diagnoses[0].text.lower() in line)
    assert 0.86 < roc_auc_score(died, bad) < 0.96 and 0.8 < np.mean(named) < 0.97
    lower = next(record for record in found if record.house.case == "lower")
    assert lower.notes[0].text.islower()


def test_general_text_is_endless_broad_and_repeatable() -> None:
    texts = list(itertools.islice(general_text(random.Random(3)), 1500))
    assert texts[:50] == list(itertools.islice(general_text(random.Random(3)), 50))
    assert len(set(texts)) > 1450
    everything = "\n".join(texts).lower()
    words = {w for h in HOUSES for d in h.ward.diagnoses for w in d.text.lower().split()}
    assert sum(w in everything for w in words) > 0.97 * len(words)


def test_general_text_has_none_of_the_houses_sentences() -> None:
    everything = "\n".join(itertools.islice(general_text(random.Random(4)), 1500)).lower()
    headings = [
        "24h events",
        "medical intensive care unit daily note",
        "[[tsicu daily rounds]]",
        "neonatology attending",
    ]
    assert not [heading for heading in headings if heading in everything]


def test_grammar() -> None:
    seen = {expand("<a|b<c|d>|> {x}", random.Random(s), lambda slot: "<1|2>") for s in range(60)}
    assert seen == {f"{word} {number}" for word in ("a", "bc", "bd", "") for number in "12"}
    with pytest.raises(ValueError, match="unbalanced"):
        expand("a < b", random.Random(0), str)


def make(args: list[str]) -> int:
    return main(["data", "make", *args])


def test_the_command_writes_both_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(["--out", str(tmp_path / "a"), "--patients", "20", "--form", "mimic-iv", "--gzip"]) == 0
    assert (tmp_path / "a" / "note" / "discharge.csv.gz").exists()
    assert make(["--out", str(tmp_path / "b"), "--patients", "20", "--split"]) == 0
    assert sorted(p.name for p in (tmp_path / "b").iterdir())[0] == "1-harbour-heart-institute"
    assert "patients in" in capsys.readouterr().out
    for wrong in (["--hospitals", "9"], ["--patients", "3"], ["--megabytes", "1", "--gzip"]):
        assert make(["--out", str(tmp_path / "c"), *wrong]) == 2


def test_a_folder_with_notes_in_it_is_not_written_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (real := tmp_path / "NOTEEVENTS.csv").write_text("real notes")
    for more in ([], ["--split"], ["--megabytes", "1"]):
        for out in (tmp_path, real):
            assert make(["--out", str(out), "--patients", "20", *more]) == 2
            assert f"--out {out} is not empty: name a folder that is empty" in capsys.readouterr().err
    assert real.read_text() == "real notes" and list(tmp_path.iterdir()) == [real]


def test_bulk_tables_have_the_size_asked_for(tmp_path: Path) -> None:
    notes = write_bulk(tmp_path, 2_000_000, seed=0)
    path = tmp_path / "NOTEEVENTS.csv"
    assert 0.9 < path.stat().st_size / 2_000_000 < 1.1
    with path.open(newline="") as file:
        texts = [row["TEXT"] for row in csv.DictReader(file)]
    assert len(texts) == notes == len(set(texts))
