"""Read and encode the configured text."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError, plural
from charrnn.kernels import Array
from charrnn.system.caches import cache_folder
from charrnn.system.progress import Lines
from charrnn.text.cache import (
    codes_file,
    read_codes,
    read_feature_rows,
    read_index,
    records_file,
    write_codes_file,
    write_feature_rows,
    write_index,
)
from charrnn.text.corpus import Corpus, cut_points
from charrnn.text.decoding import read_symbols
from charrnn.text.encoding import EncodedText, encode_in_memory
from charrnn.text.features import FeatureRows, check_rows, read_features, row_digests
from charrnn.text.files import FileState, find_files, state_of
from charrnn.text.record_index import index_in_memory, places_of
from charrnn.text.record_reader import RecordFile, with_ends
from charrnn.text.records import RecordCorpus
from charrnn.text.rows import NO_RECORDS
from charrnn.text.vocabulary import Vocabulary

LARGE = 16_000_000  # bytes; a larger text is not held in memory


def load_corpus(
    config: DataConfig,
    note: Callable[[str], object] = lambda _: None,
    cut: Callable[[int], tuple[int, int]] | None = None,
) -> Corpus:
    """Read and encode the configured text, or the records in it.

    A large text is encoded once, into the cache folder, and mapped into memory from there. A text
    for testing alone (data.test_path) is not read.

    Args:
        config: where the text is, and how it is read and divided.
        note: called with a message when rows of a table are left out, and when a large text is
            encoded, or cannot be kept in the cache.
        cut: returns the cut points of n characters; by default `cut_points`.

    Raises:
        TextError: the text cannot be read, is empty, or has only one distinct character.
    """
    paths = (config.path, config.valid_path) if config.valid_path else (config.path,)
    texts = [find_files(path, folders=bool(config.label_from)) for path in paths]
    states = {file: state_of(file) for files in texts for file in files}
    F = len(config.feature_names)
    features = FeatureRows(F) if F else None
    if all(map(os.path.isfile, states)) and sum(state.size for state in states.values()) > LARGE:
        return _load_large(_Source(texts, config, states, features), note, cut)
    source = _Source(texts, config, {}, features)
    # Read once, so that a pipe works too.
    pieces = [list(symbols) for symbols in source.symbols(note)]
    text = encode_in_memory(pieces, source.vocabulary(pieces), config.where)
    if config.records:
        return _in_memory(text, config, source.values(text))
    return _cut(text, config, cut)


def _in_memory(text: EncodedText, config: DataConfig, values: Array | None) -> RecordCorpus:
    """Return the records of a text with their features (R, F) float64, if they have some."""
    features = None if values is None else row_digests(values)
    index = index_in_memory(text, config, features)
    return RecordCorpus.of(text, index, values, reverse_prompts=config.reverse_prompts)


def _load_large(
    source: _Source,
    note: Callable[[str], object],
    cut: Callable[[int], tuple[int, int]] | None,
) -> Corpus:
    """Return a corpus whose arrays are in the cache, if there is one."""
    config, folder = source.config, cache_folder()
    read = source.lines(note, "reading").advance
    file = codes_file(folder / "texts", source.texts, config, read) if folder else None
    text = _encode_large(source, file, note)
    if not config.records:
        return _cut(text, config, cut)
    values = source.values(text)
    if file is None or not isinstance(text.codes, np.memmap):
        return _in_memory(text, config, values)
    features = None if values is None else row_digests(values)
    codes, file = file, records_file(file, config, features)
    index = read_index(file, text)
    if index is None:
        note(f"indexing the records once, kept in {file.parent}")
        try:
            write_index(file, text, config, features)
        except OSError as error:
            note(f"{file}: cannot be written: {error.strerror}; the index is held in memory")
        index = read_index(file, text) or index_in_memory(text, config, features)
        if config.split_by is None and index.split_by:  # a trained model asks for this side by name
            with suppress(OSError):
                by_name = replace(config, split_by=index.split_by)
                os.link(file, records_file(codes, by_name, features))
    return RecordCorpus.of(text, index, values, reverse_prompts=config.reverse_prompts)


def _cut(
    text: EncodedText, config: DataConfig, cut: Callable[[int], tuple[int, int]] | None
) -> Corpus:
    """Return one text, cut into parts; a validation text of its own is not cut."""
    n, own_valid = len(text.codes), bool(config.valid_path)
    bounds = cut(n) if cut else cut_points(text.ends[0], config)
    if own_valid:
        bounds = bounds[0], text.ends[0]
        if n - text.ends[0] < 2:
            needed = plural(config.tokens)
            raise TextError(f"data.valid_path: has nothing to predict; at least two {needed}")
    return Corpus(text.codes, text.vocabulary, text.sha256, *bounds, own_valid=own_valid)


class _Source(NamedTuple):
    """The texts to read, one after another."""

    texts: Sequence[Sequence[str]]  # files of each
    config: DataConfig
    states: Mapping[str, FileState]  # that files must keep; by default theirs when they are opened
    features: FeatureRows | None  # of the rows of tables, once their symbols are read

    @property
    def megabytes(self) -> float:
        """The size of all files."""
        return sum(state.size for state in self.states.values()) / 1e6

    def lines(self, note: Callable[[str], object], doing: str) -> Lines:
        """Return what notes now and then how far all files are read."""
        return Lines(note, doing, self.megabytes, "MB")

    def symbols(
        self,
        note: Callable[[str], object] = lambda _: None,
        advance: Callable[[float], object] = lambda _: None,
    ) -> Iterator[Iterator[Array]]:
        """Yield the pieces of each text, with end symbols if they hold records.

        Args:
            note: called with a message about rows that are left out.
            advance: called with the size of each piece of a file, in MB, when it is read.
        """
        if self.features:
            self.features.clear()
        for number, files in enumerate(self.texts):
            each = (
                RecordFile(
                    f, read_symbols(f, self.config, expected=self.states.get(f), advance=advance)
                )
                for f in files
            )
            if self.config.records:
                first = number == 0
                yield with_ends(each, self.config, first=first, features=self.features, note=note)
            else:
                yield chain.from_iterable(file.pieces for file in each)

    def values(self, text: EncodedText) -> Array | None:
        """Return the features (R, F) float64 of the records of a text; None without features."""
        path = self.config.features_path
        if path is None:
            return self.features.values if self.features else None
        values = read_features(path)
        records = sum(len(places) - 1 for places in places_of(text))
        check_rows(path, len(values), records, self.config.where)
        return values

    def vocabulary(self, texts: Iterable[Iterable[Array]]) -> Vocabulary:
        """Return the vocabulary of texts, which need at least two symbols."""
        config = self.config
        vocabulary = Vocabulary.from_pieces(chain.from_iterable(texts), config.tokens)
        if not len(vocabulary):
            raise TextError(f"{config.where}: the text is empty; there is nothing to learn from")
        if len(vocabulary) < 2 and vocabulary.end is not None:
            raise TextError(f"{config.where}: the text {NO_RECORDS}")
        if len(vocabulary) < 2:
            name = vocabulary.name(int(vocabulary.symbols[0]))
            raise TextError(
                f"{config.where}: the text is {name} throughout; at least two different "
                f"{plural(config.tokens)} are needed"
            )
        return vocabulary


def _encode_large(source: _Source, file: Path | None, note: Callable[[str], object]) -> EncodedText:
    """Return the cached codes of texts, or read them twice, piece by piece, to encode them."""
    config = source.config
    size = f"{source.megabytes:,.0f} MB"
    if file is None:
        note(f"encoding {size} in memory: the cache is turned off")
    elif cached := _cached(source, file):
        return cached
    elif file.exists():
        note(f"{file}: is damaged; encoding {size} again")
    else:
        note(f"encoding {size} once, kept in {file.parent}")
    counting = source.lines(note, f"finding the distinct {plural(config.tokens)}")
    vocabulary = source.vocabulary(source.symbols(note, counting.advance))
    encoding = source.lines(note, "encoding")
    if file is not None:
        problem = "cannot be read"
        try:
            write_codes_file(
                file, source.symbols(advance=encoding.advance), vocabulary, config.where
            )
            if source.features:
                write_feature_rows(file, source.features.values)
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
        if cached := _cached(source, file):  # another process may have written it
            return cached
        note(f"{file.parent}: {problem}; the encoded text is held in memory")
        encoding = source.lines(note, "encoding")
    return encode_in_memory(source.symbols(advance=encoding.advance), vocabulary, config.where)


def _cached(source: _Source, file: Path) -> EncodedText | None:
    """Return the cached codes of texts, and take the features beside them; None without either."""
    text = read_codes(file, source.config.tokens)
    if text and source.features:
        values = read_feature_rows(file, source.features.F)
        if values is None:
            return None
        source.features.take(values)
    return text
