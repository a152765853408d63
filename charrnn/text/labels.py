"""Labels: the texts of prompts or of replies, where these are few."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.text.encoding import EncodedText
from charrnn.text.vocabulary import Vocabulary

Side = Literal["prompt", "reply"]

MOST_LABELS = 256
MOST_CODES = 1 << 22  # of the labels of one side, ends included; more would be whole texts
LEAST_OF_LABEL = 5  # records of the training part, on average


class Labels(NamedTuple):
    """The different texts of both sides of records; none of a side where they are many."""

    prompts: tuple[Array, ...] = ()  # codes (n,) of each, in ascending order
    replies: tuple[Array, ...] = ()

    @property
    def side(self) -> Side | None:
        """The side of the labels, the reply's if both sides are labels; None without labels."""
        return "reply" if self.replies else "prompt" if self.prompts else None

    @classmethod
    def at(cls, places: tuple[Array, Array], text: EncodedText) -> Labels:
        """Return the texts of prompts and of replies that begin at places (k,)."""
        prompts, replies = places
        return cls(
            _labels(text.codes, prompts, text.vocabulary.prompt_end),
            _labels(text.codes, replies, text.vocabulary.end),
        )


def early_codes(labels: Sequence[Array]) -> dict[bytes, int]:
    """Return the symbol that stands for each label where it is predicted early, by its bytes.

    It is the first symbol of the label that stands for none before it, so that labels with a common
    beginning differ; or the first one, if there is no such symbol.
    """
    found: dict[bytes, int] = {}
    for label in labels:
        symbols = label.tolist()
        free = (symbol for symbol in symbols if symbol not in found.values())
        if symbols:
            found[label.tobytes()] = next(free, symbols[0])
    return found


def _labels(codes: Array, places: Array, end: int | None) -> tuple[Array, ...]:
    """Return the texts that begin at places (k,), in ascending order; none if they are long."""
    found, left = list[Array](), MOST_CODES
    for place in places.tolist():
        found.append(_until(codes, place, end))
        left -= len(found[-1]) + 1
        if left < 0:
            return ()
    return tuple(sorted(found, key=np.ndarray.tolist))


def _until(codes: Array, start: int, end: int | None) -> Array:
    """Return the codes from a place to the next end."""
    size = 256
    while True:
        ends = np.flatnonzero(codes[start : start + size] == end)
        if len(ends):
            return np.array(codes[start : start + int(ends[0])])
        size *= 2


def label_texts(labels: Sequence[Array], vocabulary: Vocabulary) -> list[str]:
    r"""Return the texts of different labels, codes (n,) each, as different strings.

    If bytes that form no character would make two of them alike, such bytes are escaped in all of
    them, as in `\xff`, and backslashes doubled.
    """
    texts = [vocabulary.decode(label) for label in labels]
    if len(set(texts)) == len(texts):
        return texts
    raw = (vocabulary.symbols[label].astype(np.uint8).tobytes() for label in labels)
    return [one.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace") for one in raw]


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
    labels = [part[:-1] for part in parts[: len(ends)]]
    if any(one >= other for one, other in pairwise(label.tolist() for label in labels)):
        raise ValueError
    return tuple(labels)
