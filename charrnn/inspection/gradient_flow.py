"""How far back the gradient of a loss reaches: its norm at the states before it, by lag.

For the loss L_t of the character after step t and the state s_{t-k} after step t - k,

    |dL_t / ds_{t-k}|        k = 1, 2, ...

In a vanilla RNN each step back multiplies the gradient by Wh^T and the slope of tanh, so that its
norm shrinks or grows about exponentially (Bengio, Simard and Frasconi 1994). Along an LSTM's cell
state only the forget gate multiplies it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from charrnn.kernels import (
    Array,
    embedding_forward,
    projection_backward,
    projection_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from charrnn.model.model import Model, States, quietly
from charrnn.text.reading import Reading

_BATCH = 32  # losses backpropagated side by side, at most
_CACHED = 4e7  # numbers in the caches of a batch, at most, unless one loss has more


@dataclass(frozen=True)
class StateGradient:
    """The gradient norms of one state of one layer, by lag."""

    layer: int  # from 0
    state: str  # "h", or the LSTM's "c"
    norms: Array  # (K, n), lags 1 to K of n losses

    def __str__(self) -> str:
        return f"layer {self.layer}, {self.state}"

    @cached_property
    @quietly
    def quartiles(self) -> Array:
        """Lower quartile, median and upper quartile over the losses, (3, K)."""
        quartiles: Array = np.quantile(self.norms, [0.25, 0.5, 0.75], axis=1)
        return quartiles


@quietly
def gradient_by_lag(
    model: Model,
    reading: Reading,
    positions: Array,
    K: int,
    advance: Callable[[int], object] = lambda _: None,
) -> list[StateGradient]:
    """Backpropagate losses one step at a time and return the gradient norms of each state.

    Each step is a window of its own for the functions that train (`Cell.forward`,
    `Cell.backward`), which exposes the gradient between steps. The arithmetic is in float64,
    because a vanishing gradient soon falls below the smallest float32.

    Args:
        model: its parameters are used.
        reading: the part of the text.
        positions: (n,), places of the characters whose losses are backpropagated, from
            `reading.loss_positions`.
        K: lags.
        advance: called with the number of losses after each batch.

    Returns:
        The norms of each layer and state.
    """
    exact = Model(model.config, model.V, model.parameters.astype(np.float64), F=model.F)
    config = model.config
    cached_per_step = config.num_layers * config.hidden_size * (2 * len(model.cell.gates) + 1)
    batch = max(1, min(_BATCH, int(_CACHED / (K * cached_per_step))))
    parts = []
    for window, features in reading.loss_windows(positions, K, batch):
        parts.append(_norms(exact, window, K, features))
        advance(window.shape[1])
    norms = np.concatenate(parts, axis=3)  # (layers, states, K, n)
    return [
        StateGradient(layer, state, norms[layer, s])
        for layer in range(config.num_layers)
        for s, state in enumerate(model.cell.states)
    ]


def _norms(model: Model, window: Array, K: int, features: Array | None) -> Array:
    """Return norms (layers, states, K, N) of N losses after a window (warm_up + K + 1, N)."""
    steps, N = window.shape
    warm_up = steps - K - 1
    states = model.first_states(N, features)
    if warm_up:
        _, states, _ = model.forward(window[:warm_up], states)
    return backpropagate_last_loss(model, window[warm_up:], states)


def backpropagate_last_loss(model: Model, window: Array, states: States) -> Array:
    """Read a window step by step and backpropagate the loss of its last character.

    Args:
        model: the model.
        window: (K + 1, N), codes; the last of each stream is the one predicted.
        states: before the first step.

    Returns:
        norms: (layers, states, K, N), of the gradient of the states before the last step, before
            the step preceding it, ...
    """
    K, N, cell = len(window) - 1, window.shape[1], model.cell
    layers = model.layer_parameters
    embedding = model.views.get("embedding.E")
    caches: list[list[Any]] = []  # of each step, of each layer
    h = np.empty(0)
    for codes in window[:-1, None]:  # (1, N)
        x = codes if embedding is None else embedding_forward(codes, embedding)
        caches.append([])
        for i, parameters in enumerate(layers):
            *sequences, cache = cell.forward(x, *states[i], *parameters)
            states[i] = tuple(sequence[-1] for sequence in sequences)
            caches[-1].append(cache)
            x = h = sequences[0]
    W, b = model.views["output.W"], model.views["output.b"]
    _, softmax_cache = softmax_cross_entropy_forward(projection_forward(h, W, b), window[-1:])
    dlogits = softmax_cross_entropy_backward(softmax_cache, 1.0)
    dh_top, _, _ = projection_backward(dlogits, h, W)  # (1, N, H)
    zero = np.zeros_like(h)
    dstates = [tuple(zero[0] for _ in cell.states) for _ in layers]
    norms = np.empty((len(layers), len(cell.states), K, N))
    for k, step_caches in enumerate(reversed(caches)):
        dh = dh_top if k == 0 else zero
        for i in reversed(range(len(layers))):
            dx, *gradients = cell.backward(dh, step_caches[i], dlast=dstates[i], need_dx=i > 0)
            dstates[i] = tuple(gradients[: len(cell.states)])
            norms[i, :, k] = [np.linalg.norm(gradient, axis=1) for gradient in dstates[i]]
            dh = dx
    return norms
