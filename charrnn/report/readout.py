"""The values of a chart in a page, shown where the pointer is.

They need no script: each stretch of the x axis is a transparent bar, and the page's style shows a
bar's values while the pointer, or a finger, is over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from charrnn.kernels import Array
from charrnn.report.charts import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BARS = 48  # at most
_LETTERS = 24  # of all names in a row, which is as wide as the chart
_POINT = 72  # per inch; SVG files of Matplotlib are in points


def readout(axes: Axes, curves: Sequence[Curve], x_label: str) -> str:
    """Return SVG elements with the values of curves.

    Args:
        axes: the curves are drawn here.
        curves: in the order of their values; those without a name are left out, unless all are.
        x_label: label of the x axis.
    """
    curves = [curve for curve in curves if np.isfinite(curve.y).any()]
    curves = [curve for curve in curves if curve.name] or curves
    names = [curve.name.partition(", best")[0] for curve in curves]
    if sum(map(len, names)) > _LETTERS:  # their colours tell the values apart
        names = [""] * len(curves)
    if not curves:
        return ""
    figure = axes.get_figure(root=True)
    assert figure is not None
    box, height = axes.bbox, figure.bbox.height
    scale = _POINT / figure.dpi
    left, right = box.x0 * scale, box.x1 * scale
    top, bottom = (height - box.y1) * scale, (height - box.y0) * scale
    xs = _chosen(np.unique(np.concatenate([curve.x for curve in curves])))
    places = axes.transData.transform(np.column_stack([xs, np.ones(len(xs))]))[:, 0] * scale
    edges = np.concatenate([[left], (places[1:] + places[:-1]) / 2, [right]])
    bars = []
    for x, place, start, end in zip(xs, places, edges, edges[1:], strict=False):
        values, dots = [], []
        for curve, name in zip(curves, names, strict=True):
            at = int(np.abs(curve.x - x).argmin())
            if not np.isfinite(curve.y[at]):
                continue
            value = escape(f"{name} {_number(curve.y[at])}".strip())
            values.append(f'<tspan fill="{curve.colour}">{value}</tspan>')
            dot = axes.transData.transform((curve.x[at], curve.y[at])) * scale
            if left <= dot[0] <= right and top <= height * scale - dot[1] <= bottom:
                dots.append(
                    f'<circle cx="{dot[0]:.1f}" cy="{height * scale - dot[1]:.1f}" r="3" '
                    f'fill="{curve.colour}"/>'
                )
        text = f"{x_label} {x:,.0f}: {', '.join(values)}"
        bars.append(
            f'<g><rect x="{start:.1f}" y="{top:.1f}" width="{end - start:.1f}" '
            f'height="{bottom - top:.1f}"/><g><path d="M{place:.1f} {top:.1f}V{bottom:.1f}"/>'
            f'{"".join(dots)}<text x="{left:.1f}" y="{top - 4:.1f}">{text}</text></g></g>'
        )
    return f'<g class="readout">{"".join(bars)}</g>'


def _chosen(xs: Array) -> Array:
    """Return at most `_BARS` values, about evenly spaced."""
    if len(xs) <= _BARS:
        return xs
    wanted = np.linspace(xs[0], xs[-1], _BARS)
    return np.unique(xs[np.abs(xs[:, None] - wanted).argmin(0)])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
