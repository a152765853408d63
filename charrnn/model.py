"""The stack: embedding or one-hot input, recurrent layers, projection to logits.

All parameters are views of one flat vector, so that clipping, an update and an average are a few
passes over one array. A gradient is another flat vector with the same views.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.config import ModelConfig
from charrnn.kernels import (
    CELLS,
    Array,
    Workspace,
    dropout_backward,
    dropout_forward,
    dropout_mask,
    embedding_backward,
    embedding_forward,
    projection_backward,
    projection_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)

Shapes = dict[str, tuple[int, ...]]
States = list[tuple[Array, ...]]  # for each layer its cell's states, each (N, H)


def parameter_shapes(config: ModelConfig, V: int) -> Shapes:
    """Return every parameter's name and shape, in the order of the flat vector."""
    shapes: Shapes = {}
    width = V
    if config.embedding_size is not None:
        shapes["embedding.E"] = (V, config.embedding_size)
        width = config.embedding_size
    cell, H = CELLS[config.cell], config.hidden_size
    for layer in range(config.num_layers):
        for name, shape in cell.parameter_shapes(width, H).items():
            shapes[f"layers.{layer}.{name}"] = shape
        width = H
    shapes["output.W"] = (H, V)
    shapes["output.b"] = (V,)
    return shapes


def parameter_slices(shapes: Shapes) -> dict[str, slice]:
    """Return each parameter's place in the flat vector."""
    slices, start = {}, 0
    for name, shape in shapes.items():
        slices[name] = slice(start, start + math.prod(shape))
        start = slices[name].stop
    return slices


def parameter_views(flat: Array, shapes: Shapes) -> dict[str, Array]:
    """Return each parameter as a view of the flat vector."""
    slices = parameter_slices(shapes)
    return {name: flat[slices[name]].reshape(shape) for name, shape in shapes.items()}


def initial_parameters(
    config: ModelConfig, V: int, seed: int, dtype: npt.DTypeLike = np.float32
) -> Array:
    """Draw a new flat parameter vector.

    Recurrent matrices are orthogonal, gate by gate: they keep the length of what passes through
    them, so that at first the gradient neither vanishes nor explodes on their account (Saxe,
    McClelland and Ganguli 2014). The other matrices are uniform, scaled so that what they give
    starts with a variance of about 1 (LeCun et al. 1998): the bound is sqrt(3 / q), where q is the
    expected sum of the squared inputs. Of one-hot input one unit is on, so q = 1; of E embedded
    inputs q = E; of H outputs of a cell, which are small at first, q = H * h_mean_square. The usual
    bound of 1/sqrt(H) everywhere takes four times as many steps to the same loss on tiny
    Shakespeare. Biases are 0, but for the forget gate's, which is 1 (Gers, Schmidhuber and Cummins
    2000).
    """
    rng = np.random.default_rng(seed)
    shapes = parameter_shapes(config, V)
    flat: Array = np.zeros(sum(math.prod(shape) for shape in shapes.values()), dtype)
    cell, H = CELLS[config.cell], config.hidden_size
    for name, view in parameter_views(flat, shapes).items():
        kind = name.split(".")[-1]
        if kind == "Wh":
            for block in np.split(view, len(cell.gates), axis=1):
                block[...] = _orthogonal(H, rng)
        elif kind == "E":
            view[...] = rng.standard_normal(view.shape)
        elif view.ndim == 2:
            q = H * cell.h_mean_square
            if name == "layers.0.Wx":
                q = config.embedding_size or 1
            bound = math.sqrt(3 / q)
            view[...] = rng.uniform(-bound, bound, view.shape)
        elif kind == "b" and name.startswith("layers."):
            for gate, value in cell.bias_init.items():
                np.split(view, len(cell.gates))[cell.gates.index(gate)][...] = value
    return flat


def _orthogonal(H: int, rng: np.random.Generator) -> Array:
    """Return a random orthogonal (H, H) matrix, uniformly distributed."""
    Q, R = np.linalg.qr(rng.standard_normal((H, H)))
    orthogonal: Array = Q * np.sign(np.diag(R))  # without the signs it is not quite uniform
    return orthogonal


class ModelCache(NamedTuple):
    """What the backward pass needs."""

    codes: Array  # (T, N)
    layers: list[Any]  # each cell's cache
    masks: list[Array]  # each layer's dropout mask (T, N, H); empty without dropout
    top: Array  # (T, N, H), what the output projection saw


