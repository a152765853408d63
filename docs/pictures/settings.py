"""Draw settings.png: the settings that charrnn chooses for a text, by its size.

    python docs/pictures/settings.py

The rules are those of charrnn/training/recipe.py, for 1e11 operations a second, 65 different
characters and a tenth of the text for validation.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot as plt

from charrnn.config.reader import override_defaults
from charrnn.config.schema import Config
from charrnn.model.parameters import training_flops
from charrnn.text.streams import TextSizes
from charrnn.training.recipe import OPERATIONS_PER_S, fill_defaults

PICTURE = Path(__file__).with_name("settings.png")
MINUTES = {1: "#8fb8de", 5: "#2f78b7", 60: "#173f5f"}  # and their colours
V = 65
SIZES = [round(10 ** (4 + k / 20)) for k in range(81)]  # characters: 10 KB to 100 MB


def chosen(chars: int, minutes: float) -> tuple[Config, float]:
    """Return the settings for a text and a time, and how often the text is read."""
    train = round(0.9 * chars)
    sizes = TextSizes(train, (chars - train, 0))
    config = fill_defaults(override_defaults([f"train.max_minutes={minutes}"]), sizes, V)
    return config, OPERATIONS_PER_S * 60 * minutes / training_flops(config.model, V) / train


def main() -> None:
    """Draw the picture."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), dpi=120, layout="constrained")
    for minutes, colour in MINUTES.items():
        found = [chosen(chars, minutes) for chars in SIZES]
        label = f"{minutes} min"
        axes[0].plot(SIZES, [one.model.hidden_size for one, _ in found], color=colour, label=label)
        axes[1].plot(SIZES, [min(100, epochs) for _, epochs in found], color=colour)
        axes[2].plot(SIZES, [one.model.dropout for one, _ in found], color=colour)
    axes[1].set_yscale("log")
    axes[1].set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    for axis, title in zip(axes, ("units of a layer", "epochs", "both dropouts"), strict=True):
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_xscale("log")
        axis.set_xticks([1e4, 1e5, 1e6, 1e7, 1e8], ["10 K", "100 K", "1 M", "10 M", "100 M"])
        axis.set_xlabel("characters of the text", fontsize=9)
        axis.tick_params(labelsize=9)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=9, frameon=False)
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
