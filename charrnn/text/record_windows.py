"""Records in training: rows side by side, each a record, read in windows of T steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import TrainConfig
from charrnn.kernels import Array
from charrnn.text.labels import Side
from charrnn.text.record_index import Lengths
from charrnn.text.shuffle import shuffled
from charrnn.text.windows import EarlyTargets, Window

_BATCHES = 2  # in the seed of the order of an epoch's batches
_ROWS = 3  # in the seed of the order of records of one length


class RecordSizes(NamedTuple):
    """The sizes of records."""

    lengths: Lengths
    ends: tuple[int, int, int]  # ranks where the parts end
    prompts: bool = False  # whether records have prompts
    labels: Side | None = None  # the side that are labels, the reply's if both are
    features: bool = False  # whether records have features

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
        """T, unless records are shorter: from the end, a gradient reaches prompt and features."""
        return 400 if self.prompts or self.features else 80

    def most_steps(self, batch_size: int | None, workers: int) -> int:
        """Return the symbols of the longest record; more steps would have nothing to read."""
        del batch_size, workers
        return self.longest_record + 1

    def rows(self, symbols: int, T: int) -> int:
        """Return the number of records in a step, at least that of the streams of a text.

        They have about half as many symbols in a window of T steps as a step of a text: records
        learn more from more steps.
        """
        n = self.ends[0]
        rows = max(symbols // 80, round(symbols / 2 / min(T, self.train / n)))
        return max(1, min(rows, n // 8))

    def symbols(self, start: int, end: int) -> int:
        """Return the symbols of the records of some ranks, ends included."""
        first = np.clip(np.append(0, self.lengths.end[:-1]), start, end)
        count = np.clip(self.lengths.end, start, end) - first
        return int(count @ (self.lengths.length + 1))


def backwards(steps: Array, prompts: Array) -> Array:
    """Return the places in their records of what is read at some steps, prompts backwards.

    Args:
        steps: (T, n), places of what is read if prompts are read forwards.
        prompts: (n,), symbols of each prompt, with its end.
    """
    found: Array = np.where((steps > 0) & (steps < prompts), prompts - steps, steps)
    return found


class RecordWindows:
    """The training part as N rows side by side, in windows of T steps, each row a record.

    A step's rows hold records of like length. A batch of N records is read from its start to the
    end of its longest record, which may take several windows; a row that is at its end before
    repeats it with weight 0. In each epoch, records of equal length change places, and the batches
    come in another order. How many windows an epoch has does not change.

    Where prompts are long, the gradient of a label hardly reaches their beginning. With early
    targets, a symbol of the label is predicted at each symbol of the prompt, too: target
    replication (Lipton et al., "Learning to Diagnose with LSTM Recurrent Neural Networks", 2016).

    Args:
        codes: (n,), the encoded records.
        starts: (R,), place of the symbol before each record, by rank.
        sizes: of the records.
        prompts: returns the number of symbols of the prompts of ranks (n,), with their ends.
        replies: symbols that an epoch scores, ends included.
        labels: the symbol of each label as an early target; of other replies it is the first.
        train: configuration of the training.
        seed: of the orders; with fixed streams, every epoch has the same.
        features: (R, F) of the records by rank, standardised; None: none.
        reverse_prompts: whether prompts are read backwards.
    """

    def __init__(
        self,
        codes: Array,
        starts: Array,
        sizes: RecordSizes,
        prompts: Callable[[Array], Array],
        replies: int,
        labels: Mapping[bytes, int],
        train: TrainConfig,
        seed: int,
        features: Array | None = None,
        *,
        reverse_prompts: bool = False,
    ) -> None:
        self._features, self._reverse_prompts = features, reverse_prompts
        self._codes, self._starts, self._sizes, self._prompts = codes, starts, sizes, prompts
        self._labels = labels
        self._N, self._T, self._seed = train.batch_size, train.seq_length, seed
        self._fresh = train.streams == "fresh"
        self._longest = sizes.longest(self._N)  # (batches,)
        self._windows_of = sizes.windows_of_batches(self._N, self._T)  # (batches,)
        self.windows = int(self._windows_of.sum())
        self._prompt_weight = train.prompt_weight or 0.0
        self._early_weight = train.early_weight or 0.0
        self._scale = self.windows / (replies + self._prompt_weight * (sizes.train - replies))
        self._epoch = -1

    def symbols(self, step: int) -> int:
        batch, index, _ = self._place(step)
        left = self._length(self._ranks(batch, slice(None))) + 1 - index * self._T
        return int(np.clip(left, 0, self._T).sum())

    def weight(self, step: int) -> float:
        symbols = self.symbols(step)
        if not self._sizes.prompts:
            return symbols
        batch, index, epoch = self._place(step)
        ranks = self._ranks(batch, slice(None))
        ranks = self._in_order(ranks[ranks >= 0], epoch)
        prompts = np.clip(self._prompts(ranks) - index * self._T, 0, self._T).sum()
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
        starts = self._starts[read].astype(np.intp)
        first = index * self._T
        steps = np.arange(first, min(first + self._T, self._longest[batch]) + 1)[
            :, None
        ]  # (T + 1, 1)
        places = np.minimum(steps, np.maximum(length, 0) + 1)  # (T + 1, n)
        prompts = self._prompts(read) if self._sizes.prompts else np.zeros_like(starts)
        if self._reverse_prompts:
            places = backwards(places, prompts)
        codes = self._codes[starts + places]
        weights, early = (steps[1:] <= length + 1).astype(np.float32), None
        if self._sizes.prompts:
            in_prompt = steps[1:] <= prompts
            if self._early_weight:
                early_codes = self._early_codes(starts + prompts + 1, starts + length + 1)
                shares = np.float32(self._early_weight) / np.maximum(1, prompts - 1)
                shares = (weights * (in_prompt & (steps[1:] > 1)) * shares).astype(np.float32)
                early = EarlyTargets(early_codes, shares)
            weights[in_prompt] *= np.float32(self._prompt_weight)
        inputs, targets = (some.astype(np.intp) for some in (codes[:-1], codes[1:]))
        features = None if self._features is None or index else self._features[read]
        return Window(inputs, targets, weights, fresh=index == 0, early=early, features=features)

    def _early_codes(self, first: Array, last: Array) -> Array:
        """Return the early targets (n,) intp of replies from places to others (n,)."""
        bounds = zip(first.tolist(), last.tolist(), strict=True)
        codes = self._codes
        return np.array(
            [self._labels.get(codes[start:end].tobytes(), codes[start]) for start, end in bounds],
            np.intp,
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
        return np.where(ranks < self._sizes.ends[0], ranks, -1)

    def _length(self, ranks: Array) -> Array:
        """Return the lengths of records, -1 for a row without one, of which nothing is scored."""
        lengths = self._sizes.lengths
        found = lengths.length[lengths.run(np.maximum(ranks, 0))].astype(np.intp)
        return np.where(ranks < 0, -1, found)

    def _in_order(self, ranks: Array, epoch: int) -> Array:
        """Return the ranks of the records that take these places in an epoch."""
        lengths, found = self._sizes.lengths, ranks.copy()
        runs = lengths.run(ranks)
        for run in np.unique(runs).tolist():
            mine = runs == run
            first = int(lengths.end[run - 1]) if run else 0
            seed = [self._seed, epoch, _ROWS, run]
            found[mine] = first + shuffled(ranks[mine] - first, int(lengths.end[run]) - first, seed)
        return found  # type: ignore[no-any-return]
