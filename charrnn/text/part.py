"""A part of a text, encoded for a model that is trained already."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.kernels import Array
from charrnn.text.corpus import load_corpus
from charrnn.text.decoding import decode_text, read_symbols
from charrnn.text.vocabulary import Vocabulary, code_points, smallest_dtype


def encode_split(
    data: DataConfig,
    text_sha256: str,
    split: str,
    note: Callable[[str], object] = lambda _: None,
) -> tuple[Array, int, int]:
    """Return a model's own text, and where one of its parts begins and ends.

    `note` is told what `load_corpus` has to say.

    Raises:
        TextError: where the text is not the one it was trained on, or the part is empty.
    """
    try:
        corpus = load_corpus(data, note)
    except TextError as error:
        place = error.problem.split(";")[0]
        raise TextError(f"the model's own text: {place}; name a text file to score") from None
    if corpus.text_sha256 != text_sha256:
        raise TextError(
            f"{data.path}: has changed since the training, and its parts with it; name a text "
            "file to score it whole"
        )
    start, end = corpus.split(split)
    if start == end:
        raise TextError(
            f"{data.path}: has no {split} part (data.{split}_fraction is 0); choose another part, "
            "or name a text file"
        )
    return corpus.codes, start, end


def encode_file(
    data: DataConfig, vocabulary: Vocabulary, file: str, *, skip_unknown: bool = False
) -> tuple[Array, int, int, int]:
    """Return a text file encoded for a model, its bounds, and how many characters were left out.

    Args:
        data: how the text is read.
        vocabulary: of the model.
        file: its path; `-` is standard input.
        skip_unknown: leave characters out that are not in the vocabulary.

    Raises:
        TextError: where it cannot be read or is too short, or for an unknown character.
    """
    codes, n, read = io.BytesIO(), 0, 0
    where = "standard input" if file == "-" else file
    for symbols in _symbols_of_file(data, file):
        known = vocabulary.encode(symbols, where, skip_unknown=skip_unknown, first=read)
        codes.write(known.data)
        n, read = n + len(known), read + len(symbols)
    if n < 2:
        left = " that this model knows" if read > n else ""
        raise TextError(f"{where}: has no character to predict{left}; it takes at least two")
    dtype = smallest_dtype(len(vocabulary) - 1)
    return np.frombuffer(codes.getvalue(), dtype), 0, n, read - n


def _symbols_of_file(data: DataConfig, file: str) -> Iterator[Array]:
    remedy = f"save it as {data.encoding}, as the model's text"
    if file != "-":
        if not os.path.exists(file):
            raise TextError(f"{file}: no such text file, checkpoint or run")
        yield from read_symbols(file, data, remedy)
        return
    raw = sys.stdin.buffer.read() if sys.stdin else b""
    if data.tokens == "byte":
        yield np.frombuffer(raw, np.uint8)
    else:
        yield code_points(decode_text(raw, "standard input", data.encoding, data.newlines, remedy))
