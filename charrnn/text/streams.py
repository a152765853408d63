"""The training part as parallel streams, read in windows."""

from __future__ import annotations

import numpy as np

from charrnn.config.schema import TrainConfig
from charrnn.kernels import Array

_OFFSET = 1  # in a key: no sample is drawn with it


def stream_length(n: int, batch_size: int, fresh: bool) -> int:
    """Return how many of n characters each stream reads in an epoch; see `Streams`."""
    return (n if fresh else n - 1) // batch_size


def windows_in_epoch(n: int, train: TrainConfig) -> int:
    """Return the steps in which a training part of n characters is read."""
    length = stream_length(n, train.batch_size, train.streams == "fresh")
    return windows_of(length, train.seq_length)


def windows_of(length: int, seq_length: int) -> int:
    """Return the windows of a stream; the last may be shorter."""
    return -(-length // seq_length)


class Streams:
    """The training part as N parallel streams, in windows of T steps.

    The part is cut into N contiguous streams of equal length; the target of each character is the
    one after it, of a stream's last character the next stream's first. The last window of an epoch
    may be shorter.

    Fixed streams begin with the text, in every epoch, and at most N characters at the end are left
    over. Fresh ones take the text as a ring, begin somewhere in it, in each epoch elsewhere, and
    leave out fewer than N characters before that place.

    Args:
        codes: (n,), the training part.
        batch_size: N.
        seq_length: T.
        seed: for fresh streams; None for fixed ones.
    """

    def __init__(
        self, codes: Array, batch_size: int, seq_length: int, seed: int | None = None
    ) -> None:
        self._codes = np.asarray(codes)  # a slice of an np.memmap is one too, even if copied
        self._seq_length = seq_length
        self._seed = seed
        fresh = seed is not None
        self._length = stream_length(len(codes), batch_size, fresh)
        self._starts = self._length * np.arange(batch_size)  # (N,)
        self.windows = windows_of(self._length, seq_length)

    def window_length(self, step: int) -> int:
        """Return the characters that a step reads of each stream."""
        return min(self._seq_length, self._length - step % self.windows * self._seq_length)

    def window(self, step: int, streams: slice = slice(None)) -> tuple[Array, Array]:
        """Return inputs and targets of a step's window, each (T, N), or of some streams of it.

        Steps are counted from 0 and on through the epochs.
        """
        epoch, index = divmod(step, self.windows)
        first = self._starts[streams] + self._offset(epoch) + index * self._seq_length  # (N,)
        places = first + np.arange(self.window_length(step) + 1)[:, None]  # (T + 1, N)
        codes = self._codes.take(places, mode="wrap").astype(np.intp)
        return codes[:-1], codes[1:]

    def _offset(self, epoch: int) -> int:
        """Where the first stream of an epoch begins."""
        if self._seed is None:
            return 0
        return int(np.random.default_rng([self._seed, epoch, _OFFSET]).integers(len(self._codes)))
