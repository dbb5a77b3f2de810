"""Made-up notes vary, differ by house, follow from their seed, and tell the outcome with noise only."""

import csv
import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from data.synthetic.__main__ import main
from data.synthetic.bulk import write_bulk
from data.synthetic.general import general_text
from data.synthetic.grammar import expand
from data.synthetic.houses import HOUSES
from data.synthetic.notes import write_note
from data.synthetic.patients import make_stays
from data.synthetic.tables import records, shares


def test_every_category_of_every_house_can_be_written() -> None:
    rng = random.Random(0)
    for house in HOUSES:
        for category, _ in itertools.product(house.notes, range(25)):
            text = write_note(house, make_stays(house, 1, 1, rng)[0], category, rng)
            assert len(text) > 40 and "{" not in text and "}" not in text


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
    assert 0.68 < area < 0.9
    best = roc_auc_score(died, [r.stay.severity for r in found])
    assert best < 0.93


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


def test_the_command_writes_both_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "a"), "--patients", "20", "--form", "mimic-iv", "--gzip"]) == 0
    assert (tmp_path / "a" / "note" / "discharge.csv.gz").exists()
    assert main(["--out", str(tmp_path / "b"), "--patients", "20", "--split"]) == 0
    assert sorted(p.name for p in (tmp_path / "b").iterdir())[0] == "1-harbour-heart-institute"
    assert "patients in" in capsys.readouterr().out
    for wrong in (["--hospitals", "9"], ["--patients", "3"], ["--megabytes", "1", "--gzip"]):
        with pytest.raises(SystemExit):
            main(["--out", str(tmp_path / "c"), *wrong])


def test_a_folder_with_notes_in_it_is_not_written_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (real := tmp_path / "NOTEEVENTS.csv").write_text("real notes")
    for more in ([], ["--split"], ["--megabytes", "1"]):
        for out in (tmp_path, real):
            with pytest.raises(SystemExit):
                main(["--out", str(out), "--patients", "20", *more])
            assert f"--out {out} is not empty: name a folder that is empty" in capsys.readouterr().err
    assert real.read_text() == "real notes" and list(tmp_path.iterdir()) == [real]


def test_bulk_tables_have_the_size_asked_for(tmp_path: Path) -> None:
    notes = write_bulk(tmp_path, 2_000_000, seed=0)
    path = tmp_path / "NOTEEVENTS.csv"
    assert 0.9 < path.stat().st_size / 2_000_000 < 1.1
    with path.open(newline="") as file:
        texts = [row["TEXT"] for row in csv.DictReader(file)]
    assert len(texts) == notes == len(set(texts))
