"""How much of a loss reaches the states before it: the norm of its gradient, step by step back.

For the loss L_t of the character after step t and the state s_{t-k} that step t - k hands on,

    |dL_t / ds_{t-k}|        k = 1, 2, ...

In a vanilla RNN each step back multiplies by Wh^T and tanh's slope, so that the norm falls, or
grows, about exponentially (Bengio, Simard and Frasconi 1994); along an LSTM's cell state it is
multiplied by the forget gate alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from charrnn.kernels import (
    Array,
    embedding_forward,
    projection_backward,
    projection_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from charrnn.model.model import Model, States

_WARM_UP = 256  # characters read before the first step that is gone back to
_AT_ONCE = 32  # losses that are followed side by side, at most
_KEPT = 4e7  # numbers of all steps that are kept meanwhile, as long as one loss has no more


class StateGradient(NamedTuple):
    """The norms of one state of one layer, by lag."""

    layer: int  # from 0
    state: str
    norms: Array  # (K, n): of lag 1 to K, for each of n losses

    @property
    def quartiles(self) -> Array:
        """The lower quartile, the median and the upper quartile over the losses, (3, K)."""
        quartiles: Array = np.quantile(self.norms, [0.25, 0.5, 0.75], axis=1)
        return quartiles


def loss_positions(start: int, end: int, K: int, count: int) -> Array:
    """Return places of a part of a text, evenly over it, that have K characters before them."""
    first = max(start, K)
    return np.unique(np.linspace(first, max(first, end - 1), count).astype(np.intp))


def gradient_by_lag(
    model: Model,
    codes: Array,
    places: Array,
    K: int,
    followed: Callable[[int], object] = lambda _: None,
) -> list[StateGradient]:
    """Follow losses back through a model, one step at a time.

    Each step is a window of its own of the functions that train (`Cell.forward`, `Cell.backward`),
    so that what it hands back can be seen. In float64, as what vanishes is soon below what float32
    holds.

    Args:
        model: of which the parameters are used.
        codes: (m,), the text.
        places: (n,), of the characters that the losses are of, each at least K and below m. What
            lies before is read first, as much as the first of a batch of them has room for.
        K: steps to go back.
        followed: told the number of losses after each batch.

    Returns:
        for each layer and state, the norms.
    """
    exact = Model(model.config, model.V, model.parameters.astype(np.float64))
    config = model.config
    of_a_step = config.num_layers * config.hidden_size * (2 * len(model.cell.gates) + 1)
    batch = max(1, min(_AT_ONCE, int(_KEPT / (K * of_a_step))))
    parts = []
    for i in range(0, len(places), batch):
        parts.append(_norms(exact, codes, places[i : i + batch], K))
        followed(len(places[i : i + batch]))
    norms = np.concatenate(parts, axis=3)  # (layers, states, K, n)
    return [
        StateGradient(layer, state, norms[layer, s])
        for layer in range(config.num_layers)
        for s, state in enumerate(model.cell.states)
    ]


def _norms(model: Model, codes: Array, places: Array, K: int) -> Array:
    """Return norms (layers, states, K, N) for losses side by side."""
    N, warm_up = len(places), min(_WARM_UP, int(places.min()) - K)
    steps = places + np.arange(-K - warm_up, 1)[:, None]  # (warm_up + K + 1, N)
    window = codes[steps].astype(np.intp)
    states = model.zero_states(N)
    if warm_up:
        _, states, _ = model.forward(window[:warm_up], states)
    return follow_back(model, window[warm_up:], states)


def follow_back(model: Model, window: Array, states: States) -> Array:
    """Read a window step by step, and follow the loss of its last character back.

    Args:
        model: the stack.
        window: (K + 1, N) codes; the last ones are what is predicted.
        states: before the first step.

    Returns:
        norms: (layers, states, K, N), of the gradient of the states before the last step, the one
            before it, ...
    """
    K, N, cell = len(window) - 1, window.shape[1], model.cell
    layers = [model.layer_parameters(i) for i in range(model.config.num_layers)]
    caches: list[list[Any]] = []  # of each step, of each layer
    h = np.empty(0)
    for codes in window[:-1, None]:  # (1, N)
        x = codes if "embedding.E" not in model.views else _embedded(model, codes)
        caches.append([])
        for i, parameters in enumerate(layers):
            *sequences, cache = cell.forward(x, *states[i], *parameters)
            states[i] = tuple(sequence[-1] for sequence in sequences)
            caches[-1].append(cache)
            x = h = sequences[0]
    W, b = model.views["output.W"], model.views["output.b"]
    _, softmax_cache = softmax_cross_entropy_forward(projection_forward(h, W, b), window[-1:])
    dlogits = softmax_cross_entropy_backward(softmax_cache, 1.0)
    above, _, _ = projection_backward(dlogits, h, W)  # (1, N, H)
    nothing = np.zeros_like(h)
    carried = [tuple(nothing[0] for _ in cell.states) for _ in layers]
    norms = np.empty((len(layers), len(cell.states), K, N))
    for k, of_step in enumerate(reversed(caches)):
        dh = above if k == 0 else nothing
        for i in reversed(range(len(layers))):
            dx, *gradients = cell.backward(dh, of_step[i], dlast=carried[i], need_dx=i > 0)
            carried[i] = tuple(gradients[: len(cell.states)])
            norms[i, :, k] = [np.linalg.norm(gradient, axis=1) for gradient in carried[i]]
            dh = dx
    return norms


def _embedded(model: Model, codes: Array) -> Array:
    return embedding_forward(codes, model.views["embedding.E"])
