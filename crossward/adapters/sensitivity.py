"""Which blocks of an adapter say most about the text they were trained on, measured on public text alone.

The measure asks the question of the span attack (DAGER, arXiv 2405.15586: a linear layer's gradient is a sum of
output gradients times inputs, so the inputs of the text lie in its row space) as a forced choice. Given a block's
gradients G_i and G_k of two texts and a position of a third text whose word occurs in exactly one of the two: which?
With u the position's vector at the block, centred over its text, the guess is the sign of

    d = |G_i u|^2 / |G_i' G_i|_F  -  |G_k u|^2 / |G_k' G_k|_F.

The score is 2 AUC - 1 of d, not below 0: how much better than chance a word of a text shows in the block's gradient.
Both sides are tried: u the input with its own word, and, with G', u the output's gradient with the next word; the
larger counts.

Why not the size or variance of gradients (the label sensitivity of FedML-HE, arXiv 2303.10837; Fisher information,
arXiv 2508.04265)? AdamW divides by a gradient's size, so size says little about what a delta shows: over the 56 blocks
of the embedded model it *anticorrelated* with the words that attacks recovered from deltas of four steps (rank
correlation -0.5 to -0.7), while this measure agreed with them (0.75 to 0.9). Nor does the score depend on how far the
probe lies from the start.

Not for: a bound on leakage. A block with score 0 may leak to another attack, and clear blocks together leak more than
each alone: sealing the first 30% of the embedded model's values left an attack on all clear blocks an AUC of 0.82 after
0.85 with none sealed, sealing 50% 0.74 and 90% 0.62 (in random order 0.85, 0.84 and 0.76). Only sealing all is safe.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch.utils.hooks import RemovableHandle

from crossward.adapters.errors import AdapterError
from crossward.adapters.layout import Block, Layout
from crossward.adapters.lora import factor_parameters, initial_factor
from crossward.adapters.vector import read_vector, write_vector

MEASURE = "span-forced-choice-1"
PROBE = 2.0**-4  # with the default schedule a local training moves B by 0.035 root mean square: uniform in +-2^-4
FEWEST_TEXTS, FEWEST_TOKENS = 3, 8
_STEPS = 8  # rounded scores an octave
_TIE = 1e-5  # of a score's size: closer ones count as equal, so that rounding errors decide nothing

_IMMEASURABLE = (
    "{} is no weight of a linear map of its own: it cannot be measured. Set encryption.policy to 'all', or "
    "lora.target-modules to linear layers alone."
)

Pair = list[torch.Tensor]
Scores = NDArray[np.float64]


def probe_vector(layout: Layout, seed: int) -> NDArray[np.float32]:
    """The public point of measurement, float32 [layout.total]: A as at a start, all else where a training takes it.

    At B = 0 the gradient of A is exactly zero. A function of block names, shapes and ``seed`` alone, bit for bit.
    """
    probe = np.zeros(layout.total, np.float32)
    for block in layout.blocks:
        drawn = initial_factor(block.name, (block.shape[0], block.shape[1]), seed)
        if ".lora_A." not in block.name:
            drawn = drawn * np.float32(PROBE) * np.sqrt(np.float32(block.shape[1]))
        probe[block.offset : block.offset + block.size] = drawn.reshape(-1)
    return probe


def _texts(batches: Iterable[Mapping[str, torch.Tensor]], device: torch.device) -> Iterator[torch.Tensor]:
    """Token ids int64 [1, t] of every row, without padding."""
    for batch in batches:
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
            text = ids[mask.bool()].to(device)[None]
            if text.shape[1] < FEWEST_TOKENS:
                raise AdapterError(f"a public text has {text.shape[1]} tokens: at least {FEWEST_TOKENS} are needed.")
            yield text


class _Watch:
    """Hooks on the linear maps whose weights are the blocks; scores positions against the two texts before.

    Only ``wins`` and ``pairs``, float64 [2 sides, blocks], and two gradients are kept, whatever the number of texts.
    """

    def __init__(self, peft_model: PeftModel, layout: Layout) -> None:
        present = dict(factor_parameters(peft_model))
        self.blocks = layout.blocks
        self.parameters = [present[block.name] for block in layout.blocks]
        self.gradients: list[Pair] = []  # of the last two texts, newest last, each scaled so that |G' G|_F = 1
        self.words: list[NDArray[np.int64]] = []
        self.called: set[int] = set()  # blocks that the text at hand has gone through
        self.sides: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]] = []
        self.wins = np.zeros((2, len(layout.blocks)))
        self.pairs = np.zeros((2, len(layout.blocks)))
        self.handles: list[RemovableHandle] = []
        owners = {
            id(parameter): module for module in peft_model.modules() for parameter in module.parameters(recurse=False)
        }
        for number, (block, parameter) in enumerate(zip(layout.blocks, self.parameters, strict=True)):
            self.handles.append(owners[id(parameter)].register_forward_hook(self._hook(number, block)))

    def _hook(self, number: int, block: Block) -> Any:
        def hook(module: torch.nn.Module, given: tuple[Any, ...], made: Any) -> None:
            fits = isinstance(made, torch.Tensor) and isinstance(given[0], torch.Tensor)
            if not fits or (made.shape[-1], given[0].shape[-1]) != block.shape:
                raise AdapterError(_IMMEASURABLE.format(block.name))
            self.called.add(number)
            if self.sides:
                self._judge(0, number, given[0].detach()[0])
                made.register_hook(lambda gradient: self._judge(1, number, gradient.detach()[0]))

        return hook

    def begin(self, text: torch.Tensor) -> None:
        """Note, for both sides, where in ``text`` [1, t] the word is of the older or the newer text alone."""
        self.called = set()
        self.words = [*self.words, text[0, 1:].cpu().numpy()][-3:]
        if len(self.words) == 3:
            older, newer, now = self.words
            in_older, in_newer = np.isin(now, older), np.isin(now, newer)
            old, new = in_older & ~in_newer, in_newer & ~in_older
            self.sides = [(old[:-1], new[:-1]), (old[1:], new[1:])]

    def _judge(self, side: int, number: int, vectors: torch.Tensor) -> None:
        """Count right guesses over the positions of the text at hand; ``vectors`` [t, inputs or outputs]."""
        vectors = vectors[1:-1].float()  # the opening token is no word, the last output predicts nothing
        vectors = vectors - vectors.mean(0)
        vectors = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-30)
        found = []
        for gradients in self.gradients:
            matrix = gradients[number].T if side else gradients[number]
            found.append((vectors @ matrix.T).square().sum(1).cpu().numpy().astype(np.float64))
        apart = found[0] - found[1]
        old, new = self.sides[side]
        gaps = apart[old][:, None] - apart[new][None, :]
        near = _TIE * float(np.mean(found))
        self.wins[side, number] += np.sum(gaps > near) + 0.5 * np.sum(np.abs(gaps) <= near)
        self.pairs[side, number] += gaps.size

    def remember(self, gradients: Sequence[torch.Tensor | None]) -> None:
        """Keep the gradients of the text at hand, of any scale; forget the oldest."""
        scaled = []
        for number, (gradient, parameter) in enumerate(zip(gradients, self.parameters, strict=True)):
            if gradient is not None and number not in self.called:  # factors of a parameter: experts have such
                raise AdapterError(_IMMEASURABLE.format(self.blocks[number].name))
            matrix = torch.zeros_like(parameter) if gradient is None else gradient.detach()
            matrix = matrix / matrix.abs().max().clamp_min(1e-38)
            small = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
            scaled.append(matrix / small.norm().sqrt().clamp_min(1e-30))
        self.gradients = [*self.gradients, scaled][-2:]

    def close(self) -> None:
        """Take the hooks off."""
        for handle in self.handles:
            handle.remove()

    def scores(self) -> Scores:
        """float64 [blocks], 0 (chance) to 1."""
        share = np.divide(self.wins, self.pairs, out=np.full_like(self.wins, 0.5), where=self.pairs > 0)
        return np.asarray(np.clip(2.0 * share - 1.0, 0.0, 1.0).max(0), dtype=np.float64)


def block_sensitivity(
    peft_model: PeftModel, layout: Layout, batches: Iterable[Mapping[str, torch.Tensor]], seed: int
) -> Scores:
    """How much better than chance each block's gradient tells which text held a word: float64 [blocks], 0 to 1.

    ``batches`` hold input_ids and attention_mask, int64 [b, t], of *public* text in a fixed order; rows are taken
    one at a time, each with one forward and one backward pass. Besides these the memory is three gradients. The model
    is measured at `probe_vector`, in evaluation mode; afterwards its factors and modes are as before, no gradients are
    left and no generator was used.

    Raises
    ------
    AdapterError
        fewer than three texts, a text below eight tokens, a layout of another model, a loss that is not finite, or a
        block that is not the weight of a linear map.
    """
    kept = torch.from_numpy(read_vector(peft_model, layout))
    model: Any = peft_model
    watch = _Watch(peft_model, layout)
    modes = [(module, module.training) for module in model.modules()]
    count = 0
    try:
        write_vector(peft_model, layout, probe_vector(layout, seed))
        model.eval()
        for text in _texts(batches, watch.parameters[0].device):
            watch.begin(text)
            with torch.enable_grad():
                logits = model(input_ids=text, attention_mask=torch.ones_like(text), use_cache=False).logits
                loss = torch.nn.functional.cross_entropy(logits[0, :-1].float(), text[0, 1:])
                if not math.isfinite(loss.item()):
                    raise AdapterError(f"public text {count} has a loss of {loss.item()}: is the base model sound?")
                watch.remember(torch.autograd.grad(loss, watch.parameters, allow_unused=True))
            count += 1
    finally:
        watch.close()
        with torch.no_grad():
            for block, parameter in zip(layout.blocks, watch.parameters, strict=True):
                parameter.copy_(kept[block.offset : block.offset + block.size].view(block.shape))
        for module, mode in modes:
            module.training = mode
    if count < FEWEST_TEXTS:
        raise AdapterError(f"{count} public texts: the measure compares three, so give at least {FEWEST_TEXTS}.")
    return watch.scores()


def rounded(scores: Scores) -> Scores:
    """Scores rounded to eight steps an octave; nothing and less is 0. Raises AdapterError for values not finite."""
    if not np.isfinite(scores).all():
        raise AdapterError(f"score {int(np.flatnonzero(~np.isfinite(scores))[0])} is not finite: measure again.")
    out = np.zeros(len(scores))
    for index, score in enumerate(scores):
        if score > 0:
            step = 2.0 ** (math.frexp(float(score))[1] - 1) / _STEPS
            out[index] = round(float(score) / step) * step
    return out


def ranking(scores: Scores) -> tuple[int, ...]:
    """Block numbers, most sensitive first. Scores are `rounded` first and ties go to the earlier block.

    Small differences between machines then seldom change the order; they still can, where a score lies between two
    steps, so nodes compare what they chose by fingerprint.
    """
    return tuple(int(i) for i in np.argsort(-rounded(scores), kind="stable"))


def choose(scores: Scores, sizes: Sequence[int], fraction: float) -> tuple[bool, ...]:
    """Which blocks to seal: the most sensitive first until they hold at least ``fraction`` of all values.

    ``sizes`` are the blocks' numbers of values. 0 chooses none, 1 all. Raises AdapterError for a fraction outside
    [0, 1] or scores that do not fit the sizes.
    """
    if not 0.0 <= fraction <= 1.0:
        raise AdapterError(f"a fraction of {fraction} of the values cannot be sealed: expected 0 to 1.")
    if len(scores) != len(sizes):
        raise AdapterError(f"{len(scores)} scores for {len(sizes)} blocks: they belong to another layout.")
    wanted, covered = fraction * sum(sizes), 0
    chosen = [False] * len(sizes)
    for index in ranking(scores):
        if covered >= wanted:
            break
        chosen[index], covered = True, covered + sizes[index]
    return tuple(chosen)
