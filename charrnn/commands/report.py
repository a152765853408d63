"""charrnn report."""

from __future__ import annotations

from pathlib import Path

import click

from charrnn.commands.runs_to_draw import runs_to_draw

_FILE = "report.html"


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="File to write.  [default: report.html in the run's folder, of several in this one]",
)
def report(runs: tuple[str, ...], output: str | None) -> None:
    """Write a page about a training, or several side by side.

    One HTML file that needs nothing else: the curves, the samples, the configuration, and what the
    best model expects, is surprised by, follows and remembers. RUN is a run's folder; left out, it
    is the newest one under runs/. Needs charrnn[report].
    """
    from charrnn.atomic import replaced_atomically
    from charrnn.errors import RunError
    from charrnn.report.charts import library
    from charrnn.report.page import page, read_run

    library()
    folders = runs_to_draw(runs)
    single = next(iter(folders.values())) if len(folders) == 1 else Path()
    target = single / _FILE if output is None else Path(output)
    if target.is_dir() or not target.name:
        raise RunError(f"-o {output}: names no file to write")
    if target.exists() and b'name="generator" content="charrnn' not in target.read_bytes()[:1000]:
        raise RunError(f"{target}: is there already and is no report; -o names another file")
    text = page([read_run(folder, name) for name, folder in folders.items()])
    with replaced_atomically(target) as file:
        file.write(text.encode("utf-8", "replace"))
    click.echo(f"written: {target} ({len(text) / 1e6:.1f} MB)", err=True)
