"""Encode a text piece by piece, with a digest of the whole."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.text.vocabulary import Vocabulary


class EncodedText(NamedTuple):
    """A text as a model sees it."""

    codes: Array  # (n,) of the vocabulary's code_dtype, read-only; an np.memmap if in the cache
    vocabulary: Vocabulary
    sha256: str  # of its symbols and codes, not of its files
    skipped: int = 0  # unknown symbols that were left out


def write_codes(
    write: Callable[[memoryview], object],
    pieces: Iterable[Array],
    vocabulary: Vocabulary,
    where: str,
    *,
    skip_unknown: bool = False,
) -> tuple[int, str, int]:
    """Write the codes of a text, given as pieces of symbols.

    Returns:
        The number of codes, the digest of vocabulary and codes, and the number of symbols that
        were left out.
    """
    read, n, digest = 0, 0, hashlib.sha256(vocabulary.symbols.astype("<u4").tobytes())
    for symbols in pieces:
        codes = vocabulary.encode(symbols, where, skip_unknown=skip_unknown, first=read)
        digest.update(codes.data)
        write(codes.data)
        read, n = read + len(symbols), n + len(codes)
    return n, digest.hexdigest(), read - n


def encode_in_memory(
    pieces: Iterable[Array], vocabulary: Vocabulary, where: str, *, skip_unknown: bool = False
) -> EncodedText:
    """Encode a text, given as pieces of symbols, without a second copy of its codes."""
    memory = io.BytesIO()
    _, sha256, skipped = write_codes(
        memory.write, pieces, vocabulary, where, skip_unknown=skip_unknown
    )
    codes = np.frombuffer(memory.getvalue(), vocabulary.code_dtype)
    return EncodedText(codes, vocabulary, sha256, skipped)
