"""Units whose activations correlate with a feature of the text.

Karpathy, Johnson and Fei-Fei (2015) found such units in character-level models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.evaluation import read_windows
from charrnn.model.model import Model, States
from charrnn.text.reading import Reading
from charrnn.text.streams import STREAMS, WINDOW

MIN_CHARS = 100  # fewer say nothing about a correlation
_WEAK_R = 0.3
_ACTIVATIONS = 1 << 24  # of a window, about, unless one row has more


class Unit(NamedTuple):
    """One number of a layer's state."""

    layer: int  # from 0
    state: str  # "h", or the LSTM's "c"
    number: int  # from 0

    def __str__(self) -> str:
        return f"layer {self.layer}, {self.state} {self.number}"


class UnitCorrelation(NamedTuple):
    """A unit whose activation correlates with a text feature."""

    unit: Unit
    feature: str
    r: float  # Pearson's, over the half of the text that did not select the unit

    @property
    def is_weak(self) -> bool:
        """Whether the correlation is weak."""
        return abs(self.r) < _WEAK_R


def all_units(model: Model) -> list[Unit]:
    """Return all units of a model, in the order of `_activations`' columns."""
    config = model.config
    return [
        Unit(layer, state, number)
        for layer in range(config.num_layers)
        for state in model.cell.states
        for number in range(config.hidden_size)
    ]


def activations(model: Model, reading: Reading, unit: Unit) -> Array:
    """Return a unit's activation after each character of a part, (n,).

    The last one is nan, because the model does not read the last character. After the end of a
    record it is the activation at the start of the next one.
    """
    found = np.full(len(reading.part), np.nan)
    column = all_units(model).index(unit)
    for positions, values in _activations(model, reading):
        inside = positions >= reading.start
        found[positions[inside] - reading.start] = values[inside, column]
    return found


def correlated_units(
    model: Model,
    reading: Reading,
    features: Mapping[str, Array],
    count: int,
    *,
    accept: Callable[[Unit], bool] = lambda _: True,
    advance: Callable[[int], object] = lambda _: None,
) -> list[UnitCorrelation]:
    """Return the units that correlate best with each feature, largest |r| first.

    The first half of the part selects the units and the second half measures r, so that a
    correlation by chance does not look like a real one. A feature that is constant in one of the
    halves has no units.

    Args:
        model: reads the text.
        reading: the part.
        features: by name, (n,) each, of the characters of the part.
        count: units for each feature, at most.
        accept: whether to consider a unit.
        advance: called with the number of characters after each window.
    """
    if not features:
        return []
    units, start = all_units(model), reading.start
    middle = (start + reading.end) // 2
    halves = _Sums(len(units), len(features)), _Sums(len(units), len(features))
    table = np.stack(list(features.values()), 1)  # (n, F)
    table -= table.mean(0)
    for positions, values in _activations(model, reading):
        first = (positions >= start) & (positions < middle)
        for half, inside in zip(halves, (first, positions >= middle), strict=True):
            half.add(values[inside], table[positions[inside] - start])
        advance(len(positions))
    accepted = np.array([accept(unit) for unit in units])  # (U,)
    selecting, measured = (half.correlations() for half in halves)  # (U, F) each
    found = []
    for column, feature in enumerate(features):
        if not all(half.varies[column] for half in halves):
            continue
        order = np.argsort(-np.abs(selecting[:, column]), kind="stable")
        for row in order[accepted[order]][:count]:
            found.append(UnitCorrelation(units[row], feature, float(measured[row, column])))
    return sorted(found, key=lambda correlation: -abs(correlation.r))


def _activations(model: Model, reading: Reading) -> Iterator[tuple[Array, Array]]:
    """Yield positions (m,) and the activations of all units after reading them, (m, U)."""

    def read(inputs: Array, _targets: Array, states: States) -> tuple[Array, States]:
        _, states, cache = model.forward(inputs, states)
        sequences = [s for layer in model.state_sequences(cache) for s in layer]
        return np.concatenate(sequences, axis=2), states

    shares = -(-STREAMS * WINDOW * len(all_units(model)) // _ACTIVATIONS)
    for share in range(shares):
        for window in read_windows(model, reading.windows_read((share, shares)), read):
            if window.positions.size:
                yield window.positions[window.scored] - 1, window.result[window.scored]


class _Sums:
    """Running sums for the correlations of U units with F features."""

    def __init__(self, U: int, F: int) -> None:
        self._n = 0
        self._x, self._xx = np.zeros(U), np.zeros(U)
        self._f, self._ff = np.zeros(F), np.zeros(F)
        self._xf = np.zeros((U, F))

    def add(self, values: Array, features: Array) -> None:
        """Add activations (m, U) and features (m, F)."""
        x = values.astype(np.float64)
        self._n += len(x)
        self._x += x.sum(0)
        self._xx += (x * x).sum(0)
        self._f += features.sum(0)
        self._ff += (features * features).sum(0)
        self._xf += x.T @ features

    @property
    def varies(self) -> Array:
        """Whether each feature varies, (F,)."""
        return self._variance(self._f, self._ff) > 1e-12

    def correlations(self) -> Array:
        """Return Pearson's r, (U, F); 0 where the unit or the feature is constant."""
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
