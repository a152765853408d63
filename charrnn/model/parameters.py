"""All parameters as one flat vector.

Each parameter is a view of the vector, so clipping, updating and averaging are a few passes over
one array. A gradient is another flat vector with the same views.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from charrnn.config.schema import ModelConfig
from charrnn.kernels import CELLS, Array

Shapes = dict[str, tuple[int, ...]]


def parameter_shapes(config: ModelConfig, V: int, F: int = 0) -> Shapes:
    """Return the shape of every parameter by name, in the order of the flat vector.

    Args:
        config: model configuration.
        V: size of the vocabulary.
        F: number of features of a record, from which its first states are projected.
    """
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
    if F:  # last, so that they change no initial value of the others
        K = config.num_layers * len(cell.states) * H
        shapes |= {"features.W": (F, K), "features.b": (K,)}
    return shapes


def parameter_count(config: ModelConfig, V: int, F: int = 0) -> int:
    """Return P, the length of the flat vector."""
    return sum(math.prod(shape) for shape in parameter_shapes(config, V, F).values())


def training_flops(config: ModelConfig, V: int) -> int:
    """Return the floating-point operations of the matrix products per token of training.

    Each weight takes a multiplication and an addition forward, and twice that backward. One-hot
    inputs and biases take none, and features, which are read once in a record, hardly any.
    """
    shapes = parameter_shapes(config, V)
    unused = {"layers.0.Wx" if config.embedding_size is None else "embedding.E"}
    return sum(6 * s[0] * s[1] for name, s in shapes.items() if len(s) == 2 and name not in unused)


def parameter_slices(shapes: Shapes) -> dict[str, slice]:
    """Return the slice of each parameter in the flat vector."""
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
    config: ModelConfig, V: int, seed: int, dtype: npt.DTypeLike = np.float32, F: int = 0
) -> Array:
    """Return a flat vector of random initial parameters.

    Recurrent matrices are orthogonal, gate by gate. An orthogonal matrix preserves lengths, so at
    first the gradient neither vanishes nor explodes (Saxe, McClelland and Ganguli 2014). The
    embedding is standard normal. The other matrices are uniform in [-sqrt(3 / q), sqrt(3 / q)],
    where q is the expected sum of their squared inputs, so that their outputs have a variance of
    about 1 (LeCun et al. 1998). q is 1 for one-hot inputs, E for E embedded inputs, F
    for F standardised features, and H * h_mean_square for the H outputs of a cell, which are small
    at first. The common bound of
    1 / sqrt(H) everywhere takes four times as many steps to the same loss on tiny Shakespeare.
    Biases are 0, except that of the forget gate, which is 1 (Gers, Schmidhuber and Cummins 2000).
    The weights of a gate of the input alone are 0 too, so that it starts as a constant.
    """
    rng = np.random.default_rng(seed)
    shapes = parameter_shapes(config, V, F)
    flat: Array = np.zeros(sum(math.prod(shape) for shape in shapes.values()), dtype)
    cell, H = CELLS[config.cell], config.hidden_size
    for name, view in parameter_views(flat, shapes).items():
        kind = name.split(".")[-1]
        if kind == "Wh":
            for block in np.split(view, view.shape[1] // H, axis=1):
                block[...] = _orthogonal(H, rng)
        elif kind == "E":
            view[...] = rng.standard_normal(view.shape)
        elif view.ndim == 2:
            q = H * cell.h_mean_square
            if name == "layers.0.Wx":
                q = config.embedding_size or 1
            elif kind == "W" and name.startswith("features."):
                q = F
            bound = math.sqrt(3 / q)
            drawn = view.shape[1] - (len(cell.input_gates) * H if kind == "Wx" else 0)
            view[:, :drawn] = rng.uniform(-bound, bound, (len(view), drawn))
        elif kind == "b" and name.startswith("layers."):
            for gate, value in cell.bias_init.items():
                np.split(view, len(cell.gates))[cell.gates.index(gate)][...] = value
    return flat


def _orthogonal(H: int, rng: np.random.Generator) -> Array:
    """Return a random orthogonal (H, H) matrix, uniformly distributed."""
    Q, R = np.linalg.qr(rng.standard_normal((H, H)))
    orthogonal: Array = Q * np.sign(np.diag(R))  # without the signs, it is not quite uniform
    return orthogonal