class Model:
    """A stack with its parameters, and the workspaces it computes in.

    Args:
        config: the shape of the stack.
        V: characters in the vocabulary.
        parameters: the (P,) vector; it is used, not copied.
    """

    def __init__(self, config: ModelConfig, V: int, parameters: Array) -> None:
        self.config = config
        self.V = V
        self.cell = CELLS[config.cell]
        self.parameters = parameters
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
        dropout: Sequence[np.random.Generator] | None = None,
    ) -> tuple[Array, States, ModelCache]:
        """Read a window of text.

        Args:
            codes: (T, N) integers.
            states: before the first step; left as they are.
            dropout: in training, the generator of each layer's dropout mask.

        Returns:
            logits: (T, N, V), of the character after each; overwritten by the next call.
            states: after the last step, fresh arrays.
            cache: for `backward`; overwritten by the next call.
        """
        x, caches, masks, next_states = codes, [], [], []
        if "embedding.E" in self.views:
            x = embedding_forward(
                codes, self.views["embedding.E"], workspace=self._embedding_workspace
            )
        for i, (parameters, ws) in enumerate(
            zip(self._layers, self._layer_workspaces, strict=True)
        ):
            *sequences, cache = self.cell.forward(
                x, *states[i], *parameters, workspace=ws, gates=self.cell.gates_forward
            )
            next_states.append(tuple(sequence[-1].copy() for sequence in sequences))
            caches.append(cache)
            x = sequences[0]
            if dropout and self.config.dropout:
                dtype = self.parameters.dtype.type
                mask = dropout_mask(x.shape, self.config.dropout, dropout[i], dtype, workspace=ws)
                masks.append(mask)
                x = dropout_forward(x, mask, workspace=ws)
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
            if cache.masks:
                assert dx is not None
                dx = dropout_backward(dx, cache.masks[i], workspace=ws)
            dx = self.cell.backward(
                dx,
                cache.layers[i],
                workspace=ws,
                grads=self._layer_arrays(gradient, i),
                need_dx=i > 0 or embedded,
                gates=self.cell.gates_backward,
            )[0]
        if embedded:
            assert dx is not None
            embedding_backward(
                dx,
                cache.codes,
                self.views["embedding.E"],
                workspace=self._embedding_workspace,
                grads=(gradient["embedding.E"],),
            )

    def score(self, codes: Array, targets: Array, states: States) -> tuple[Array, States]:
        """Return what each target costs, in nats (T, N), and the states after the window."""
        logits, states, _ = self.forward(codes, states)
        nll_nats, _ = softmax_cross_entropy_forward(
            logits, targets, workspace=self._output_workspace
        )
        return nll_nats, states

    def loss_gradient(
        self,
        codes: Array,
        targets: Array,
        states: States,
        gradient: dict[str, Array],
        dropout: Sequence[np.random.Generator] | None = None,
    ) -> tuple[float, States]:
        """Write the gradient of a window's mean loss.

        Args:
            codes, targets: (T, N) integers.
            states: before the first step.
            gradient: arrays by parameter name; written.
            dropout: the generator of each layer's dropout mask.

        Returns:
            loss_nats: the mean over the window's characters.
            states: after the window.
        """
        logits, states, cache = self.forward(codes, states, dropout)
        ws = self._output_workspace
        nll_nats, softmax_cache = softmax_cross_entropy_forward(logits, targets, workspace=ws)
        loss_nats = float(np.mean(nll_nats, dtype=np.float64))
        dlogits = softmax_cross_entropy_backward(softmax_cache, 1 / targets.size, workspace=ws)
        self.backward(dlogits, cache, gradient)
        return loss_nats, states

    def window_bytes(self, T: int, N: int) -> int:
        """Return the bytes of the arrays that training on a (T, N) window needs.

        They grow evenly with T, so two short trials tell.
        """
        gradient = parameter_views(np.empty_like(self.parameters), self.shapes)
        rng = np.random.default_rng(0)
        one, two = (
            self._trial_bytes(np.zeros((steps, N), np.intp), gradient, rng) for steps in (1, 2)
        )
        return one + (T - 1) * (two - one)

    def _trial_bytes(
        self, codes: Array, gradient: dict[str, Array], rng: np.random.Generator
    ) -> int:
        trial = Model(self.config, self.V, self.parameters)
        dropout = [rng] * self.config.num_layers
        trial.loss_gradient(codes, codes, trial.zero_states(codes.shape[1]), gradient, dropout)
        spaces = (*trial._layer_workspaces, trial._embedding_workspace, trial._output_workspace)
        return sum(ws.nbytes for ws in spaces)

    def _layer_arrays(self, arrays: dict[str, Array], layer: int) -> tuple[Array, ...]:
        return tuple(arrays[f"layers.{layer}.{name}"] for name in self.cell.parameters)
