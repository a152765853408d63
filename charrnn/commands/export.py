"""charrnn export."""

from __future__ import annotations

import click

from charrnn.commands.options import output_option
from charrnn.commands.output_file import replaceable_path


@click.command()
@click.argument("checkpoint", required=False)
@output_option("File to write, which ends in .html.  [default: RUN.html in the current folder]")
@click.option(
    "--precision",
    type=click.Choice(["8", "16", "32"]),
    default="16",
    show_default=True,
    help="Bits of each parameter; fewer make a smaller page.",
)
def export(checkpoint: str | None, output: str | None, precision: str) -> None:
    """Write a page that runs a model in a browser.

    The page is one file that works offline, on a phone too: it writes, shows what the model expects
    while one types, and what its units do. CHECKPOINT is a checkpoint or a run folder, by default
    the newest run under runs/. Whoever has the page has the model, and a model can recite the text
    that it was trained on.
    """
    from charrnn.commands.arguments import refuse_mpiexec
    from charrnn.exporters.export import export as export_model

    refuse_mpiexec()
    path = None if output is None else replaceable_path(output, [".html"])
    written = export_model(
        checkpoint, path, precision=int(precision), note=lambda text: click.echo(text, err=True)
    )
    if written.loss is not None:
        exact, rounded = written.loss
        click.echo(
            f"validation {rounded:.4f} nats/{written.tokens} with {precision} bits, {exact:.4f} "
            "without rounding",
            err=True,
        )
    click.echo(
        f"written: {written.path} ({written.size / 1e6:.1f} MB); it holds the model, which can "
        "recite the text that it was trained on",
        err=True,
    )
