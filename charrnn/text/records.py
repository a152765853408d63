"""A data set of many short sequences, each with a begin and an end: names, molecules, cards.

The records stand one after another in the encoded text, with a symbol of their own between them,
before the first and after the last. A model reads this symbol first, from zero states, and predicts
it last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import DataConfig, TrainConfig
from charrnn.errors import counted
from charrnn.kernels import Array
from charrnn.text.corpus import Corpus, Units
from charrnn.text.encoding import EncodedText
from charrnn.text.record_index import COUNTED, Lengths, RecordIndex, index_in_memory
from charrnn.text.shuffle import shuffled
from charrnn.text.vocabulary import SYMBOLS
from charrnn.text.windows import ScoringWindow, Segments, TrainingWindows, Window

_SCORED = 1 << 14  # symbols of a window of scoring
_LONGEST_WINDOW = 64  # steps of it
_LOGITS = 1 << 24  # of it, at most
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

    @classmethod
    def of(cls, text: EncodedText, index: RecordIndex) -> RecordCorpus:
        """Return the records of an encoded text."""
        starts, lengths, ends, repeats = index
        return cls(text.codes, text.vocabulary, text.sha256, *ends[:2], starts, lengths, repeats)

    @classmethod
    def undivided(cls, text: EncodedText) -> RecordCorpus:
        """Return the records of an encoded text as one part."""
        data = DataConfig("", valid_fraction=0.0, test_fraction=0.0)
        return cls.of(text, index_in_memory(text, data))

    @property
    def summary(self) -> str:
        tokens, R = self.vocabulary.tokens, len(self.starts)
        size = f"{counted(R, 'record')} of {counted(len(self.codes) - R - 1, tokens)}"
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
        return self.sizes.symbols(start, end)

    @property
    def sizes(self) -> RecordSizes:
        return RecordSizes(self.lengths, (*self.cut_points, len(self.starts)))

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
        for t0 in range(0, longest, T):
            t = np.arange(t0, min(t0 + T, longest) + 1)[:, None]  # (T + 1, 1)
            positions = self.starts[ranks].astype(np.intp) + np.minimum(t, length + 1)
            codes = self.codes[positions].astype(np.intp)
            scored = t[1:] <= length + 1
            yield ScoringWindow(
                codes[:-1], codes[1:], positions[1:], scored, fresh if t0 == 0 else None
            )

    def segments(self, start: int, end: int) -> Segments:
        starts = self.starts[start:end].astype(np.intp)
        order = np.argsort(starts)
        length = self.lengths.length[self.lengths.run(np.arange(start, end))]
        first = starts[order] + 1
        return Segments(first, first + length[order])


class RecordSizes(NamedTuple):
    """The sizes of records."""

    lengths: Lengths
    ends: tuple[int, int, int]  # ranks where the parts end

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
        self._scale = self.windows / corpus.sizes.train
        self._epoch = -1

    def weight(self, step: int) -> int:
        batch, index, _ = self._place(step)
        left = self._length(self._ranks(batch, slice(None))) + 1 - index * self._T
        return int(np.clip(left, 0, self._T).sum())

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
        starts = self._corpus.starts[self._in_order(np.maximum(ranks, 0), epoch)].astype(np.intp)
        first = index * self._T
        steps = np.arange(first, min(first + self._T, self._longest[batch]) + 1)[
            :, None
        ]  # (T + 1, 1)
        codes = self._corpus.codes[starts + np.minimum(steps, np.maximum(length, 0) + 1)]
        weights = (steps[1:] <= length + 1).astype(np.float32)
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


def with_ends(
    files: Iterable[Iterable[Array]], config: DataConfig, *, first: bool = True
) -> Iterator[Array]:
    """Yield the symbols of files, with an end symbol before and after each record.

    Args:
        files: pieces of symbols (n,) for each file.
        config: whether records are lines or paragraphs.
        first: whether no other records come before, whose last end symbol is the first one here.
    """
    if first:
        yield np.array([SYMBOLS[config.tokens]], np.uint32)
    for pieces in files:
        yield from _split(pieces, config)


def _split(pieces: Iterable[Array], config: DataConfig) -> Iterator[Array]:
    """Yield the symbols of a text with an end symbol after each record.

    A line is a record, or a paragraph between blank lines. Lines without a visible symbol are
    blank; they are no records.

    Args:
        pieces: of the text, (n,) symbols each.
        config: whether records are lines or paragraphs.
    """
    end, nothing = SYMBOLS[config.tokens], np.empty(0, np.uint32)
    waiting: list[Array] = []  # pieces since the last whole line
    for piece, final in chain(((one, False) for one in pieces), [(nothing, True)]):
        waiting.append(piece.astype(np.uint32))
        if not final and not (piece == _NEWLINE).any():
            continue
        symbols = np.concatenate(waiting)
        if final and len(symbols) and symbols[-1] != _NEWLINE:
            symbols = np.append(symbols, np.uint32(_NEWLINE))
        newlines = np.flatnonzero(symbols == _NEWLINE)
        done = len(newlines) if final else max(0, len(newlines) - 1)  # the last line waits
        cut = int(newlines[done - 1]) + 1 if done else 0
        lines, ends, waiting = symbols[:cut].copy(), newlines[:done], [symbols[cut:]]
        if not done:
            continue
        first = np.concatenate([[0], ends[:-1] + 1])
        visible = ~_is_space(lines[first])
        if not visible.all():
            visible = np.logical_or.reduceat(~_is_space(lines), first)
        if config.records == "paragraph":
            next_end = int(newlines[done]) if done < len(newlines) else len(symbols)
            next_visible = not _is_space(symbols[cut:next_end]).all() and not final
            closed = ~np.append(visible[1:], next_visible)
        else:
            closed = np.ones(done, np.bool_)
        lines[ends[closed]] = end
        if visible.all():
            yield lines
        elif visible.any():
            yield lines[np.repeat(visible, np.diff(np.append(first, cut)))]


def _is_space(symbols: Array) -> Array:
    """Return which of (n,) symbols leave a line blank."""
    spaces: Array = np.isin(symbols, _SPACES)
    return spaces


SEPARATORS = {"line": "\n", "paragraph": "\n\n"}  # between records
_NEWLINE = ord("\n")
_SPACES = np.array([ord(c) for c in " \t\n\r\v\f\xa0\u3000"], np.uint32)
