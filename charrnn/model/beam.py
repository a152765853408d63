"""Finds the likeliest replies to prompts by beam search.

At each step, every beginning of a reply is continued by every symbol, and the likeliest results are
kept for each prompt. The score of a reply is its log-probability, that of its end included. Scores
only fall as a reply grows, so the search ends when no beginning is likelier than what was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charrnn.config.values import Number
from charrnn.errors import SamplingError
from charrnn.kernels import Array
from charrnn.model.model import Model, States
from charrnn.model.prediction import Reply, log_sum_exp, read_prompts
from charrnn.model.sampling_params import checked_number
from charrnn.text.labels import Labels
from charrnn.text.vocabulary import Vocabulary

DEFAULT_BEAM = 5
_ROWS = 2048  # beginnings of replies, of all prompts of a batch, that are read side by side
_LOGITS = 1 << 23  # of all these, at most
_POSITIVE = Number(1, whole=True)
_WIDTH = Number(1, 1000, whole=True)  # of a beam, whose states are all in memory


class Search(NamedTuple):
    """How replies are searched."""

    beam: int  # beginnings that are kept for each prompt
    top: int  # replies to find for each
    length: int  # symbols of a reply without its end, at most

    @classmethod
    def of(cls, top: int, beam: int | None, length: int) -> Search:
        """Return a search whose beam is by default 5, or as wide as there are replies to find.

        Raises:
            SamplingError: a number has a wrong type or is out of range.
        """
        top = checked_number("top", top, _WIDTH)
        length = checked_number("length", length, _POSITIVE)
        if beam is None:
            return cls(max(DEFAULT_BEAM, top), top, length)
        beam = checked_number("beam", beam, _WIDTH)
        if beam < top:
            raise SamplingError(f"beam: {beam} is narrower than top, {top}; widen it to {top}")
        return cls(beam, top, length)


def search_for(
    vocabulary: Vocabulary, labels: Labels, longest_record: int | None, beam: int | None = None
) -> Search | None:
    """Return how the replies of a data set are searched, to be compared with the true ones.

    Returns:
        The search; None if records have no replies, if these are labels, or if their prompts are
        few, so that many replies are right.

    Raises:
        SamplingError: the beam is no number of at least 1.
    """
    if vocabulary.prompt_end is None or labels.side is not None:
        return None
    return Search.of(1, beam, 2 * max(1, longest_record or 0))


class FoundReply(NamedTuple):
    """A reply found by a search."""

    codes: Array  # (n,), without its end
    log_prob: float  # nats, of the reply and its end


def texts_of_replies(replies: Sequence[FoundReply], vocabulary: Vocabulary) -> list[Reply]:
    """Return found replies as texts, with their probabilities."""
    return [Reply(vocabulary.decode(one.codes), float(np.exp(one.log_prob))) for one in replies]


def find_replies(
    model: Model,
    vocabulary: Vocabulary,
    prompts: Sequence[Array],
    search: Search,
    features: Array | None = None,
) -> Iterator[tuple[Array, list[list[FoundReply]]]]:
    """Yield the likeliest replies to some of the prompts after others.

    Args:
        model: predicts.
        vocabulary: of prompts and replies.
        prompts: codes (n,) of each, from the begin of the record to the end of the prompt.
        search: how replies are searched.
        features: (prompts, F), standardised; None for a model without.

    Yields:
        Places (b,) of some prompts, and the replies to each, the likeliest first.
    """
    end = vocabulary.end
    assert end is not None
    # A reply has no end of a prompt, so no beginning of a reply has one.
    ends = [end] if vocabulary.prompt_end is None else [end, vocabulary.prompt_end]
    together = max(1, min(_ROWS, _LOGITS // model.V) // search.beam)
    order = np.argsort([len(prompt) for prompt in prompts], kind="stable")
    for first in range(0, len(order), together):
        places = order[first : first + together]
        of_places = None if features is None else features[places]
        states, logits = read_prompts(model, [prompts[k] for k in places.tolist()], of_places)
        yield places, _search(model, states, logits, ends, search)


def _search(
    model: Model, states: States, logits: Array, ends: Sequence[int], search: Search
) -> list[list[FoundReply]]:
    """Return the likeliest replies to N prompts.

    Args:
        model: predicts.
        states: after each prompt, (N, H).
        logits: (N, V), of the first symbol of each reply.
        ends: the code of the end of a reply, and others that no reply contains.
        search: how replies are searched.
    """
    N, V = logits.shape
    tree = _Tree()
    found = np.full((N, search.top), -np.inf)  # log-probabilities of the likeliest replies
    found_nodes = np.zeros((N, search.top), np.intp)
    prompts = np.arange(N)  # (n,), those whose search goes on
    total = np.zeros((N, 1))  # (n, b), log-probability of each beginning
    nodes = np.zeros((N, 1), np.intp)  # (n, b), its node in the tree
    for length in range(search.length + 1):
        n, b = total.shape
        log_probs = logits - log_sum_exp(logits)[:, None]  # (n b, V)
        scores = total[:, :, None] + log_probs.reshape(n, b, V)  # float64

        both = np.concatenate([found[prompts], scores[:, :, ends[0]]], axis=1)  # (n, top + b)
        both_nodes = np.concatenate([found_nodes[prompts], nodes], axis=1)
        best = _largest(both, search.top)
        found[prompts] = np.take_along_axis(both, best, 1)
        found_nodes[prompts] = np.take_along_axis(both_nodes, best, 1)

        scores[:, :, ends] = -np.inf
        beam = min(search.beam, b * (V - len(ends)))
        if length == search.length or beam == 0:
            break
        scores = scores.reshape(n, b * V)
        best = _largest(scores, beam)  # (n, beam)
        total = np.take_along_axis(scores, best, 1)
        likely = total[:, 0] > found[prompts, -1]  # (n,), those that may find a likelier reply
        if not likely.any():
            break
        parents, codes = np.divmod(best[likely], V)  # (n, beam) of a smaller n
        nodes = tree.add(np.take_along_axis(nodes[likely], parents, 1), codes)
        rows = (likely.nonzero()[0][:, None] * b + parents).ravel()
        states = [tuple(state[rows] for state in layer) for layer in states]
        stepped, states, _ = model.forward(codes.reshape(1, -1), states)
        prompts, total, logits = prompts[likely], total[likely], stepped[0]
    texts = tree.texts(found_nodes.ravel())
    pairs = [[FoundReply(next(texts), one) for one in log_probs] for log_probs in found.tolist()]
    return [[one for one in replies if one.log_prob > -np.inf] for replies in pairs]


def _largest(values: Array, n: int) -> Array:
    """Return the places (N, n) of the n largest of each row of values, in descending order."""
    places = np.argpartition(-values, n - 1, axis=1)[:, :n]
    order = np.argsort(-np.take_along_axis(values, places, 1), axis=1, kind="stable")
    found: Array = np.take_along_axis(places, order, 1)
    return found


class _Tree:
    """The beginnings of all replies; each node adds a code to its parent. Node 0 is empty."""

    def __init__(self) -> None:
        self._parents, self._codes = [np.zeros(1, np.intp)], [np.zeros(1, np.intp)]
        self._size = 1

    def add(self, parents: Array, codes: Array) -> Array:
        """Add nodes; return their numbers, in the shape of their parents."""
        self._parents.append(parents.ravel())
        self._codes.append(codes.ravel())
        numbers = self._size + np.arange(parents.size).reshape(parents.shape)
        self._size += parents.size
        return numbers

    def texts(self, nodes: Array) -> Iterator[Array]:
        """Yield the codes from the root to each node (k,)."""
        parents = np.concatenate(self._parents).tolist()
        codes = np.concatenate(self._codes).tolist()
        for node in nodes.tolist():
            text = []
            while node:
                text.append(codes[node])
                node = parents[node]
            yield np.array(text[::-1], np.intp)
