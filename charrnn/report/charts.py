"""Charts of trainings and models, drawn with Matplotlib.

A chart in a page takes its colours from the page, which has a light and a dark style. A chart in a
file of its own uses the palette of Okabe and Ito, which colour-blind people can tell apart.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from charrnn.errors import RunError, plural
from charrnn.inspection.gradient_flow import StateGradient
from charrnn.kernels import Array
from charrnn.report.history import History, binned
from charrnn.system.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_IN_A_PAGE = {f"#00000{i + 1}": f"var(--series-{i + 1})" for i in range(len(PALETTE))}
_INK, _FAINT = "#00000a", "#00000b"
_VARIABLES = _IN_A_PAGE | {_INK: "var(--ink)", _FAINT: "var(--faint)"}
# Without dates, so that the same run gives the same file.
_METADATA: Mapping[str, Mapping[str, str | None]] = {
    ".png": {"Software": "charrnn"},
    ".svg": {"Creator": "charrnn", "Date": None},
    ".pdf": {"Creator": "charrnn", "CreationDate": None},
}
_MAX_POINTS = 600  # of a curve
_MAX_DOTS = 40  # a curve with more points has no dots

# The gradients of each model, with the model's name for the legend.
ModelGradients = Sequence[tuple[str, Sequence[StateGradient]]]


class PlottedRun(NamedTuple):
    """A run to draw."""

    name: str  # in the legend
    history: History
    clip_norm: float | None = None
    token: str = "char"


def import_matplotlib() -> Any:
    """Return Matplotlib, set to draw without a screen.

    Raises:
        RunError: Matplotlib, or Jinja for the pages, is not installed.
    """
    try:
        import jinja2  # noqa: F401
        import matplotlib
    except ImportError:
        raise RunError(
            "drawing needs Matplotlib and Jinja, which are not installed; "
            "install them with pip install matplotlib jinja2"
        ) from None
    matplotlib.use("agg")
    return matplotlib


def loss_chart(runs: Sequence[PlottedRun], axes: Axes, colours: Sequence[str]) -> None:
    """Draw the training loss faintly, the validation loss over it, and mark the best."""
    highest = []
    for run, colour in zip(runs, cycle(colours), strict=False):
        train, valid = run.history.train, run.history.valid
        _band(axes, train["step"], train["loss_nats"], colour, None, alpha=0.45)
        name, best = run.name if len(runs) > 1 else "validation", run.history.best
        axes.plot(
            valid["step"],
            valid["loss_nats"],
            color=colour,
            marker="o" if len(valid["step"]) <= _MAX_DOTS else "",
            markersize=3,
            label=f"{name}, best {best[1]:.4f}" if best else _label(run, runs),
        )
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
    if len(runs) == 1:
        axes.plot([], [], color=colours[0], alpha=0.45, linewidth=1, label="training")
    axes.set_ylabel(" and ".join(sorted({f"nats/{run.token}" for run in runs})))


def rate_chart(runs: Sequence[PlottedRun], axes: Axes, colours: Sequence[str]) -> None:
    """Draw the learning rate."""
    for run, colour in zip(runs, cycle(colours), strict=False):
        train = run.history.train
        _band(axes, train["step"], train["learning_rate"], colour, _label(run, runs))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("learning rate")


def norm_chart(runs: Sequence[PlottedRun], axes: Axes, colours: Sequence[str]) -> None:
    """Draw the gradient norm before clipping, and the clipping threshold if it is near."""
    for run, colour in zip(runs, cycle(colours), strict=False):
        train = run.history.train
        _band(axes, train["step"], train["gradient_norm"], colour, _label(run, runs))
        norms = train["gradient_norm"][np.isfinite(train["gradient_norm"])]
        if run.clip_norm is not None and len(norms) and run.clip_norm <= 2 * norms.max():
            axes.axhline(run.clip_norm, color=colour, linewidth=0.8, linestyle="--")
    _set_log_scale(axes)
    axes.set_ylabel("gradient norm")


def speed_chart(runs: Sequence[PlottedRun], axes: Axes, colours: Sequence[str]) -> None:
    """Draw the training speed, in characters or bytes per second."""
    for run, colour in zip(runs, cycle(colours), strict=False):
        train = run.history.train
        _band(axes, train["step"], train["chars_per_s"], colour, _label(run, runs))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value / 1000:,g}k" if value else "0")
    axes.set_ylabel(speed_unit(runs))


def speed_unit(runs: Sequence[PlottedRun]) -> str:
    """Return the unit of the speed of runs, or both units if their tokens differ."""
    return " and ".join(sorted({f"{plural(run.token)}/s" for run in runs}))


HISTORY_CHARTS: Mapping[str, Callable[[Sequence[PlottedRun], Axes, Sequence[str]], None]] = {
    "loss": loss_chart,
    "rate": rate_chart,
    "norm": norm_chart,
    "speed": speed_chart,
}


def gradient_chart(models: ModelGradients, axes: Axes, colours: Sequence[str]) -> None:
    """Draw the median and the middle half of the gradient norms, by lag."""
    for label, colour, style, (low, median, high) in _gradient_curves(models, colours):
        lags = np.arange(1, len(median) + 1)
        axes.plot(lags, median, color=colour, label=label, linestyle=style)
        axes.fill_between(lags, low, high, color=colour, alpha=0.1, linewidth=0)
    _set_log_scale(axes)
    axes.set_ylabel("gradient norm: median, middle half")


def _gradient_curves(
    models: ModelGradients, colours: Sequence[str]
) -> list[tuple[str, str, str, Array]]:
    """Return label, colour, line style and quartiles (3, K) of each state; nan stands for 0.

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
            chosen = colours[colour % len(colours)], styles[style % len(styles)]
            curves.append((label, *chosen, quartiles))
    return curves


