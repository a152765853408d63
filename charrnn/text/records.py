"""A data set of many short sequences, each with a begin and an end: names, molecules, cards.

The records stand one after another in the encoded text, with a symbol of their own between them,
before the first and after the last. A model reads this symbol first, from zero states, and predicts
it last. If a record has a prompt, another symbol divides it from the reply, and only the reply and
its end are scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import DataConfig, TrainConfig
from charrnn.errors import counted
from charrnn.kernels import Array
from charrnn.text.corpus import Corpus, Units
from charrnn.text.encoding import EncodedText
from charrnn.text.labels import Labels
from charrnn.text.record_index import COUNTED, Lengths, RecordIndex, index_in_memory
from charrnn.text.shuffle import shuffled
from charrnn.text.windows import ScoringWindow, Segments, TrainingWindows, Window

_SCORED = 1 << 14  # symbols of a window of scoring
_LONGEST_WINDOW = 64  # steps of it
_LOGITS = 1 << 24  # of it, at most
_COUNTED = 1 << 16  # records whose prompts are measured together
_SEARCHED = 64  # symbols in which the ends of prompts are looked for together
_BATCHES = 2  # in the seed of the order of an epoch's batches
_ROWS = 3  # in the seed of the order of records of one length


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

    @classmethod
    def of(cls, text: EncodedText, index: RecordIndex) -> RecordCorpus:
        """Return the records of an encoded text."""
        return cls(
            text.codes,
            text.vocabulary,
            text.sha256,
            *index.ends[:2],
            starts=index.starts,
            lengths=index.lengths,
            repeats=index.repeats,
            predicted=index.predicted,
            drawn_by=index.split_by,
            known=Labels.at(index.label_places, text),
        )

    @classmethod
    def undivided(cls, text: EncodedText) -> RecordCorpus:
        """Return the records of an encoded text as one part."""
        data = DataConfig("", valid_fraction=0.0, test_fraction=0.0)
        return cls.of(text, index_in_memory(text, data))

    @property
    def summary(self) -> str:
        tokens, R = self.vocabulary.tokens, len(self.starts)
        symbols = len(self.codes) - 1 - R * (len(self.vocabulary) - self.vocabulary.size)
        size = f"{counted(R, 'record')} of {counted(symbols, tokens)}"
        size += f" ({self.vocabulary.size:,} distinct)"
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
        blocks = (np.arange(k, min(k + _COUNTED, end)) for k in range(start, end, _COUNTED))
        return symbols - sum(int(self.prompts(ranks).sum()) for ranks in blocks)

    def prompt_codes(self, ranks: Array) -> list[Array]:
        starts = self.starts[ranks].astype(np.intp)
        bounds = zip(starts.tolist(), (starts + self.prompts(ranks)).tolist(), strict=True)
        return [self.codes[start : last + 1] for start, last in bounds]

    def reply_codes(self, ranks: Array) -> list[Array]:
        """Return the codes of the replies of records (n,), without their ends."""
        starts = self.starts[ranks].astype(np.intp) + 1
        ends = starts + self.lengths.length[self.lengths.run(ranks)]
        bounds = zip((starts + self.prompts(ranks)).tolist(), ends.tolist(), strict=True)
        return [self.codes[first:end] for first, end in bounds]

    def prompts(self, ranks: Array) -> Array:
        """Return the number of symbols of the prompts of records (n,), with their ends."""
        found = np.zeros(len(ranks), np.intp)
        if self.vocabulary.prompt_end is None:
            return found
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
        return RecordSizes(self.lengths, ends, self.vocabulary.prompt_end is not None)

    @property
    def split_by(self) -> str | None:
        return self.drawn_by

    @property
    def labels(self) -> Labels:
        return self.known

    @property
    def arrays(self) -> dict[str, Array]:
        return {"codes": self.codes, "starts": self.starts}

    @property
    def longest_record(self) -> int:
        return self.sizes.longest_record

    def training_windows(self, train: TrainConfig, seed: int) -> TrainingWindows:
        return RecordWindows(self, train, seed)

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
        prompts = np.zeros(len(ranks)) if self.scores_prompts else self.prompts(ranks)
        for t0 in range(0, longest, T):
            t = np.arange(t0, min(t0 + T, longest) + 1)[:, None]  # (T + 1, 1)
            positions = self.starts[ranks].astype(np.intp) + np.minimum(t, length + 1)
            codes = self.codes[positions].astype(np.intp)
            scored = (t[1:] <= length + 1) & (t[1:] > prompts)
            yield ScoringWindow(
                codes[:-1], codes[1:], positions[1:], scored, fresh if t0 == 0 else None
            )

    def segments(self, start: int, end: int) -> Segments:
        starts = self.starts[start:end].astype(np.intp)
        order = np.argsort(starts)
        length = self.lengths.length[self.lengths.run(np.arange(start, end))]
        first = starts[order] + 1
        with_prompts = self.vocabulary.prompt_end is not None
        prompts = self.prompts(start + order) if with_prompts else None
        return Segments(first, first + length[order], prompts)


class RecordSizes(NamedTuple):
    """The sizes of records."""

    lengths: Lengths
    ends: tuple[int, int, int]  # ranks where the parts end
    prompts: bool = False  # whether records have prompts

    @property
    def train(self) -> int:
        """Symbols that an epoch trains on, ends included."""
        return self.symbols(0, self.ends[0])

    @property
    def others(self) -> tuple[int, int]:
        """Symbols of the validation and of the test part, ends included."""
        return self.symbols(*self.ends[:2]), self.symbols(*self.ends[1:])

    @property
    def longest_record(self) -> int:
        """Symbols of the longest record of the training part, without its end."""
        return int(self.lengths.length[self.lengths.run(np.array(self.ends[0] - 1))])

    def windows_in_epoch(self, train: TrainConfig) -> int:
        """Return the number of steps in which each record of the training part is read once."""
        return int(self.windows_of_batches(train.batch_size, train.seq_length).sum())

    def epochs_in(self, steps: int, train: TrainConfig) -> float:
        """Return how often so many steps read the training part."""
        return steps / self.windows_in_epoch(train)

    def windows_of_batches(self, N: int, T: int) -> Array:
        """Return the number of windows of each batch of N records of the training part."""
        return -(-self.longest(N) // T)

    def longest(self, N: int) -> Array:
        """Return the symbols of the longest record of each batch, its end included."""
        n = self.ends[0]
        last = np.minimum(np.arange(N, n + N, N), n) - 1  # (batches,), rank
        longest: Array = self.lengths.length[self.lengths.run(last)].astype(np.intp) + 1
        return longest

    @property
    def long_window(self) -> int:
        """T, unless records are shorter: from the end of a reply, a gradient reaches its prompt."""
        return 400 if self.prompts else 80

    def most_steps(self, batch_size: int | None, workers: int) -> int:
        """Return the symbols of the longest record; more steps would have nothing to read."""
        del batch_size, workers
        return self.longest_record + 1

    def rows(self, symbols: int, T: int) -> int:
        """Return the number of records that have about so many symbols in a window of T steps."""
        n = self.ends[0]
        return max(1, min(round(symbols / min(T, self.train / n)), n // 8))

    def symbols(self, start: int, end: int) -> int:
        """Return the symbols of the records of some ranks, ends included."""
        first = np.clip(np.append(0, self.lengths.end[:-1]), start, end)
        count = np.clip(self.lengths.end, start, end) - first
        return int(count @ (self.lengths.length + 1))


class RecordWindows:
    """The training part as N rows side by side, in windows of T steps, each row a record.

    A step's rows hold records of like length. A batch of N records is read from its start to the
    end of its longest record, which may take several windows; a row that is at its end before
    repeats it with weight 0. In each epoch, records of equal length change places, and the batches
    come in another order. How many windows an epoch has does not change.

    Args:
        corpus: the records.
        train: configuration of the training.
        seed: of the orders; with fixed streams, every epoch has the same.
    """

    def __init__(self, corpus: RecordCorpus, train: TrainConfig, seed: int) -> None:
        self._corpus = corpus
        self._N, self._T, self._seed = train.batch_size, train.seq_length, seed
        self._fresh = train.streams == "fresh"
        self._longest = corpus.sizes.longest(self._N)  # (batches,)
        self._windows_of = corpus.sizes.windows_of_batches(self._N, self._T)  # (batches,)
        self.windows = int(self._windows_of.sum())
        replies = corpus.scored(0, corpus.train_end)
        self._prompt_weight = train.prompt_weight
        self._scale = self.windows / (
            replies + self._prompt_weight * (corpus.sizes.train - replies)
        )
        self._epoch = -1

    def symbols(self, step: int) -> int:
        batch, index, _ = self._place(step)
        left = self._length(self._ranks(batch, slice(None))) + 1 - index * self._T
        return int(np.clip(left, 0, self._T).sum())

    def weight(self, step: int) -> float:
        symbols = self.symbols(step)
        if self._corpus.vocabulary.prompt_end is None:
            return symbols
        batch, index, epoch = self._place(step)
        ranks = self._ranks(batch, slice(None))
        ranks = self._in_order(ranks[ranks >= 0], epoch)
        prompts = np.clip(self._corpus.prompts(ranks) - index * self._T, 0, self._T).sum()
        return symbols - (1 - self._prompt_weight) * float(prompts)

    def scale(self, step: int) -> float:
        """Return the same factor for all steps: 1 / the mean of their weights.

        So each symbol counts the same. With a mean over the symbols of each step, those of short
        records, whose steps have few symbols, would count for more, and the model would be worse.
        """
        del step
        return self._scale

    def window(self, step: int, rows: slice = slice(None)) -> Window:
        batch, index, epoch = self._place(step)
        ranks = self._ranks(batch, rows)
        length = self._length(ranks)
        read = self._in_order(np.maximum(ranks, 0), epoch)
        starts = self._corpus.starts[read].astype(np.intp)
        first = index * self._T
        steps = np.arange(first, min(first + self._T, self._longest[batch]) + 1)[
            :, None
        ]  # (T + 1, 1)
        codes = self._corpus.codes[starts + np.minimum(steps, np.maximum(length, 0) + 1)]
        weights = (steps[1:] <= length + 1).astype(np.float32)
        if self._corpus.vocabulary.prompt_end is not None:
            in_prompt = steps[1:] <= self._corpus.prompts(read)
            weights[in_prompt] *= np.float32(self._prompt_weight)
        return Window(
            codes[:-1].astype(np.intp), codes[1:].astype(np.intp), weights, fresh=index == 0
        )

    def _place(self, step: int) -> tuple[int, int, int]:
        """Return the batch of a step, the number of the window in it, and the seed's epoch."""
        epoch, place = divmod(step, self.windows)
        epoch = epoch if self._fresh else 0
        if epoch != self._epoch:
            rng = np.random.default_rng([self._seed, epoch, _BATCHES])
            self._order = rng.permutation(len(self._windows_of))
            self._ends = np.cumsum(self._windows_of[self._order])
            self._epoch = epoch
        at = int(np.searchsorted(self._ends, place, side="right"))
        batch = int(self._order[at])
        return batch, place - int(self._ends[at] - self._windows_of[batch]), epoch

    def _ranks(self, batch: int, rows: slice) -> Array:
        """Return the ranks of a batch's records; -1 where the last batch has none."""
        ranks = batch * self._N + np.arange(self._N)[rows]
        return np.where(ranks < self._corpus.train_end, ranks, -1)

    def _length(self, ranks: Array) -> Array:
        """Return the lengths of records, -1 for a row without one, of which nothing is scored."""
        lengths = self._corpus.lengths
        found = lengths.length[lengths.run(np.maximum(ranks, 0))].astype(np.intp)
        return np.where(ranks < 0, -1, found)

    def _in_order(self, ranks: Array, epoch: int) -> Array:
        """Return the ranks of the records that take these places in an epoch."""
        lengths, found = self._corpus.lengths, ranks.copy()
        runs = lengths.run(ranks)
        for run in np.unique(runs).tolist():
            mine = runs == run
            first = int(lengths.end[run - 1]) if run else 0
            seed = [self._seed, epoch, _ROWS, run]
            found[mine] = first + shuffled(ranks[mine] - first, int(lengths.end[run]) - first, seed)
        return found  # type: ignore[no-any-return]
