"""charrnn inspect gradients."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from charrnn.commands.arguments import find_and_load, load_part, models_and_text
from charrnn.commands.options import IntInRange, json_option, output_option, text_options
from charrnn.commands.output_file import replaceable_path
from charrnn.commands.tables import print_objects
from charrnn.system.terminal import output_columns, wrapped

if TYPE_CHECKING:
    from charrnn.inspection.gradient_flow import StateGradient

_ENDINGS = (".png", ".svg", ".pdf", ".gif")
_LAGS = 100  # by default
_SHOWN_LAGS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_BARS = "▁▂▃▄▅▆▇█"
_DECADES = 8  # from the largest norm to an empty bar


class ModelGradients(NamedTuple):
    """The gradients of the states of one model."""

    path: Path
    cell: str
    states: list[StateGradient]


@click.command()
@click.argument("arguments", metavar="[CHECKPOINT]... [TEXT_FILE]", nargs=-1)
@text_options
@click.option(
    "--lags",
    type=IntInRange(1, 10_000),
    help="Number of steps to go back.  [default: 100, or as many as the text or the records allow]",
)
@click.option(
    "--losses",
    type=IntInRange(1, 10_000),
    default=128,
    show_default=True,
    help="Number of characters whose losses are backpropagated, evenly spaced over the text.",
)
@output_option(
    "File to draw to: .png, .svg, .pdf, or .gif for an animation. Needs Matplotlib and Jinja."
)
@json_option
def gradients(
    arguments: tuple[str, ...],
    split: str | None,
    unknown: str,
    lags: int | None,
    losses: int,
    output: str | None,
    as_json: bool,
) -> None:
    """Show how far back the gradient of a loss reaches.

    Prints the gradient's norm by lag, as the median over the losses, for each layer and state of
    each model: as numbers at some lags, and as bars over all lags on one logarithmic scale.
    CHECKPOINT and TEXT_FILE are those of charrnn eval.
    """
    arguments_of_models, text_file = models_and_text(arguments, split, most_models=100)
    if text_file == "-" and len(arguments_of_models) > 1:
        raise click.UsageError("- can be read once; name a text file for several models.")
    path = None
    if output is not None:
        from charrnn.report.figures import import_matplotlib

        path = replaceable_path(output, _ENDINGS)
        import_matplotlib()  # if it is missing, fail before the work
    models = [
        _compute(argument, text_file, split, unknown, lags, losses)
        for argument in arguments_of_models
    ]
    K = min(len(state.norms) for one in models for state in one.states)
    models = [
        one._replace(states=[replace(state, norms=state.norms[:K]) for state in one.states])
        for one in models
    ]
    if path is not None:
        _draw(models, path)
    if as_json:
        print_objects([{"lags": list(range(1, K + 1)), "curves": _curves(models)}])
        return
    click.echo("\n".join(_table(models)))


def _compute(
    argument: str | None,
    text_file: str | None,
    split: str | None,
    unknown: str,
    lags: int | None,
    losses: int,
) -> ModelGradients:
    from charrnn.errors import TextError, counted
    from charrnn.inspection.gradient_flow import gradient_by_lag
    from charrnn.system.progress import progress

    path, model = find_and_load(argument)
    part = load_part(model, text_file, split, unknown)
    reading = part.reading()
    lags = lags or min(_LAGS, reading.most_lags(losses))
    if lags > (most := reading.most_lags(1)):
        raise TextError(f"{part.name}: {reading.too_short(lags)}; --lags {most} is the most")
    positions = reading.loss_positions(lags, losses)
    click.echo(f"{path}, {part.name}: {counted(len(positions), 'loss')}", err=True)
    with progress(len(positions), "losses", "backpropagating") as advance:
        states = gradient_by_lag(model.model(), reading, positions, lags, advance)
    return ModelGradients(path, model.config.model.cell, states)


def _draw(models: Sequence[ModelGradients], path: Path) -> None:
    from charrnn.report.animation import save_animation
    from charrnn.report.charts import gradient_chart
    from charrnn.report.figures import save_chart

    cells = [one.cell for one in models]
    named = [
        (one.path.parent.name if cells.count(one.cell) > 1 else one.cell, one.states)
        for one in models
    ]
    title = "Gradient norm by lag: median and middle half of the losses"
    if path.suffix.lower() == ".gif":
        save_animation(named, "Gradient norm by lag: median of the losses", path)
    else:
        save_chart(partial(gradient_chart, named), title, "steps back", path)
    click.echo(f"written: {path}", err=True)


def _curves(models: Sequence[ModelGradients]) -> list[dict[str, object]]:
    names = ("lower_quartile", "median", "upper_quartile")
    return [
        {"model": str(one.path), "cell": one.cell, "layer": state.layer, "state": state.state}
        | dict(zip(names, state.quartiles.tolist(), strict=True))
        for one in models
        for state in one.states
    ]


def _table(models: Sequence[ModelGradients]) -> list[str]:
    """Return the medians at some lags, then a line of bars for each state."""
    import numpy as np

    largest = max(float(state.quartiles[1].max()) for one in models for state in one.states)
    K = len(models[0].states[0].norms)
    columns = output_columns()
    step = max(1, -(-K // min(60, max(1, columns - 20))))
    lags, most = [*(lag for lag in _SHOWN_LAGS if lag < K), K], min(7, max(2, (columns - 17) // 9))
    if len(lags) > most:
        lags = [lags[round(i * (len(lags) - 1) / (most - 1))] for i in range(most)]
    numbers = [f"{'':<17}" + "".join(f"{f'lag {lag}':>9}" for lag in lags)]
    scale = (
        f"lags 1 to {K:,} as bars, logarithmic: full at {largest:.1e}, empty below "
        f"{largest * 10.0**-_DECADES:.0e}"
    )
    bars = ["", wrapped(scale, sys.stdout, indent=2)]
    for path, cell, states in models:
        numbers.append(f"{path} ({cell})")
        bars.append(numbers[-1])
        for state in states:
            median = state.quartiles[1]  # (K,)
            row = "".join(f"{median[lag - 1]:>9.1e}" for lag in lags)
            numbers.append(f"  {state!s:<15}{row}")
            shares = np.maximum(median[::step] / (largest or 1), 1e-300)
            heights = np.log10(shares) / _DECADES + 1  # (K / step,)
            row = "".join(" " if not h > 0 else _BARS[min(7, int(8 * h))] for h in heights)
            bars.append(f"  {state!s:<16}{row}")
    return numbers + bars
