"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from charrnn.inspection.colours import Scale
    from charrnn.kernels import Array
    from charrnn.text.vocabulary import Vocabulary

PARTS = {"train": "training", "valid": "validation", "test": "test"}


# The options of the command line, by the argument of the Python API that an error names.
OPTIONS = {
    "init_from": "--init-from",
    "overwrite=True": "--overwrite",
    "resume=True": "--resume",
    "run_dir": "--run-dir",
    "skip_unknown=True": "--unknown skip",
}


def option_of(argument: str) -> str:
    """Return the option that stands for an argument, or for a key of the configuration."""
    return OPTIONS.get(argument, f"--set {argument}")


class FiniteFloat(click.FloatRange):
    """A float within bounds; nan is within none."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a number that can be used here.", param, ctx)
        return number


def text_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which text is meant."""
    split = click.option(
        "--split",
        type=click.Choice(list(PARTS)),
        help="Part of the model's own text to read.  [default: valid]",
    )
    return split(unknown_option(command))


unknown_option = click.option(
    "--unknown",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="What to do with a character of the text that the model does not know.",
)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def shown_text_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a text that is shown in colours."""
    colour = click.option(
        "--colour",
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        help="Colours; auto: on a terminal, unless NO_COLOR is set. Without, marks below the text.",
    )
    length = click.option(
        "--length",
        type=click.IntRange(0),
        default=1000,
        show_default=True,
        help="Characters of the text to show.",
    )
    return length(colour(command))


def show_text(
    vocabulary: Vocabulary, codes: Array, values: Array, scale: Scale, colour: str
) -> None:
    """Print a text with its numbers, and what they are."""
    import shutil
    import sys

    from charrnn.inspection.colours import coloured_lines, wants_colours
    from charrnn.inspection.glyphs import glyphs

    coloured = wants_colours(sys.stdout, colour)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
    signs = glyphs(vocabulary, spaces=False)
    lines = coloured_lines(codes, values, signs, scale, columns=columns, coloured=coloured)
    click.echo("\n".join([scale.legend(coloured), "", *lines]), color=coloured)
