"""An encoded text and its splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import DataConfig, TrainConfig
from charrnn.errors import counted
from charrnn.kernels import Array
from charrnn.text.features import FeatureScale
from charrnn.text.labels import Labels
from charrnn.text.streams import Streams, TextSizes, scoring_windows
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.windows import ScoringWindow, Segments, Sizes, TrainingWindows

_BLOCK = 1 << 22  # codes looked at together
_STRETCH = 10_000  # characters; what is before the next one misleads the model for the first few
_FEWEST, _SHORTEST = 10, 100  # stretches, unless these are shorter than so many characters


class Units(NamedTuple):
    """What numbers about a text count, in words that `counted` takes."""

    part: str  # what the bounds of its splits count
    row: str  # what the rows of a step are
    step: str  # what a row reads in one step


@dataclass(frozen=True)
class Corpus:
    """An encoded text, divided into contiguous splits: training, validation, test.

    With a validation text of its own the order is training, test, validation. That text stands at
    the end, and is read from zero states, without the text before it.
    """

    codes: Array  # (n,) unsigned integers, read-only; an np.memmap if the text is large
    vocabulary: Vocabulary
    text_sha256: str  # digest of the symbols that the model sees, not of the files
    train_end: int
    middle_end: int  # of the second split
    own_valid: bool = field(default=False, kw_only=True)  # whether validation has its own text

    def split(self, name: str) -> tuple[int, int]:
        """Return start and end of 'train', 'valid' or 'test'."""
        middle, last = ("test", "valid") if self.own_valid else ("valid", "test")
        bounds = {
            "train": (0, self.train_end),
            middle: (self.train_end, self.middle_end),
            last: (self.middle_end, self.everything[1]),
        }
        return bounds[name]

    @property
    def cut_points(self) -> tuple[int, int]:
        """Where the first and the second split end."""
        return self.train_end, self.middle_end

    @property
    def summary(self) -> str:
        """The size of the text in words."""
        size = counted(len(self.codes), self.vocabulary.tokens)
        return f"{size}, {len(self.vocabulary):,} distinct"

    @property
    def units(self) -> Units:
        """What its numbers count."""
        tokens = self.vocabulary.tokens
        return Units(part=tokens, row="stream", step=tokens)

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

    @property
    def split_by(self) -> str | None:
        """The side whose digest drew each record into its part; None without prompts."""
        return None

    @property
    def reverse_prompts(self) -> bool | None:
        """Whether prompts are read backwards; None without prompts."""
        return None

    @property
    def labels(self) -> Labels:
        """The texts of prompts and of replies, where they are few; none for a text."""
        return Labels()

    @property
    def scale(self) -> FeatureScale | None:
        """The scale of the features of records; None without features."""
        return None

    @property
    def F(self) -> int:  # noqa: N802 - the letter of the dimension key
        """Number of features of a record."""
        return 0

    def scored(self, start: int, end: int) -> int:
        """Return the number of characters that scoring a part scores; the first has no context."""
        return end - max(start, self._begin(start) + 1)

    def _begin(self, start: int) -> int:
        """Return where the text of a part begins; what stands before is no context for it."""
        return self.middle_end if self.own_valid and start >= self.middle_end else 0

    def text_of(self, start: int, end: int) -> tuple[Corpus, tuple[int, int]]:
        """Return the whole text of a part, alone if it is its own, and the part's place in it."""
        begin = self._begin(start)
        if not begin:
            return self, (start, end)
        n = len(self.codes) - begin
        alone = Corpus(self.codes[begin:], self.vocabulary, self.text_sha256, n, n)
        return alone, (start - begin, end - begin)

    @property
    def sizes(self) -> Sizes:
        """The sizes of the parts."""
        start, end = self.split("valid")
        test_start, test_end = self.split("test")
        return TextSizes(self.train_end, (end - start, test_end - test_start))

    def training_windows(self, train: TrainConfig, seed: int) -> TrainingWindows:
        """Return the windows of a training on the training part."""
        fresh = seed if train.streams == "fresh" else None
        return Streams(self.codes[: self.train_end], train.batch_size, train.seq_length, fresh)

    def scoring_windows(
        self, start: int, end: int, share: tuple[int, int] = (0, 1)
    ) -> Iterator[ScoringWindow]:
        """Yield the windows in which a part of the text is scored, or the k-th of K shares."""
        begin, V = self._begin(start), len(self.vocabulary)
        codes = self.codes[begin:]
        for window in scoring_windows(codes, start - begin, end - begin, V, share=share):
            yield window._replace(positions=window.positions + begin)

    def stretches(self, start: int, end: int, most: int) -> Corpus:
        """Return evenly spaced stretches of a part, most characters in all, as one text."""
        n = end - start
        count = max(1, most // _STRETCH, min(_FEWEST, most // _SHORTEST))
        length = min(n, max(2, min(most, n) // count))
        middles = start + (np.arange(count) + 0.5) * n / count
        firsts = np.clip((middles - length / 2).astype(np.intp), start, end - length)
        codes = np.concatenate([self.codes[first : first + length] for first in firsts])
        codes.flags.writeable = False
        return Corpus(codes, self.vocabulary, self.text_sha256, 0, len(codes))

    def segments(self, start: int, end: int) -> Segments:
        """Return the lines of a part; of records, the records."""
        ends = line_ends(self.codes[start:end], self.vocabulary.separator)
        last = start + np.concatenate([*ends])
        return Segments(np.append(start, last[:-1] + 1), last)


def line_ends(codes: Array, newline: int | None) -> Iterator[Array]:
    """Yield the places of the last characters of all lines, those of some lines after others.

    This is what a line is wherever lines are counted or numbered: it ends with its newline, or with
    the codes. A blank line is one; a form feed or a line separator (U+2028) ends none.

    Args:
        codes: (n,), n > 0.
        newline: its code; None if there is none.
    """
    for first in range(0, len(codes), _BLOCK):
        ends = first + np.flatnonzero(codes[first : first + _BLOCK] == newline)
        if first + _BLOCK >= len(codes) and codes[-1] != newline:
            ends = np.append(ends, len(codes) - 1)
        yield ends


def cut_points(n: int, config: DataConfig) -> tuple[int, int]:
    """Return where the training and the validation split of n characters of data.path end.

    The fractions are exact, so 0.3 for validation and 0.3 for the test leave 400 of 1,000
    characters, where floats leave 399.
    """
    valid, test = config.fractions
    return int(n * (1 - valid - test)), int(n * (1 - test))


def float_cut_points(n: int, config: DataConfig) -> tuple[int, int]:
    """Return the cut points of checkpoints that do not hold theirs, of formats 1 to 3."""
    train_end = int(n * (1 - config.valid_fraction - config.test_fraction))
    return train_end, max(train_end, int(n * (1 - config.test_fraction)))
