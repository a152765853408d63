"""What a model predicts after each character of a text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.model import Model, quietly

_WINDOW = 64  # steps, at most
_LOGITS = 1 << 22  # of a window, at most, unless one step has more


class Prediction(NamedTuple):
    """The prediction after one character."""

    read: int  # code of that character
    likeliest: tuple[int, ...]  # codes, most likely first
    probabilities: tuple[float, ...]  # of the likeliest
    actual: int | None  # code of the next character; None at the end of the text
    probability: float | None  # of the next character
    rank: int | None  # of the next character, 1 for the likeliest


@quietly
def predictions(
    model: Model, codes: Array, count: int, features: Array | None = None
) -> list[Prediction]:
    """Read a text from zero states; return the prediction after each of its characters.

    Args:
        model: predicts.
        codes: (n,), n > 0, the text.
        count: how many of the likeliest characters to return.
        features: (1, F), standardised, of which the first states are made; None: zero states.
    """
    found, states = list[Prediction](), model.first_states(1, features)
    T = max(1, min(_WINDOW, _LOGITS // model.V))
    for start in range(0, len(codes), T):
        window = codes[start : start + T].astype(np.intp)
        logits, states, _ = model.forward(window[:, None], states)
        for position, row in enumerate(logits[:, 0], start):
            p = _softmax(row)  # (V,)
            order = np.argsort(-p, kind="stable")
            best = order[:count]
            actual = int(codes[position + 1]) if position + 1 < len(codes) else None
            found.append(
                Prediction(
                    int(codes[position]),
                    tuple(best.tolist()),
                    tuple(p[best].tolist()),
                    actual,
                    None if actual is None else float(p[actual]),
                    None if actual is None else int(np.flatnonzero(order == actual)[0]) + 1,
                )
            )
    return found


def _softmax(logits: Array) -> Array:
    """Return the probabilities (V,) of logits (V,), in float64."""
    weights = np.exp(np.subtract(logits, logits.max(), dtype=np.float64))
    probabilities: Array = weights / weights.sum()
    return probabilities
