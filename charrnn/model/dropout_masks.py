"""The dropout masks of a training step, drawn from its place in the training.

Each is keyed by seed, step, layer and whether it is for outputs or weights, so that there is no
generator to keep, a resumed run draws the same ones, and the number of workers does not matter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.config.schema import ModelConfig
from charrnn.kernels import CELLS, Array, Workspace, dropout_mask

_WEIGHTS = 1 << 15  # in a key: the mask of a layer's weights, not of its outputs


class Masks(NamedTuple):
    """A mask for each layer, or none at all where nothing of its kind is dropped."""

    outputs: tuple[Array, ...] = ()  # (T, N, H), or (1, N, H), the same for all steps
    weights: tuple[Array, ...] = ()  # (H, G), of Wh


NO_MASKS = Masks()


class MaskGenerator:
    """Draws the masks of a step; owns the memory that they live in until the next one."""

    def __init__(
        self, config: ModelConfig, seed: int, dtype: type[np.floating] = np.float32
    ) -> None:
        self._config = config
        self._seed = seed
        self._dtype = dtype
        layers = range(config.num_layers)
        self._workspaces = [(Workspace(), Workspace()) for _ in layers]

    def masks(self, step: int, T: int, streams: range) -> Masks:
        """Draw a step's masks.

        Args:
            step: counted from 0.
            T: steps of its window.
            streams: those of the batch that they are for.
        """
        config, outputs, weights = self._config, [], []
        H, G = config.hidden_size, len(CELLS[config.cell].gates) * config.hidden_size
        if config.dropout_per == "window":
            T = 1
        for layer, (of_outputs, of_weights) in enumerate(self._workspaces):
            key = step << 16 | layer
            if config.dropout:
                outputs.append(self._draw(T, streams, H, config.dropout, key, of_outputs))
            if config.weight_dropout:
                rate, key = config.weight_dropout, key | _WEIGHTS
                weights.append(self._draw(H, range(1), G, rate, key, of_weights)[:, 0])
        return Masks(tuple(outputs), tuple(weights))

    def _draw(
        self, rows: int, each: range, columns: int, rate: float, key: int, workspace: Workspace
    ) -> Array:
        """Draw (rows, each, columns)."""
        keys = (self._seed, key)
        return dropout_mask(rows, each, columns, rate, keys, self._dtype, workspace=workspace)
