"""The stack of layers, one token at a time, for sampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charrnn.kernels import Array, gatewise_lookup, gatewise_projection, projection_forward
from charrnn.model.model import Model, States

Stage = Callable[[Array], Array]  # a part of a step; its next call overwrites its result


def stepper(model: Model, states: States) -> Stage:
    """Return a function that reads one token of each of N texts.

    The function computes what `Model.forward` computes for T = 1 without dropout, for one text in
    half the time. All arrays are allocated here, and the product of every token with the first
    layer's Wx is computed here, so the parameters must not change while the function is in use.

    Args:
        model: the stack of layers.
        states: the states before the first step, C-contiguous; each step overwrites them, and a row
            may be set to other states between steps.

    Returns:
        step: takes codes (N,) and returns the logits (N, V) of the next tokens, which the next call
            overwrites.
    """
    (N, H), cell, views = states[0][0].shape, model.cell, model.views
    stages: list[Stage] = []
    for layer, states0 in enumerate(states):
        Wx, Wh, b, *bh = (views[f"layers.{layer}.{name}"] for name in cell.parameters)
        if layer > 0:
            stages.append(gatewise_projection(Wx, b, N, H))
        elif "embedding.E" in views:
            stages.append(gatewise_lookup(projection_forward(views["embedding.E"], Wx, b), N, H))
        else:
            stages.append(gatewise_lookup(Wx + b, N, H))
        stages.append(cell.stepper(model.loops.gates_forward, *states0, Wh, *bh))
    W, b = views["output.W"], views["output.b"]
    logits = np.empty((N, model.V), W.dtype)

    def step(codes: Array) -> Array:
        x = codes
        for stage in stages:
            x = stage(x)
        x.dot(W, logits)
        return np.add(logits, b, logits)

    return step
