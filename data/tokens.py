"""Notes -> tokens: one flat array a data set, on disk for a hospital's own notes, with where each note begins.

Works with any Hugging Face tokenizer: notes are tokenised without special tokens, and what separates and opens
sequences is decided here once (``Frame``). For the label task a note is cut in its middle so that question and
answer fit. Not for batches: see batches.py.
"""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossward.config.data_settings import LABEL, DataConfig
from crossward.internals.datasets import fingerprint
from data.cache import cached, digest
from data.errors import DataError
from data.labels import given_labels
from data.quoting import listed, no_text_of_others
from data.sources import public_label

if TYPE_CHECKING:
    from datasets import Dataset

Ids = npt.NDArray[np.int32]

BETWEEN_TEXTS = "<|endoftext|>"
_ROWS = 1000
_QUESTION = "Which label fits this note?"  # about a label of which no more is known


@dataclasses.dataclass(frozen=True)
class Frame:
    """Token ids around a note; every one of them may be empty.

    ``start`` opens a sequence (usually the tokenizer's BOS, else its EOS), ``stop`` ends a note (EOS, else a blank
    line), and ``prompt``, ``question`` and ``answers`` make the label task's sequence: start prompt note question
    answer stop. The prompt says what is asked, so that the note is read for it, and nothing but a cue stands between
    note and answer.
    """

    start: Ids
    stop: Ids
    prompt: Ids
    question: Ids
    answers: tuple[Ids, ...]
    pad: int


@dataclasses.dataclass(frozen=True)
class TokenDataset:
    """A data set's notes as tokens.

    ``ids`` int32 [tokens] holds note after note, for the notes task each with its stop; note i is
    ``ids[offsets[i]:offsets[i + 1]]`` (offsets int64 [notes + 1]). ``patients`` int64 [notes] points into
    ``patient_ids``; ``answers`` int64 [notes] into ``labels`` (-1 for the notes task). ``len()`` counts notes.
    """

    ids: Ids
    offsets: npt.NDArray[np.int64]
    patients: npt.NDArray[np.int64]
    answers: npt.NDArray[np.int64]
    note_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    labels: tuple[str, ...]
    frame: Frame
    max_tokens: int
    packing: bool

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def tokens(self) -> int:
        """How many tokens the notes have."""
        return len(self.ids)


def _encode(tokenizer: Any, text: str) -> Ids:
    return np.array(tokenizer(text, add_special_tokens=False)["input_ids"], dtype=np.int32)


def _opening(tokenizer: Any) -> int | None:
    """The token that opens a text: BOS, else EOS, but in chat models that put no BOS before texts what parts texts.

    Theirs opens a turn of a conversation (<|im_start|>): after it SmolLM2-Instruct loses 0.08 nats a token more than
    after the token between the texts of its pre-training.
    """
    bos, between = tokenizer.bos_token_id, tokenizer.get_vocab().get(BETWEEN_TEXTS)
    if between is not None and (bos is None or bos not in tokenizer("a")["input_ids"]):
        return int(between)
    found: int | None = bos if bos is not None else tokenizer.eos_token_id
    return found


def make_frame(tokenizer: Any, config: DataConfig, labels: Sequence[str]) -> Frame:
    """What goes around notes with this tokenizer and task."""
    eos, bos, pad = tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id
    opening = _opening(tokenizer)
    start = np.array([] if opening is None else [opening], dtype=np.int32)
    stop = np.array([eos], dtype=np.int32) if eos is not None else _encode(tokenizer, "\n\n")
    public = public_label(config)
    question = public.question if public else _QUESTION
    label_task = config.task == LABEL
    return Frame(
        start=start,
        stop=stop,
        prompt=_encode(tokenizer, f"{question}\n\nClinical note:\n") if label_task else stop[:0],
        question=_encode(tokenizer, "\n\nAnswer:") if label_task else stop[:0],
        answers=tuple(_encode(tokenizer, f" {label}") for label in labels) if label_task else (),
        pad=next((token for token in (pad, eos, bos) if token is not None), 0),
    )


