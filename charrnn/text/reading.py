"""A part of a text as views show it: character by character, in their order.

A view reads the windows that `eval` scores, from `Reading.windows`. Their positions are places in
`Reading.codes`, where the part stands from `start` to `end`. Parts of records are read by
`charrnn.text.record_reading`, which also has the way to either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.errors import counted
from charrnn.kernels import Array
from charrnn.text.corpus import Corpus
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.windows import ScoringWindow

WARM_UP = 256  # characters read before the steps that a gradient goes back through
_CHUNK = 1 << 20  # characters counted at a time


@dataclass(frozen=True)
class Reading:
    """A part of one text."""

    corpus: Corpus
    bounds: tuple[int, int]  # of the part, for the corpus
    start: int  # place of the part's first character in the codes
    end: int

    numbered = "line"  # what `numbers` counts

    @property
    def codes(self) -> Array:
        """The codes (n,) in which the part stands; those before `start` are its context."""
        return self.corpus.codes

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of the codes."""
        return self.corpus.vocabulary

    @property
    def part(self) -> Array:
        """The codes of the part, (end - start,)."""
        return self.codes[self.start : self.end]

    @property
    def size(self) -> tuple[int, str]:
        """How much there is to read: a number and its unit."""
        return self.end - self.start, self.vocabulary.tokens

    @property
    def scored(self) -> int:
        """Number of characters that are predicted."""
        return self.corpus.scored(*self.bounds)

    def windows(self, share: tuple[int, int] = (0, 1)) -> Iterator[ScoringWindow]:
        """Yield the windows in which the part is scored, or the k-th of K shares of them."""
        return self.corpus.scoring_windows(*self.bounds, share)

    def windows_read(self, share: tuple[int, int] = (0, 1)) -> Iterator[ScoringWindow]:
        """Yield the same windows with every character that is read, of prompts too."""
        return self.windows(share)

    def numbers(self, positions: Array) -> Array:
        """Return the line numbers, from 1, of characters (n,), which count from the part's first.

        A newline belongs to the line that it ends.
        """
        is_newline = self.vocabulary.symbols == ord("\n")
        before = sum(
            np.count_nonzero(is_newline[self.codes[i : min(self.start, i + _CHUNK)]])
            for i in range(0, self.start, _CHUNK)
        )
        last = self.corpus.segments(self.start, self.end).last
        lines: Array = 1 + before + np.searchsorted(last, self.start + positions)
        return lines

    def places(self, positions: Array) -> Array:
        """Return the places in the text, from 0, of characters (n,) of the part."""
        return self.start + positions

    def extents(self, positions: Array) -> tuple[Array, Array]:
        """Return the extents, within the part, of the texts or records of characters (n,).

        Returns:
            For each, the position of the first character and the one after the last, (n,) each.
        """
        first = np.zeros_like(positions)
        return first, first + (self.end - self.start)

    def stretches(self, count: int, lead: int) -> Iterator[tuple[int, int, int]]:
        """Yield what to read from zero states in order to see the first characters of the part.

        Args:
            count: characters to see.
            lead: characters of the text to read before the part, at most.

        Yields:
            The place of the first character to read, of the first one to see, and the place after
            the last one to see.
        """
        yield max(0, self.start - lead), self.start, min(self.end, self.start + count)

    def features_at(self, begins: Array) -> Array | None:
        """Return the features (n, F) of records that begin at places (n,); None without."""
        del begins
        return None

    def most_lags(self, losses: int) -> int:
        """Return the most steps that so many losses can go back; of one text, all can go as far."""
        del losses
        return self.end - 1

    def too_short(self, lags: int) -> str:
        """Return in words why no loss goes back so many steps."""
        chars = counted(self.end, self.vocabulary.tokens)
        return f"ends after {chars} of the text, too few to go back {counted(lags, 'step')}"

    def loss_positions(self, K: int, count: int) -> Array:
        """Return the places of evenly spaced characters with at least K before them.

        There are `count`, or fewer in a short part.
        """
        first = max(self.start, K)
        return np.unique(np.linspace(first, max(first, self.end - 1), count).astype(np.intp))

    def loss_windows(
        self, positions: Array, K: int, batch: int
    ) -> Iterator[tuple[Array, Array | None]]:
        """Yield the codes to read, from zero states, before the losses at some places.

        Args:
            positions: (n,), from `loss_positions`.
            K: steps that the losses go back.
            batch: losses side by side, at most.

        Yields:
            (warm_up + K + 1, N) codes, of which the last are predicted. The warm-up has up to 256
            characters, fewer for a whole batch if one of its losses has fewer before it. And the
            features (N, F) of which the first states are made, or None.
        """
        for i in range(0, len(positions), batch):
            some = positions[i : i + batch]  # (N,)
            yield self._before(some, K + min(WARM_UP, int(some.min()) - K)), None

    def _before(self, positions: Array, steps: int) -> Array:
        """Return the codes from so many steps before each position to it, (steps + 1, N)."""
        return self.codes[positions + np.arange(-steps, 1)[:, None]].astype(np.intp)
