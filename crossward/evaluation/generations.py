"""A few continuations side by side, so that a reader sees what a perplexity means.

Not for: judging quality; a handful of samples cannot.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from client_app.training.learner import LoraLearner
from crossward.adapters import write_vector

PROMPT_TOKENS, NEW_TOKENS = 24, 32


@torch.inference_mode()
def _continue(learner: LoraLearner, vector: NDArray[np.float32], prompt: torch.Tensor) -> str:
    write_vector(learner.adapted.model, learner.adapted.layout, vector)
    tokenizer = learner.adapted.base.tokenizer
    out = learner.adapted.model.generate(
        input_ids=prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
    )
    return str(tokenizer.decode(out[0, prompt.shape[1] :], skip_special_tokens=True))


def continuations(
    learners: list[LoraLearner], models: dict[str, NDArray[np.float32]], count: int
) -> list[dict[str, str]]:
    """Greedy continuations of the beginnings of ``count`` held-out notes, one hospital after another."""
    out = []
    for number in range(count):
        learner = learners[number % len(learners)]
        test = learner.hospital.test
        text = test[(number // len(learners)) % len(test)]["text"]
        tokenizer = learner.adapted.base.tokenizer
        ids = tokenizer(text, add_special_tokens=True, return_tensors="pt")["input_ids"]
        prompt = ids[:, :PROMPT_TOKENS].to(next(learner.adapted.model.parameters()).device)
        row = {
            "site": learner.site,
            "prompt": str(tokenizer.decode(prompt[0], skip_special_tokens=True)),
            "note": str(tokenizer.decode(ids[0, PROMPT_TOKENS : PROMPT_TOKENS + NEW_TOKENS], skip_special_tokens=True)),
        }
        out.append(row | {name: _continue(learner, vector, prompt) for name, vector in models.items()})
    return out
