"""Read and encode the configured text, and divide it into splits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from charrnn.config.schema import DataConfig, TrainConfig
from charrnn.errors import TextError, plural
from charrnn.kernels import Array
from charrnn.system.caches import cache_folder
from charrnn.text.cache import content_key, read_cached, write_cached
from charrnn.text.decoding import read_symbols
from charrnn.text.encoding import EncodedText, encode_in_memory
from charrnn.text.files import FileState, find_files, state_of
from charrnn.text.streams import Streams, scoring_windows
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.windows import ScoringWindow, TrainingWindows

LARGE = 16_000_000  # bytes; a larger text is not held in memory


@dataclass(frozen=True)
class Corpus:
    """An encoded text, divided into contiguous splits: training, validation, test."""

    codes: Array  # (n,) unsigned integers, read-only; an np.memmap if the text is large
    vocabulary: Vocabulary
    text_sha256: str  # digest of the symbols that the model sees, not of the files
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

    @property
    def arrays(self) -> dict[str, Array]:
        """Return the arrays by the name of their field; worker processes share them."""
        return {"codes": self.codes}

    def training_windows(self, train: TrainConfig, seed: int) -> TrainingWindows:
        """Return the windows of a training on the training part."""
        fresh = seed if train.streams == "fresh" else None
        return Streams(self.codes[: self.train_end], train.batch_size, train.seq_length, fresh)

    def scoring_windows(
        self, start: int, end: int, share: tuple[int, int] = (0, 1)
    ) -> Iterator[ScoringWindow]:
        """Yield the windows in which a part of the text is scored, or the k-th of K shares."""
        return scoring_windows(self.codes, start, end, len(self.vocabulary), share=share)


def load_corpus(
    config: DataConfig,
    note: Callable[[str], object] = lambda _: None,
    cut: Callable[[int], tuple[int, int]] | None = None,
) -> Corpus:
    """Read and encode the configured text.

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
        pieces = [symbols for file in files for symbols in read_symbols(file, config)]
        text = encode_in_memory(pieces, _vocabulary(pieces, config), config.where)
    n = len(text.codes)
    bounds = cut(n) if cut else cut_points(n, config)
    return Corpus(text.codes, text.vocabulary, text.sha256, *bounds)


def cut_points(n: int, config: DataConfig) -> tuple[int, int]:
    """Return where the training and the validation split of n characters end.

    The fractions count as the decimals in the configuration: 0.3 is 3/10, not the nearest float. So
    0.3 for validation and 0.3 for the test leave 400 of 1,000 characters, where floats leave 399.
    """
    valid, test = (Fraction(str(f)) for f in (config.valid_fraction, config.test_fraction))
    return int(n * (1 - valid - test)), int(n * (1 - test))


def float_cut_points(n: int, config: DataConfig) -> tuple[int, int]:
    """Return the cut points of checkpoints that do not hold theirs, of formats 1 to 3."""
    train_end = int(n * (1 - config.valid_fraction - config.test_fraction))
    return train_end, max(train_end, int(n * (1 - config.test_fraction)))


def _encode_large(
    files: Sequence[str],
    states: Sequence[FileState],
    config: DataConfig,
    note: Callable[[str], object],
) -> EncodedText:
    """Return the cached codes of files, or read the files twice, piece by piece, to encode them."""
    size = f"{sum(state.size for state in states) / 1e6:,.0f} MB"

    def pieces() -> Iterator[Array]:
        for file, state in zip(files, states, strict=True):
            yield from read_symbols(file, config, expected=state)

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


def _vocabulary(pieces: Iterable[Array], config: DataConfig) -> Vocabulary:
    """Return the vocabulary of a text, which needs at least two symbols."""
    vocabulary = Vocabulary.from_pieces(pieces, config.tokens)
    if not len(vocabulary):
        raise TextError(f"{config.where}: the text is empty; there is nothing to learn from")
    if len(vocabulary) < 2:
        name = vocabulary.name(int(vocabulary.symbols[0]))
        raise TextError(
            f"{config.where}: the text is {name} throughout; at least two different "
            f"{plural(config.tokens)} are needed"
        )
    return vocabulary
