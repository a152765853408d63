"""The stack: embedding or one-hot input, recurrent layers, projection to logits.

A window goes up through `Model.forward` and its gradient down through `Model.backward`; the loss
between the two is `Model.loss_gradient`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from charrnn.backends.backend import NUMPY, Backend
from charrnn.config.schema import ModelConfig
from charrnn.kernels import (
    CELLS,
    Array,
    Workspace,
    dropout_backward,
    dropout_forward,
    embedding_backward,
    embedding_forward,
    projection_backward,
    projection_forward,
)
from charrnn.model.dropout_masks import NO_MASKS, Masks
from charrnn.model.parameters import parameter_shapes, parameter_views

States = list[tuple[Array, ...]]  # for each layer its cell's states, each (N, H)


class ModelCache(NamedTuple):
    """What the backward pass needs."""

    codes: Array  # (T, N)
    layers: list[Any]  # each cell's cache
    masks: Masks
    top: Array  # (T, N, H), what the output projection saw


class Model:
    """A stack with its parameters, and the workspaces it computes in.

    Args:
        config: the shape of the stack.
        V: characters in the vocabulary.
        parameters: the (P,) vector; it is used, not copied.
        backend: for float32; float64 is always NumPy's.
    """

    def __init__(
        self, config: ModelConfig, V: int, parameters: Array, backend: Backend = NUMPY
    ) -> None:
        self.config = config
        self.V = V
        self.cell = CELLS[config.cell]
        self.parameters = parameters
        self.backend = backend if parameters.dtype == np.float32 else NUMPY
        self._loops = self.backend.loops[config.cell]
        self.shapes = parameter_shapes(config, V)
        self.views = parameter_views(parameters, self.shapes)
        self._layers = [self._layer_arrays(self.views, i) for i in range(config.num_layers)]
        self._layer_workspaces = [Workspace() for _ in range(config.num_layers)]
        self._embedding_workspace = Workspace()
        self._output_workspace = Workspace()

    def zero_states(self, N: int) -> States:
        """Return the states before any text, for N sequences."""
        shape = (N, self.config.hidden_size)
        dtype = self.parameters.dtype
        return [tuple(np.zeros(shape, dtype) for _ in self.cell.states) for _ in self._layers]

    def forward(
        self,
        codes: Array,
        states: States,
        masks: Masks = NO_MASKS,
    ) -> tuple[Array, States, ModelCache]:
        """Read a window of text.

        Args:
            codes: (T, N) integers.
            states: before the first step; left as they are.
            masks: of dropout, in training.

        Returns:
            logits: (T, N, V), of the character after each; overwritten by the next call.
            states: after the last step, fresh arrays.
            cache: for `backward`; overwritten by the next call.
        """
        x, caches, next_states = codes, [], []
        if "embedding.E" in self.views:
            x = embedding_forward(
                codes, self.views["embedding.E"], workspace=self._embedding_workspace
            )
        for i, (parameters, ws) in enumerate(
            zip(self._layers, self._layer_workspaces, strict=True)
        ):
            if masks.weights:
                parameters = self._dropped(parameters, masks.weights[i], ws)
            *sequences, cache = self.cell.forward(
                x, *states[i], *parameters, workspace=ws, loops=self._loops
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

    def backward(self, dlogits: Array, cache: ModelCache, gradient: dict[str, Array]) -> None:
        """Write the gradient of every parameter.

        Args:
            dlogits: (T, N, V).
            cache: from `forward`.
            gradient: arrays by parameter name, as `parameter_views` makes them; written.
        """
        dx, _, _ = projection_backward(
            dlogits,
            cache.top,
            self.views["output.W"],
            workspace=self._output_workspace,
            grads=(gradient["output.W"], gradient["output.b"]),
        )
        embedded = "embedding.E" in self.views
        for i in reversed(range(len(self._layers))):
            ws = self._layer_workspaces[i]
            if cache.masks.outputs:
                assert dx is not None
                dx = dropout_backward(dx, cache.masks.outputs[i], workspace=ws)
            dx = self.cell.backward(
                dx,
                cache.layers[i],
                workspace=ws,
                grads=self._layer_arrays(gradient, i),
                need_dx=i > 0 or embedded,
                loops=self._loops,
            )[0]
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
                scatter=self._loops.scatter,
            )

    def layer_parameters(self, layer: int) -> tuple[Array, ...]:
        """Return a layer's parameters in the order in which its cell takes them."""
        return self._layers[layer]

    def state_sequences(self, cache: ModelCache) -> list[tuple[Array, ...]]:
        """Return for each layer its states after every step, each (T, N, H).

        They are views of the cache, which the next call of `forward` overwrites.
        """
        return [
            tuple(getattr(layer, state)[1:] for state in self.cell.states) for layer in cache.layers
        ]

    def score(self, codes: Array, targets: Array, states: States) -> tuple[Array, States]:
        """Return what each target costs, in nats (T, N), and the states after the window."""
        logits, states, _ = self.forward(codes, states)
        nll_nats, _ = self.backend.softmax_cross_entropy_forward(
            logits, targets, workspace=self._output_workspace
        )
        return nll_nats, states

    def loss_gradient(
        self,
        codes: Array,
        targets: Array,
        states: States,
        gradient: dict[str, Array],
        masks: Masks = NO_MASKS,
        scale: float | None = None,
    ) -> tuple[float, States]:
        """Write the gradient of a window's mean loss.

        Args:
            codes, targets: (T, N) integers.
            states: before the first step.
            gradient: arrays by parameter name; written.
            masks: of dropout.
            scale: the weight of a character, where it is not 1 / their number: that of a larger
                window which this one is a part of.

        Returns:
            nats: the window's loss, the sum over its characters.
            states: after the window.
        """
        logits, states, cache = self.forward(codes, states, masks)
        ws, backend = self._output_workspace, self.backend
        nll_nats, softmax_cache = backend.softmax_cross_entropy_forward(
            logits, targets, workspace=ws
        )
        dlogits = backend.softmax_cross_entropy_backward(
            softmax_cache, scale or 1 / targets.size, workspace=ws
        )
        self.backward(dlogits, cache, gradient)
        return float(np.sum(nll_nats, dtype=np.float64)), states

    @property
    def workspace_bytes(self) -> int:
        """Bytes of the arrays that the calls so far have needed."""
        spaces = (*self._layer_workspaces, self._embedding_workspace, self._output_workspace)
        return sum(ws.nbytes for ws in spaces)

    def _dropped(
        self, parameters: tuple[Array, ...], mask: Array, workspace: Workspace
    ) -> tuple[Array, ...]:
        """A layer's parameters, with the mask over its recurrent weights."""
        names = list(self.cell.parameters)
        at = names.index("Wh")
        Wh = np.multiply(
            parameters[at], mask, out=workspace.array("dropped_Wh", mask.shape, mask.dtype)
        )
        return (*parameters[:at], Wh, *parameters[at + 1 :])

    def _layer_arrays(self, arrays: dict[str, Array], layer: int) -> tuple[Array, ...]:
        return tuple(arrays[f"layers.{layer}.{name}"] for name in self.cell.parameters)
