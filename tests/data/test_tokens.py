"""Tokens and batches are right to the token, with any tokenizer, and the same for the same generator."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from data import DataConfig, DataError, label_batches, load_hospital, test_batches, tokenise, train_batches
from data.tokens import Frame, TokenDataset

Make = Callable[..., Any]
NOTES = ["alpha beta", "c" * 50, "delta\nepsilon", "zeta", "eta theta iota kappa lambda"]


def notes(texts: list[str], labels: list[str] | None = None) -> Dataset:
    count = len(texts)
    return Dataset.from_dict(
        {
            "note_id": [f"n{i}" for i in range(count)],
            "patient_id": [f"p{i // 2}" for i in range(count)],
            "text": texts,
            "category": [""] * count,
            "label": labels or [""] * count,
        }
    )


def flat_tokens(lengths: list[int], max_tokens: int, packing: bool, start: list[int]) -> TokenDataset:
    """Token data whose ids count up, so that every token can be told apart."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    none = np.array([], dtype=np.int32)
    opening = np.array(start, dtype=np.int32)
    return TokenDataset(
        ids=np.arange(1000, 1000 + offsets[-1], dtype=np.int32),
        offsets=offsets,
        patients=np.arange(len(lengths), dtype=np.int64),
        answers=np.full(len(lengths), -1, dtype=np.int64),
        note_ids=tuple(f"n{i}" for i in range(len(lengths))),
        patient_ids=tuple(f"p{i}" for i in range(len(lengths))),
        labels=(),
        frame=Frame(opening, none, none, none, (), 0),
        max_tokens=max_tokens,
        packing=packing,
    )


LENGTHS = st.lists(st.integers(1, 70), min_size=1, max_size=25)


