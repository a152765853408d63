"""A part of a text, or of records, as views show it: character by character, in their order.

A view reads the windows that `eval` scores, from `Reading.windows`. Their positions are places in
`Reading.codes`, where the part stands from `start` to `end`. Records stand there one after another
in the order of the file, each followed by its end, which is also where the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.errors import counted
from charrnn.kernels import Array
from charrnn.text.corpus import Corpus
from charrnn.text.encoding import EncodedText
from charrnn.text.records import RecordCorpus
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.windows import ScoringWindow

_WARM_UP = 256  # characters read before the steps that a gradient goes back through
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

    def numbers(self) -> Array:
        """Return the line number, from 1, of each character of the part, (end - start,).

        A newline belongs to the line that it ends.
        """
        is_newline = self.vocabulary.symbols == ord("\n")
        before = sum(
            np.count_nonzero(is_newline[self.codes[i : min(self.start, i + _CHUNK)]])
            for i in range(0, self.start, _CHUNK)
        )
        ends = is_newline[self.part]
        lines: Array = 1 + before + np.cumsum(ends) - ends
        return lines

    def places(self) -> Array:
        """Return the place in the text, from 0, of each character of the part, (end - start,)."""
        return np.arange(self.start, self.end)

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

    def loss_windows(self, positions: Array, K: int, batch: int) -> Iterator[Array]:
        """Yield the codes to read, from zero states, before the losses at some places.

        Args:
            positions: (n,), from `loss_positions`.
            K: steps that the losses go back.
            batch: losses side by side, at most.

        Yields:
            (warm_up + K + 1, N) codes, of which the last are predicted. The warm-up has up to 256
            characters, fewer for a whole batch if one of its losses has fewer before it.
        """
        for i in range(0, len(positions), batch):
            some = positions[i : i + batch]  # (N,)
            yield self._before(some, K + min(_WARM_UP, int(some.min()) - K))

    def _before(self, positions: Array, steps: int) -> Array:
        """Return the codes from so many steps before each position to it, (steps + 1, N)."""
        return self.codes[positions + np.arange(-steps, 1)[:, None]].astype(np.intp)


@dataclass(frozen=True)
class RecordReading(Reading):
    """Records of a part, as a corpus of their own."""

    of_file: Array  # (R,), number of each record among all, from 1

    numbered = "record"

    @property
    def size(self) -> tuple[int, str]:
        return len(self.of_file), "record"

    @property
    def _begins(self) -> Array:
        """Places of the symbol before each record, in the order of the file, (R,)."""
        return np.flatnonzero(self.codes[:-1] == self.vocabulary.end)

    @property
    def _lengths(self) -> Array:
        """Symbols of each record, its end included, (R,)."""
        return np.diff(self._begins, append=self.end - 1)

    def numbers(self) -> Array:
        """Return the number, from 1, of each character's record among all, (end - start,)."""
        return np.repeat(self.of_file, self._lengths)

    def places(self) -> Array:
        """Return the place in its record, from 0, of each character of the part, (end - start,)."""
        places: Array = np.arange(self.end - 1) - np.repeat(self._begins, self._lengths)
        return places

    def stretches(self, count: int, lead: int) -> Iterator[tuple[int, int, int]]:
        del lead
        for begin, length in zip(self._begins.tolist(), self._lengths.tolist(), strict=True):
            if begin >= count:
                return
            yield begin, begin, begin + min(length, count - begin)

    def most_lags(self, losses: int) -> int:
        """Return the most steps that so many losses can go back, at least one."""
        far = np.cumsum(np.bincount(self.places())[::-1])[::-1]  # characters that go back K or more
        return max(1, int(np.count_nonzero(far >= losses)))

    def too_short(self, lags: int) -> str:
        longest = counted(int(self._lengths.max()) - 1, self.vocabulary.tokens)
        return f"its longest record has {longest}, too few to go back {counted(lags, 'step')}"

    def loss_positions(self, K: int, count: int) -> Array:
        """Return the places of evenly spaced characters with K symbols of their record before them.

        The symbol for its begin counts. There are `count`, or fewer if there are fewer.
        """
        far = np.flatnonzero(self.places() + 1 >= K) + self.start
        chosen = np.linspace(0, len(far) - 1, min(count, len(far)))
        found: Array = far[chosen.astype(np.intp)]
        return found

    def loss_windows(self, positions: Array, K: int, batch: int) -> Iterator[Array]:
        """Yield the codes to read, from zero states, before the losses at some places.

        See `Reading.loss_windows`. Losses equally far from the start of their records are read
        together, each from there.
        """
        before = np.minimum(self.places()[positions - self.start] + 1 - K, _WARM_UP)  # (n,)
        for warm_up in np.unique(before).tolist():
            together = positions[before == warm_up]
            for i in range(0, len(together), batch):
                yield self._before(together[i : i + batch], K + warm_up)


def reading_of(corpus: Corpus, start: int, end: int, most: int | None = None) -> Reading:
    """Return a part of a corpus as views show it.

    Args:
        corpus: a text or records.
        start, end: the part, as `Corpus.split` returns it.
        most: characters of its beginning to read; by default all. Records are read whole, as many
            as have at least so many characters.
    """
    if isinstance(corpus, RecordCorpus):
        return _records(corpus, start, end, most)
    end = end if most is None else min(end, start + most)
    return Reading(corpus, (start, end), start, end)


def _records(corpus: RecordCorpus, start: int, end: int, most: int | None) -> Reading:
    """Copy the records of some ranks, in the order of the file, to a corpus of their own."""
    begins = corpus.starts[start:end].astype(np.intp)
    lengths = corpus.lengths.length[corpus.lengths.run(np.arange(start, end))].astype(np.intp) + 1
    order = np.argsort(begins)
    begins, lengths = begins[order], lengths[order]  # (R,); the end counts
    if most is not None:
        enough = int(np.searchsorted(np.cumsum(lengths), most)) + 1
        begins, lengths = begins[:enough], lengths[:enough]
    first = np.cumsum(lengths) - lengths  # (R,)
    places = np.arange(lengths.sum()) + np.repeat(begins + 1 - first, lengths)
    codes = np.append(corpus.codes[:1], corpus.codes[places])
    codes.flags.writeable = False
    text = EncodedText(codes, corpus.vocabulary, corpus.text_sha256, (len(codes),))
    alone = RecordCorpus.undivided(text)
    of_file = np.searchsorted(np.sort(corpus.starts), begins) + 1
    return RecordReading(alone, alone.everything, 1, len(codes), of_file)
