"""Read and encode the configured text."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError, plural
from charrnn.kernels import Array
from charrnn.system.caches import cache_folder
from charrnn.text.cache import content_key, read_cached, write_cached
from charrnn.text.corpus import Corpus, cut_points
from charrnn.text.decoding import read_symbols
from charrnn.text.encoding import EncodedText, encode_in_memory
from charrnn.text.files import FileState, find_files, state_of
from charrnn.text.records import encode_records, with_ends
from charrnn.text.vocabulary import Vocabulary

LARGE = 16_000_000  # bytes; a larger text is not held in memory


def load_corpus(
    config: DataConfig,
    note: Callable[[str], object] = lambda _: None,
    cut: Callable[[int], tuple[int, int]] | None = None,
) -> Corpus:
    """Read and encode the configured text, or the records in it.

    A large text is encoded once, into the cache folder, and mapped into memory from there.

    Args:
        config: where the text is, and how it is read and divided.
        note: called with a message when a large text is encoded, or cannot be kept in the cache.
        cut: returns the cut points of n characters; by default `cut_points`.

    Raises:
        TextError: the text cannot be read, is empty, or has only one distinct character.
    """
    files = find_files(config.path)
    states = [state_of(file) for file in files]
    if all(map(os.path.isfile, files)) and sum(state.size for state in states) > LARGE:
        text = _encode_large(files, states, config, note)
    else:  # read once, so that a pipe works too
        pieces = list(_symbols(files, config, [None] * len(files)))
        text = encode_in_memory(pieces, _vocabulary(pieces, config), config.where)
    if config.records:
        return encode_records(text, config)
    n = len(text.codes)
    bounds = cut(n) if cut else cut_points(n, config)
    return Corpus(text.codes, text.vocabulary, text.sha256, *bounds)


def _encode_large(
    files: Sequence[str],
    states: Sequence[FileState],
    config: DataConfig,
    note: Callable[[str], object],
) -> EncodedText:
    """Return the cached codes of files, or read the files twice, piece by piece, to encode them."""
    size = f"{sum(state.size for state in states) / 1e6:,.0f} MB"

    def pieces() -> Iterator[Array]:
        return _symbols(files, config, states)

    folder = cache_folder()
    if folder is None:
        note(f"encoding {size} in memory: the cache is turned off")
        return encode_in_memory(pieces(), _vocabulary(pieces(), config), config.where)
    file = folder / "texts" / f"{content_key(files, config)}.codes"
    if cached := read_cached(file, config.tokens):
        return cached
    if file.exists():
        note(f"{file}: is damaged; encoding {size} again")
    else:
        note(f"encoding {size} once, kept in {file.parent}")
    vocabulary, problem = _vocabulary(pieces(), config), "cannot be read"
    try:
        write_cached(file, pieces(), vocabulary, config.where)
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
    if cached := read_cached(file, config.tokens):  # another process may have written it
        return cached
    note(f"{file.parent}: {problem}; the encoded text is held in memory")
    return encode_in_memory(pieces(), vocabulary, config.where)


def _symbols(
    files: Sequence[str], config: DataConfig, states: Sequence[FileState | None]
) -> Iterator[Array]:
    """Return the symbols of files, with end symbols if they hold records."""
    each = (read_symbols(f, config, expected=s) for f, s in zip(files, states, strict=True))
    return with_ends(each, config) if config.records else chain.from_iterable(each)


def _vocabulary(pieces: Iterable[Array], config: DataConfig) -> Vocabulary:
    """Return the vocabulary of a text, which needs at least two symbols."""
    vocabulary = Vocabulary.from_pieces(pieces, config.tokens)
    if not len(vocabulary):
        raise TextError(f"{config.where}: the text is empty; there is nothing to learn from")
    if len(vocabulary) < 2 and vocabulary.end is not None:
        raise TextError(f"{config.where}: the text has no records; every line is blank")
    if len(vocabulary) < 2:
        name = vocabulary.name(int(vocabulary.symbols[0]))
        raise TextError(
            f"{config.where}: the text is {name} throughout; at least two different "
            f"{plural(config.tokens)} are needed"
        )
    return vocabulary
