"""A part of records as views show it, like a part of a text (`charrnn.text.reading`).

Records stand in `Reading.codes` one after another in the order of the file, each followed by its
end, which is also where the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from charrnn.errors import counted
from charrnn.kernels import Array
from charrnn.text.corpus import Corpus
from charrnn.text.encoding import EncodedText
from charrnn.text.reading import WARM_UP, Reading
from charrnn.text.record_index import places_of
from charrnn.text.record_windows import backwards
from charrnn.text.records import RecordCorpus
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.windows import ScoringWindow


@dataclass(frozen=True)
class RecordReading(Reading):
    """Records of a part, as a corpus of their own."""

    of_file: Array  # (R,), number of each record in its file, from 1

    numbered = "record"

    @property
    def size(self) -> tuple[int, str]:
        return len(self.of_file), "record"

    @cached_property
    def _begins(self) -> Array:
        """Places of the symbol before each record, in the order of the file, (R,)."""
        return np.flatnonzero(self.codes[:-1] == self.vocabulary.end)

    @cached_property
    def _lengths(self) -> Array:
        """Symbols of each record, its end included, (R,)."""
        return np.diff(self._begins, append=self.end - 1)

    @cached_property
    def _prompts(self) -> Array:
        """Symbols of each record before its reply, the end of the prompt included, (R,)."""
        prompt_end = self.vocabulary.prompt_end
        if prompt_end is None:
            return np.zeros_like(self._begins)
        return np.flatnonzero(self.part == prompt_end) + 1 - self._begins

    def _record_of(self, positions: Array) -> Array:
        """Return the record, from 0, of characters (n,) of the part."""
        # The symbol before the first character of a part has the place 0.
        return np.searchsorted(self._begins, positions, side="right") - 1

    def windows_read(self, share: tuple[int, int] = (0, 1)) -> Iterator[ScoringWindow]:
        assert isinstance(self.corpus, RecordCorpus)
        corpus = replace(self.corpus, scores_prompts=True)
        return corpus.scoring_windows(*self.bounds, share)

    def numbers(self, positions: Array) -> Array:
        """Return the number in its file, from 1, of each character's record, (n,)."""
        return self.of_file[self._record_of(positions)]

    def places(self, positions: Array) -> Array:
        """Return the place in its record, from 0, of each character, (n,)."""
        places: Array = positions - self._begins[self._record_of(positions)]
        return places

    def extents(self, positions: Array) -> tuple[Array, Array]:
        records = self._record_of(positions)
        first = self._begins[records]
        return first, first + self._lengths[records]

    def stretches(self, count: int, lead: int) -> Iterator[tuple[int, int, int]]:
        del lead
        for begin, length in zip(self._begins.tolist(), self._lengths.tolist(), strict=True):
            if begin >= count:
                return
            yield begin, begin, begin + min(length, count - begin)

    @cached_property
    def _features(self) -> Array | None:
        """Features of each record, in the order of the file, (R, F)."""
        assert isinstance(self.corpus, RecordCorpus)
        return self.corpus.features_of(self.corpus.starts.argsort())

    def features_at(self, begins: Array) -> Array | None:
        features = self._features
        return None if features is None else features[self._begins.searchsorted(begins)]

    def most_lags(self, losses: int) -> int:
        """Return the most steps that so many losses can go back, at least one."""
        most = int(self._lengths.max())
        with_symbol, in_prompt = (  # records of k symbols or more, and those whose prompt has them
            np.bincount(sizes, minlength=most + 1)[::-1].cumsum()[::-1]
            for sizes in (self._lengths, self._prompts)
        )
        far = (with_symbol - in_prompt)[1:][::-1].cumsum()[::-1]  # those that go back K or more
        return max(1, int(np.count_nonzero(far >= losses)))

    def too_short(self, lags: int) -> str:
        longest = counted(int(self._lengths.max()) - 1, self.vocabulary.tokens)
        return f"its longest record has {longest}, too few to go back {counted(lags, 'step')}"

    def loss_positions(self, K: int, count: int) -> Array:
        """Return the places of evenly spaced characters with K symbols of their record before them.

        The symbol for its begin counts. There are `count`, or fewer if there are fewer.
        """
        first = np.maximum(self._prompts, K - 1)  # (R,), place in its record
        far = np.maximum(self._lengths - first, 0).cumsum()  # (R,), up to the end of each record
        total = int(far[-1])
        chosen = np.linspace(0, total - 1, min(count, total)).astype(np.intp)
        ends = self._begins + self._lengths
        record = np.searchsorted(far, chosen, side="right")
        found: Array = self.start + ends[record] - (far[record] - chosen)
        return found

    def loss_windows(
        self, positions: Array, K: int, batch: int
    ) -> Iterator[tuple[Array, Array | None]]:
        """Yield the codes to read, from zero states, before the losses at some places.

        See `Reading.loss_windows`. Losses equally far from the start of their records are read
        together, each from there; those of records with features always.
        """
        before = self.places(positions - self.start) + 1 - K  # (n,)
        if self._features is None:
            before = np.minimum(before, WARM_UP)
        for warm_up in np.unique(before).tolist():
            together = positions[before == warm_up]
            for i in range(0, len(together), batch):
                some = together[i : i + batch]
                codes = self._before(some, K + warm_up)
                yield codes, self.features_at(some - (len(codes) - 1))