def _room(frame: Frame, config: DataConfig) -> int:
    """How many tokens of a note fit between prompt and answer."""
    longest = max(len(answer) for answer in frame.answers)
    around = len(frame.start) + len(frame.prompt) + len(frame.question) + longest + len(frame.stop)
    if config.max_tokens - around < 16:
        raise DataError(
            f"data.max-tokens = {config.max_tokens} leaves {config.max_tokens - around} tokens for a note, as question "
            f"and answer take {around}; at least 16 are needed. Set data.max-tokens to {around + 16} or more."
        )
    return config.max_tokens - around


def note_room(tokenizer: Any, config: DataConfig, labels: Sequence[str]) -> int:
    """How many tokens of a note fit into one sequence, with what goes around it.

    Raises
    ------
    DataError
        the label task's question and answers leave none.
    """
    frame = make_frame(tokenizer, config, labels)
    return _room(frame, config) if config.task == LABEL else config.max_tokens - len(frame.start) - len(frame.stop)


def _middle_cut(ids: list[int], room: int) -> list[int]:
    """At most ``room`` tokens: the first and the last, which say most of a note."""
    return ids if len(ids) <= room else ids[: room - room // 2] + ids[len(ids) - room // 2 :]


def _fingerprint(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    model = backend.to_str() if backend is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    return digest(model, tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id)


def _write(folder: Path, dataset: Dataset, tokenizer: Any, room: int | None, stop: Ids) -> None:
    lengths: list[int] = []
    with (folder / "ids.i32").open("wb") as file:
        for rows in dataset.select_columns(["text"]).iter(_ROWS):
            for ids in tokenizer(rows["text"], add_special_tokens=False, verbose=False)["input_ids"]:
                ids = _middle_cut(ids, room) if room is not None else [*ids, *stop.tolist()]
                file.write(np.array(ids, dtype=np.int32).tobytes())
                lengths.append(len(ids))
    np.save(folder / "offsets.npy", np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))


def _tokens(dataset: Dataset, tokenizer: Any, room: int | None, stop: Ids) -> tuple[Ids, npt.NDArray[np.int64]]:
    key = digest("tokens", fingerprint(dataset), _fingerprint(tokenizer), room, stop.tolist())
    folder = cached("tokens", key, lambda folder: _write(folder, dataset, tokenizer, room, stop))
    ids = np.memmap(folder / "ids.i32", dtype=np.int32, mode="r")
    return ids, np.load(folder / "offsets.npy")


@no_text_of_others("the notes cannot be made tokens")
def tokenise(dataset: Dataset, tokenizer: Any, config: DataConfig, labels: Sequence[str] = ()) -> TokenDataset:
    """The notes of ``dataset`` (columns note_id, patient_id, text, label) as tokens of ``tokenizer``.

    Raises
    ------
    DataError
        there are no notes; a label is not in ``labels``; the sequence length leaves no room for a note.
    """
    if not len(dataset):
        raise DataError("0 notes to tokenise: at least one is needed")
    frame = make_frame(tokenizer, config, labels)
    answers = np.full(len(dataset), -1, dtype=np.int64)
    room = None
    if config.task == LABEL:
        if len(labels) < 2:
            raise DataError(f"data.task = 'label' needs at least two labels: {listed(labels, given_labels(config))}")
        known = {label: index for index, label in enumerate(labels)}
        found = dataset["label"][:]
        if strange := sorted(set(found) - set(known)):
            owners = set(zip(found, dataset["patient_id"][:], strict=True))
            having = collections.Counter(label for label, _ in owners)
            raise DataError(
                f"column 'label': {listed({label: having[label] for label in strange})} among {len(found)} notes are "
                f"none of the labels {listed(labels, given_labels(config))}. "
                "Set data.labels to the labels of all hospitals."
            )
        answers = np.array([known[label] for label in found], dtype=np.int64)
        room = _room(frame, config)
    ids, offsets = _tokens(dataset, tokenizer, room, frame.stop)
    patient_ids, patients = np.unique(np.array(dataset["patient_id"][:]), return_inverse=True)
    return TokenDataset(
        ids=ids,
        offsets=offsets,
        patients=patients.astype(np.int64),
        answers=answers,
        note_ids=tuple(dataset["note_id"][:]),
        patient_ids=tuple(patient_ids.tolist()),
        labels=tuple(labels),
        frame=frame,
        max_tokens=config.max_tokens,
        packing=config.packing,
    )