def _label(run: PlottedRun, runs: Sequence[PlottedRun]) -> str | None:
    """Return a run's name if there are several runs."""
    return run.name if len(runs) > 1 else None


def _band(
    axes: Axes, x: Array, y: Array, colour: str, label: str | None, alpha: float = 1.0
) -> None:
    """Draw a curve; a long one as its mean, with a band from its lowest to its highest values."""
    points = binned(x, y, _MAX_POINTS)
    marker = "o" if 0 < len(points.x) <= 3 else ""
    axes.plot(
        points.x, points.mean, color=colour, alpha=alpha, linewidth=1, label=label, marker=marker
    )
    if len(x) > _MAX_POINTS:
        axes.fill_between(
            points.x, points.low, points.high, color=colour, alpha=0.2 * alpha, linewidth=0
        )


def _set_log_scale(axes: Axes) -> None:
    """Make the y axis logarithmic if anything above 0 is drawn."""
    if np.isfinite(axes.dataLim.minposy):
        axes.set_yscale("log")


def _faint(axes: Axes) -> str:
    colour: str = axes.spines["left"].get_edgecolor()
    return colour


def svg_chart(draw: Callable[[Axes, Sequence[str]], None], x_label: str, salt: str) -> str:
    """Return a chart as an SVG element for a page whose style defines the colours.

    Args:
        draw: draws into axes with given colours.
        x_label: label of the x axis.
        salt: keeps this chart's identifiers different from those of the page's other charts.
    """
    with _figure(_page_style(salt), (4.2, 2.8)) as figure:
        axes = figure.subplots()
        draw(axes, list(_IN_A_PAGE))
        _finish(axes, x_label)
        axes.set_ylabel("")  # the caption has it
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img"', svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace("'DejaVu Sans'", "system-ui")
    return re.sub("|".join(_VARIABLES), lambda found: _VARIABLES[found[0]], svg)


