"""charrnn plot."""

from __future__ import annotations

from functools import partial

import click

from charrnn.commands.arguments import runs_to_draw
from charrnn.commands.output_file import replaceable_output

_KINDS = (".png", ".svg", ".pdf")


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    help="File to write: .png, .svg or .pdf.",
)
@click.option(
    "--what",
    type=click.Choice(["loss", "rate", "norm", "speed"]),
    default="loss",
    show_default=True,
    help="Loss, learning rate, gradient norm, or characters a second.",
)
def plot(runs: tuple[str, ...], output: str, what: str) -> None:
    """Draw a curve of trainings, as a picture for papers and slides.

    RUN is a run's folder; left out, it is the newest one under runs/. Needs charrnn[report].
    """
    from charrnn.report.charts import HISTORY_CHARTS, NamedRun, library, save_chart
    from charrnn.report.history import read_history
    from charrnn.runs.folder import RunFolder
    from charrnn.system.atomic import atomic_write

    library()
    target = replaceable_output(output, _KINDS)
    named = [
        NamedRun(name, read_history(RunFolder(folder).metrics))
        for name, folder in runs_to_draw(runs).items()
    ]

    with atomic_write(target) as file:
        save_chart(partial(HISTORY_CHARTS[what], named), "step", file, target.suffix.lower()[1:])
    click.echo(f"written: {output}", err=True)
