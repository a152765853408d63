"""Draws the dropout masks of a training step.

The key of a mask consists of the seed, the step, the layer, and whether the mask is for outputs or
weights. A checkpoint therefore needs no generator state, a resumed run draws the same masks, and
the masks do not depend on the number of workers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.config.schema import ModelConfig
from charrnn.kernels import CELLS, Array, Workspace, dropout_mask

_WEIGHTS = 1 << 15  # set in the key of a mask for weights


class Masks(NamedTuple):
    """The masks of all layers; a kind that is not in use has no masks."""

    outputs: tuple[Array, ...] = ()  # (T, N, H), or (1, N, H) for one mask per window
    weights: tuple[Array, ...] = ()  # (H, G), for Wh


NO_MASKS = Masks()


class MaskGenerator:
    """Draws the masks of a step, in arrays that the next step overwrites."""

    def __init__(
        self, config: ModelConfig, seed: int, dtype: type[np.floating] = np.float32
    ) -> None:
        self._config = config
        self._seed = seed
        self._dtype = dtype
        self._workspaces = [(Workspace(), Workspace()) for _ in range(config.num_layers)]

    def masks(self, step: int, T: int, streams: range) -> Masks:
        """Draw the masks of a training step.

        Args:
            step: counted from 0.
            T: length of its window.
            streams: the streams of the batch that the masks are for.
        """
        config, outputs, weights = self._config, [], []
        H = config.hidden_size
        _, K = CELLS[config.cell].parameter_shapes(H, H)["Wh"]
        if config.dropout_per == "window":
            T = 1
        for layer, (of_outputs, of_weights) in enumerate(self._workspaces):
            key = step << 16 | layer
            if config.dropout:
                outputs.append(self._draw(T, streams, H, config.dropout, key, of_outputs))
            if config.weight_dropout:
                rate, key = config.weight_dropout, key | _WEIGHTS
                weights.append(self._draw(H, range(1), K, rate, key, of_weights)[:, 0])
        return Masks(tuple(outputs), tuple(weights))

    def _draw(
        self, rows: int, each: range, columns: int, rate: float, key: int, workspace: Workspace
    ) -> Array:
        """Draw one mask (rows, each, columns)."""
        keys = (self._seed, key)
        return dropout_mask(rows, each, columns, rate, keys, self._dtype, workspace=workspace)
