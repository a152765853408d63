"""Cut a text into parallel streams, and read these in windows: for training, and for scoring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import TrainConfig
from charrnn.kernels import Array
from charrnn.text.windows import ScoringWindow, Window

STREAMS = 64  # of scoring, at most; a short text has fewer
WARM_UP = 256  # characters that a stream reads before its part
WINDOW = 64  # steps of scoring, at most
_LOGITS = 1 << 24  # of such a window, at most, unless one step of one stream has more
_MIN_T = 16  # steps, if the training part has room
_OFFSET = 1  # in the seed of an epoch's offset, so that no sample is drawn with the same seed


class TextSizes(NamedTuple):
    """The sizes of a text."""

    train: int  # characters of the training part
    others: tuple[int, int]  # of the validation and of the test part

    @property
    def prompts(self) -> bool:
        """False: a text has no prompts."""
        return False

    @property
    def labels(self) -> None:
        """None: a text has no labels."""

    def windows_in_epoch(self, train: TrainConfig) -> int:
        """Return the number of steps in which the training part is read once."""
        fresh = train.streams == "fresh"
        return _epoch(self.train, train.batch_size, train.seq_length, fresh)[1]

    def epochs_in(self, steps: int, train: TrainConfig) -> float:
        """Return how often so many steps read the training part, if none is short."""
        return steps * train.batch_size * train.seq_length / max(2, self.train)

    @property
    def long_window(self) -> int:
        """T of a text that is long enough."""
        return 80

    def most_steps(self, batch_size: int | None, workers: int) -> int:
        """Return the largest T that leaves room for 8 steps, and fits the other parts."""
        n, N = self.train, batch_size
        room = [min(n // 8, (n - 1) // workers) if N is None else (n - 1) // N]
        others = [size for size in self.others if size]
        # A tiny validation part does not shorten the windows of a text that has room.
        room += others if n < 16 * _MIN_T else [max(_MIN_T, size) for size in others]
        return min(room)

    def rows(self, symbols: int, T: int) -> int:
        """Return the number of streams whose windows of T steps have about so many characters."""
        return min(symbols // 80, self.train // (8 * T))


def _epoch(n: int, batch_size: int, seq_length: int, fresh: bool) -> tuple[int, int]:
    """Return the characters and the windows that each stream of n characters has in an epoch."""
    length = (n if fresh else n - 1) // batch_size
    return length, -(-length // seq_length)  # the last window may be shorter


class Streams:
    """The training split as N parallel streams, in windows of T steps.

    The split is cut into N contiguous streams of equal length. The target of each character is the
    next one, and the target of a stream's last character is the first one of the next stream. The
    last window of an epoch may be shorter.

    Fixed streams begin with the text in every epoch, and leave out at most N characters at its end.
    Fresh streams read the text as a ring. They begin at a random place in it, another one in each
    epoch, and leave out fewer than N characters before that place.

    Args:
        codes: (n,) integers, the training split.
        batch_size: N.
        seq_length: T.
        seed: seed of fresh streams; None for fixed ones.

    Attributes:
        windows: number of windows in an epoch.
    """

    def __init__(
        self, codes: Array, batch_size: int, seq_length: int, seed: int | None = None
    ) -> None:
        self._codes = np.asarray(codes)  # a slice of an np.memmap is one too, even if copied
        self._seq_length = seq_length
        self._seed = seed
        self._length, self.windows = _epoch(len(codes), batch_size, seq_length, seed is not None)
        self._starts = self._length * np.arange(batch_size)  # (N,)

    def symbols(self, step: int) -> int:
        """Return the number of characters in a step's window: N T, or less at an epoch's end."""
        return self._window_length(step) * len(self._starts)

    def weight(self, step: int) -> int:
        """Return the number of characters, each of which has weight 1."""
        return self.symbols(step)

    def scale(self, step: int) -> float:
        """Return 1 / weight: the loss is the mean over the characters of the window."""
        return 1 / self.weight(step)

    def window(self, step: int, rows: slice = slice(None)) -> Window:
        """Return a step's window, by default of all streams.

        Args:
            step: counted from 0 through all epochs.
            rows: which of the N streams to return.
        """
        epoch, index = divmod(step, self.windows)
        first = self._starts[rows] + self._offset(epoch) + index * self._seq_length  # (N,)
        places = first + np.arange(self._window_length(step) + 1)[:, None]  # (T + 1, N)
        codes = self._codes.take(places, mode="wrap").astype(np.intp)
        return Window(codes[:-1], codes[1:], fresh=index == 0)

    def _window_length(self, step: int) -> int:
        """Return T, or less in the last window of an epoch."""
        return min(self._seq_length, self._length - step % self.windows * self._seq_length)

    def _offset(self, epoch: int) -> int:
        """Return the place where the first stream of an epoch begins."""
        if self._seed is None:
            return 0
        return int(np.random.default_rng([self._seed, epoch, _OFFSET]).integers(len(self._codes)))


def scoring_windows(
    codes: Array,
    start: int,
    end: int,
    V: int,
    *,
    streams: int = STREAMS,
    share: tuple[int, int] = (0, 1),
) -> Iterator[ScoringWindow]:
    """Yield the windows in which the characters from `start` to `end` of a text are scored once.

    Several streams read in parallel, each a part of the text. Every stream first reads the text
    before its part without scoring it. Its state is then nearly that of a single stream, so the
    score does not depend on the number of streams. The first character of a text cannot be
    predicted and is not scored.

    Args:
        codes: (n,), the whole text; the characters before `start` are context.
        start, end: the part to score.
        V: size of the vocabulary; a large one allows fewer streams.
        streams: number of parallel streams, at most.
        share: (k, K) yields the k-th of K shares of the streams. Each has as many windows to score
            as the others, even if it is empty.
    """
    start = max(start, 1)
    N = max(1, min(streams, (end - start) // (4 * WARM_UP), _LOGITS // V))
    T = max(1, min(WINDOW, _LOGITS // (N * V)))
    length = -(-(end - start) // N)
    k, K = share
    mine = np.arange(N * k // K, N * (k + 1) // K)  # (n,)
    if not len(mine):
        none = np.empty((0, 0), np.intp)
        yield from (ScoringWindow(none, none, none, none > 0) for _ in _spans(0, length, T))
        return
    first_input = start - 1 + length * mine  # (n,), position of each stream's first input
    stream_end = np.minimum(first_input + 1 + length, end)  # (n,), position after its last target

    def read(t0: int, t1: int, fresh: Array | None = None) -> ScoringWindow:
        inputs = np.maximum(first_input + np.arange(t0, t1)[:, None], 0)  # (t1 - t0, n), positions
        scored = inputs + 1 < stream_end if t0 >= 0 else None
        return ScoringWindow(
            codes[np.minimum(inputs, end - 2)].astype(np.intp),
            codes[np.minimum(inputs + 1, end - 1)].astype(np.intp),
            inputs + 1,
            scored,
            fresh,
        )

    # The first stream may have less text before its part than the others. It reads position 0 until
    # its own text starts, and then starts from a zero state.
    before_first = min(WARM_UP, start - 1)
    yield from (read(*span) for span in _spans(-WARM_UP if N > 1 else 0, -before_first, T))
    fresh = mine == 0
    for span in (*_spans(-before_first, 0, T), *_spans(0, length, T)):
        yield read(*span, fresh)
        fresh = None


def _spans(start: int, end: int, T: int) -> Iterator[tuple[int, int]]:
    """Yield the start and end of consecutive windows of T steps; the last may be shorter."""
    for t0 in range(start, end, T):
        yield t0, min(t0 + T, end)
