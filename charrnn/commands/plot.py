"""charrnn plot."""

from __future__ import annotations

from functools import partial

import click

from charrnn.commands.arguments import runs_to_draw
from charrnn.commands.options import output_option
from charrnn.commands.output_file import replaceable_path

_ENDINGS = (".png", ".svg", ".pdf")


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@output_option("File to write: .png, .svg or .pdf.", required=True)
@click.option(
    "--what",
    type=click.Choice(["loss", "rate", "norm", "speed"]),
    default="loss",
    show_default=True,
    help="Loss, learning rate, gradient norm, or characters or bytes per second.",
)
def plot(runs: tuple[str, ...], output: str, what: str) -> None:
    """Draw a curve of one or several trainings, for papers and slides.

    RUN is a run folder, by default the newest one under runs/. Needs Matplotlib and Jinja.
    """
    from charrnn.config.reader import load_config
    from charrnn.report.charts import HISTORY_CHARTS, PlottedRun
    from charrnn.report.figures import import_matplotlib, save_chart
    from charrnn.report.history import read_history
    from charrnn.runs.folder import RunFolder

    path = replaceable_path(output, _ENDINGS)
    plotted = []
    folders = runs_to_draw(runs)
    import_matplotlib()  # if it is missing, fail before the work
    for name, folder in folders.items():
        run = RunFolder(folder)
        tokens = load_config(run.config).data.tokens if run.config.exists() else "char"
        plotted.append(PlottedRun(name, read_history(run.metrics), token=tokens))
    chart = HISTORY_CHARTS[what]
    title = chart.titled(plotted) + (f": {plotted[0].name}" if len(plotted) == 1 else "")
    save_chart(partial(chart.draw, plotted), title, "step", path)
    click.echo(f"written: {output}", err=True)
