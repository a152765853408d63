"""Cut the training split into parallel streams, and read these in windows."""

from __future__ import annotations

import numpy as np

from charrnn.config.schema import TrainConfig
from charrnn.kernels import Array

_OFFSET = 1  # in the seed of an epoch's offset, so that no sample is drawn with the same seed


def windows_in_epoch(n: int, train: TrainConfig) -> int:
    """Return the number of steps in which a training split of n characters is read once."""
    return _epoch(n, train.batch_size, train.seq_length, train.streams == "fresh")[1]


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

    def window_length(self, step: int) -> int:
        """Return T, or less in the last window of an epoch."""
        return min(self._seq_length, self._length - step % self.windows * self._seq_length)

    def window(self, step: int, streams: slice = slice(None)) -> tuple[Array, Array]:
        """Return inputs and targets of a step's window, by default of all streams.

        Args:
            step: counted from 0 through all epochs.
            streams: which of the N streams to return.

        Returns:
            Inputs and targets, each (T, N) intp.
        """
        epoch, index = divmod(step, self.windows)
        first = self._starts[streams] + self._offset(epoch) + index * self._seq_length  # (N,)
        places = first + np.arange(self.window_length(step) + 1)[:, None]  # (T + 1, N)
        codes = self._codes.take(places, mode="wrap").astype(np.intp)
        return codes[:-1], codes[1:]

    def _offset(self, epoch: int) -> int:
        """Return the place where the first stream of an epoch begins."""
        if self._seed is None:
            return 0
        return int(np.random.default_rng([self._seed, epoch, _OFFSET]).integers(len(self._codes)))