def reading_of(
    corpus: Corpus, start: int, end: int, most: int | None = None, before: int = 0
) -> Reading:
    """Return a part of a corpus as views show it.

    Args:
        corpus: a text or records.
        start, end: the part, as `Corpus.split` returns it.
        most: characters of its beginning to read; by default all. Records are read whole, as many
            as have at least so many characters.
        before: records of another file, before those of the part, that numbers do not count.
    """
    if isinstance(corpus, RecordCorpus):
        return _records(corpus, start, end, most, before)
    end = end if most is None else min(end, start + most)
    return Reading(corpus, (start, end), start, end)


def _records(corpus: RecordCorpus, start: int, end: int, most: int | None, before: int) -> Reading:
    """Copy the records of some ranks, in the order of the file, to a corpus of their own.

    The file is read in blocks, up to the last of these records. What is held beside a block is
    their codes and a few bytes for each record.
    """
    begins, ranks = _begins(corpus, start, end, most)
    whole = EncodedText(corpus.codes, corpus.vocabulary, corpus.text_sha256, (len(corpus.codes),))
    copied, of_file, number = [corpus.codes[:1]], list[Array](), 1 - before
    for places in places_of(whole):  # (r + 1,), of the symbols around records
        here = begins[slice(*begins.searchsorted(places[[0, -1]].astype(begins.dtype)))]  # (m,)
        records = places.searchsorted(here)  # (m,)
        lengths = np.diff(places)  # (r,)
        if most is not None:
            enough = int(lengths[records].cumsum().searchsorted(most)) + 1
            most -= int(lengths[records].sum())
            records = records[:enough]
        taken = np.zeros(len(lengths), np.bool_)
        taken[records] = True
        symbols = corpus.codes[places[0] + 1 : places[-1] + 1]
        copied.append(symbols[np.repeat(taken, lengths)])
        of_file.append((number + records).astype(begins.dtype))
        number += len(lengths)
        if (most is not None and most <= 0) or places[-1] > begins[-1]:
            break
    codes = np.concatenate(copied)
    vocabulary = corpus.vocabulary
    if vocabulary.reverse_prompts:  # views show prompts as they are read
        codes = _with_reversed_prompts(codes, vocabulary)
        vocabulary = vocabulary.reading(reverse_prompts=False)
    codes.flags.writeable = False
    text = EncodedText(codes, vocabulary, corpus.text_sha256, (len(codes),))
    numbers = np.concatenate(of_file)
    alone = RecordCorpus.undivided(text, corpus.features_of(ranks[: len(numbers)]))
    return RecordReading(alone, alone.everything, 1, len(codes), numbers)


def _with_reversed_prompts(codes: Array, vocabulary: Vocabulary) -> Array:
    """Return codes (n,) of records whose prompts are written backwards."""
    begins = np.flatnonzero(codes[:-1] == vocabulary.end)
    ends = np.flatnonzero(codes == vocabulary.prompt_end)
    sizes = np.diff(begins, append=len(codes))
    steps = np.arange(len(codes)) - np.repeat(begins, sizes)  # (n,), places in their records
    places = backwards(steps, np.repeat(ends - begins, sizes))
    return codes[np.repeat(begins, sizes) + places]


def _begins(corpus: RecordCorpus, start: int, end: int, most: int | None) -> tuple[Array, Array]:
    """Return the places of the symbols before records of some ranks, in the order of the file.

    They are all, or at least the first that have so many characters. The second array has their
    ranks.
    """
    some, first = [np.arange(start, end if most is None else start)], start
    for length, stop in zip(*(one.tolist() for one in corpus.lengths), strict=True):
        if most is not None:  # records of one length are in the order of the file
            some.append(np.arange(first, min(stop, end, first + most // (length + 1) + 1)))
            first = max(start, stop)
    ranks = np.concatenate(some)
    begins = corpus.starts[ranks]
    order = begins.argsort()
    return begins[order], ranks[order]
