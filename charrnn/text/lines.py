"""Describe the lines or the records of a text, and find out which of them a text consists of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import counted
from charrnn.kernels import Array
from charrnn.text.corpus import Corpus, line_ends
from charrnn.text.decoding import read_symbols
from charrnn.text.files import find_files
from charrnn.text.labels import MOST_LABELS
from charrnn.text.records import RecordCorpus
from charrnn.text.remarks import as_text, shape_in, table_in
from charrnn.text.shape import READ, Shape, shape_of
from charrnn.text.table_format import TableFormat

_MEASURED = (
    1_000_000  # characters at the start of a text, by which the median length of lines is estimated
)
_FEW_LINES = 50  # of a list that is too short to be recognised as one
_SHORT = 100  # characters of a line of it
_SOME_FILES = 20  # of running text that may be one of each label
_RARE = 0.02  # share of lines
PARTS = {  # of a text, by the names of their files or folders
    "train": "training",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


def lengths_in_words(corpus: Corpus) -> str:
    """Return the lengths of a text's records, or the number and the length of its lines.

    The result is "" for a text of one line, and for one that is read as bytes.
    """
    tokens = corpus.vocabulary.tokens
    if isinstance(corpus, RecordCorpus):
        records = np.diff(corpus.lengths.end, prepend=0)  # (k,), of each length
        order = np.argsort(corpus.lengths.length)
        half = np.searchsorted(records[order].cumsum(), records.sum() / 2)
        lengths = corpus.lengths.length - (corpus.vocabulary.prompt_end is not None)
        middle, longest = lengths[order[[half, -1]]].tolist()
        return f"a median of {counted(middle, tokens)} each, {longest:,} in the longest"
    newline = np.flatnonzero(corpus.vocabulary.symbols == ord("\n"))
    if tokens != "char" or not len(newline):
        return ""
    count = sum(map(len, line_ends(corpus.codes, newline[0])))
    if count < 2:
        return ""
    codes = corpus.codes[:_MEASURED]
    last = np.concatenate([*line_ends(codes, newline[0])])
    if len(codes) < len(corpus.codes) and len(last) > 1:
        last = last[:-1]  # the last line may be cut
    lengths = np.diff(last, prepend=-1) - (codes[last] == newline[0])
    filled = lengths[lengths > 0]
    median = int(np.median(filled)) if len(filled) else 0
    about = "about " if len(codes) < len(corpus.codes) else ""
    return f"{counted(count, 'line')} with a median of {about}{counted(median, tokens)}"


def find_shape(config: DataConfig) -> Shape | None:
    """Return whether the configured text is a list or consists of blocks; None for running text.

    Args:
        config: where the text is and how it is read; data.records is not looked at.

    Raises:
        TextError: the beginning of the text cannot be read.
    """
    symbols = beginning(find_files(config.path), config)
    return shape_in(symbols[:READ], config, cut=len(symbols) > READ)


def find_table(config: DataConfig) -> TableFormat | None:
    """Return how to read the configured files as one table; None if they are none.

    Args:
        config: where they are and how they are read; data.records is not looked at.

    Raises:
        TextError: the beginning of a file cannot be read.
    """
    first: TableFormat | None = None
    for file in find_files(config.path):
        found = table_in(as_text(beginning([file], config), config), file)
        if found is None or (first and found[:2] != first[:2]):
            return None
        first = first or found
    return first


def are_labelled(config: DataConfig) -> bool:
    """Return whether the configured files are lists of short lines, one file for each label.

    Args:
        config: where they are and how they are read; data.records is not looked at.

    Raises:
        TextError: the beginning of a file cannot be read.
    """
    files = find_files(config.path)
    if not 1 < len(files) <= MOST_LABELS or any(Path(file).stem in PARTS for file in files):
        return False
    lists = 0
    for file in files:
        text = as_text(beginning([file], config)[:READ], config)
        lines = text.split("\n")
        known: set[str] = set()  # repeats are no sign of running text if lines have a label
        new = []
        for line in lines:
            if not line or line not in known:
                new.append(line)
                known.add(line)
        shape = None if table_in(text, file) else shape_of("\n".join(new))
        if shape and shape.records == "line":
            lists += 1
        elif len(new) > _FEW_LINES or max(map(len, new)) > _SHORT:
            return False
    return lists > len(files) / 2


def may_be_labelled(config: DataConfig) -> bool:
    """Return whether there are some files with many lines each, without blank ones between them.

    Args:
        config: where they are and how they are read; data.records is not looked at.

    Raises:
        TextError: the beginning of a file cannot be read.
    """
    files = find_files(config.path)
    if not 1 < len(files) <= _SOME_FILES or any(Path(file).stem in PARTS for file in files):
        return False
    for file in files:
        text = as_text(beginning([file], config)[:READ], config)
        lines = text.rstrip().split("\n")
        blank = sum(not line.strip() for line in lines)
        if len(lines) < _FEW_LINES or blank > _RARE * len(lines) or table_in(text, file):
            return False
    return True


def beginning(files: Sequence[str], config: DataConfig) -> Array:
    """Return the symbols at the beginning of files, (n,) uint32, more than READ if they are long.

    Raises:
        TextError: the beginning of a file cannot be read.
    """
    pieces, n = [np.empty(0, np.uint32)], 0
    for piece in chain.from_iterable(read_symbols(file, config) for file in files):
        pieces.append(piece.astype(np.uint32))
        n += len(piece)
        if n > READ:
            break
    return np.concatenate(pieces)
