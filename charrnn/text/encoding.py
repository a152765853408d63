"""Encode a text piece by piece, with a digest of the whole."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.text.vocabulary import SYMBOLS, Vocabulary

Pieces = Iterable[Array]  # of a text, each (n,) symbols


class EncodedText(NamedTuple):
    """One text or several, one after another, as a model sees them."""

    codes: Array  # (n,) of the vocabulary's code_dtype, read-only; an np.memmap if in the cache
    vocabulary: Vocabulary
    sha256: str  # of its symbols and codes, not of its files
    ends: tuple[int, ...]  # where each text ends in the codes
    skipped: int = 0  # unknown symbols that were left out


class Written(NamedTuple):
    """What is known of codes once they are written."""

    sha256: str  # of vocabulary and codes
    ends: tuple[int, ...]  # where each text ends
    skipped: int  # symbols that were left out


def write_codes(
    write: Callable[[memoryview], object],
    texts: Iterable[Pieces],
    vocabulary: Vocabulary,
    where: str,
    *,
    skip_unknown: bool = False,
) -> Written:
    """Write the codes of texts, given as pieces of symbols."""
    n, skipped, ends = 0, 0, list[int]()
    records = vocabulary.end is not None
    digest = hashlib.sha256(vocabulary.symbols.astype("<u4").tobytes())
    for pieces in texts:
        read = 0
        for symbols in pieces:
            codes = vocabulary.encode(symbols, where, skip_unknown=skip_unknown, first=read)
            digest.update(codes.data)
            write(codes.data)
            read += (
                np.count_nonzero(symbols == SYMBOLS[vocabulary.tokens]) if records else len(symbols)
            )
            n += len(codes)
            skipped += len(symbols) - len(codes)
        ends.append(n)
    return Written(digest.hexdigest(), tuple(ends), skipped)


def encode_in_memory(
    texts: Iterable[Pieces], vocabulary: Vocabulary, where: str, *, skip_unknown: bool = False
) -> EncodedText:
    """Encode texts, given as pieces of symbols, without a second copy of their codes."""
    memory = io.BytesIO()
    written = write_codes(memory.write, texts, vocabulary, where, skip_unknown=skip_unknown)
    codes = np.frombuffer(memory.getvalue(), vocabulary.code_dtype)
    return EncodedText(codes, vocabulary, *written)
