"""How well a model replies where replies are free: exact replies, and edit distance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array

_CELLS = 1 << 22  # of the tables whose rows are computed together, about


class Transcription(NamedTuple):
    """The likeliest reply to each prompt, compared with those listed for it in the data."""

    prompts: int
    exact: float  # share of prompts for which it is one of the listed replies
    edit_distance: float  # symbols to insert, remove or replace until it is one; mean of prompts

    @classmethod
    def of(cls, replies: Sequence[Array], listed: Sequence[Iterable[Array]]) -> Transcription:
        """Compare replies.

        Args:
            replies: codes (n,) of the reply to each prompt, of which there is at least one.
            listed: codes (n,) of the replies listed for each, at least one.
        """
        pairs = [(k, one) for k, some in enumerate(listed) for one in some]
        prompts = np.array([k for k, _ in pairs])
        distances = edit_distances([replies[k] for k in prompts], [one for _, one in pairs])
        least = np.full(len(replies), np.iinfo(np.intp).max)
        np.minimum.at(least, prompts, distances)
        return cls(len(replies), float((least == 0).mean()), float(least.mean()))


def edit_distances(first: Sequence[Array], second: Sequence[Array]) -> Array:
    """Return the edit distance of each of N pairs of texts (Levenshtein 1966).

    It is the least number of symbols to insert, to remove or to replace in one text to make the
    other. The table of distances between all beginnings of a pair (Wagner and Fischer 1974) is
    computed row by row, for many pairs at once.

    >>> edit_distances([np.array([1, 2, 3])], [np.array([2, 3, 4, 4])])
    array([3])

    Args:
        first, second: codes (n,) of each text, not negative.

    Returns:
        Distances (N,).
    """
    sizes = np.array([(len(a), len(b)) for a, b in zip(first, second, strict=True)], np.intp)
    sizes = sizes.reshape(-1, 2)
    found = np.zeros(len(sizes), np.intp)
    together = max(1, _CELLS // (1 + sizes.max(initial=0)))
    order = np.argsort(sizes.sum(1), kind="stable")
    for start in range(0, len(order), together):
        some = order[start : start + together]
        found[some] = _distances(*(_padded([side[k] for k in some]) for side in (first, second)))
    return found


def _distances(first: Array, second: Array) -> Array:
    """Return the edit distances (n,) of texts (n, A) and (n, B), padded with -1."""
    steps = np.arange(second.shape[1] + 1)
    row = np.repeat(steps[None], len(first), axis=0)  # (n, B + 1), from the empty beginning
    for i, code in enumerate(first.T):
        longer = np.minimum(row[:, 1:] + 1, row[:, :-1] + (second != code[:, None]))
        longer = np.concatenate([np.full((len(row), 1), i + 1), longer], axis=1)
        # An inserted symbol adds 1 to the cell on its left, which may have one from its left.
        longer = np.minimum.accumulate(longer - steps, axis=1) + steps
        row = np.where(code[:, None] < 0, row, longer)
    found: Array = row[np.arange(len(row)), (second >= 0).sum(1)]
    return found


def _padded(texts: Sequence[Array]) -> Array:
    """Return texts (n,) as rows of one array, with -1 after each."""
    found = np.full((len(texts), max(map(len, texts))), -1, np.intp)
    for row, text in zip(found, texts, strict=True):
        row[: len(text)] = text
    return found
