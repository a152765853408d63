"""Charts of trainings and models: what is drawn into Matplotlib's axes.

Each function draws into given axes with given colours and returns its curves, of which a page or a
picture makes the legend (`charrnn.report.figures`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from charrnn.errors import plural
from charrnn.inspection.gradient_flow import StateGradient
from charrnn.kernels import Array
from charrnn.report.history import Binned, History, binned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_POINTS = 600  # of a curve
_MAX_DOTS = 40  # a curve with more points has no dots
_FAINT = 0.45  # opacity of a curve behind another

# The gradients of each model, with the model's name for the legend.
ModelGradients = Sequence[tuple[str, Sequence[StateGradient]]]


class PlottedRun(NamedTuple):
    """A run to draw."""

    name: str  # in the legend
    history: History
    clip_norm: float | None = None
    token: str = "char"


class Curve(NamedTuple):
    """A curve of a chart."""

    name: str  # in the legend; "" is not listed there
    colour: str
    x: Array
    y: Array
    opacity: float = 1.0
    style: str = "-"


Draw = Callable[["Axes", Sequence[str]], list[Curve]]


class HistoryChart(NamedTuple):
    """A chart of the history of runs."""

    title: str  # with the place `{unit}` for the unit
    unit: Callable[[Sequence[PlottedRun]], str]
    draw: Callable[[Sequence[PlottedRun], Axes, Sequence[str]], list[Curve]]

    def titled(self, runs: Sequence[PlottedRun]) -> str:
        """Return the title of a chart of runs."""
        return self.title.format(unit=self.unit(runs))


def loss_chart(runs: Sequence[PlottedRun], axes: Axes, colours: Sequence[str]) -> list[Curve]:
    """Draw the training loss faintly, the validation loss over it, and mark the best."""
    curves, highest = list[Curve](), list[float]()
    for run, colour in zip(runs, cycle(colours), strict=False):
        train, valid, best = run.history.train, run.history.valid, run.history.best
        points = _band(axes, train["step"], train["loss_nats"], colour, opacity=_FAINT)
        name = "training" if len(runs) == 1 else ""
        curves.append(Curve(name, colour, points.x, points.mean, _FAINT))
        dots = "o" if len(valid["step"]) <= _MAX_DOTS else ""
        axes.plot(valid["step"], valid["loss_nats"], color=colour, marker=dots, markersize=3)
        name = run.name if len(runs) > 1 else "validation"
        name += f", best {best[1]:.4f}" if best else ""
        if best or len(runs) > 1:
            curves.append(Curve(name, colour, valid["step"], valid["loss_nats"]))
        if best:
            axes.plot(*best, color=colour, marker="*", markersize=10, clip_on=False)
        losses = np.concatenate(
            (train["loss_nats"][len(train["step"]) // 50 :], valid["loss_nats"])
        )
        highest += [np.nanquantile(losses, 0.995)] if np.isfinite(losses).any() else []
        for step in run.history.skipped[:50]:
            axes.axvline(step, color=_faint(axes), linewidth=0.8, linestyle=":")
    low, high = axes.get_ylim()
    if highest and max(highest) > low:
        axes.set_ylim(low - 0.03 * (max(highest) - low), min(high, 1.02 * max(highest)))
    return curves


def rate_chart(runs: Sequence[PlottedRun], axes: Axes, colours: Sequence[str]) -> list[Curve]:
    """Draw the learning rate."""
    curves = _one_each(runs, axes, colours, "learning_rate")
    axes.set_ylim(bottom=0)
    return curves


def norm_chart(runs: Sequence[PlottedRun], axes: Axes, colours: Sequence[str]) -> list[Curve]:
    """Draw the gradient norm before clipping, and the clipping threshold if it is near."""
    curves = _one_each(runs, axes, colours, "gradient_norm")
    for run, colour in zip(runs, cycle(colours), strict=False):
        norms = run.history.train["gradient_norm"]
        norms = norms[np.isfinite(norms)]
        if run.clip_norm is not None and len(norms) and run.clip_norm <= 2 * norms.max():
            axes.axhline(run.clip_norm, color=colour, linewidth=0.8, linestyle="--")
    _set_log_scale(axes)
    return curves


def speed_chart(runs: Sequence[PlottedRun], axes: Axes, colours: Sequence[str]) -> list[Curve]:
    """Draw the training speed, in characters or bytes per second."""
    curves = _one_each(runs, axes, colours, "chars_per_s")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value / 1000:,g}k" if value else "0")
    return curves


def _speed_unit(runs: Sequence[PlottedRun]) -> str:
    return " and ".join(sorted({f"{plural(run.token)}/s" for run in runs}))


def _loss_unit(runs: Sequence[PlottedRun]) -> str:
    return " and ".join(sorted({f"nats/{run.token}" for run in runs}))


HISTORY_CHARTS: Mapping[str, HistoryChart] = {
    "loss": HistoryChart("Loss, {unit}", _loss_unit, loss_chart),
    "rate": HistoryChart("Learning rate", lambda _: "", rate_chart),
    "norm": HistoryChart("Gradient norm, before clipping", lambda _: "", norm_chart),
    "speed": HistoryChart("Speed, {unit}", _speed_unit, speed_chart),
}


def gradient_chart(models: ModelGradients, axes: Axes, colours: Sequence[str]) -> list[Curve]:
    """Draw the median and the middle half of the gradient norms, by lag."""
    curves = list[Curve]()
    for curve, (low, _, high) in gradient_curves(models, colours):
        axes.plot(curve.x, curve.y, color=curve.colour, linestyle=curve.style)
        axes.fill_between(curve.x, low, high, color=curve.colour, alpha=0.1, linewidth=0)
        curves.append(curve)
    _set_log_scale(axes)
    return curves


def gradient_curves(models: ModelGradients, colours: Sequence[str]) -> list[tuple[Curve, Array]]:
    """Return the median of each state, and all quartiles (3, K); nan stands for 0.

    Several models have a colour each; the states of a single one do.
    """
    styles, curves = ("-", "--", "-.", ":"), []
    for model, (name, gradients) in enumerate(models):
        for state, gradient in enumerate(gradients):
            if len(models) > 1:
                label, colour, style = f"{name}, {gradient}", model, state
            else:
                label, colour, style = str(gradient), state, state // len(colours)
            quartiles = np.where(gradient.quartiles > 0, gradient.quartiles, np.nan)
            curve = Curve(
                label,
                colours[colour % len(colours)],
                np.arange(1, quartiles.shape[1] + 1),
                quartiles[1],
                style=styles[style % len(styles)],
            )
            curves.append((curve, quartiles))
    return curves


def _one_each(
    runs: Sequence[PlottedRun], axes: Axes, colours: Sequence[str], figure: str
) -> list[Curve]:
    """Draw a figure of the training lines of each run."""
    curves = []
    for run, colour in zip(runs, cycle(colours), strict=False):
        points = _band(axes, run.history.train["step"], run.history.train[figure], colour)
        curves.append(Curve(run.name if len(runs) > 1 else "", colour, points.x, points.mean))
    return curves


def _band(axes: Axes, x: Array, y: Array, colour: str, opacity: float = 1.0) -> Binned:
    """Draw a curve; a long one as its mean, with a band from its lowest to its highest values."""
    points = binned(x, y, _MAX_POINTS)
    marker = "o" if 0 < len(points.x) <= 3 else ""
    axes.plot(points.x, points.mean, color=colour, alpha=opacity, linewidth=1, marker=marker)
    if len(x) > _MAX_POINTS:
        axes.fill_between(
            points.x, points.low, points.high, color=colour, alpha=0.2 * opacity, linewidth=0
        )
    return points


def _set_log_scale(axes: Axes) -> None:
    """Make the y axis logarithmic if anything above 0 is drawn."""
    if np.isfinite(axes.dataLim.minposy):
        axes.set_yscale("log")


def _faint(axes: Axes) -> str:
    colour: str = axes.spines["left"].get_edgecolor()
    return colour
