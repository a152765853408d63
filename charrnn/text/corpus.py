"""An encoded text and its splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from charrnn.config.schema import DataConfig, TrainConfig
from charrnn.errors import counted
from charrnn.kernels import Array
from charrnn.text.streams import Streams, TextSizes, scoring_windows
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.windows import ScoringWindow, Sizes, TrainingWindows


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
            "test": (self.valid_end, self.everything[1]),
        }
        return bounds[name]

    @property
    def summary(self) -> str:
        """The size of the text in words."""
        return counted(len(self.codes), self.vocabulary.tokens)

    @property
    def everything(self) -> tuple[int, int]:
        """Start and end of all splits together."""
        return 0, len(self.codes)

    @property
    def arrays(self) -> dict[str, Array]:
        """Return the arrays by the name of their field; worker processes share them."""
        return {"codes": self.codes}

    @property
    def longest_record(self) -> int | None:
        """Symbols of the longest record of the training part, without end; None for a text."""
        return None

    def scored(self, start: int, end: int) -> int:
        """Return the number of characters that scoring a part scores; the first has no context."""
        return end - max(start, 1)

    @property
    def sizes(self) -> Sizes:
        """The sizes of the parts."""
        return TextSizes.cut(len(self.codes), (self.train_end, self.valid_end))

    def training_windows(self, train: TrainConfig, seed: int) -> TrainingWindows:
        """Return the windows of a training on the training part."""
        fresh = seed if train.streams == "fresh" else None
        return Streams(self.codes[: self.train_end], train.batch_size, train.seq_length, fresh)

    def scoring_windows(
        self, start: int, end: int, share: tuple[int, int] = (0, 1)
    ) -> Iterator[ScoringWindow]:
        """Yield the windows in which a part of the text is scored, or the k-th of K shares."""
        return scoring_windows(self.codes, start, end, len(self.vocabulary), share=share)


def cut_points(n: int, config: DataConfig) -> tuple[int, int]:
    """Return where the training and the validation split of n characters end.

    The fractions count as the decimals in the configuration: 0.3 is 3/10, not the nearest float. So
    0.3 for validation and 0.3 for the test leave 400 of 1,000 characters, where floats leave 399.
    """
    valid, test = (Fraction(str(f)) for f in (config.valid_fraction, config.test_fraction))
    return int(n * (1 - valid - test)), int(n * (1 - test))


def text_sizes(n: int, config: DataConfig) -> TextSizes:
    """Return the sizes of the parts of n characters."""
    return TextSizes.cut(n, cut_points(n, config))


def float_cut_points(n: int, config: DataConfig) -> tuple[int, int]:
    """Return the cut points of checkpoints that do not hold theirs, of formats 1 to 3."""
    train_end = int(n * (1 - config.valid_fraction - config.test_fraction))
    return train_end, max(train_end, int(n * (1 - config.test_fraction)))
