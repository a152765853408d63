"""What single units follow: their activations along a text, and what these go with.

The best-known study of such units is that of Karpathy, Johnson and Fei-Fei (2015).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.evaluation import STREAMS, WINDOW, Window, read_windows
from charrnn.model.model import Model, States

ENOUGH = 100  # characters; of fewer nothing is to be told
_TELLING = 0.3
_NUMBERS = 1 << 24  # of a window's activations, at most, as long as one stream has no more


class Unit(NamedTuple):
    """One number of a model's state."""

    layer: int  # from 0
    state: str  # h, or c
    number: int  # from 0


class UnitCorrelation(NamedTuple):
    """A unit that goes with something that can be named."""

    unit: Unit
    feature: str
    r: float  # correlation, measured where it was not looked for

    @property
    def is_weak(self) -> bool:
        """Whether it hardly follows it."""
        return abs(self.r) < _TELLING


def units_of(model: Model) -> list[Unit]:
    """Return all units in the order of `_activations`' columns."""
    config = model.config
    return [
        Unit(layer, state, number)
        for layer in range(config.num_layers)
        for state in model.cell.states
        for number in range(config.hidden_size)
    ]


def activations(model: Model, codes: Array, start: int, end: int, unit: Unit) -> Array:
    """Return a unit's activation after each character from `start` to `end`, (end - start,).

    The last one is nan, as nothing is predicted from it.
    """
    found = np.full(end - start, np.nan)
    column = units_of(model).index(unit)
    for places, values in _activations(model, codes, start, end):
        inside = places >= start
        found[places[inside] - start] = values[inside, column]
    return found


def correlated_units(
    model: Model,
    codes: Array,
    start: int,
    end: int,
    features: Mapping[str, Array],
    count: int,
    *,
    among: Sequence[bool] | None = None,
    read: Callable[[int], object] = lambda _: None,
) -> list[UnitCorrelation]:
    """Find for each feature the units that go with it best, by correlation, best first.

    They are looked for in the first half of a part of the text, and measured in the second, so
    that what goes with a feature by chance is not told for more than it is. A feature that does
    not vary in one of them, as there are no quotes perhaps, has none.

    Args:
        codes: (n,), the whole text.
        start, end: the part.
        features: by name, each (end - start,), of its characters.
        count: units for a feature.
        among: for each unit of `units_of` whether it counts; by default all.
        read: told the number of characters after each window.
    """
    units, middle = units_of(model), (start + end) // 2
    halves = _Sums(len(units), len(features)), _Sums(len(units), len(features))
    table = np.stack(list(features.values()), 1)  # (end - start, F)
    table -= table.mean(0)
    for places, values in _activations(model, codes, start, end):
        for half, inside in zip(
            halves, ((places >= start) & (places < middle), places >= middle), strict=True
        ):
            half.add(values[inside], table[places[inside] - start])
        read(len(places))
    counts = np.ones(len(units), np.bool_) if among is None else np.array(among, np.bool_)
    looked, measured = (half.correlations() for half in halves)  # (U, F) each
    found = []
    for column, feature in enumerate(features):
        if not all(half.varies[column] for half in halves):
            continue
        order = np.argsort(-np.abs(looked[:, column]), kind="stable")
        for row in order[counts[order]][:count]:
            found.append(UnitCorrelation(units[row], feature, float(measured[row, column])))
    return sorted(found, key=lambda correlation: -abs(correlation.r))


def _activations(model: Model, codes: Array, start: int, end: int) -> Iterator[tuple[Array, Array]]:
    """Yield places (m,) and the activations of all units after them, (m, U)."""

    def read(inputs: Array, _targets: Array, states: States) -> tuple[Array, States]:
        _, states, cache = model.forward(inputs, states)
        sequences = [s for layer in model.state_sequences(cache) for s in layer]
        return np.concatenate(sequences, axis=2), states

    streams = max(1, min(STREAMS, _NUMBERS // (WINDOW * len(units_of(model)))))
    window: Window
    for window in read_windows(model, codes, start, end, read, streams=streams):
        yield window.places[window.scored] - 1, window.found[window.scored]


class _Sums:
    """What correlations of U units with F features are made of, summed over the places."""

    def __init__(self, U: int, F: int) -> None:
        self._n = 0
        self._x, self._xx = np.zeros(U), np.zeros(U)
        self._f, self._ff = np.zeros(F), np.zeros(F)
        self._xf = np.zeros((U, F))

    def add(self, values: Array, features: Array) -> None:
        """Add values (m, U) and features (m, F)."""
        x = values.astype(np.float64)
        self._n += len(x)
        self._x += x.sum(0)
        self._xx += (x * x).sum(0)
        self._f += features.sum(0)
        self._ff += (features * features).sum(0)
        self._xf += x.T @ features

    @property
    def varies(self) -> Array:
        """Whether each feature has had several values, (F,)."""
        return self._variance(self._f, self._ff) > 1e-12

    def correlations(self) -> Array:
        """Return Pearson's r, (U, F); 0 for what does not vary."""
        n = max(1, self._n)
        covariance = self._xf / n - np.outer(self._x, self._f) / n**2
        variance = np.outer(self._variance(self._x, self._xx), self._variance(self._f, self._ff))
        varies = variance > 1e-12
        r: Array = np.where(varies, covariance / np.sqrt(np.where(varies, variance, 1)), 0.0)
        return r

    def _variance(self, total: Array, squares: Array) -> Array:
        n = max(1, self._n)
        variance: Array = np.maximum(0, squares / n - (total / n) ** 2)
        return variance
