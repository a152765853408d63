"""charrnn inspect: the group of commands that show what a model has learned."""

from __future__ import annotations

import click

from charrnn.commands.inspect_cells import cells
from charrnn.commands.inspect_gradients import gradients
from charrnn.commands.inspect_predictions import predictions
from charrnn.commands.inspect_surprise import surprise


@click.group()
def inspect() -> None:
    """Show what a model has learned.

    \b
    charrnn inspect predictions --text hi  what may follow
    charrnn inspect surprise               loss by character
    charrnn inspect cells                  what units track
    charrnn inspect gradients              how far they reach
    """


for view in (predictions, surprise, cells, gradients):
    inspect.add_command(view)
