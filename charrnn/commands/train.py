"""charrnn train."""

from __future__ import annotations

from contextlib import closing, nullcontext
from pathlib import Path

import click

from charrnn.commands.options import option_of


@click.command()
@click.argument("config")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a key of the configuration, as in train.learning_rate=1e-3. May be repeated.",
)
@click.option(
    "--run-dir", metavar="DIR", help="Folder to write to.  [default: runs/NAME-OF-CONFIG]"
)
@click.option("--resume", is_flag=True, help="Go on exactly where the run stopped.")
@click.option("--overwrite", is_flag=True, help="Begin anew in a folder that holds a run.")
@click.option(
    "--init-from", metavar="CHECKPOINT", help="Begin with the weights of another run or file."
)
def train(
    config: str,
    overrides: tuple[str, ...],
    run_dir: str | None,
    resume: bool,
    overwrite: bool,
    init_from: str | None,
) -> int:
    """Train a model as the file CONFIG says.

    The folder of the run gets config.yaml (as resolved), metrics.jsonl, best.npz and last.npz.
    Ctrl-C saves and stops; --resume goes on from there, bit for bit. Under mpiexec -n K the K
    processes share the work.
    """
    if resume and overwrite:
        raise click.UsageError("--resume goes on with a run, --overwrite begins anew; give one.")
    from charrnn.config.reader import load_config
    from charrnn.runs.folder import find_checkpoint
    from charrnn.training.reporter import TerminalReporter
    from charrnn.training.train import train as train_run
    from charrnn.workers.mpi import ranks, serve

    all_ranks = ranks()
    if all_ranks and all_ranks.rank:
        serve(all_ranks)
        return 0
    with closing(all_ranks) if all_ranks else nullcontext():
        outcome = train_run(
            load_config(config, overrides, origin="--set"),
            run_dir or _run_dir(Path(config)),
            resume=resume,
            overwrite=overwrite,
            init_from=None if init_from is None else find_checkpoint(init_from),
            reporter=TerminalReporter(worded=option_of),
            ranks=all_ranks,
        )
    return 0 if outcome.signal is None else 128 + outcome.signal


def _run_dir(config: Path) -> Path:
    """Return where a configuration's run is: beside it, if it is the one that a run keeps."""
    from charrnn.runs.folder import RUNS, RunFolder

    beside = RunFolder(config.parent)
    if config.name == beside.config.name and beside.holds_run():
        return beside.path
    return RUNS / config.stem