@settings(max_examples=40)
@given(LENGTHS, st.sampled_from([[], [7]]), st.integers(0, 3))
def test_an_epoch_of_packing_has_every_token_at_most_once_in_full_sequences(
    lengths: list[int], start: list[int], seed: int
) -> None:
    tokens = flat_tokens(lengths, 20, True, start)
    step = 20 - len(start)
    pieces = max(1, sum(lengths) // step)
    batches = train_batches(tokens, 1, np.random.default_rng(seed))
    seen: list[int] = []
    for batch in itertools.islice(batches, pieces):
        row = batch["input_ids"][0].tolist()
        assert row[: len(start)] == start
        assert batch["labels"].tolist() == batch["input_ids"].tolist()
        seen += row[len(start) :]
    assert len(seen) == len(set(seen)) == min(sum(lengths), pieces * step)
    assert set(seen) <= set(tokens.ids.tolist())


@settings(max_examples=40)
@given(LENGTHS, st.sampled_from([[], [7]]), st.integers(20, 300))
def test_test_batches_have_every_token_of_every_note_once(
    lengths: list[int], start: list[int], batch_tokens: int
) -> None:
    tokens = flat_tokens(lengths, 20, True, start)
    found: dict[int, list[int]] = {}
    for batch in test_batches(tokens, batch_tokens):
        ids, mask, labels = (batch.inputs[k] for k in ("input_ids", "attention_mask", "labels"))
        assert ids.dtype == labels.dtype == torch.int64
        assert ids.numel() <= batch_tokens
        assert torch.equal(labels == -100, mask == 0)
        for row, note, patient in zip(range(len(ids)), batch.notes, batch.patients, strict=True):
            assert patient == note and batch.candidates[row] == -1
            found.setdefault(int(note), []).extend(ids[row][mask[row] == 1].tolist()[len(start) :])
    for note, length in enumerate(lengths):
        first = 1000 + int(tokens.offsets[note])
        assert sorted(found[note]) == list(range(first, first + length))


@settings(max_examples=20)
@given(LENGTHS, st.integers(1, 5))
def test_unpacked_training_has_every_token_once_an_epoch(lengths: list[int], batch_size: int) -> None:
    tokens = flat_tokens(lengths, 20, False, [7])
    windows = sum(-(-n // 19) for n in lengths)
    seen: list[int] = []
    rows = 0
    for batch in train_batches(tokens, batch_size, np.random.default_rng(0)):
        rows += len(batch["input_ids"])
        seen += [i for i in batch["input_ids"][batch["attention_mask"] == 1].tolist() if i != 7]
        if rows >= windows:
            break
    assert rows == windows and sorted(seen) == tokens.ids.tolist()


@pytest.mark.parametrize("packing", [True, False])
def test_batches_depend_on_the_generator_alone(packing: bool) -> None:
    tokens = flat_tokens([30, 5, 44, 12, 9, 61], 20, packing, [7])

    def first(seed: int) -> list[list[list[int]]]:
        made = train_batches(tokens, 2, np.random.default_rng(seed))
        return [b["input_ids"].tolist() for b in itertools.islice(made, 12)]

    assert first(1) == first(1) != first(2)
    epoch = 160 // 19 // 2
    assert first(1)[:epoch] != first(1)[epoch : 2 * epoch]  # reshuffled


@pytest.mark.parametrize("packing", [True, False])
def test_batches_of_some_notes_hold_nothing_of_the_others(packing: bool) -> None:
    tokens = flat_tokens([30, 5, 44, 12, 9, 61], 20, packing, [7])
    among = np.array([5, 1, 3])
    wanted = {1000 + i for note in among for i in range(tokens.offsets[note], tokens.offsets[note + 1])}
    trained = itertools.islice(train_batches(tokens, 2, np.random.default_rng(0), among), 40)
    for batches in (trained, (batch.inputs for batch in test_batches(tokens, 60, among))):
        assert {i for b in batches for i in b["input_ids"][b["attention_mask"] == 1].tolist()} - {7} == wanted
    assert {int(note) for batch in test_batches(tokens, 60, among) for note in batch.notes} == {1, 3, 5}
    first = next(train_batches(tokens, 2, np.random.default_rng(3)))["input_ids"]
    every = next(train_batches(tokens, 2, np.random.default_rng(3), np.arange(6)))["input_ids"]
    assert torch.equal(first, every)


@pytest.mark.parametrize(
    "special",
    [
        {},
        {"eos_token": "<e>"},
        {"bos_token": "<b>", "eos_token": "<e>", "pad_token": "<p>"},
        {"bos_token": "<b>"},
    ],
)
def test_any_tokenizer_will_do(make_tokenizer: Make, special: dict[str, str]) -> None:
    tokenizer = make_tokenizer(**special)
    tokens = tokenise(notes(NOTES), tokenizer, DataConfig(max_tokens=16))
    stop = special.get("eos_token") or "\n\n"
    assert tokenizer.decode(tokens.ids) == "".join(note + stop for note in NOTES)
    start = special.get("bos_token") or special.get("eos_token") or ""
    assert tokenizer.decode(tokens.frame.start) == start
    assert tokens.note_ids == ("n0", "n1", "n2", "n3", "n4")
    assert [tokens.patient_ids[p] for p in tokens.patients] == ["p0", "p0", "p1", "p1", "p2"]
    batch = next(train_batches(tokens, 3, np.random.default_rng(0)))
    assert batch["input_ids"].shape == (3, 16) and int(batch["attention_mask"].min()) == 1


@pytest.mark.parametrize("bos", ["<|im_start|>", None])
def test_a_chat_models_texts_do_not_open_a_turn(make_tokenizer: Make, bos: str | None) -> None:
    tokenizer = make_tokenizer(bos_token=bos, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    assert tokenizer.decode(tokenise(notes(NOTES), tokenizer, DataConfig(max_tokens=16)).frame.start) == "<|endoftext|>"


def test_label_sequences_ask_and_answer(make_tokenizer: Make) -> None:
    tokenizer = make_tokenizer(bos_token="<b>", eos_token="<e>")
    config = DataConfig(task="label", max_tokens=120)
    labels = ("survived", "died")
    texts = [*NOTES, "HEAD" + "m" * 300 + "TAIL"]
    data = notes(texts, ["survived", "died", "died", "survived", "died", "died"])
    tokens = tokenise(data, tokenizer, config, labels)
    for batch in test_batches(tokens, 500):
        for row, note in enumerate(batch.notes):
            ids, given = batch.inputs["input_ids"][row], batch.inputs["labels"][row]
            assert int((batch.inputs["attention_mask"][row]).sum()) <= 120
            assert tokenizer.decode(given[given != -100]) == f" {data['label'][int(note)]}<e>"
            text = tokenizer.decode(ids[batch.inputs["attention_mask"][row] == 1])
            assert text.startswith("<b>Did this patient survive") and "Clinical note:\n" + texts[note][:4] in text
            assert text.endswith(f"{texts[note][-4:]}\n\nAnswer: {data['label'][int(note)]}<e>")
    learned = next(train_batches(tokens, 6, np.random.default_rng(0)))
    assert sorted((learned["labels"] != -100).sum(1).tolist()) == sorted([10, 10, 6, 6, 6, 6])


def test_label_batches_have_every_candidate_of_every_note(make_tokenizer: Make) -> None:
    tokenizer = make_tokenizer()
    config = DataConfig(task="label", label="icd-chapter", max_tokens=160)
    labels = ("blood", "other", "skin")
    tokens = tokenise(notes(NOTES, ["blood", "skin", "skin", "other", "blood"]), tokenizer, config, labels)
    seen = set()
    for batch in label_batches(tokens, 400):
        for row, (note, candidate) in enumerate(zip(batch.notes, batch.candidates, strict=True)):
            seen.add((int(note), int(candidate)))
            answer = batch.inputs["labels"][row]
            assert tokenizer.decode(answer[answer != -100]) == f" {labels[candidate]}\n\n"
    assert seen == {(note, candidate) for note in range(5) for candidate in range(3)}


def test_what_cannot_be_tokenised_is_refused(make_tokenizer: Make) -> None:
    tokenizer = make_tokenizer()
    with pytest.raises(DataError, match="0 notes"):
        tokenise(notes([]), tokenizer, DataConfig())
    with pytest.raises(DataError, match="at least two labels"):
        tokenise(notes(NOTES), tokenizer, DataConfig(task="label"), ["died"])
    with pytest.raises(DataError, match=r"\(empty\) among 5 notes"):
        tokenise(notes(NOTES), tokenizer, DataConfig(task="label"), ["survived", "died"])
    with pytest.raises(DataError, match=r"Set data\.max-tokens to"):
        tokenise(notes(NOTES, ["died"] * 5), tokenizer, DataConfig(task="label", max_tokens=32), ["survived", "died"])
    tokens = tokenise(notes(NOTES), tokenizer, DataConfig())
    with pytest.raises(DataError, match="batch size of 0"):
        train_batches(tokens, 0, np.random.default_rng(0))
    with pytest.raises(DataError, match=r"data\.task = 'label'"):
        label_batches(tokens)


def test_a_hospitals_tokens_are_kept_by_tokenizer(make_tokenizer: Make, fresh_home: Any) -> None:
    hospital = load_hospital(DataConfig(synthetic_patients=40))
    plain, ended = make_tokenizer(), make_tokenizer(eos_token="<e>")
    first = tokenise(hospital.train, plain, DataConfig())
    assert np.array_equal(first.ids, tokenise(hospital.train, plain, DataConfig()).ids)
    assert len(list((fresh_home / "cache" / "tokens").iterdir())) == 1
    other = tokenise(hospital.train, ended, DataConfig())
    assert plain.decode(first.ids[: first.offsets[1]]) == hospital.train[0]["text"] + "\n\n"
    assert ended.decode(other.ids[: other.offsets[1]]) == hospital.train[0]["text"] + "<e>"
