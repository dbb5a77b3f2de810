"""``crossward evaluate``: its table, its files, and one line on stderr for what cannot be evaluated."""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import peft
import pytest
import torch

from crossward.adapters import ModelConfig, load_base, read_vector, write_vector
from crossward.cli.app import main as command
from crossward.config.run_config import RunConfig
from crossward.config.run_settings import RunSettings
from crossward.encryption.key_file import create_key, rotate_key
from crossward.evaluation.collect import kept_adapters, total_steps
from crossward.evaluation.node_state import folder_of
from crossward.evaluation.replay import EvaluationError, open_run
from crossward.evaluation.report import gap_closed, overrides
from crossward.protocol.measures import Measure
from crossward.report.profile.figures import profiled
from crossward.report.rows import with_totals

# peft 0.21 asks transformers 5 for a property under its old name
quiet = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
COLUMNS = {
    "model",
    "site",
    "perplexity",
    "perplexity_low",
    "perplexity_high",
    "loss",
    "token_accuracy",
    "token_accuracy_low",
    "token_accuracy_high",
    "tokens",
    "patients",
}


def strict(text: str) -> Any:
    """JSON as every other reader takes it: without NaN or Infinity."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def main(args: list[str]) -> int:
    """The command, with the simulation's key unless another is given."""
    key = f"{os.environ['CROSSWARD_HOME']}/keys/simulation.key"
    return command(["evaluate", *args, *([] if "--key" in args else ["--key", key])])


