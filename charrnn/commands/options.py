"""Arguments and options that several commands share, each declared once."""

from __future__ import annotations

import math
from ast import literal_eval
from collections.abc import Callable
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from charrnn.config.values import Number
from charrnn.errors import shown

if TYPE_CHECKING:
    from charrnn.inspection.colours import Scale
    from charrnn.kernels import Array
    from charrnn.text.vocabulary import Vocabulary

# The option for each argument of the Python API that an error names as a remedy.
OPTIONS = {
    "features=[...]": "--features X,Y,...",
    "init_from": "--init-from",
    "overwrite=True": "--overwrite",
    "prompt=TEXT": "--prompt TEXT",
    "resume=True": "--resume",
    "run_dir": "--run-dir",
    "skip_unknown=True": "--unknown skip",
}
_PROPOSE = "charrnn.propose("


def option_of(argument: str) -> str:
    """Return the option that stands for a Python argument or for a configuration key.

    The call that proposes a configuration for a text becomes the command that trains on it.
    """
    if not argument.startswith(_PROPOSE):
        return OPTIONS.get(argument, f"--set {argument}")
    try:
        text, *overrides = literal_eval(f"[{argument[len(_PROPOSE) : -1]}]")
    except (SyntaxError, ValueError):  # a name has " + " in it, which separates arguments
        return argument
    sets = "".join(f" --set {quote(one)}" for one in (overrides[1] if overrides else ()))
    return f"charrnn train {quote(text)}{sets}"


class FloatInRange(click.FloatRange):
    """A finite float within bounds, checked and refused in the words of the configuration."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        return float(_in_range(self, value, param, ctx, whole=False))


class IntInRange(click.IntRange):
    """A whole number within bounds, checked and refused in the words of the configuration."""

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        return int(_in_range(self, value, param, ctx, whole=True))


class Time(click.ParamType):  # type: ignore[type-arg]
    """A time in minutes or with a unit, checked and refused in the words of the configuration."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        from charrnn.config.schema import MINUTES

        try:
            return MINUTES.parse(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def _numbers(ctx: Any, param: Any, value: str | None) -> tuple[float, ...] | None:
    """Return the numbers of a value, which have commas between them."""
    if value is None:
        return None
    try:
        return tuple(float("" if "_" in one else one) for one in value.split(","))
    except ValueError:
        problem = f"{shown(value)} is not a list of numbers, as in 0.8,0.1,0.3."
        raise click.BadParameter(problem, ctx, param) from None


def _in_range(
    bounds: click.FloatRange | click.IntRange, value: Any, param: Any, ctx: Any, whole: bool
) -> float:
    low = -math.inf if bounds.min is None else bounds.min
    high = math.inf if bounds.max is None else bounds.max
    kind = Number(low, high, bounds.min_open, bounds.max_open, whole)
    try:
        return kind.parse(value)
    except ValueError as error:
        bounds.fail(f"{error}.", param, ctx)


checkpoint_argument = click.argument("checkpoint", required=False)
checkpoint_and_text_arguments = click.argument(
    "arguments", metavar="[CHECKPOINT] [TEXT_FILE]", nargs=-1
)
set_option = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set a configuration key, as in train.learning_rate=1e-3; may be repeated.",
)
unknown_option = click.option(
    "--unknown",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="Refuse a text with characters that the model does not know, or skip them.",
)
escapes_option = click.option(
    "-e",
    "--escapes",
    is_flag=True,
    help=r"Read \n, \t and \\ as a newline, a tab and a backslash.",
)
features_option = click.option(
    "--features",
    metavar="X,Y,...",
    callback=_numbers,
    help="Features, for a model that was trained with some.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def output_option(help_text: str, *, required: bool = False) -> Callable[..., Any]:
    """Return the option that names the file to write."""
    return click.option("-o", "--output", metavar="FILE", required=required, help=help_text)


def text_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose the text to read."""
    split = click.option(
        "--split",
        type=click.Choice(["train", "valid", "test"]),
        help="Split of the model's own text to read.  [default: valid]",
    )
    return split(unknown_option(command))


def shown_text_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for a text that is printed in colours."""
    colour = click.option(
        "--colour",
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        help="Print in colours, or with marks below the text; auto: in colours on a terminal, "
        "unless NO_COLOR is set.",
    )
    length = click.option(
        "--length",
        type=IntInRange(0),
        default=1000,
        show_default=True,
        help="Number of characters of the text to print.",
    )
    return length(colour(command))


def show_text(
    vocabulary: Vocabulary, codes: Array, values: Array, scale: Scale, colour: str
) -> None:
    """Print a text coloured by one number for each character, below the legend of the scale.

    Args:
        vocabulary: the vocabulary of the codes.
        codes: the characters, (n,).
        values: the number of each character, (n,).
        scale: the colours, and the values they stand for.
        colour: the value of --colour.
    """
    import sys

    from charrnn.inspection.colours import coloured_lines
    from charrnn.system.terminal import output_columns, wants_colours

    coloured = wants_colours(sys.stdout, colour)
    columns = output_columns()
    lines = coloured_lines(codes, values, vocabulary, scale, columns=columns, coloured=coloured)
    click.echo("\n".join([scale.legend(coloured, columns), "", *lines]), color=coloured)
