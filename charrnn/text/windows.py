"""What N rows of a batch read and predict in T steps: what a text hands to a model."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from charrnn.config.schema import TrainConfig
from charrnn.kernels import Array
from charrnn.text.labels import Side


class EarlyTargets(NamedTuple):
    """Second targets of a window: a symbol of each row's reply, at the steps of its prompt."""

    codes: Array  # (n,) intp, the symbol of each row
    weights: Array  # (T, n) float32, its weight in the gradient at each step


class Window(NamedTuple):
    """A window of a training step, for n of its N rows."""

    inputs: Array  # (T, n) intp, codes
    targets: Array  # (T, n) intp, the code after each input
    weights: Array | None = None  # (T, n) float32, of each target in the loss; None: all 1
    fresh: bool = False  # whether the rows start here, from zero states or from their features
    early: EarlyTargets | None = None
    features: Array | None = None  # (n, F) float32, standardised, of fresh rows; None: none


class ScoringWindow(NamedTuple):
    """A window of scoring, for n rows."""

    inputs: Array  # (T, n) intp, codes
    targets: Array  # (T, n) intp, the code after each input
    positions: Array  # (T, n) intp, of the targets in the encoded text
    scored: Array | None  # (T, n) bool, whether a target counts; None: the rows only read
    fresh: Array | None = None  # (n,) bool, rows that start here; None: no row
    features: Array | None = None  # (n, F) float32, standardised, of which fresh rows start


class Segments(NamedTuple):
    """The lines of a part of a text, or its records, in the order of the text."""

    first: Array  # (S,) intp, place of the first symbol of each in the encoded text
    last: Array  # (S,) intp, place of its last: its newline or end, or the last of the part
    prompts: Array | None = None  # (S,) intp, symbols of each before its reply, with their end

    @property
    def scored(self) -> Array:
        """(S,), the number of scored symbols of each; nothing predicts the symbol at place 0."""
        first = self.first if self.prompts is None else self.first + self.prompts
        return self.last + 1 - np.maximum(first, 1)


class TrainingWindows(Protocol):
    """The windows of all steps of a training."""

    windows: int  # in an epoch

    def symbols(self, step: int) -> int:
        """Return the number of symbols that a step's window reads, over all its rows."""
        ...

    def weight(self, step: int) -> float:
        """Return the sum of the weights of a step's window, over all its rows."""
        ...

    def scale(self, step: int) -> float:
        """Return the factor of a step's summed loss, whose gradient is the step's."""
        ...

    def window(self, step: int, rows: slice = ...) -> Window:
        """Return a step's window, by default of all rows; steps count from 0."""
        ...


class Sizes(Protocol):
    """How large the parts of a text are, and how its training part is cut into windows."""

    @property
    def train(self) -> int:
        """Symbols that an epoch trains on."""
        ...

    @property
    def others(self) -> tuple[int, int]:
        """Symbols of the validation and of the test part."""
        ...

    def windows_in_epoch(self, train: TrainConfig) -> int:
        """Return the number of steps in an epoch."""
        ...

    def epochs_in(self, steps: int, train: TrainConfig) -> float:
        """Return how often so many steps read the training part."""
        ...

    @property
    def prompts(self) -> bool:
        """Whether records have prompts."""
        ...

    @property
    def labels(self) -> Side | None:
        """The side of records that are labels, the reply's if both are; None without labels."""
        ...

    @property
    def long_window(self) -> int:
        """T, unless the text has no room for so many steps."""
        ...

    def most_steps(self, batch_size: int | None, workers: int) -> int:
        """Return the largest T for which the text has room; batch_size None stands for any N."""
        ...

    def rows(self, symbols: int, T: int) -> int:
        """Return the number of rows N of a step of T steps that has about so many symbols."""
        ...
