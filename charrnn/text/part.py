"""Encode a text, or a split of one, for a model that is trained already."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError, plural
from charrnn.kernels import Array
from charrnn.system.progress import Lines
from charrnn.text.corpus import Corpus
from charrnn.text.decoding import CHUNK, decode_symbols, read_symbols
from charrnn.text.encoding import EncodedText, encode_in_memory
from charrnn.text.features import FeatureRows, FeatureScale
from charrnn.text.files import bounded_chunks, find_files
from charrnn.text.load import load_corpus
from charrnn.text.other_table import explained
from charrnn.text.reading import Reading
from charrnn.text.record_reader import RecordFile, with_ends
from charrnn.text.record_reading import reading_of
from charrnn.text.records import RecordCorpus
from charrnn.text.rows import NO_RECORDS
from charrnn.text.vocabulary import Vocabulary


class Part(NamedTuple):
    """A part of a text, to be read by a model that is trained already."""

    corpus: Corpus  # the whole text
    start: int  # of the part, in the text
    end: int
    name: str  # in messages
    skipped: int = 0  # characters that were left out
    before: int = 0  # records of the corpus that stand in another file, before those of the part

    def reading(self, most: int | None = None) -> Reading:
        """Return the part, or its beginning, for views that show it; see `reading_of`."""
        return reading_of(self.corpus, self.start, self.end, most, self.before)

    @property
    def records(self) -> int | None:
        """The number of records; None for a text."""
        return self.end - self.start if isinstance(self.corpus, RecordCorpus) else None


def own_corpus(
    data: DataConfig,
    text_sha256: str,
    note: Callable[[str], object] = lambda _: None,
    cut: Callable[[int], tuple[int, int]] | None = None,
) -> Corpus:
    """Read and encode a model's own text; see `encode_split` for the arguments.

    Raises:
        TextError: the text is not the one that the model was trained on.
    """
    try:
        corpus = load_corpus(data, note, cut)
    except TextError as error:
        raise TextError(
            f"the model's own text: {error.problem}", hint="name a text file to score"
        ) from None
    same_cut = cut is None or corpus.cut_points == cut(len(corpus.codes))
    if corpus.text_sha256 != text_sha256 or not same_cut:
        raise TextError(
            f"{data.where}: has changed since the training, and its parts with it"
            f"{', or its features have changed' if data.has_features else ''}",
            hint="name a text file to score it whole",
        )
    return corpus


def encode_split(
    data: DataConfig,
    text_sha256: str,
    split: str,
    note: Callable[[str], object] = lambda _: None,
    cut: Callable[[int], tuple[int, int]] | None = None,
) -> Part:
    """Encode a model's own text, and return a split of it that the training has read.

    Args:
        data: where the text is, and how it is read and divided.
        text_sha256: the digest of the text that the model was trained on.
        split: "train", "valid" or "test".
        note, cut: see `load_corpus`.

    Raises:
        TextError: the text is not the one that the model was trained on, or the split is empty.
    """
    return part_of(own_corpus(data, text_sha256, note, cut), data, split)


def part_of(corpus: Corpus, data: DataConfig, split: str) -> Part:
    """Return a split of a model's own text; see `encode_split` for arguments and errors."""
    start, end = corpus.split(split)
    if start == end:
        raise TextError(
            f"{data.where}: has no {split} part (data.{split}_fraction is 0)",
            hint="choose another part, or name a text file",
        )
    if corpus.scored(start, end) < 1:
        raise TextError(f"{data.where}: the {split} part has nothing to predict")
    names = {"train": "training part", "valid": "validation part", "test": "test part"}
    text, (start, end) = corpus.text_of(start, end)
    own = split == "valid" and data.valid_path and isinstance(corpus, RecordCorpus)
    before = corpus.everything[1] - (end - start) if own else 0
    return Part(text, start, end, names[split], before=before)


def encode_file(
    data: DataConfig,
    vocabulary: Vocabulary,
    file: str,
    *,
    skip_unknown: bool = False,
    scale: FeatureScale | None = None,
    note: Callable[[str], object] = lambda _: None,
) -> Part:
    """Encode a text file, and return all of it.

    Args:
        data: how the text is read.
        vocabulary: of the model.
        file: its path, with data.label_from also that of a folder of files; `-` is standard input.
        skip_unknown: leave out characters that are not in the vocabulary.
        scale: of features; None for a model without.
        note: called when rows of a table are left out, and now and then with how much of a large
            file is read.

    Raises:
        TextError: the file cannot be read, is too short, has an unknown character, or has no
            features although the model reads some.
    """
    where = "standard input" if file == "-" else file
    if data.features_path:
        raise TextError(
            f"{where}: has no features, and this model reads those of data.features_path, a row "
            "for each record of its own text",
            hint="without a file, a part of that text is read",
        )
    if file == "-" and data.label_from:
        raise TextError(
            f"{where}: has no name, and data.label_from takes the label of records from the name "
            "of their file; save the records as LABEL.txt"
        )
    if data.label_from and os.path.isdir(file):
        return _whole(_files(data, file), data, vocabulary, where, skip_unknown, scale, note)
    with explained(where, _symbols_of_file(data, file, where, note), data) as symbols:
        files = [RecordFile(where, symbols)]
        return _whole(files, data, vocabulary, where, skip_unknown, scale, note)


