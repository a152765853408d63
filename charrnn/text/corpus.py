"""A text as codes: encoded, split, and cut into windows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.kernels import Array
from charrnn.system.caches import cache_folder
from charrnn.text.cache import content_key, read_cached, write_cached
from charrnn.text.decoding import read_symbols
from charrnn.text.encoding import EncodedText, encode_in_memory
from charrnn.text.files import FileState, find_files, state_of
from charrnn.text.vocabulary import Vocabulary

LARGE = 16_000_000  # bytes; a text of more is not held in memory


@dataclass(frozen=True)
class Corpus:
    """An encoded text.

    The splits are contiguous: training, validation, test.
    """

    codes: Array  # (n,) unsigned integers, read-only; a large text's are an np.memmap
    vocabulary: Vocabulary
    text_sha256: str  # of the text as the model sees it: its symbols, not its files
    train_end: int
    valid_end: int

    def split(self, name: str) -> tuple[int, int]:
        """Return start and end of 'train', 'valid' or 'test'."""
        bounds = {
            "train": (0, self.train_end),
            "valid": (self.train_end, self.valid_end),
            "test": (self.valid_end, len(self.codes)),
        }
        return bounds[name]


def load_corpus(config: DataConfig, note: Callable[[str], object] = lambda _: None) -> Corpus:
    """Read and encode the configured text.

    A large one is encoded once, into the cache folder, and mapped into memory from there.

    Args:
        config: where the text is, and how it is read and divided.
        note: told when a large text is encoded, and where the result cannot be kept.

    Raises:
        TextError: for a text that cannot be read, is empty, or has one distinct character.
    """
    files = find_files(config.path)
    states = [state_of(file) for file in files]
    if all(map(os.path.isfile, files)) and sum(state.size for state in states) > LARGE:
        text = _encode_large(files, states, config, note)
    else:
        text = _encode_small(files, config)
    return Corpus(*text, *cut_points(len(text.codes), config))


def cut_points(n: int, config: DataConfig) -> tuple[int, int]:
    """Return where the training and the validation part of n characters end."""
    train_end = int(n * (1 - config.valid_fraction - config.test_fraction))
    return train_end, max(train_end, int(n * (1 - config.test_fraction)))


def _encode_small(files: list[str], config: DataConfig) -> EncodedText:
    """Encode files that are read once, so that a pipe will do."""
    pieces = [symbols for file in files for symbols in read_symbols(file, config)]
    where = _where(files, config)
    return encode_in_memory(pieces, _vocabulary(pieces, where, config.tokens), where)


def _encode_large(
    files: list[str],
    states: list[FileState],
    config: DataConfig,
    note: Callable[[str], object],
) -> EncodedText:
    """Encode files that are read twice, a piece at a time, or take what was encoded before."""
    where = _where(files, config)
    size = f"{sum(state.size for state in states) / 1e6:,.0f} MB"

    def pieces() -> Iterator[Array]:
        for file, state in zip(files, states, strict=True):
            yield from read_symbols(file, config, expected=state)

    folder = cache_folder()
    if folder is None:
        note(f"encoding {size} in memory: the cache is turned off")
        return encode_in_memory(pieces(), _vocabulary(pieces(), where, config.tokens), where)
    file = folder / "texts" / f"{content_key(files, config)}.codes"
    if cached := read_cached(file, config.tokens):
        return cached
    if file.exists():
        note(f"{file}: is damaged; encoding {size} anew")
    else:
        note(f"encoding {size} once, kept in {file.parent}")
    vocabulary, problem = _vocabulary(pieces(), where, config.tokens), "cannot be read"
    try:
        write_cached(file, pieces(), vocabulary, where)
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
    if cached := read_cached(file, config.tokens):  # another process may have written it
        return cached
    note(f"{file.parent}: {problem}; the encoded text is held in memory")
    return encode_in_memory(pieces(), vocabulary, where)


def _vocabulary(pieces: Iterable[Array], where: str, tokens: str) -> Vocabulary:
    """Return the vocabulary of a text that something can be learned from."""
    vocabulary = Vocabulary.of_pieces(pieces, tokens)
    if not len(vocabulary):
        raise TextError(f"{where}: the text is empty; there is nothing to learn from")
    if len(vocabulary) < 2:
        name = vocabulary.name(int(vocabulary.symbols[0]))
        raise TextError(f"{where}: the text is {name} throughout; it takes at least two characters")
    return vocabulary


def _where(files: list[str], config: DataConfig) -> str:
    return config.path if isinstance(config.path, str) else f"{len(files)} files"
