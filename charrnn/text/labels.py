"""Labels: the texts of prompts or of replies, where these are few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.text.encoding import EncodedText
from charrnn.text.vocabulary import Vocabulary

MOST_LABELS = 256


class Labels(NamedTuple):
    """The different texts of both sides of records; none of a side where they are many."""

    prompts: tuple[Array, ...] = ()  # codes (n,) of each, in ascending order
    replies: tuple[Array, ...] = ()

    @classmethod
    def at(cls, places: tuple[Array, Array], text: EncodedText) -> Labels:
        """Return the texts of prompts and of replies that begin at places (k,)."""
        ends = text.vocabulary.prompt_end, text.vocabulary.end
        found = [
            sorted((_until(text.codes, one, end) for one in side.tolist()), key=np.ndarray.tolist)
            for side, end in zip(places, ends, strict=True)
        ]
        return cls(tuple(found[0]), tuple(found[1]))


def _until(codes: Array, start: int, end: int | None) -> Array:
    """Return the codes from a place to the next end."""
    size = 256
    while True:
        ends = np.flatnonzero(codes[start : start + size] == end)
        if len(ends):
            return np.array(codes[start : start + int(ends[0])])
        size *= 2


def joined(labels: Sequence[Array], vocabulary: Vocabulary) -> Array:
    """Return the codes (n,) uint32 of labels, with the end of a record after each."""
    end = np.array([vocabulary.end])
    parts = [part for one in labels for part in (one, end)]
    return np.concatenate([np.zeros(0), *parts]).astype(np.uint32)


def divided(codes: Array, vocabulary: Vocabulary) -> tuple[Array, ...]:
    """Return the labels of `joined`.

    Raises:
        ValueError: the codes (n,) are not those of labels.
    """
    ends = np.flatnonzero(codes == vocabulary.end)
    whole = len(codes) == (ends[-1] + 1 if len(ends) else 0)
    if not whole or (codes > vocabulary.size).any() or len(ends) > MOST_LABELS:
        raise ValueError
    parts = np.split(codes.astype(vocabulary.code_dtype), ends + 1)
    return tuple(part[:-1] for part in parts[: len(ends)])
