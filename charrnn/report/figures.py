"""Figures with a chart: an SVG element for a page, a picture in a file.

A chart in a page takes its colours from the page, which has a light and a dark style. A chart in a
file of its own uses the palette of Okabe and Ito, which colour-blind people can tell apart.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from charrnn.errors import RunError
from charrnn.inspection.glyphs import display_width
from charrnn.report.charts import Curve, Draw
from charrnn.report.readout import readout
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
_MARGINS = {"left": 0.67, "right": 0.2, "top": 0.2, "bottom": 0.48}  # inches
_ROW = 0.19  # height of a row of the legend, inches
_COLUMNS = 88  # of a row of the legend, in characters
_TICKS = 7  # on a logarithmic axis, about


class Size(NamedTuple):
    """The size of a figure without its legend, in inches."""

    width: float
    height: float


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


class PageChart(NamedTuple):
    """A chart in a page."""

    title: str
    svg: str  # an element
    legend: list[tuple[str, float, str]]  # colour, opacity and name of each curve that has a name


def page_chart(draw: Draw, title: str, x_label: str, salt: str) -> PageChart:
    """Return a chart for a page whose style defines the colours.

    Args:
        draw: draws into axes with given colours, and returns the curves.
        title: of the chart.
        x_label: label of the x axis.
        salt: keeps this chart's identifiers different from those of the page's other charts.
    """
    with figure_of(_page_style(salt), Size(4.2, 2.8)) as figure:
        axes = figure.subplots()
        curves = draw(axes, list(_IN_A_PAGE))
        finish(axes, x_label)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        values = readout(axes, curves, x_label)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace("</svg>", f"{values}</svg>")
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = _in_colours_of_a_page(svg.replace("'DejaVu Sans'", "system-ui"))
    legend = [
        (_in_colours_of_a_page(curve.colour), curve.opacity, curve.name)
        for curve in curves
        if curve.name
    ]
    return PageChart(title, svg, legend)


def _in_colours_of_a_page(text: str) -> str:
    return re.sub("|".join(_VARIABLES), lambda found: _VARIABLES[found[0]], text)


def save_chart(draw: Draw, title: str, x_label: str, path: Path) -> None:
    """Write a chart to a file.

    Args:
        draw, title, x_label: as for `page_chart`.
        path: ends in .png, .svg or .pdf, which selects the format.
    """
    kind = path.suffix.lower()
    style = {"svg.fonttype": "path", "svg.hashsalt": "charrnn"}
    with atomic_write(path) as file, figure_of(style, Size(6.4, 4.0)) as figure:
        axes = figure.subplots()
        curves = draw(axes, PALETTE)
        finish(axes, x_label)
        add_head(figure, title, curves)
        figure.savefig(file, format=kind[1:], dpi=200, metadata=_METADATA[kind])


@contextmanager
def figure_of(style: Mapping[str, Any], size: Size) -> Iterator[Figure]:
    """Yield an empty figure of a size, with a style's settings beside those of any figure."""
    matplotlib = import_matplotlib()
    import matplotlib.pyplot as plt

    base = {
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.linewidth": 0.5,
        "grid.color": "#d0d0d0",
        "text.parse_math": False,  # a run's name may be $x$
        "font.size": 10,
        "font.family": ["DejaVu Sans"],
    }
    with warnings.catch_warnings(), plt.rc_context():
        warnings.filterwarnings("ignore", "Glyph")  # a run's name may be 漢字
        plt.rcdefaults()
        matplotlib.rcParams.update({**base, **style})
        figure = plt.figure(figsize=size)
        _place(figure, _MARGINS["top"])
        try:
            yield figure
        finally:
            plt.close(figure)


def _place(figure: Figure, top: float) -> None:
    """Set the margins; automatic layout would take half of the time that a page takes.

    Args:
        figure: has its final size.
        top: the upper margin, inches.
    """
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=_MARGINS["left"] / width,
        right=1 - _MARGINS["right"] / width,
        bottom=_MARGINS["bottom"] / height,
        top=1 - top / height,
    )


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


def finish(axes: Axes, x_label: str) -> None:
    """Add the axis labels and the tick labels."""
    if not np.isfinite(axes.dataLim.intervalx).all():  # a threshold alone is no data
        axes.text(0.5, 0.5, "nothing was recorded", ha="center", transform=axes.transAxes)
    axes.set_xlabel(x_label)
    axes.xaxis.set_major_formatter(
        lambda value, _: f"{value:,.0f}" if value == round(value) else f"{value:g}"
    )
    if axes.get_yscale() == "log":  # plain numbers; typeset powers are slow to draw
        axes.set_yticks(log_ticks(*axes.get_ylim()))
        axes.set_yticks([], minor=True)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def log_ticks(low: float, high: float) -> list[float]:
    """Return ticks of a logarithmic axis: at least three, however narrow it is.

    >>> log_ticks(0.004, 30)
    [0.01, 0.1, 1.0, 10.0]
    >>> log_ticks(0.3, 4)
    [0.5, 1.0, 2.0]
    """
    from matplotlib.ticker import MaxNLocator

    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        ticks = [float(f"{digit}e{power}") for power in powers for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 3:
            return ticks[:: math.ceil(len(ticks) / _TICKS)]
    return [
        float(tick) for tick in MaxNLocator(_TICKS).tick_values(low, high) if low <= tick <= high
    ]


def add_head(figure: Figure, title: str, curves: Sequence[Curve]) -> None:
    """Add a title and a legend above the axes, where the legend crosses no curve."""
    from matplotlib.lines import Line2D

    named = [curve._replace(name=_cut(curve.name)) for curve in curves if curve.name]
    widest = max((display_width(curve.name) for curve in named), default=0) + 8
    columns = max(1, min(len(named), _COLUMNS // widest))
    rows = math.ceil(len(named) / columns) if named else 0
    top = _MARGINS["top"] + 0.3 + rows * _ROW
    width, height = figure.get_size_inches()
    height += rows * _ROW
    figure.set_size_inches(width, height)
    _place(figure, top)
    left = _MARGINS["left"] / width
    figure.text(left, 1 - 0.3 / height, _cut(title), fontsize=11, fontweight="bold")
    if named:
        lines = [
            Line2D([], [], color=curve.colour, alpha=curve.opacity, linestyle=curve.style)
            for curve in named
        ]
        figure.legend(
            lines,
            [curve.name for curve in named],
            loc="upper left",
            bbox_to_anchor=(left, 1 - 0.36 / height),
            bbox_transform=figure.transFigure,
            borderaxespad=0,
            borderpad=0,
            ncols=columns,
            fontsize=8,
            frameon=False,
        )


def _cut(text: str) -> str:
    """Return a text that fits into a row."""
    while display_width(text) > _COLUMNS - 10:
        text = text[:-2] + "…"
    return text
