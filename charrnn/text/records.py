"""A data set of many short sequences, each with a begin and an end: names, molecules, cards.

The records stand one after another in the encoded text, with a symbol of their own between them,
before the first and after the last. A model reads this symbol first, from zero states, and predicts
it last. If a record has a prompt, another symbol divides it from the reply, and only the reply and
its end are scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from charrnn.config.schema import DataConfig, TrainConfig
from charrnn.errors import counted
from charrnn.kernels import Array
from charrnn.text.corpus import Corpus, Units
from charrnn.text.encoding import EncodedText
from charrnn.text.features import FeatureScale, digest_with
from charrnn.text.labels import Labels, early_codes
from charrnn.text.record_index import COUNTED, Lengths, RecordIndex, index_in_memory
from charrnn.text.record_windows import RecordSizes, RecordWindows, backwards
from charrnn.text.windows import ScoringWindow, Segments, TrainingWindows

_SCORED = 1 << 14  # symbols of a window of scoring
_LONGEST_WINDOW = 64  # steps of it
_LOGITS = 1 << 24  # of it, at most
_COUNTED = 1 << 14  # records whose prompts are measured together
_SEARCHED = 64  # symbols in which the ends of prompts are looked for together


@dataclass(frozen=True)
class RecordCorpus(Corpus):
    """Encoded records. The ranks order them by part, then by length, then by place in the text.

    `train_end` and `middle_end` are ranks.
    """

    starts: Array  # (R,), place of the symbol before each record, by rank
    lengths: Lengths
    repeats: int  # records that occurred before
    predicted: tuple[int, int, int]  # symbols of replies, ends included, in each part
    drawn_by: str | None
    known: Labels
    scores_prompts: bool = False  # whether scoring windows have prompts too
    features: Array | None = None  # (R, F) float32, standardised, by rank
    scaled_by: FeatureScale | None = None  # if a training part of them defines it

    @classmethod
    def of(
        cls,
        text: EncodedText,
        index: RecordIndex,
        values: Array | None = None,
        *,
        reverse_prompts: bool | None = None,
    ) -> RecordCorpus:
        """Return the records of an encoded text.

        Args:
            text: with the records.
            index: of the records.
            reverse_prompts: whether a model reads prompts backwards; None: if neither prompts nor
                replies are labels.
            values: features (R, F) float64 of the records in the order of the text; those of the
                training part define their scale.
        """
        scale, features, sha256 = None, None, text.sha256
        if values is not None:
            numbers = _numbers(index.starts)
            scale = FeatureScale.of(values[numbers[: index.ends[0]]])
            features, sha256 = scale.standardised(values)[numbers], digest_with(sha256, values)
        vocabulary, known = text.vocabulary, Labels.at(index.label_places, text)
        if vocabulary.prompt_end is not None:
            if reverse_prompts is None:
                reverse_prompts = known.side is None
            vocabulary = vocabulary.reading(reverse_prompts=reverse_prompts)
        return cls(
            text.codes,
            vocabulary,
            sha256,
            *index.ends[:2],
            starts=index.starts,
            lengths=index.lengths,
            repeats=index.repeats,
            predicted=index.predicted,
            drawn_by=index.split_by,
            known=known,
            features=features,
            scaled_by=scale,
        )

    @classmethod
    def undivided(cls, text: EncodedText, features: Array | None = None) -> RecordCorpus:
        """Return the records of an encoded text as one part.

        Args:
            text: with the records.
            features: (R, F) float32 of the records in the order of the text, standardised.
        """
        data = DataConfig("", valid_fraction=0.0, test_fraction=0.0)
        reverse = text.vocabulary.reverse_prompts
        found = cls.of(text, index_in_memory(text, data), reverse_prompts=reverse)
        if features is None:
            return found
        return replace(found, features=features[_numbers(found.starts)])

    @property
    def summary(self) -> str:
        tokens, R = self.vocabulary.tokens, len(self.starts)
        symbols = len(self.codes) - 1 - R * (len(self.vocabulary) - self.vocabulary.size)
        size = f"{counted(R, 'record')} of {counted(symbols, tokens)}"
        size += f" ({self.vocabulary.size:,} distinct)"
        for side, labels in zip(("prompt", "label"), self.labels, strict=True):
            size += f", {counted(len(labels), side)}" if labels else ""
        size += f", {counted(self.F, 'feature')} each" if self.F else ""
        about = "about " if R > COUNTED else ""
        return f"{size}, {about}{self.repeats:,} of them repeats" if self.repeats else size

    @property
    def units(self) -> Units:
        return Units(part="record", row="record", step="symbol")

    @property
    def everything(self) -> tuple[int, int]:
        return 0, len(self.starts)

    def scored(self, start: int, end: int) -> int:
        symbols = self.sizes.symbols(start, end)
        if self.vocabulary.prompt_end is None:
            return symbols
        bounds = (0, *self.cut_points, len(self.starts))
        if start in bounds and end in bounds:
            parts = zip(bounds[:-1], bounds[1:], self.predicted, strict=True)
            return sum(size for first, last, size in parts if start <= first and last <= end)
        return symbols - int(self.prompts(np.arange(start, end)).sum())

    def prompt_codes(self, ranks: Array) -> list[Array]:
        """Return the codes of the prompts of records (n,), as they are read, begin and end too."""
        starts = self.starts[ranks].astype(np.intp)
        bounds = zip(starts.tolist(), (starts + self.prompts(ranks)).tolist(), strict=True)
        found = [self.codes[start : last + 1] for start, last in bounds]
        if self.vocabulary.reverse_prompts:
            return [np.concatenate([one[:1], one[-2:0:-1], one[-1:]]) for one in found]
        return found

    def reply_codes(self, ranks: Array) -> list[Array]:
        """Return the codes of the replies of records (n,), without their ends."""
        starts = self.starts[ranks].astype(np.intp) + 1
        ends = starts + self.lengths.length[self.lengths.run(ranks)]
        bounds = zip((starts + self.prompts(ranks)).tolist(), ends.tolist(), strict=True)
        return [self.codes[first:end] for first, end in bounds]

    def prompts(self, ranks: Array) -> Array:
        """Return the number of symbols of the prompts of records (n,), with their ends."""
        found = np.zeros(len(ranks), np.intp)
        if self.vocabulary.prompt_end is not None:
            for k in range(0, len(ranks), _COUNTED):
                found[k : k + _COUNTED] = self._prompts(ranks[k : k + _COUNTED])
        return found

    def _prompts(self, ranks: Array) -> Array:
        """Return the same of so few records that a matrix of their symbols fits into memory."""
        found = np.zeros(len(ranks), np.intp)
        starts = self.starts[ranks].astype(np.intp)
        left = np.arange(len(ranks))  # records whose prompt has not ended yet
        for first in range(1, len(self.codes), _SEARCHED):
            places = starts[left, None] + np.arange(first, first + _SEARCHED)
            places = np.minimum(places, len(self.codes) - 1)
            ends = self.codes[places] == self.vocabulary.prompt_end  # (left, _SEARCHED)
            found[left] = first + ends.argmax(1)
            left = left[~ends.any(1)]
            if not len(left):
                break
        return found

    @property
    def sizes(self) -> RecordSizes:
        ends = (*self.cut_points, len(self.starts))
        has_prompts = self.vocabulary.prompt_end is not None
        return RecordSizes(self.lengths, ends, has_prompts, self.labels.side, self.F > 0)

    @property
    def split_by(self) -> str | None:
        return self.drawn_by

    @property
    def reverse_prompts(self) -> bool | None:
        return None if self.vocabulary.prompt_end is None else self.vocabulary.reverse_prompts

    @property
    def labels(self) -> Labels:
        return self.known

    @property
    def F(self) -> int:  # noqa: N802 - the letter of the dimension key
        return 0 if self.features is None else int(self.features.shape[1])

    @property
    def scale(self) -> FeatureScale | None:
        return self.scaled_by

    def features_of(self, ranks: Array | int) -> Array | None:
        """Return the features, (n, F) or (F,), of records, standardised; None without."""
        return None if self.features is None else self.features[ranks]

    @property
    def arrays(self) -> dict[str, Array]:
        features = {} if self.features is None else {"features": self.features}
        return {"codes": self.codes, "starts": self.starts, **features}

    @property
    def longest_record(self) -> int:
        return self.sizes.longest_record

    def training_windows(self, train: TrainConfig, seed: int) -> TrainingWindows:
        replies = self.scored(0, self.train_end)
        return RecordWindows(
            self.codes,
            self.starts,
            self.sizes,
            self.prompts,
            replies,
            early_codes(self.labels.replies),
            train,
            seed,
            self.features,
            reverse_prompts=self.vocabulary.reverse_prompts,
        )

    def scoring_windows(
        self, start: int, end: int, share: tuple[int, int] = (0, 1)
    ) -> Iterator[ScoringWindow]:
        """Yield the windows in which the records of some ranks are scored, or a share of them."""
        most = max(1, _LOGITS // len(self.vocabulary))
        while start < end:
            run = int(self.lengths.run(np.array(start)))
            shortest = int(self.lengths.length[run]) + 1
            T = min(shortest, _LONGEST_WINDOW, most)
            stop = min(end, start + max(1, min(_SCORED, most) // T))
            # Rows of records that are much shorter would read on, unscored, for most windows.
            symbols = self.lengths.length[run:] + 1
            unlike = (symbols < shortest) | (symbols > 2 * max(shortest, _LONGEST_WINDOW))
            if unlike.any():
                stop = min(stop, int(self.lengths.end[run + int(unlike.argmax()) - 1]))
            yield from self._scored_together(start, stop, share)
            start = stop

    def _scored_together(
        self, start: int, end: int, share: tuple[int, int]
    ) -> Iterator[ScoringWindow]:
        (k, K), N = share, end - start
        ranks = np.arange(start + N * k // K, start + N * (k + 1) // K)
        length = self.lengths.length[self.lengths.run(ranks)].astype(np.intp)
        first_run, last_run = self.lengths.run(np.array([start, end - 1]))
        longest = int(self.lengths.length[first_run : last_run + 1].max()) + 1
        T = max(1, min(_LONGEST_WINDOW, _LOGITS // (N * len(self.vocabulary))))
        fresh = np.ones(len(ranks), np.bool_)
        prompts = self.prompts(ranks)
        unscored = np.zeros_like(prompts) if self.scores_prompts else prompts
        for t0 in range(0, longest, T):
            t = np.arange(t0, min(t0 + T, longest) + 1)[:, None]  # (T + 1, 1)
            places = np.minimum(t, length + 1)
            if self.vocabulary.reverse_prompts:
                places = backwards(places, prompts)
            positions = self.starts[ranks].astype(np.intp) + places
            codes = self.codes[positions].astype(np.intp)
            scored = (t[1:] <= length + 1) & (t[1:] > unscored)
            begin = (fresh, self.features_of(ranks)) if t0 == 0 else (None, None)
            yield ScoringWindow(codes[:-1], codes[1:], positions[1:], scored, *begin)

    def stretches(self, start: int, end: int, most: int) -> RecordCorpus:
        """Return records of some ranks, evenly spaced, with most symbols in all, alone."""
        symbols = self.sizes.symbols(start, end)
        count = max(1, (end - start) * min(most, symbols) // symbols)
        ranks = start + ((np.arange(count) + 0.5) * (end - start) / count).astype(np.intp)
        starts = self.starts[ranks].astype(np.intp)
        lengths = self.lengths.length[self.lengths.run(ranks)] + 1  # (count,), with their ends
        pairs = zip(starts.tolist(), (starts + lengths).tolist(), strict=True)
        records = [self.codes[first + 1 : last + 1] for first, last in pairs]
        codes = np.concatenate([self.codes[:1], *records])
        codes.flags.writeable = False
        text = EncodedText(codes, self.vocabulary, self.text_sha256, (len(codes),))
        return RecordCorpus.undivided(text, self.features_of(ranks))

    def segments(self, start: int, end: int) -> Segments:
        starts = self.starts[start:end].astype(np.intp)
        order = np.argsort(starts)
        length = self.lengths.length[self.lengths.run(np.arange(start, end))]
        first = starts[order] + 1
        with_prompts = self.vocabulary.prompt_end is not None
        prompts = self.prompts(start + order) if with_prompts else None
        return Segments(first, first + length[order], prompts)


def _numbers(starts: Array) -> Array:
    """Return the number of each record in the order of the text, from 0, by rank (R,)."""
    numbers: Array = np.empty(len(starts), np.intp)
    numbers[starts.argsort()] = np.arange(len(starts))
    return numbers
