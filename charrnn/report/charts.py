"""Charts of trainings and models, drawn by Matplotlib.

In a page they take their colours from it, so that they suit light and dark; in a file of their own
they have those of Okabe and Ito, which people who are colour-blind tell apart.
"""

from __future__ import annotations

import io
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from charrnn.errors import RunError
from charrnn.kernels import Array
from charrnn.report.history import History, binned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_IN_A_PAGE = {f"#00000{i + 1}": f"var(--series-{i + 1})" for i in range(len(PALETTE))}
_INK, _FAINT = "#00000a", "#00000b"
_VARIABLES = _IN_A_PAGE | {_INK: "var(--ink)", _FAINT: "var(--faint)"}
_METADATA: Mapping[str, Mapping[str, str | None]] = {  # no dates, so that pictures are the same
    "png": {"Software": "charrnn"},
    "svg": {"Creator": "charrnn", "Date": None},
    "pdf": {"Creator": "charrnn", "CreationDate": None},
}
_POINTS = 600  # of a curve
_DOTTED = 40  # points of a curve, up to which each gets a dot


class NamedRun(NamedTuple):
    """A run with the name that it has in a chart."""

    name: str
    history: History
    clip_norm: float | None = None
    unit: str = "char"


class Curve(NamedTuple):
    """How far the gradient of one state reaches: quartiles (3, K) of its norm, by lag."""

    name: str
    quartiles: Array
    model: int = 0  # of several: its number


def library() -> Any:
    """Return Matplotlib, ready to draw without a screen.

    Raises:
        RunError: it is not installed.
    """
    try:
        import jinja2  # noqa: F401
        import matplotlib
    except ImportError:
        raise RunError(
            "drawing needs Matplotlib and Jinja, which are not installed; "
            "pip install matplotlib jinja2"
        ) from None
    matplotlib.use("agg")
    return matplotlib


def loss_chart(runs: Sequence[NamedRun], axes: Axes, colours: Sequence[str]) -> None:
    """Training loss faint, validation above it, the best marked."""
    highest = []
    for run, colour in zip(runs, cycle(colours), strict=False):
        train, valid = run.history.train, run.history.valid
        _band(axes, train["step"], train["loss_nats"], colour, None, alpha=0.45)
        name, best = run.name if len(runs) > 1 else "validation", run.history.best
        axes.plot(
            valid["step"],
            valid["loss_nats"],
            color=colour,
            marker="o" if len(valid["step"]) <= _DOTTED else "",
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
    axes.set_ylabel(" and ".join(sorted({f"nats/{run.unit}" for run in runs})))


def rate_chart(runs: Sequence[NamedRun], axes: Axes, colours: Sequence[str]) -> None:
    """The learning rate."""
    for run, colour in zip(runs, cycle(colours), strict=False):
        train = run.history.train
        _band(axes, train["step"], train["learning_rate"], colour, _label(run, runs))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("learning rate")


def norm_chart(runs: Sequence[NamedRun], axes: Axes, colours: Sequence[str]) -> None:
    """The gradient's norm before clipping, and the bound where it is near."""
    for run, colour in zip(runs, cycle(colours), strict=False):
        train = run.history.train
        _band(axes, train["step"], train["gradient_norm"], colour, _label(run, runs))
        norms = train["gradient_norm"][np.isfinite(train["gradient_norm"])]
        if run.clip_norm is not None and len(norms) and run.clip_norm <= 2 * norms.max():
            axes.axhline(run.clip_norm, color=colour, linewidth=0.8, linestyle="--")
    _logarithmic(axes)
    axes.set_ylabel("gradient norm")


def speed_chart(runs: Sequence[NamedRun], axes: Axes, colours: Sequence[str]) -> None:
    """Characters trained on in a second."""
    for run, colour in zip(runs, cycle(colours), strict=False):
        train = run.history.train
        _band(axes, train["step"], train["chars_per_s"], colour, _label(run, runs))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value / 1000:,g}k" if value else "0")
    axes.set_ylabel("characters/s")


HISTORY_CHARTS: Mapping[str, Callable[[Sequence[NamedRun], Axes, Sequence[str]], None]] = {
    "loss": loss_chart,
    "rate": rate_chart,
    "norm": norm_chart,
    "speed": speed_chart,
}


def gradient_chart(curves: Sequence[Curve], axes: Axes, colours: Sequence[str]) -> None:
    """Medians and quartiles of the gradient's norm, by lag."""
    for curve, (colour, style) in zip(curves, _styles(curves, colours), strict=True):
        low, median, high = np.where(curve.quartiles > 0, curve.quartiles, np.nan)
        lags = np.arange(1, len(median) + 1)
        axes.plot(lags, median, color=colour, label=curve.name, linestyle=style)
        axes.fill_between(lags, low, high, color=colour, alpha=0.1, linewidth=0)
    _logarithmic(axes)
    axes.set_ylabel("gradient norm: median, middle half")


