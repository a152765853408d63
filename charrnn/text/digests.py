"""Digests of records: equal for equal symbols, whatever stands around them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.text.encoding import EncodedText
from charrnn.text.shuffle import mixed

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd
_INVERSE = np.uint64(pow(int(_MULTIPLIER), -1, 1 << 64))


class Digests(NamedTuple):
    """64-bit digests of records, each of which depends on the symbols of its side alone."""

    record: Array  # (r,) uint64
    prompt: Array  # (r,) uint64; without prompts, the record's
    reply: Array  # (r,) uint64; without prompts, the record's
    prompts: Array  # (r,) intp, symbols of each prompt, with its end

    def of(self, side: str) -> Array:
        """Return the digests of a side: record, prompt or reply."""
        found: Array = getattr(self, side)
        return found


def digests(text: EncodedText, places: Array) -> Digests:
    """Return the digests of the records between some places.

    Args:
        text: with the records.
        places: (r + 1,) of the end symbols before and after r records that follow each other.
    """
    start = int(places[0]) + 1
    codes = text.codes[start : int(places[-1]) + 1]
    numbers = mixed(text.vocabulary.symbols + _MULTIPLIER) * _MULTIPLIER  # (V,)
    symbols = numbers[codes]
    symbols *= _powers(_MULTIPLIER, len(symbols))
    inverse = _powers(_INVERSE, len(symbols))  # divides by the power at which a text begins
    first = places[:-1] + 1 - start  # (r,), place of each record's first symbol
    if text.vocabulary.prompt_end is None:
        found = mixed(np.add.reduceat(symbols, first) * inverse[first])
        return Digests(found, found, found, np.zeros(len(first), np.intp))
    reply = np.flatnonzero(codes == text.vocabulary.prompt_end) + 1  # (r,)
    sums = np.add.reduceat(symbols, np.stack([first, reply], axis=1).ravel())
    of_prompt, of_reply = sums[0::2], sums[1::2]
    return Digests(
        mixed((of_prompt + of_reply) * inverse[first]),
        mixed(of_prompt * inverse[first]),
        mixed(of_reply * inverse[reply]),
        reply - first,
    )


def _powers(base: np.uint64, n: int) -> Array:
    """Return the powers 0 to n - 1 of a number, modulo 2 to the 64."""
    powers = np.full(n, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, out=powers)
