"""Scores a text in the plainest way, as a reference for the fast one."""

from __future__ import annotations

import math

import numpy as np

from charrnn.kernels import Array
from charrnn.model.model import Model


def plain_loop(
    model: Model,
    codes: Array,
    start: int,
    end: int,
    context: int = 0,
    features: Array | None = None,
) -> list[float]:
    """Return the loss of each token from `start` to `end`, in nats, reading from `context` on."""
    states, costs_nats = model.first_states(1, features), []
    for place in range(context, end - 1):
        logits, states, _ = model.forward(codes[place : place + 1, None].astype(np.intp), states)
        logits = logits[0, 0].astype(np.float64)  # (V,)
        log_sum = logits.max() + math.log(np.exp(logits - logits.max()).sum())
        if place + 1 >= start:
            costs_nats.append(float(log_sum - logits[codes[place + 1]]))
    return costs_nats