def _styles(curves: Sequence[Curve], colours: Sequence[str]) -> list[tuple[str, str]]:
    """Return colour and dashes of each curve: of several models, a colour for each of them."""
    lines, several = ("-", "--", "-.", ":"), len({curve.model for curve in curves}) > 1
    counts: Counter[int] = Counter()
    styles = []
    for number, curve in enumerate(curves):
        within = counts[curve.model]
        counts[curve.model] += 1
        hue, line = (curve.model, within) if several else (number, number // len(colours))
        styles.append((colours[hue % len(colours)], lines[line % len(lines)]))
    return styles


def _label(run: NamedRun, runs: Sequence[NamedRun]) -> str | None:
    """A run's name where there are others."""
    return run.name if len(runs) > 1 else None


def _band(
    axes: Axes, x: Array, y: Array, colour: str, label: str | None, alpha: float = 1.0
) -> None:
    """A curve; of a long one the mean, and what lies between its lowest and highest values."""
    points = binned(x, y, _POINTS)
    marker = "o" if 0 < len(points.x) <= 3 else ""
    axes.plot(
        points.x, points.mean, color=colour, alpha=alpha, linewidth=1, label=label, marker=marker
    )
    if len(x) > _POINTS:
        axes.fill_between(
            points.x, points.low, points.high, color=colour, alpha=0.2 * alpha, linewidth=0
        )


def _logarithmic(axes: Axes) -> None:
    """A logarithmic scale, if anything above 0 is drawn."""
    if np.isfinite(axes.dataLim.minposy):
        axes.set_yscale("log")


def _faint(axes: Axes) -> str:
    colour: str = axes.spines["left"].get_edgecolor()
    return colour


def svg_chart(draw: Callable[[Axes, Sequence[str]], None], x_label: str, salt: str) -> str:
    """Return a chart as an SVG element for a page whose style has the colours.

    Args:
        draw: draws into axes with the colours that it is given.
        x_label: what is to the right.
        salt: tells this chart's identifiers from those of the page's others.
    """
    with _figure(_page_style(salt), (4.2, 2.8)) as figure:
        axes = figure.subplots()
        draw(axes, list(_IN_A_PAGE))
        _finish(axes, x_label)
        axes.set_ylabel("")  # the page says it above
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img"', svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace("'DejaVu Sans'", "system-ui")
    return re.sub("|".join(_VARIABLES), lambda found: _VARIABLES[found[0]], svg)


def save_chart(
    draw: Callable[[Axes, Sequence[str]], None], x_label: str, file: IO[bytes], kind: str
) -> None:
    """Write a chart as a file of its own.

    Args:
        draw, x_label: as for `svg_chart`.
        file: to write to.
        kind: png, svg or pdf.
    """
    with _figure({"svg.fonttype": "path", "svg.hashsalt": "charrnn"}, (6.4, 4.0)) as figure:
        axes = figure.subplots()
        draw(axes, PALETTE)
        _finish(axes, x_label)
        figure.savefig(file, format=kind, dpi=200, metadata=_METADATA[kind])


def save_animation(curves: Sequence[Curve], file: IO[bytes]) -> None:
    """Write the gradient's norms as they shrink, lag by lag, as a GIF."""
    from PIL import Image

    K, frames = curves[0].quartiles.shape[1], []
    medians = [np.where(c.quartiles[1] > 0, c.quartiles[1], np.nan) for c in curves]
    seen = np.concatenate([median[np.isfinite(median)] for median in medians])
    low, high = seen.min(initial=1.0), seen.max(initial=1e-12)
    with _figure({}, (6.4, 4.0)) as figure:
        for lag in np.unique(np.linspace(1, K, min(K, 60)).astype(int)):
            figure.clear()
            axes = figure.subplots()
            for curve, median, (colour, style) in zip(
                curves, medians, _styles(curves, PALETTE), strict=True
            ):
                axes.plot(range(1, lag + 1), median[:lag], style, color=colour, label=curve.name)
                axes.plot(lag, median[lag - 1], color=colour, marker="o")
            _logarithmic(axes)
            axes.set(xlim=(0, K + 1), ylim=(low / 2, 2 * high))
            axes.set_ylabel("gradient norm, median")
            _finish(axes, "steps back")
            image = io.BytesIO()
            figure.savefig(image, format="png", dpi=100)
            frames.append(Image.open(image).convert("P", palette=Image.Palette.ADAPTIVE))
    durations = [80] * (len(frames) - 1) + [2500]
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
    matplotlib = library()
    import matplotlib.pyplot as plt

    base = {
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.linewidth": 0.5,
        "grid.color": "#d0d0d0",
        "legend.frameon": False,
        "text.parse_math": False,  # a run may be called $x$
        "font.size": 10,
        "font.family": ["DejaVu Sans"],
    }
    with warnings.catch_warnings(), plt.rc_context():
        warnings.filterwarnings("ignore", "Glyph")  # a run may be called 漢字
        plt.rcdefaults()
        matplotlib.rcParams.update({**base, **style})
        figure = plt.figure(figsize=size)
        # A layout that measures itself takes half of the time that a page takes.
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
    """What all charts have in common."""
    if not np.isfinite(axes.dataLim.intervalx).all():  # a bound alone is not of the run
        axes.text(0.5, 0.5, "nothing was recorded", ha="center", transform=axes.transAxes)
    axes.set_xlabel(x_label)
    axes.xaxis.set_major_formatter(
        lambda value, _: f"{value:,.0f}" if value == round(value) else f"{value:g}"
    )
    if axes.get_yscale() == "log":  # powers as they are typed; set as formulas they take long
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        low, high = axes.get_ylim()
        between = "25" if high < 100 * low else ""  # where there are few powers
        axes.yaxis.set_minor_formatter(
            lambda value, _: f"{value:g}" if f"{value:e}"[0] in between else ""
        )
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        axes.legend(handles, labels, fontsize=8 if len(labels) <= 12 else 5)
