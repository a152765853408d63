"""charrnn inspect cells."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import load_model_and_part
from charrnn.commands.options import (
    IntInRange,
    checkpoint_and_text_arguments,
    json_option,
    show_text,
    shown_text_options,
    text_options,
)
from charrnn.commands.tables import print_objects
from charrnn.system.terminal import wrapped

if TYPE_CHECKING:
    from charrnn.inspection.units import Unit, UnitCorrelation
    from charrnn.runs.checkpoint import Checkpoint
    from charrnn.text.part import Part

_MAX_CHARS = 1_000_000  # read for the correlations; more would hardly change them


@click.command()
@checkpoint_and_text_arguments
@text_options
@click.option("--layer", type=IntInRange(0), help="Only units of this layer, from 0.")
@click.option(
    "--unit",
    type=IntInRange(0),
    help="Show the activation of this unit, from 0; of h and the last layer unless --state and "
    "--layer name others.",
)
@click.option("--state", help="Only units of this state, such as c.")
@shown_text_options
@click.option(
    "--top",
    type=IntInRange(1),
    default=1,
    show_default=True,
    help="Number of units to list for each feature.",
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
    """Show units that track a feature of the text.

    Features are, for example, the line, quotes and words. Without --unit, lists the units whose
    activations correlate best with each feature: the first half of the text selects them, the
    second half measures the correlation. With --unit, prints the text coloured by the activation of
    that unit. CHECKPOINT and TEXT_FILE are those of charrnn eval.
    """
    model, part = load_model_and_part(arguments, split, unknown)
    _check_unit(model, layer, unit, state)
    if unit is None:
        hint = [*arguments, *(["--split", split] if split else [])]
        _show_correlated_units(model, part, layer, state, top, as_json, hint)
    else:
        from charrnn.inspection.units import Unit

        last = model.config.model.num_layers - 1
        selected = Unit(last if layer is None else layer, state or "h", unit)
        _show_unit(model, part, selected, length, colour, as_json)


def _check_unit(
    model: Checkpoint, layer: int | None, number: int | None, state: str | None
) -> None:
    """Refuse units that the model does not have."""
    from charrnn.kernels import CELLS

    config = model.config.model
    states = CELLS[config.cell].states
    if layer is not None and layer >= config.num_layers:
        last = config.num_layers - 1
        layers = f"has layers 0 to {last}" if last else "has only layer 0"
        raise click.UsageError(f"--layer {layer}: this model {layers}.")
    if number is not None and number >= config.hidden_size:
        raise click.UsageError(f"--unit {number}: a layer has units 0 to {config.hidden_size - 1}.")
    if state is not None and state not in states:
        raise click.UsageError(f"--state {state}: this model has {' and '.join(states)}.")


def _show_unit(
    model: Checkpoint, part: Part, unit: Unit, length: int, colour: str, as_json: bool
) -> None:
    import numpy as np

    from charrnn.inspection.colours import ACTIVATION
    from charrnn.inspection.units import activations

    # The last activation is nan, so one more character is read if there is one.
    reading = part.reading(None if as_json else length + 1)
    values = activations(model.model(), reading, unit)
    if as_json:
        rounded = [None if math.isnan(one) else round(one, 4) for one in values.tolist()]
        print_objects([_to_dict(unit) | {"activations": rounded}])
        return
    values = values[:length]
    largest = max(1.0, float(np.abs(np.nan_to_num(values)).max(initial=0.0)))
    click.echo(f"{unit}; 1 stands for {largest:.2f}")
    show_text(model.vocabulary, reading.part[:length], values / largest, ACTIVATION, colour)


def _show_correlated_units(
    model: Checkpoint,
    part: Part,
    layer: int | None,
    state: str | None,
    top: int,
    as_json: bool,
    hint: Sequence[str],
) -> None:
    from charrnn.errors import TextError, counted, plural
    from charrnn.inspection.features import all_features, present
    from charrnn.inspection.units import MIN_CHARS, correlated_units
    from charrnn.system.progress import progress

    reading, tokens = part.reading(_MAX_CHARS), model.vocabulary.tokens
    if len(reading.part) < MIN_CHARS:
        raise TextError(
            f"{part.name}: is too short to measure correlations; it takes "
            + counted(MIN_CHARS, tokens)
        )
    (number, unit), all_of_them = reading.size, part.end - part.start
    if number < all_of_them:
        click.echo(f"reading the first {number:,} of {counted(all_of_them, unit)}", err=True)
    features = all_features(reading)
    had = present(features)
    with progress(len(reading.part), plural(tokens), "reading") as advance:
        found = correlated_units(
            model.model(),
            reading,
            had,
            top,
            accept=lambda unit: layer in (None, unit.layer) and state in (None, unit.state),
            advance=advance,
        )
    if as_json:
        listed = [
            {"follows": one.feature, "r": round(one.r, 4)} | _to_dict(one.unit) for one in found
        ]
        print_objects([{"units": listed}])
        return
    lacking = [feature for feature in features if feature not in had]
    last = model.config.model.num_layers - 1
    click.echo("\n".join(_table(found, lacking, hint, last)))


def _table(
    found: Sequence[UnitCorrelation], lacking: Sequence[str], hint: Sequence[str], last: int
) -> list[str]:
    rows = list[str]()
    width = max((len(one.feature) for one in found), default=0)
    if found:
        rows.append(f"{'feature':<{width}}  {'r':>6}  unit")
    for number, one in enumerate(found):
        if one.is_weak and not (number and found[number - 1].is_weak):
            rows.append("weak:")
        rows.append(f"{one.feature:<{width}}  {one.r:>+6.3f}  {one.unit}")
    if lacking:
        few = f"this text lacks, or has in too few places: {', '.join(lacking)}"
        rows += [*[""][: len(rows)], wrapped(few, sys.stdout, indent=2)]
    if not found:
        return rows
    best = found[0].unit
    words = ["charrnn", "inspect", "cells", *hint]
    words += [] if best.layer == last else ["--layer", str(best.layer)]  # short, for a terminal
    words += ["--unit", str(best.number), *(["--state", best.state] if best.state != "h" else [])]
    return [*rows, "", "to see the first unit along the text:", f"  {shlex.join(words)}"]


def _to_dict(unit: Unit) -> dict[str, object]:
    return {"layer": unit.layer, "state": unit.state, "unit": unit.number}
