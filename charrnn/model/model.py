"""The stack of layers: embedding or one-hot input, recurrent layers, projection to logits.

`Model.forward` computes the logits of a window, `Model.backward` the gradients, and
`Model.loss_gradient` calls both, with the loss in between.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from charrnn.backends.backend import NUMPY, Backend
from charrnn.config.schema import ModelConfig
from charrnn.kernels import (
    CELLS,
    Array,
    Workspace,
    activation_penalty_backward,
    dropout_backward,
    dropout_forward,
    embedding_backward,
    embedding_forward,
    first_states_backward,
    first_states_forward,
    projection_backward,
    projection_forward,
)
from charrnn.kernels.first_states import FirstStatesCache
from charrnn.model.dropout_masks import NO_MASKS, Masks
from charrnn.model.parameters import parameter_shapes, parameter_views
from charrnn.system.locks import ForkSafeLock
from charrnn.text.windows import EarlyTargets

States = list[tuple[Array, ...]]  # for each layer, the states of its cell, each (N, H)


_P = ParamSpec("_P")
_R = TypeVar("_R")


def quietly(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a function whose floating-point errors pass, which the host may have set to raise.

    Activations may underflow, and in training they may overflow, which the trainer detects.
    """

    @wraps(function)
    def call(*arguments: _P.args, **named: _P.kwargs) -> _R:
        with np.errstate(all="ignore"):
            return function(*arguments, **named)

    return call


class ModelCache(NamedTuple):
    """What `Model.backward` needs of the forward pass."""

    codes: Array  # (T, N)
    layers: list[Any]  # the cache of each layer's cell
    masks: Masks
    top: Array  # (T, N, H), the input of the output projection