@pytest.fixture(scope="module")
def evaluated(finished: Any, home: Any) -> Any:
    """The evaluation's file of the finished run, with what it printed left to pytest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSWARD_HOME", str(home))
        assert main([str(finished.folder), "--generations", "1", "--centralised"]) == 0
    return strict((finished.folder / "evaluation.json").read_text())


def table(found: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["model"], row["site"]): row for row in found["rows"]}


def test_every_model_is_measured_at_every_hospital(finished: Any, evaluated: Any) -> None:
    rows = table(evaluated)
    sites = {site for _, site in rows}
    assert len(sites) == 4 and "all" in sites
    kept = {f"{kind}:{site}" for site in sites - {"all"} for kind in ("local", "personal")}
    assert {model for model, _ in rows} == {"base", "global", "centralised"} | kept
    assert len(rows) == len(evaluated["rows"]) == 9 * 4
    assert evaluated["run"] == finished.folder.name and evaluated["version"] == 2
    for row in rows.values():
        assert set(row) == COLUMNS
        assert row["perplexity"] == pytest.approx(math.exp(row["loss"]))
        if row["patients"] == 1:
            continue
        assert row["perplexity_low"] <= row["perplexity"] <= row["perplexity_high"]
        assert 0 <= row["token_accuracy_low"] <= row["token_accuracy"] <= row["token_accuracy_high"] <= 1


def test_what_joining_brought_follows_from_the_rows(evaluated: Any) -> None:
    rows, joining = table(evaluated), evaluated["joining"]
    assert set(joining) == {site for _, site in rows} - {"all"}
    names = {"base": "base", "global": "global", "alone": "local:{}", "personal": "personal:{}"}
    for site, found in joining.items():
        home, away = found["home"], found["elsewhere"]
        for adapter, name in names.items():
            model = name.format(site)
            assert home["adapters"][adapter]["perplexity"] == pytest.approx(rows[model, site]["perplexity"])
            others = [rows[model, other] for other in joining if other != site]
            loss = sum(row["loss"] * row["tokens"] for row in others) / sum(row["tokens"] for row in others)
            assert away["adapters"][adapter]["perplexity"] == pytest.approx(math.exp(loss))
        for pair in ("personal-alone", "personal-global", "global-alone"):
            one, other = (rows[names[adapter].format(site), site]["loss"] for adapter in pair.split("-"))
            gap = home["differences"][pair]
            assert gap["nats"] == pytest.approx(one - other)
            if home["patients"] > 1:
                assert gap["low"] <= gap["nats"] <= gap["high"]
            else:
                assert gap["low"] is None
            assert away["differences"][pair]["low"] < away["differences"][pair]["high"]
        assert found["sentence"].startswith("at home ") and "elsewhere" in found["sentence"]


def test_at_home_a_hospitals_own_adapters_are_measured_on_its_own_notes_alone(
    finished: Any, evaluated: Any, tmp_path: Path
) -> None:
    copy = shutil.copytree(finished.folder, tmp_path / "run")
    assert main([str(copy), "--generations", "0", "--at-home"]) == 0
    found = strict((copy / "evaluation.json").read_text())
    rows, before = table(found), table(evaluated)
    kinds = [(kind, site) for model, site in rows if (kind := model.partition(":")[0]) in ("local", "personal")]
    assert len(kinds) == 6 and all((f"{kind}:{site}", site) in rows for kind, site in kinds)
    assert all(rows[key]["loss"] == pytest.approx(before[key]["loss"]) for key in rows)
    assert all(set(one["elsewhere"]["adapters"]) == {"base", "global"} for one in found["joining"].values())


def test_one_patient_gives_no_interval(evaluated: Any) -> None:
    alone = [row for row in evaluated["rows"] if row["patients"] == 1]
    assert alone, "the fixture has a hospital with one held-out patient"
    assert all(row["perplexity_low"] != row["perplexity"] for row in alone)


def test_totals_are_sums_over_hospitals(evaluated: Any) -> None:
    rows = table(evaluated)
    for model in {model for model, _ in rows}:
        parts = [row for (m, site), row in rows.items() if m == model and site != "all"]
        whole = rows[model, "all"]
        assert whole["tokens"] == sum(row["tokens"] for row in parts)
        assert whole["patients"] == sum(row["patients"] for row in parts)
        assert whole["loss"] * whole["tokens"] == pytest.approx(sum(row["loss"] * row["tokens"] for row in parts))


def test_the_script_finds_what_the_hospitals_reported(finished: Any, evaluated: Any) -> None:
    rows = table(evaluated)
    for (model, site), reported in open_run(finished.folder).state.measures.items():
        mine = rows[{"own": f"local:{site}", "personal": f"personal:{site}"}.get(model, model), site]
        assert mine["loss"] == pytest.approx(reported.loss, rel=1e-5)
        assert mine["token_accuracy"] == pytest.approx(reported.token_accuracy)


def test_the_gap_is_a_share_of_losses(evaluated: Any) -> None:
    rows = table(evaluated)
    base, fed, central = (rows[model, "all"]["loss"] for model in ("base", "global", "centralised"))
    assert evaluated["gap_closed"] == pytest.approx((base - fed) / (base - central))
    assert central < base


def test_a_continuation_is_shown_of_each_model(evaluated: Any) -> None:
    (shown,) = evaluated["generations"]
    assert set(shown) == {"site", "prompt", "note", "base", "global"} and shown["prompt"]


@quiet
def test_the_adapter_folder_is_an_ordinary_peft_adapter(finished: Any, evaluated: Any) -> None:
    plain = peft.PeftModel.from_pretrained(load_base(ModelConfig(device="cpu")).model, finished.folder / "adapter")
    adapted, ids = finished.adapted, torch.tensor([[1, 40, 41, 42, 43, 44]])
    kept = read_vector(adapted.model, adapted.layout)
    try:
        write_vector(adapted.model, adapted.layout, finished.vector(0))
        with torch.no_grad():
            assert torch.equal(plain.eval()(input_ids=ids).logits, adapted.model.eval()(input_ids=ids).logits)
    finally:
        write_vector(adapted.model, adapted.layout, kept)


def test_the_centrally_trained_vector_is_kept_and_takes_as_many_steps(finished: Any, evaluated: Any) -> None:
    assert total_steps(open_run(finished.folder)) == 2 * 2 * 2  # versions, updates, local steps
    vector = np.load(finished.folder / "centralised.npy")
    assert vector.shape == finished.adapted.initial.shape and not np.array_equal(vector, finished.adapted.initial)


def test_an_evaluation_prints_its_table_and_replaces_the_file_whole(
    copied: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (copied.folder / "evaluation.json").write_text("stale")
    (copied.folder / "launcher.log").touch()  # all hospitals' notes are on this machine: they are counted, too
    assert main([str(copied.folder), "--generations", "0"]) == 0
    profile = profiled(copied.folder)
    assert profile is not None and profile.hospitals == 3 and not profile.sealed and profile.whole("notes") > 0
    output = capsys.readouterr()
    text = " ".join(output.out.split())
    assert "untuned" in text and "elsewhere" in text and "all hospitals" in text and ": at home " in text
    assert str(copied.folder / "adapter") in output.out and "version 2 of" in output.out
    found = strict((copied.folder / "evaluation.json").read_text())
    assert found["version"] == 2 and "loss gap" not in output.out and "generations" not in found
    assert not output.err and not list(copied.folder.glob("*.draft*"))


def test_an_earlier_version_other_notes_and_another_folder(
    copied: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    args = [str(copied.folder), "--generations", "0", "--version", "1", "--adapter", str(tmp_path / "peft")]
    assert main([*args, "--set", "data.synthetic-patients=16", "--sites", "2"]) == 0
    found = strict((copied.folder / "evaluation.json").read_text())
    assert found["version"] == 1 and len({row["site"] for row in found["rows"]}) == 3
    assert profiled(copied.folder) is None
    assert (tmp_path / "peft" / "adapter_config.json").exists() and "version 1 of" in capsys.readouterr().out


def test_export_writes_the_same_adapter_without_reading_a_note(
    finished: Any, evaluated: Any, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("data.hospitals.prepare", lambda *_: pytest.fail("notes were read"))
    out = tmp_path / "peft"
    assert command(["export", str(finished.folder), "--out", str(out), "--key", key]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert {path.name for path in out.iterdir()} == {path.name for path in (finished.folder / "adapter").iterdir()}
    name = "adapter_model.safetensors"
    assert (out / name).read_bytes() == (finished.folder / "adapter" / name).read_bytes()
    assert {"tokenizer.json", "README.md", "crossward.json"} <= {path.name for path in out.iterdir()}
    first = tmp_path / "first"
    assert command(["export", str(finished.folder), "--out", str(first), "--key", key, "--version", "1"]) == 0
    assert (first / name).read_bytes() != (out / name).read_bytes()
    assert command(["export", str(finished.folder), "--out", str(tmp_path / "x"), "--version", "1"]) == 1
    assert "give the consortium's key file with --key FILE" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_what_a_hospital_keeps_is_exported_by_its_name(
    finished: Any, evaluated: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sites, name = sorted(evaluated["joining"]), "adapter_model.safetensors"
    args = ["export", str(finished.folder), "--which", "personal"]
    for i, site in enumerate(sites[:2]):
        assert command([*args, "--site", site, "--out", str(tmp_path / str(i))]) == 0
        assert f"Personal adapter of {site}" in (tmp_path / str(i) / "README.md").read_text()
    assert (tmp_path / "0" / name).read_bytes() != (tmp_path / "1" / name).read_bytes()
    capsys.readouterr()
    for more, part in (((), "name one with --site NAME"), (("--site", "Nowhere"), "--site Nowhere is none of them")):
        assert command([*args, *more, "--out", str(tmp_path / "x")]) == 1
        output = capsys.readouterr().err
        assert part in output and all(site in output for site in sites) and output.count("\n") == 1
    assert command([*args, "--state-dir", str(tmp_path / "none"), "--out", str(tmp_path / "x")]) == 1
    assert "there is no node's state of run" in capsys.readouterr().err
    assert command(["export", str(finished.folder), "--which", "best", "--out", str(tmp_path / "x")]) == 2


def test_a_real_hospital_measures_what_it_kept_on_its_own_notes(
    copied: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a copy of the run folder, its state folder, and its notes."""
    rows = [f"p{i % 12},Patient {i} was admitted with chest pain and discharged on aspirin." for i in range(36)]
    (tmp_path / "ward.csv").write_text("\n".join(["patient,text", *rows]) + "\n")
    kept, state = copied.read.run.state_root / copied.lineage / "site-0", tmp_path / "state"
    (state / copied.lineage).mkdir(parents=True)
    for name in ("own.npy", "personal.npy"):
        shutil.copy(kept / name, state / copied.lineage / name)
    sets = ("data.source=csv", "data.text-column=text", "data.patient-column=patient")
    args = [str(copied.folder), "--generations", "0", "--notes", f"Ward={tmp_path / 'ward.csv'}"]
    args += [word for pair in sets for word in ("--set", pair)]
    assert main([*args, "--state-dir", str(state)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Ward: at home the " in text and "elsewhere the" not in text
    (found,) = strict((copied.folder / "evaluation.json").read_text())["joining"].values()
    assert set(found["home"]["adapters"]) == {"base", "global", "alone", "personal"} and found["elsewhere"] is None
    assert main(args) == 0, "the first simulated hospital's adapters are not the ward's"
    (found,) = strict((copied.folder / "evaluation.json").read_text())["joining"].values()
    assert set(found["home"]["adapters"]) == {"base", "global"}


@pytest.fixture(scope="module")
def labelled(finished: Any, home: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of an evaluation on the label task."""
    folder = tmp_path_factory.mktemp("labelled") / "run"
    shutil.copytree(finished.folder, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSWARD_HOME", str(home))
        sets = ["--set", "data.task=label", "--set", "data.max-tokens=96"]
        assert main([str(folder), "--generations", "0", *sets]) == 0
    return (folder / "evaluation.json").read_text()


def test_the_label_task_adds_scores(labelled: str) -> None:
    rows = table(json.loads(labelled))
    for row in rows.values():
        assert set(row) == COLUMNS | {"auroc", "macro_f1", "brier", "ece"} and 0 <= row["macro_f1"] <= 1
    assert 0 <= rows["global", "all"]["auroc"] <= 1


def test_scores_that_do_not_exist_are_no_nan_in_the_file(labelled: str) -> None:
    strict(labelled)


# ---------------------------------------------------------------------- what cannot be evaluated


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one line on stderr of an evaluation that ends with exit code 1."""
    assert main([*args, "--generations", "0"]) == 1
    output = capsys.readouterr()
    assert output.err.startswith("crossward evaluate: ") and "Traceback" not in output.err
    assert output.err.count("\n") == 1 or "Tried:" in output.err  # a model's list of places has a line each
    return output.err


def test_a_folder_that_is_no_run(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a run folder" in refused(capsys, str(tmp_path))
    assert "is not a run folder" in refused(capsys, str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("lora.rank=4", "base model, tokenizer or LoRA settings differ"),
        ("lora.alpha=3", "base model, tokenizer or LoRA settings differ"),
        ("run.seed=9", "base model, tokenizer or LoRA settings differ"),
        ("model.name=/no/such/model", "/no/such/model"),
        ("lora.rank", "expected KEY=VALUE"),
        ("lora.rnak=4", "expected KEY=VALUE"),
        ("lora.rank=many", "takes a whole number"),
        ("train.clip=tight", "takes a number"),
        ("lora.rank=0", "lora.rank"),
        ("data.source=fax", "data.source"),
        ("data.source=csv", "data.path"),
        ("lora.target-modules=nothing", "nothing"),
    ],
)
def test_settings_that_do_not_fit(copied: Any, capsys: pytest.CaptureFixture[str], given: str, part: str) -> None:
    (copied.folder / "evaluation.json").unlink(missing_ok=True)
    assert part in refused(capsys, str(copied.folder), "--set", given)
    assert not (copied.folder / "evaluation.json").exists()


# ---------------------------------------------------------------------- the key


def sealed_under(finished: Any) -> str:
    (key,) = {made.key for made in open_run(finished.folder).versions}
    return str(key)


def test_a_sealed_adapter_stays_shut_without_a_key(finished: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["evaluate", str(finished.folder)]) == 1
    output = capsys.readouterr().err
    assert f"sealed under key {sealed_under(finished)}: give the consortium's key file with --key FILE" in output


def test_another_key_is_refused_with_both_fingerprints(
    finished: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = create_key(tmp_path / "other.key")
    output = refused(capsys, str(finished.folder), "--key", str(tmp_path / "other.key"))
    assert f"holds key {other.fingerprint} and not {sealed_under(finished)}" in output


def test_a_key_file_that_others_can_read_is_refused(
    finished: Any, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(key, tmp_path / "open.key")
    (tmp_path / "open.key").chmod(0o644)
    assert "chmod 600" in refused(capsys, str(finished.folder), "--key", str(tmp_path / "open.key"))
    assert "there is no key file" in refused(capsys, str(finished.folder), "--key", str(tmp_path / "none"))


def test_a_rotated_key_file_still_opens_what_was_sealed_before(copied: Any, key: str, tmp_path: Path) -> None:
    mine = tmp_path / "rotated.key"
    shutil.copy(key, mine)
    assert rotate_key(mine).fingerprint != sealed_under(copied)
    assert main([str(copied.folder), "--generations", "0", "--key", str(mine)]) == 0


def test_a_rotated_key_that_forgot_the_old_one_does_not(
    finished: Any, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(key, tmp_path / "new.key")
    rotate_key(tmp_path / "new.key", forget=True)
    assert sealed_under(finished) in refused(capsys, str(finished.folder), "--key", str(tmp_path / "new.key"))


def test_a_damaged_version(copied: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = copied.folder / "versions" / "000002.payload"
    data = bytearray(file.read_bytes())
    data[7] ^= 255
    file.write_bytes(bytes(data))
    assert str(file) in refused(capsys, str(copied.folder))


def test_a_version_that_was_not_made_yet(copied: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no version" in refused(capsys, str(copied.folder), "--version", "0")


@pytest.mark.parametrize("sites", ["-1", "50"])
def test_more_or_fewer_hospitals_than_there_can_be(copied: Any, capsys: pytest.CaptureFixture[str], sites: str) -> None:
    refused(capsys, str(copied.folder), "--sites", sites)


def moved(finished: Any, state: Path) -> Any:
    """The finished run, its nodes' states looked for in ``state``."""
    run = open_run(finished.folder)
    return replace(run, config=replace(run.config, run=RunSettings(state=str(state))))


def test_adapters_of_another_size_are_left_out(finished: Any, tmp_path: Any, caplog: Any) -> None:
    root = tmp_path / finished.lineage
    for number, vector in enumerate((np.zeros(3, np.float32), finished.adapted.initial)):
        (root / f"site-{number}").mkdir(parents=True)
        np.save(root / f"site-{number}" / "own.npy", vector)
    np.save(root / "site-0" / "personal.npy", finished.adapted.initial)
    (root / "site-1" / "personal.npy").write_bytes(b"no array")
    hospitals = [SimpleNamespace(name=name) for name in "abc"]
    found = kept_adapters(moved(finished, tmp_path), hospitals, finished.adapted.initial.size)  # type: ignore[arg-type]
    assert list(found) == ["personal:a", "local:b"] and np.array_equal(found["local:b"], finished.adapted.initial)
    assert len(caplog.records) == 2


def test_a_real_hospitals_state_is_found_beside_its_run(finished: Any, tmp_path: Any) -> None:
    run, root = moved(finished, tmp_path), tmp_path / finished.lineage
    assert folder_of(run, 0, 1) == root and folder_of(run, 0, 2) == root / "site-0"
    (root / "site-0").mkdir(parents=True)
    assert folder_of(run, 0, 1) == root / "site-0"


def test_the_state_folder_can_be_set(
    finished: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when a run folder and its states were copied to another machine."""
    asked: list[str] = []

    def look(run: Any, *_: Any) -> None:
        asked.append(run.config.run.state)
        raise EvaluationError("enough")

    monkeypatch.setattr("crossward.evaluation.report.kept_adapters", look)
    refused(capsys, str(finished.folder), "--set", "run.state-dir=/moved")
    refused(capsys, str(finished.folder), "--state-dir", "/moved")
    assert asked == ["/moved", "/moved"]


def test_the_command_line_itself_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    for args in ([], ["x", "--version", "two"]):
        assert main(args) == 2
        assert capsys.readouterr().err.startswith("crossward evaluate: ")


# ---------------------------------------------------------------------- pieces


CONFIG = RunConfig.read({})


def test_overrides_take_the_type_of_what_they_replace() -> None:
    pairs = ["data.note-types=p=q", "train.batch-size=7", "train.clip=2", "data.packing=false"]
    got = overrides(pairs, CONFIG)
    assert (got.data.note_types, got.train.batch_size, got.train.clip, got.data.packing) == ("p=q", 7, 2.0, False)
    assert overrides(["data.packing=True"], got).data.packing is True
    assert overrides(["data.note-types="], got).data.note_types == "" and got.data.note_types == "p=q"


@pytest.mark.parametrize("pair", ["train.batch-size=1.5", "train.batch-size=", "train.clip=fast", "b=1", "data.path"])
def test_overrides_of_another_type_or_key_are_refused(pair: str) -> None:
    with pytest.raises(EvaluationError, match="--set"):
        overrides([pair], CONFIG)


@pytest.mark.parametrize("pair", ["data.packing=yes", "data.packing=maybe", "data.packing="])
def test_a_flag_is_true_or_false_and_nothing_else(pair: str) -> None:
    with pytest.raises(EvaluationError, match="--set"):
        overrides([pair], CONFIG)


def test_the_gap_needs_all_three_everywhere() -> None:
    def at(loss: float) -> Measure:
        return Measure(1, 10, 10 * loss, 5)

    rows = {(m, s): at(x) for s in "ab" for m, x in (("base", 4.0), ("global", 2.5), ("centralised", 2.0))}
    assert gap_closed(rows) == pytest.approx(0.75)
    assert gap_closed({k: v for k, v in rows.items() if k[0] != "centralised"}) is None
    assert gap_closed({k: v for k, v in rows.items() if k != ("global", "b")}) is None


def test_without_a_gap_there_is_no_share_of_it() -> None:
    one = Measure(1, 10, 20.0, 5)
    assert gap_closed({(m, "a"): one for m in ("base", "global", "centralised")}) is None


def test_models_that_one_hospital_lacks_have_no_total() -> None:
    one = Measure(2, 10, 20.0, 5, 1.0, 1.0)
    rows = {("base", "a"): one, ("base", "b"): one, ("own", "a"): one}
    totals = with_totals(rows)
    assert totals["base", "all"] == one + one and ("own", "all") not in totals
