"""Predicts the reply of a prompt among a few labels, exactly.

The probability of a label is that of its characters and its end, one after another, and is divided
by the sum over all labels. A prompt is read once; labels with a common beginning share its steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charrnn.errors import SamplingError
from charrnn.kernels import Array
from charrnn.model.model import Model, States, quietly
from charrnn.text.labels import Labels, label_texts
from charrnn.text.vocabulary import Vocabulary

_ROWS = 2048  # beginnings of labels, of all prompts of a batch, that are read side by side, at most
_PROMPTS = 512  # of a batch, at most
_WINDOW = 64  # steps in which prompts are read, at most
_LOGITS = 1 << 24  # of a window, or of a level of beginnings, at most


class Reply(NamedTuple):
    """A reply to a prompt."""

    text: str
    probability: float  # among all labels; of a free reply, among all texts


def likeliest(log_probs: Array, labels: Sequence[str], n: int) -> list[Reply]:
    """Return the n likeliest of labels, whose log-probabilities (labels,) are known."""
    order = np.argsort(-log_probs, kind="stable")[:n]
    return [Reply(labels[k], float(np.exp(log_probs[k]))) for k in order.tolist()]


def texts_of_labels(labels: Labels, vocabulary: Vocabulary) -> list[str]:
    """Return the texts of the labels that a model tells apart.

    Raises:
        SamplingError: it has none.
    """
    if vocabulary.prompt_end is None:
        raise SamplingError("this model was not trained on prompts and replies")
    if not labels.replies:
        raise SamplingError(
            "this model has no labels, as the replies that it was trained on are many"
        )
    return label_texts(labels.replies, vocabulary)


class _Level(NamedTuple):
    """The different beginnings of labels of one length."""

    parent: Array  # (n,), of each beginning in the level before, where its last code is missing
    code: Array  # (n,), its last code
    ending: Array  # (m,), beginnings after which a label ends
    label: Array  # (m,), which label


class LabelTree:
    """The labels as a tree of their beginnings.

    Args:
        labels: codes (n,) of each, without its end; all different.
        end: the code of the end of a record.
    """

    def __init__(self, labels: Sequence[Array], end: int) -> None:
        self.size, self.end = len(labels), end
        self.levels: list[_Level] = []
        codes = [[end, *label.tolist()] for label in labels]
        place = [0] * len(codes)  # of each label's beginning in the last level
        for length in range(max(map(len, codes), default=1)):
            known = [k for k, one in enumerate(codes) if len(one) > length]
            last = {k: (place[k], codes[k][length]) for k in known}  # parent and code
            longer = sorted({*last.values()})
            place_of = {one: k for k, one in enumerate(longer)}
            for k in known:
                place[k] = place_of[last[k]]
            ended = [k for k in known if len(codes[k]) == length + 1]
            self.levels.append(
                _Level(
                    np.array([parent for parent, _ in longer], np.intp),
                    np.array([code for _, code in longer], np.intp),
                    np.array([place[k] for k in ended], np.intp),
                    np.array(ended, np.intp),
                )
            )

    @property
    def widest(self) -> int:
        """The number of beginnings of the level with the most."""
        return max(len(level.code) for level in self.levels)


def label_log_probs(
    model: Model, prompts: Sequence[Array], tree: LabelTree, features: Array | None = None
) -> Iterator[tuple[Array, Array]]:
    """Yield the log-probabilities of all labels for some of the prompts after others.

    Args:
        model: predicts.
        prompts: codes (n,) of each, from the begin of the record to the end of the prompt.
        tree: of the labels.
        features: (prompts, F), standardised; None for a model without.

    Yields:
        Places (b,) of some prompts, and the log-probabilities (b, labels) of the labels after each,
        float64, whose exponentials sum to 1.
    """
    together = max(1, min(_PROMPTS, min(_ROWS, _LOGITS // model.V) // tree.widest))
    order = np.argsort([len(prompt) for prompt in prompts], kind="stable")
    for first in range(0, len(order), together):
        places = order[first : first + together]
        first_of = None if features is None else features[places]
        states, logits = read_prompts(model, [prompts[k] for k in places.tolist()], first_of)
        yield places, _normalised(_tree_log_probs(model, states, logits, tree))


def _tree_log_probs(model: Model, states: States, logits: Array, tree: LabelTree) -> Array:
    """Return the log-probabilities (N, labels) after states (N, H) with logits (N, V)."""
    N, n = len(logits), 1
    found = np.empty((N, tree.size))
    total: Array = np.zeros((N, 1))  # log-probability of each beginning
    log_sums = np.zeros((N, 1))
    for depth, level in enumerate(tree.levels):
        if depth:
            total = (total - log_sums)[:, level.parent]
            total += logits.reshape(N, n, -1)[:, level.parent, level.code]
            rows = (np.arange(N)[:, None] * n + level.parent).ravel()
            states = [tuple(state[rows] for state in layer) for layer in states]
            stepped, states, _ = model.forward(np.tile(level.code, N)[None], states)
            logits, n = stepped[0], len(level.code)
        log_sums = log_sum_exp(logits).reshape(N, n)
        end_logits = logits[:, tree.end].reshape(N, n)
        found[:, level.label] = (total - log_sums + end_logits)[:, level.ending]
    return found


def read_prompts(
    model: Model, prompts: Sequence[Array], features: Array | None = None
) -> tuple[States, Array]:
    """Read prompts side by side, from zero states or from those of features.

    Args:
        model: reads.
        prompts: codes (n,) of each, n > 0.
        features: (N, F), standardised; None for a model without.

    Returns:
        The states after each, (N, H), and the logits (N, V) of the next code.
    """
    N, length = len(prompts), np.array([len(prompt) for prompt in prompts])
    longest = int(length.max())
    T = max(1, min(_WINDOW, _LOGITS // (N * model.V)))
    states, after = model.first_states(N, features), model.zero_states(N)
    last_logits = np.empty((N, model.V), model.parameters.dtype)
    for first in range(0, longest, T):
        window = np.zeros((min(T, longest - first), N), np.intp)
        for row, prompt in enumerate(prompts):
            some = prompt[first : first + T]
            window[: len(some), row] = some
        logits, states, cache = model.forward(window, states)
        ended = ((length > first) & (length <= first + len(window))).nonzero()[0]
        step = length[ended] - 1 - first
        last_logits[ended] = logits[step, ended]
        for layer, sequences in zip(after, model.state_sequences(cache), strict=True):
            for state, sequence in zip(layer, sequences, strict=True):
                state[ended] = sequence[step, ended]
    return after, last_logits


@quietly
def log_sum_exp(logits: Array) -> Array:
    """Return the logarithm of the sum of the exponentials (n,) of logits (n, V)."""
    best = logits.max(1)
    exponentials = logits - best[:, None]
    np.exp(exponentials, out=exponentials)
    found: Array = best + np.log(exponentials.dot(np.ones_like(logits[0])))  # a fast sum
    return found


def _normalised(log_probs: Array) -> Array:
    """Return log-probabilities (N, labels) less the logarithm of their sum."""
    best = log_probs.max(1, keepdims=True)
    found: Array = log_probs - best - np.log(np.exp(log_probs - best).sum(1, keepdims=True))
    return found
