"""What a model expects after each character of a text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.model import Model

_STEPS = 64  # of a window, at most
_LOGITS = 1 << 22  # of a window, at most, as long as a step has no more


class Prediction(NamedTuple):
    """What is expected after one character."""

    read: int  # the code of the character that was read last
    likeliest: tuple[int, ...]  # codes, likeliest first
    probabilities: tuple[float, ...]  # theirs
    actual: int | None  # what came; None after the last character
    probability: float | None  # of what came
    rank: int | None  # of what came, 1 for the likeliest


def predictions(model: Model, codes: Array, count: int) -> list[Prediction]:
    """Read a text from its beginning; return what is expected after each of its characters.

    Args:
        model: read with, from states of zero.
        codes: (n,), n > 0.
        count: how many of the likeliest are told.
    """
    found, states = list[Prediction](), model.zero_states(1)
    T = max(1, min(_STEPS, _LOGITS // model.V))
    for start in range(0, len(codes), T):
        window = codes[start : start + T].astype(np.intp)
        logits, states, _ = model.forward(window[:, None], states)
        for place, row in enumerate(logits[:, 0], start):
            p = _softmax(row)  # (V,)
            order = np.argsort(-p, kind="stable")
            best = order[:count]
            actual = int(codes[place + 1]) if place + 1 < len(codes) else None
            found.append(
                Prediction(
                    int(codes[place]),
                    tuple(best.tolist()),
                    tuple(p[best].tolist()),
                    actual,
                    None if actual is None else float(p[actual]),
                    None if actual is None else int(np.flatnonzero(order == actual)[0]) + 1,
                )
            )
    return found


def _softmax(logits: Array) -> Array:
    """The probabilities (V,) of logits (V,), in float64."""
    weights = np.exp(np.subtract(logits, logits.max(), dtype=np.float64))
    probabilities: Array = weights / weights.sum()
    return probabilities
