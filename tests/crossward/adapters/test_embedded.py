"""The embedded model: small enough to ship, checked, unpacked once whoever comes, repaired when spoilt."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from crossward.adapters import AdapterError, ModelConfig, load_base
from crossward.adapters.embedded import MODEL_JSON, pack_model, unpack_model
from tests.at_once import at_once


@pytest.fixture
def fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_fits_the_app_bundle() -> None:
    text = MODEL_JSON.read_bytes()
    assert len(text) < 4 * 2**20
    assert len(zlib.compress(text)) < 3 * 2**20
    assert max(map(len, text.splitlines())) < 4096


def test_is_a_usable_model(fresh_home: Path) -> None:
    base = load_base(ModelConfig(device="cpu"))
    assert sum(p.numel() for p in base.model.parameters()) < 1_200_000
    tokenizer = base.tokenizer
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id} - {None}) == 3
    text = "BP 120/80, naïve ☤ 2048 mg\n\tstable"
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert len(tokenizer("2048", add_special_tokens=False)["input_ids"]) == 4
    assert len(tokenizer) == base.model.get_input_embeddings().weight.shape[0] == 2048


def test_packing_is_lossless(fresh_home: Path, tmp_path: Path) -> None:
    folder = unpack_model()
    digest = pack_model(folder, tmp_path / "again.json")
    assert digest == json.loads(MODEL_JSON.read_text())["sha256"]
    weights = load_file(unpack_model(tmp_path / "again.json") / "model.safetensors")
    assert all(value.isfinite().all() for value in weights.values())


@pytest.mark.parametrize("spoil", ["weights", "truncate", "remove", "manifest", "empty manifest"])
def test_spoilt_copy_is_rebuilt(fresh_home: Path, spoil: str) -> None:
    folder = unpack_model()
    weights, config, manifest = (folder / n for n in ("model.safetensors", "config.json", "manifest.json"))
    sound = weights.read_bytes()
    if spoil == "weights":
        weights.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    elif spoil == "truncate":
        weights.write_bytes(sound[:1000])
    elif spoil == "remove":
        config.unlink()
    else:
        manifest.write_text("{}" if spoil == "empty manifest" else "{")
    assert unpack_model() == folder
    assert weights.read_bytes() == sound
    assert config.exists()
    assert json.loads(manifest.read_text())


def test_a_sound_copy_is_not_written_again(fresh_home: Path) -> None:
    folder = unpack_model()
    before = (folder / "model.safetensors").stat().st_mtime_ns
    unpack_model()
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def _unpack() -> tuple[str, int]:
    folder = unpack_model()
    return str(folder), len((folder / "model.safetensors").read_bytes())


def test_several_processes_at_once(fresh_home: Path) -> None:
    answers = at_once([_unpack] * 4)
    assert len(set(answers)) == 1, answers
    models = fresh_home / "cache" / "models"
    assert [entry.name for entry in models.iterdir() if entry.is_dir()] == [Path(answers[0][0]).name]


def test_altered_file_is_refused(fresh_home: Path, tmp_path: Path) -> None:
    document = json.loads(MODEL_JSON.read_text())
    name = sorted(document["weights"])[0]
    line = document["weights"][name]["data"][0]
    document["weights"][name]["data"][0] = ("B" if line[0] == "A" else "A") + line[1:]
    altered = tmp_path / "model.json"
    altered.write_text(json.dumps(document))
    with pytest.raises(AdapterError, match="does not match its own sha256"):
        unpack_model(altered)
    altered.write_text(MODEL_JSON.read_text()[:1000])
    with pytest.raises(AdapterError, match="cannot be read"):
        unpack_model(altered)
    altered.write_text('{"format": "other"}')
    with pytest.raises(AdapterError, match="not in format"):
        unpack_model(altered)
    assert not fresh_home.exists()


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "file"))
    with pytest.raises(AdapterError, match="CROSSWARD_HOME"):
        unpack_model()


def test_half_made_copies_do_not_stay(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crossward.adapters.embedded.unpack.save_file", no_space)
    with pytest.raises(AdapterError, match="No space"):
        unpack_model()
    models = fresh_home / "cache" / "models"
    assert not [entry for entry in models.iterdir() if entry.is_dir()]
    shutil.rmtree(models)
