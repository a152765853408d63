"""charrnn inspect cells."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import Part, load_part, loaded, split_arguments
from charrnn.commands.options import json_option, show_text, shown_text_options, text_options

if TYPE_CHECKING:
    from charrnn.inspection.units import Unit, UnitCorrelation
    from charrnn.runs.checkpoint import Checkpoint

_MOST = 1_000_000  # characters of which it is told what units follow; more tell no more


@click.command()
@click.argument("arguments", metavar="[CHECKPOINT] [TEXT_FILE]", nargs=-1)
@text_options
@click.option("--layer", type=click.IntRange(0), help="Units of this layer alone, from 0.")
@click.option(
    "--unit",
    type=click.IntRange(0),
    help="Show this one, from 0; of the last layer's h unless it is said.",
)
@click.option("--state", help="Units of this state alone, such as c.")
@shown_text_options
@click.option(
    "--top",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Units to list for each thing that can be followed.",
)
@json_option
def cells(
    arguments: tuple[str, ...],
    split: str | None,
    unknown: str,
    layer: int | None,
    unit: int | None,
    state: str | None,
    length: int,
    colour: str,
    top: int,
    as_json: bool,
) -> None:
    """Show what the units of a model follow: the line, quotes, brackets, words.

    Without --unit, the units that go best with what can be named of a text, by their correlation:
    looked for in the first half of the text, measured in the second. With it, the text coloured by
    that unit's activation. CHECKPOINT and TEXT_FILE as for charrnn eval.
    """
    models, text_file = split_arguments(arguments, split)
    path, model = loaded(models[0] if models else None)
    _check_unit(model, layer, unit, state)
    part = load_part(model, text_file, split, unknown)
    click.echo(f"{path}, {part.name}", err=True)
    if unit is None:
        hint = [*arguments, *(["--split", split] if split else [])]
        _show_correlated_units(model, part, layer, state, top, as_json, hint)
    else:
        _show_unit(model, part, _unit(model, layer, unit, state), length, colour, as_json)


def _check_unit(
    model: Checkpoint, layer: int | None, number: int | None, state: str | None
) -> None:
    """Refuse units that a model has not."""
    from charrnn.kernels import CELLS

    config = model.config.model
    states = CELLS[config.cell].states
    if layer is not None and layer >= config.num_layers:
        layers = f"0 to {config.num_layers - 1}" if config.num_layers > 1 else "0 alone"
        raise click.UsageError(f"--layer {layer}: this model has layer {layers}.")
    if number is not None and number >= config.hidden_size:
        raise click.UsageError(f"--unit {number}: a layer has units 0 to {config.hidden_size - 1}.")
    if state is not None and state not in states:
        raise click.UsageError(f"--state {state}: this model has {' and '.join(states)}.")


def _unit(model: Checkpoint, layer: int | None, number: int, state: str | None) -> Unit:
    """The unit that is meant; of the last layer and its output unless it is said."""
    from charrnn.inspection.units import Unit

    last = model.config.model.num_layers - 1
    return Unit(last if layer is None else layer, state or "h", number)


def _show_unit(
    model: Checkpoint, part: Part, unit: Unit, length: int, colour: str, as_json: bool
) -> None:
    import numpy as np

    from charrnn.inspection.colours import ACTIVATION
    from charrnn.inspection.units import activations

    end = min(part.end, part.start + length) if not as_json else part.end
    # One character more is read, as nothing is told of the last.
    values = activations(model.model(), part.codes, part.start, min(end + 1, part.end), unit)
    values = values[: end - part.start]
    if as_json:
        kept = [None if math.isnan(one) else round(one, 4) for one in values.tolist()]
        click.echo(json.dumps(_plain(unit) | {"activations": kept}))
        return
    scale = max(1.0, float(np.abs(np.nan_to_num(values)).max(initial=0.0)))
    click.echo(f"{name(unit)}; 1 stands for {scale:.2f}")
    show_text(model.vocabulary, part.codes[part.start : end], values / scale, ACTIVATION, colour)


def _show_correlated_units(
    model: Checkpoint,
    part: Part,
    layer: int | None,
    state: str | None,
    top: int,
    as_json: bool,
    hint: Sequence[str],
) -> None:
    from charrnn.errors import TextError
    from charrnn.inspection.features import text_features
    from charrnn.inspection.units import ENOUGH, correlated_units, units_of
    from charrnn.system.progress import progress

    if part.end - part.start < ENOUGH:
        raise TextError(
            f"{part.name}: is too short to tell what units follow; it takes {ENOUGH} characters"
        )
    read = model.model()
    end = min(part.end, part.start + _MOST)
    if end < part.end:
        click.echo(f"of {part.end - part.start:,} characters the first {_MOST:,}", err=True)
    features = text_features(part.codes, model.vocabulary, part.start, end)
    with progress(end - part.start) as advance:
        among = [
            (layer is None or unit.layer == layer) and (state is None or unit.state == state)
            for unit in units_of(read)
        ]
        found = correlated_units(
            read, part.codes, part.start, end, features, top, among=among, read=advance
        )
    if as_json:
        listed = [
            {"follows": one.feature, "r": round(one.r, 4)} | _plain(one.unit) for one in found
        ]
        click.echo(json.dumps({"units": listed}))
        return
    absent = [feature for feature in features if feature not in {one.feature for one in found}]
    click.echo("\n".join(_table(found, absent, hint)))


def _table(
    found: Sequence[UnitCorrelation], absent: Sequence[str], hint: Sequence[str]
) -> list[str]:
    width = max((len(one.feature) for one in found), default=0)
    rows = [f"{'what it follows':<{width}}  {'r':>6}  unit"]
    for one in found:
        weak = "  (weak)" if one.is_weak else ""
        rows.append(f"{one.feature:<{width}}  {one.r:>+6.3f}  {name(one.unit)}{weak}")
    if absent:
        rows += ["", f"the same throughout a half of this text: {', '.join(absent)}"]
    if not found:
        return rows
    best = found[0].unit
    words = ["charrnn", "inspect", "cells", *hint, "--layer", str(best.layer)]
    words += ["--unit", str(best.number), *(["--state", best.state] if best.state != "h" else [])]
    return [*rows, "", f"to see the first of them along the text: {shlex.join(words)}"]


def name(unit: Unit) -> str:
    """A unit in words."""
    return f"layer {unit.layer}, {unit.state} {unit.number}"


def _plain(unit: Unit) -> dict[str, object]:
    return {"layer": unit.layer, "state": unit.state, "unit": unit.number}