class Model:
    """A stack of layers with its parameters and workspaces.

    A call overwrites the workspaces of the call before. Threads that share a model hold its `lock`
    from a call until they have used the result.

    Args:
        config: model configuration.
        V: size of the vocabulary.
        parameters: (P,), the flat vector; the model uses it without a copy.
        backend: functions to use for float32 parameters; float64 always uses NumPy's.
        F: number of features of a record; 0: none.
    """

    def __init__(
        self,
        config: ModelConfig,
        V: int,
        parameters: Array,
        backend: Backend = NUMPY,
        F: int = 0,
    ) -> None:
        self.config = config
        self.V = V
        self.F = F
        self.cell = CELLS[config.cell]
        self.parameters = parameters
        self.backend = backend if parameters.dtype == np.float32 else NUMPY
        self.loops = self.backend.loops[config.cell]
        self.shapes = parameter_shapes(config, V, F)
        self.views = parameter_views(parameters, self.shapes)
        self.layer_parameters = [
            self._layer_arrays(self.views, i) for i in range(config.num_layers)
        ]
        self.lock = ForkSafeLock()
        self._layer_workspaces = [Workspace() for _ in range(config.num_layers)]
        self._embedding_workspace = Workspace()
        self._output_workspace = Workspace()

    def __reduce__(self) -> tuple[type[Model], tuple[Any, ...]]:
        # A copy gets workspaces and a lock of its own, and views of its own parameters.
        return Model, (self.config, self.V, self.parameters, self.backend, self.F)

    def zero_states(self, N: int) -> States:
        """Return the states before any text, all zero, for N sequences."""
        shape = (N, self.config.hidden_size)
        dtype = self.parameters.dtype
        return [
            tuple(np.zeros(shape, dtype) for _ in self.cell.states) for _ in self.layer_parameters
        ]

    def first_states(self, N: int, features: Array | None = None) -> States:
        """Return the states before N records: zero, or made of features (N, F), standardised."""
        return self.zero_states(N) if features is None else self._first_states(features)[0]

    @quietly
    def _first_states(self, features: Array) -> tuple[States, FirstStatesCache]:
        """Return those of features, and the argument of `first_states_backward`."""
        x = features.astype(self.parameters.dtype, copy=False)
        s, cache = first_states_forward(x, self.views["features.W"], self.views["features.b"])
        sizes = self.config.num_layers, len(self.cell.states), self.config.hidden_size
        states = s.reshape(len(s), *sizes).transpose(1, 2, 0, 3).copy()  # (layers, states, N, H)
        return [tuple(layer) for layer in states], cache

    @quietly
    def forward(
        self, codes: Array, states: States, masks: Masks = NO_MASKS
    ) -> tuple[Array, States, ModelCache]:
        """Return the logits of the token after each token of a window.

        Args:
            codes: (T, N) integers.
            states: the states before the first step.
            masks: dropout masks, in training.

        Returns:
            logits: (T, N, V); the next call overwrites them.
            states: the states after the last step, in fresh arrays.
            cache: the argument of `backward`; the next call overwrites it.
        """
        x, caches, next_states = codes, [], []
        if "embedding.E" in self.views:
            x = embedding_forward(
                codes, self.views["embedding.E"], workspace=self._embedding_workspace
            )
        for i, (parameters, ws) in enumerate(
            zip(self.layer_parameters, self._layer_workspaces, strict=True)
        ):
            if masks.weights:
                Wx, Wh, *biases = parameters
                dropped = ws.array("dropped_Wh", Wh.shape, Wh.dtype)
                parameters = (Wx, np.multiply(Wh, masks.weights[i], out=dropped), *biases)
            *sequences, cache = self.cell.forward(
                x, *states[i], *parameters, workspace=ws, loops=self.loops
            )
            next_states.append(tuple(sequence[-1].copy() for sequence in sequences))
            caches.append(cache)
            x = sequences[0]
            if masks.outputs:
                x = dropout_forward(x, masks.outputs[i], workspace=ws)
        logits = projection_forward(
            x, self.views["output.W"], self.views["output.b"], workspace=self._output_workspace
        )
        return logits, next_states, ModelCache(codes, caches, masks, x)

    @quietly
    def backward(
        self,
        dlogits: Array,
        cache: ModelCache,
        gradient: dict[str, Array],
        penalty: float = 0.0,
    ) -> States:
        """Write the gradient of every parameter but the projection of features.

        Args:
            dlogits: (T, N, V).
            cache: the result of `forward`.
            gradient: the arrays to write, by parameter name.
            penalty: the factor of the `activation_penalty` of the last layer's output.

        Returns:
            The gradients of the states before the first step; the next call overwrites them.
        """
        dx, _, _ = projection_backward(
            dlogits,
            cache.top,
            self.views["output.W"],
            workspace=self._output_workspace,
            grads=(gradient["output.W"], gradient["output.b"]),
        )
        if penalty:
            assert dx is not None
            dx = activation_penalty_backward(
                dx, cache.top, penalty, workspace=self._output_workspace
            )
        embedded, dstates = "embedding.E" in self.views, States()
        for i in reversed(range(self.config.num_layers)):
            ws = self._layer_workspaces[i]
            if cache.masks.outputs:
                assert dx is not None
                dx = dropout_backward(dx, cache.masks.outputs[i], workspace=ws)
            dx, *gradients = self.cell.backward(
                dx,
                cache.layers[i],
                workspace=ws,
                grads=self._layer_arrays(gradient, i),
                need_dx=i > 0 or embedded,
                loops=self.loops,
            )
            dstates.insert(0, tuple(gradients[: len(self.cell.states)]))
            if cache.masks.weights:
                gradient[f"layers.{i}.Wh"] *= cache.masks.weights[i]
        if embedded:
            assert dx is not None
            embedding_backward(
                dx,
                cache.codes,
                self.views["embedding.E"],
                workspace=self._embedding_workspace,
                grads=(gradient["embedding.E"],),
                scatter=self.loops.scatter,
            )
        return dstates

    def state_sequences(self, cache: ModelCache) -> list[tuple[Array, ...]]:
        """Return the states of each layer after every step, each (T, N, H).

        They are views of the cache, which the next call of `forward` overwrites.
        """
        return [
            tuple(getattr(layer, state)[1:] for state in self.cell.states) for layer in cache.layers
        ]

    @quietly
    def score(self, codes: Array, targets: Array, states: States) -> tuple[Array, States]:
        """Return the loss of each target (T, N), in nats, and the states after the window."""
        logits, states, _ = self.forward(codes, states)
        nll_nats, _ = self.backend.softmax_cross_entropy_forward(
            logits, targets, workspace=self._output_workspace
        )
        return nll_nats, states

    @quietly
    def loss_gradient(
        self,
        codes: Array,
        targets: Array,
        states: States,
        gradient: dict[str, Array],
        masks: Masks = NO_MASKS,
        scale: float | None = None,
        weights: Array | None = None,
        early: EarlyTargets | None = None,
        features: Array | None = None,
        penalty: float = 0.0,
    ) -> tuple[float, States]:
        """Write the gradient of the mean loss of a window.

        Args:
            codes, targets: (T, N) integers.
            states: the states before the first step, unless there are features.
            gradient: the arrays to write, by parameter name.
            masks: dropout masks.
            scale: the factor of each token's loss, by default 1 / (T N). It differs if this window
                is a part of a larger one, or has weights.
            weights: (T, N), the weight of each token, by default 1.
            early: second targets, whose weighted losses are added; there are weights, too.
            features: (N, F), standardised, of records that begin here.
            penalty: weight of the mean square of the last layer's output, at every token.

        Returns:
            nats: the loss, weighted and summed over the tokens of the window, without that of
                second targets and without the penalty.
            states: the states after the last step.
        """
        first_states = None
        if features is not None:
            states, first_states = self._first_states(features)
        logits, states, cache = self.forward(codes, states, masks)
        ws, backend = self._output_workspace, self.backend
        nll_nats, softmax_cache = backend.softmax_cross_entropy_forward(
            logits, targets, workspace=ws
        )
        dlogits = backend.softmax_cross_entropy_backward(
            softmax_cache, scale or 1 / targets.size, workspace=ws
        )
        if weights is not None:
            dlogits *= (weights if early is None else weights + early.weights)[:, :, None]
            nll_nats *= weights
        if early is not None:
            # w (p - one_hot(target)) + w2 (p - one_hot(early)), of which (w + w2) (p -
            # one_hot(target)) is there already.
            steps, rows = early.weights.nonzero()
            shares = (scale or 1 / targets.size) * early.weights[steps, rows]
            dlogits[steps, rows, targets[steps, rows]] += shares
            dlogits[steps, rows, early.codes[rows]] -= shares
        dstates = self.backward(dlogits, cache, gradient, penalty * (scale or 1 / targets.size))
        if self.F:
            grads = gradient["features.W"], gradient["features.b"]
            for array in grads:
                array[...] = 0  # where states are carried from a window before
            if first_states is not None:
                ds = np.concatenate([state for layer in dstates for state in layer], axis=1)
                first_states_backward(ds, first_states, grads=grads)
        return float(np.sum(nll_nats, dtype=np.float64)), states

    @property
    def workspace_bytes(self) -> int:
        """Size of all workspaces, in bytes."""
        spaces = (*self._layer_workspaces, self._embedding_workspace, self._output_workspace)
        return sum(ws.nbytes for ws in spaces)

    def _layer_arrays(self, arrays: dict[str, Array], layer: int) -> tuple[Array, ...]:
        """Return the arrays of a layer, in the order of its cell's parameters."""
        return tuple(arrays[f"layers.{layer}.{name}"] for name in self.cell.parameters)
