"""charrnn inspect: the views of what a model has learned."""

from __future__ import annotations

import click

from charrnn.commands.inspect_cells import cells
from charrnn.commands.inspect_gradients import gradients
from charrnn.commands.inspect_predictions import predictions
from charrnn.commands.inspect_surprise import surprise


@click.group()
def inspect() -> None:
    """See what a model has learned: what it expects, what surprises it, what its units follow.

    \b
    charrnn inspect predictions --text "hello"   what it expects after each character
    charrnn inspect surprise                     what each character of a text costs it
    charrnn inspect cells                        what its units follow
    charrnn inspect gradients                    how far back its losses reach
    """


for view in (predictions, surprise, cells, gradients):
    inspect.add_command(view)