def save_chart(draw: Callable[[Axes, Sequence[str]], None], x_label: str, path: Path) -> None:
    """Write a chart to a file.

    Args:
        draw, x_label: as for `svg_chart`.
        path: ends in .png, .svg or .pdf, which selects the format.
    """
    kind = path.suffix.lower()
    style = {"svg.fonttype": "path", "svg.hashsalt": "charrnn"}
    with atomic_write(path) as file, _figure(style, (6.4, 4.0)) as figure:
        axes = figure.subplots()
        draw(axes, PALETTE)
        _finish(axes, x_label)
        figure.savefig(file, format=kind[1:], dpi=200, metadata=_METADATA[kind])


def save_animation(models: ModelGradients, path: Path) -> None:
    """Write a GIF in which the curves of the gradient norms grow, lag by lag."""
    from PIL import Image

    curves, frames = _gradient_curves(models, PALETTE), []
    medians = np.stack([quartiles[1] for *_, quartiles in curves])  # (curves, K)
    K = medians.shape[1]
    finite = medians[np.isfinite(medians)]
    low, high = finite.min(initial=1.0), finite.max(initial=1e-12)
    with _figure({}, (6.4, 4.0)) as figure:
        for lag in np.unique(np.linspace(1, K, min(K, 60)).astype(int)):
            figure.clear()
            axes = figure.subplots()
            for (label, colour, style, _), median in zip(curves, medians, strict=True):
                axes.plot(range(1, lag + 1), median[:lag], style, color=colour, label=label)
                axes.plot(lag, median[lag - 1], color=colour, marker="o")
            _set_log_scale(axes)
            axes.set(xlim=(0, K + 1), ylim=(low / 2, 2 * high))
            axes.set_ylabel("gradient norm, median")
            _finish(axes, "steps back")
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


@contextmanager
def _figure(style: Mapping[str, Any], size: tuple[float, float]) -> Iterator[Figure]:
    matplotlib = import_matplotlib()
    import matplotlib.pyplot as plt

    base = {
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.linewidth": 0.5,
        "grid.color": "#d0d0d0",
        "legend.frameon": False,
        "text.parse_math": False,  # a run's name may be $x$
        "font.size": 10,
        "font.family": ["DejaVu Sans"],
    }
    with warnings.catch_warnings(), plt.rc_context():
        warnings.filterwarnings("ignore", "Glyph")  # a run's name may be 漢字
        plt.rcdefaults()
        matplotlib.rcParams.update({**base, **style})
        figure = plt.figure(figsize=size)
        # Automatic layout would take half of the time that a page takes.
        figure.subplots_adjust(left=0.16, right=0.95, top=0.96, bottom=0.17)
        try:
            yield figure
        finally:
            plt.close(figure)


def _page_style(salt: str) -> dict[str, Any]:
    inks = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color")
    return {
        **dict.fromkeys(inks, _INK),
        "axes.edgecolor": _FAINT,
        "grid.color": _FAINT,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
    }


def _finish(axes: Axes, x_label: str) -> None:
    """Add the axis labels, the tick labels and the legend."""
    if not np.isfinite(axes.dataLim.intervalx).all():  # a threshold alone is no data
        axes.text(0.5, 0.5, "nothing was recorded", ha="center", transform=axes.transAxes)
    axes.set_xlabel(x_label)
    axes.xaxis.set_major_formatter(
        lambda value, _: f"{value:,.0f}" if value == round(value) else f"{value:g}"
    )
    if axes.get_yscale() == "log":  # plain numbers; typeset powers are slow to draw
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        low, high = axes.get_ylim()
        between = "25" if high < 100 * low else ""  # labels for 2 and 5 if there are few powers
        axes.yaxis.set_minor_formatter(
            lambda value, _: f"{value:g}" if f"{value:e}"[0] in between else ""
        )
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        axes.legend(handles, labels, fontsize=8 if len(labels) <= 12 else 5)