def encode_test(
    data: DataConfig,
    vocabulary: Vocabulary,
    *,
    skip_unknown: bool = False,
    scale: FeatureScale | None = None,
    note: Callable[[str], object] = lambda _: None,
) -> Part:
    """Encode the text of data.test_path, which the training has not read, and return all of it.

    Args, Raises: see `encode_file`.
    """
    assert data.test_path is not None
    where = data.test_path if isinstance(data.test_path, str) else "data.test_path"
    files = _files(data, data.test_path)
    return _whole(files, data, vocabulary, where, skip_unknown, scale, note)


def _files(data: DataConfig, path: str | tuple[str, ...]) -> Iterator[RecordFile]:
    """Yield the files of a path, read like the model's text."""
    for name in find_files(path, folders=bool(data.label_from)):
        yield RecordFile(name, read_symbols(name, data, _saved_as(data)))


def _saved_as(data: DataConfig) -> str:
    return f"save it as {data.encoding}, the encoding of the model's text"


def _whole(
    files: Iterable[RecordFile],
    data: DataConfig,
    vocabulary: Vocabulary,
    where: str,
    skip_unknown: bool,
    scale: FeatureScale | None,
    note: Callable[[str], object],
) -> Part:
    """Encode files and return all of them."""
    rows = FeatureRows(scale.F) if scale else None
    symbols = (
        with_ends(files, data, features=rows, note=note)
        if data.records
        else chain.from_iterable(file.pieces for file in files)
    )
    text = encode_in_memory([symbols], vocabulary, where, skip_unknown=skip_unknown)
    if data.records:
        if len(text.codes) < 2:
            raise TextError(f"{where}: {NO_RECORDS}")
        features = scale.standardised(rows.values) if scale and rows else None
        records = RecordCorpus.undivided(text, features)
        return Part(records, *records.everything, where, text.skipped)
    if len(text.codes) < 2:
        needed = plural(data.tokens) + (" that this model knows" if text.skipped else "")
        raise TextError(f"{where}: has nothing to predict; at least two {needed} are needed")
    n = len(text.codes)
    return Part(Corpus(text.codes, vocabulary, text.sha256, n, n), 0, n, where, text.skipped)


def encode_prompts(
    vocabulary: Vocabulary, prompts: Sequence[Array], features: Array | None = None
) -> RecordCorpus:
    """Return prompts, codes (n,) each without an end, as records without a reply.

    Their features (prompts, F) are standardised; None for a model without.
    """
    nothing: Array = np.empty(0, vocabulary.code_dtype)
    with_end = vocabulary.prompt_end is not None
    pairs = [vocabulary.as_pair(one, nothing) if with_end else one for one in prompts]
    return encode_list(vocabulary, pairs, features)


def encode_list(
    vocabulary: Vocabulary, records: Sequence[Array], features: Array | None = None
) -> RecordCorpus:
    """Return records as one part, in their order.

    Args:
        vocabulary: of a model of records.
        records: the codes of each, (n,) without begin and end; there is at least one.
        features: (records, F), standardised; None for a model without.
    """
    assert vocabulary.end is not None
    end = np.array([vocabulary.end], vocabulary.code_dtype)
    codes = np.concatenate([end, *(one for record in records for one in (record, end))])
    return RecordCorpus.undivided(EncodedText(codes, vocabulary, "", (len(codes),)), features)


def _symbols_of_file(
    data: DataConfig, file: str, where: str, note: Callable[[str], object]
) -> Iterator[Array]:
    if file == "-":
        chunks = bounded_chunks(sys.stdin.buffer, where, CHUNK) if sys.stdin else iter(())
        return decode_symbols(chunks, where, data, _saved_as(data))
    if not os.path.exists(file):
        raise TextError(f"{file}: no such text file, checkpoint or run")
    if os.path.isdir(file):
        raise TextError(f"{file}: is a folder; name one of its files")
    lines = Lines(note, "reading", os.path.getsize(file) / 1e6, "MB")
    return read_symbols(file, data, _saved_as(data), advance=lines.advance)
