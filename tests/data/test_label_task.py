"""The label task's sequences hold what their labels follow from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from crossward.adapters import ModelConfig, load_base
from data import DataConfig, load_hospitals, tokenise


@pytest.mark.parametrize("label", ["mortality", "icd-chapter"])
def test_what_labels_follow_from_is_in_the_sequences_that_are_read(label: str, own_home: Path) -> None:
    """The cut of long notes leaves it: a bag of words, taught by some patients, finds the label of others' notes."""
    data = DataConfig(task="label", label=label, synthetic_patients=300, max_tokens=128, min_patients=2)
    tokenizer = load_base(ModelConfig(device="cpu")).tokenizer
    texts, labels = dict[str, list[str]](train=[], test=[]), dict[str, list[int]](train=[], test=[])
    for hospital in load_hospitals(data, 4):
        for name, dataset in (("train", hospital.train), ("test", hospital.test)):
            tokens = tokenise(dataset, tokenizer, data, hospital.labels)
            pieces = np.split(tokens.ids, tokens.offsets[1:-1])
            texts[name] += [tokenizer.decode(piece) for piece in pieces]
            labels[name] += tokens.answers.tolist()
    words = TfidfVectorizer(ngram_range=(2, 2), min_df=0.02).fit(texts["train"])
    model = LogisticRegression(C=10.0, max_iter=400).fit(words.transform(texts["train"]), labels["train"])
    likely, answers = model.predict_proba(words.transform(texts["test"])), np.array(labels["test"])
    known = [i for i, k in enumerate(model.classes_) if (answers == k).any()]
    assert np.mean([roc_auc_score(answers == model.classes_[i], likely[:, i]) for i in known]) > 0.78
