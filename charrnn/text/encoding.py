"""Symbols to codes, piece by piece, with a digest of the whole."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.text.vocabulary import Vocabulary, smallest_dtype


class EncodedText(NamedTuple):
    """A text as a model sees it."""

    codes: Array  # (n,) unsigned integers, read-only; np.memmap where they are a file's
    vocabulary: Vocabulary
    sha256: str  # of its symbols and codes, whatever files they came from


def code_dtype(V: int) -> np.dtype[Any]:
    """Return the type that the codes of V symbols have in files and in memory."""
    dtype: np.dtype[Any] = np.dtype(smallest_dtype(V - 1)).newbyteorder("<")
    return dtype


def write_codes(
    write: Callable[[memoryview], object],
    pieces: Iterable[Array],
    vocabulary: Vocabulary,
    where: str,
) -> tuple[int, str]:
    """Write the codes of symbols that come in pieces.

    Returns:
        How many there are, and the digest of vocabulary and codes.
    """
    n, digest = 0, hashlib.sha256(vocabulary.symbols.astype("<u4").tobytes())
    for symbols in pieces:
        codes = vocabulary.encode(symbols, where, first=n)
        codes = codes.astype(code_dtype(len(vocabulary)), copy=False)
        digest.update(codes.data)
        write(codes.data)
        n += len(codes)
    return n, digest.hexdigest()


def encode_in_memory(pieces: Iterable[Array], vocabulary: Vocabulary, where: str) -> EncodedText:
    """Encode symbols that come in pieces, with no second copy of what is encoded already."""
    memory = io.BytesIO()
    _, sha256 = write_codes(memory.write, pieces, vocabulary, where)
    codes = np.frombuffer(memory.getvalue(), code_dtype(len(vocabulary)))
    return EncodedText(codes, vocabulary, sha256)
