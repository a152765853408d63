"""charrnn inspect gradients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from charrnn.commands.arguments import load_part, loaded, split_arguments
from charrnn.commands.options import json_option, text_options
from charrnn.commands.output_file import replaceable_output

if TYPE_CHECKING:
    from charrnn.kernels import Array

_KINDS = (".png", ".svg", ".pdf", ".gif")
_SHOWN_LAGS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_BARS = "▁▂▃▄▅▆▇█"
_DECADES = 8  # that the bars reach down from the largest


class Curve(NamedTuple):
    """The norms of one state of one layer of one model, by lag."""

    model: str  # its file
    cell: str
    layer: int
    state: str
    quartiles: Array  # (3, K): the lower, the median, the upper one, over the losses


@click.command()
@click.argument("arguments", metavar="[CHECKPOINT]... [TEXT_FILE]", nargs=-1)
@text_options
@click.option(
    "--lags",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="Steps to go back.",
)
@click.option(
    "--losses",
    type=click.IntRange(1, 10_000),
    default=128,
    show_default=True,
    help="Characters whose losses are followed back, evenly over the text.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Draw them to a file, .png, .svg, .pdf, or moving as a .gif. Needs charrnn[report].",
)
@json_option
def gradients(
    arguments: tuple[str, ...],
    split: str | None,
    unknown: str,
    lags: int,
    losses: int,
    output: str | None,
    as_json: bool,
) -> None:
    """Show how far back the loss of a character reaches: the gradient's norm, by lag.

    For each layer and state of each model the median over the losses: as figures, and as bars from
    the first lag to the last, on a logarithmic scale that all of them share. CHECKPOINT and
    TEXT_FILE as for charrnn eval.
    """
    models, text_file = split_arguments(arguments, split, most_models=100)
    if text_file == "-" and len(models) > 1:
        raise click.UsageError("- can be read once; name a text file for several models.")
    target = None
    if output is not None:
        from charrnn.report.charts import library

        library()  # which may be missing, before anything takes a while
        target = replaceable_output(output, _KINDS)
    curves: list[Curve] = []
    newest: list[str | None] = [None]
    for argument in models or newest:
        curves += _curves(argument, text_file, split, unknown, lags, losses)
    if target is not None:
        _draw(curves, target)
    if as_json:
        click.echo(json.dumps({"lags": list(range(1, lags + 1)), "curves": _plain(curves)}))
        return
    click.echo("\n".join(_table(curves)))


def _curves(
    argument: str | None,
    text_file: str | None,
    split: str | None,
    unknown: str,
    lags: int,
    losses: int,
) -> list[Curve]:
    from charrnn.errors import TextError
    from charrnn.inspection.gradient_flow import gradient_by_lag, loss_positions
    from charrnn.system.progress import progress

    path, model = loaded(argument)
    part = load_part(model, text_file, split, unknown)
    if part.end <= lags:
        raise TextError(
            f"{part.name}: ends after {part.end:,} characters of the text, too few to go {lags:,} "
            f"steps back; --lags {part.end - 1} would do"
        )
    places = loss_positions(part.start, part.end, lags, losses)
    click.echo(f"{path}, {part.name}: {len(places)} losses", err=True)
    with progress(len(places), "losses") as advance:
        found = gradient_by_lag(model.model(), part.codes, places, lags, advance)
    cell = model.config.model.cell
    return [Curve(str(path), cell, lag.layer, lag.state, lag.quartiles) for lag in found]


def _draw(curves: Sequence[Curve], target: Path) -> None:
    from charrnn.report import charts
    from charrnn.system.atomic import atomic_write

    models = {one.model: one.cell for one in curves}
    cells = list(models.values())
    drawn = []
    for one in curves:
        name = f"layer {one.layer}, {one.state}"
        if len(models) > 1:
            same = cells.count(one.cell) > 1
            name = f"{Path(one.model).parent.name if same else one.cell}, {name}"
        drawn.append(charts.Curve(name, one.quartiles, list(models).index(one.model)))
    kind = target.suffix.lower()[1:]
    with atomic_write(target) as file:
        if kind == "gif":
            charts.save_animation(drawn, file)
        else:
            draw = partial(charts.gradient_chart, drawn)
            charts.save_chart(draw, "steps back", file, kind)
    click.echo(f"written: {target}", err=True)


def _plain(curves: Sequence[Curve]) -> list[dict[str, object]]:
    names = ("lower_quartile", "median", "upper_quartile")
    return [
        {"model": one.model, "cell": one.cell, "layer": one.layer, "state": one.state}
        | dict(zip(names, one.quartiles.tolist(), strict=True))
        for one in curves
    ]


def _table(curves: Sequence[Curve]) -> list[str]:
    """Medians at some lags, and a line of bars for each curve."""
    import numpy as np

    K = curves[0].quartiles.shape[1]
    lags = [*(lag for lag in _SHOWN_LAGS if lag < K), K]
    lags = [lags[round(i * (len(lags) - 1) / 6)] for i in range(7)] if len(lags) > 7 else lags
    rows = [f"{'':<17}" + "".join(f"{f'lag {lag}':>9}" for lag in lags)]
    for number, one in enumerate(curves):
        if not number or one.model != curves[number - 1].model:
            rows.append(f"{one.model} ({one.cell})")
        figures = "".join(f"{one.quartiles[1, lag - 1]:>9.1e}" for lag in lags)
        rows.append(f"  {f'layer {one.layer}, {one.state}':<15}{figures}")
    largest = max(float(one.quartiles[1].max()) for one in curves)
    step = max(1, -(-K // 60))
    rows += [
        "",
        f"as bars, lag 1 to {K:,}, logarithmic: a full one is {largest:.1e}, none is below",
    ]
    rows[-1] += f" {largest * 10.0**-_DECADES:.0e}"
    for number, one in enumerate(curves):
        if not number or one.model != curves[number - 1].model:
            rows.append(f"{one.model} ({one.cell})")
        medians = one.quartiles[1, ::step]
        shares = np.maximum(medians / (largest or 1), 1e-300)
        heights = np.log10(shares) / _DECADES + 1  # (K / step,)
        bars = "".join(
            " " if not height > 0 else _BARS[min(7, int(8 * height))] for height in heights
        )
        rows.append(f"  {f'layer {one.layer}, {one.state}':<16}{bars}")
    return rows
