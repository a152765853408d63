"""An animation of the gradient norms by lag."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from charrnn.report.charts import ModelGradients, gradient_curves
from charrnn.report.figures import PALETTE, Size, add_head, figure_of, finish
from charrnn.system.atomic import atomic_write


def save_animation(models: ModelGradients, title: str, path: Path) -> None:
    """Write a GIF in which the curves of the gradient norms grow, lag by lag."""
    from PIL import Image

    curves, frames = [curve for curve, _ in gradient_curves(models, PALETTE)], []
    medians = np.stack([curve.y for curve in curves])  # (curves, K)
    K = medians.shape[1]
    finite = medians[np.isfinite(medians)]
    low, high = finite.min(initial=1.0), finite.max(initial=1e-12)
    with figure_of({}, Size(6.4, 4.0)) as figure:
        for lag in np.unique(np.linspace(1, K, min(K, 60)).astype(int)):
            figure.clear()
            figure.set_size_inches(6.4, 4.0)
            axes = figure.subplots()
            for curve in curves:
                axes.plot(curve.x[:lag], curve.y[:lag], curve.style, color=curve.colour)
                axes.plot(lag, curve.y[lag - 1], color=curve.colour, marker="o")
            axes.set_yscale("log")
            axes.set(xlim=(0, K + 1), ylim=(low / 2, 2 * high))
            finish(axes, "steps back")
            add_head(figure, title, curves)
            image = io.BytesIO()
            figure.savefig(image, format="png", dpi=100)
            frames.append(Image.open(image).convert("P", palette=Image.Palette.ADAPTIVE))
    durations = [80] * (len(frames) - 1) + [2500]  # ms
    with atomic_write(path) as file:
        frames[0].save(
            file,
            "GIF",
            save_all=True,
            append_images=frames[1:],
            duration=durations,
            loop=0,
            comment=b"charrnn",
        )
