"""charrnn train."""

from __future__ import annotations

from contextlib import closing, nullcontext
from pathlib import Path

import click

from charrnn.commands.options import option_of, set_option


@click.command()
@click.argument("config")
@set_option
@click.option(
    "--run-dir", metavar="DIR", help="Folder to write to.  [default: runs/NAME-OF-CONFIG]"
)
@click.option("--resume", is_flag=True, help="Continue a run exactly where it stopped.")
@click.option("--overwrite", is_flag=True, help="Start again in a folder that holds a run.")
@click.option(
    "--init-from",
    metavar="CHECKPOINT",
    help="Start a new run from the weights of another run or checkpoint.",
)
def train(
    config: str,
    overrides: tuple[str, ...],
    run_dir: str | None,
    resume: bool,
    overwrite: bool,
    init_from: str | None,
) -> int:
    """Train a model as the file CONFIG describes.

    The run folder gets config.yaml (with every key filled in), metrics.jsonl, best.npz and
    last.npz. Ctrl-C saves and stops; --resume continues from there and gives the same bits as a run
    without interruption. Under mpiexec -n K, K processes share the work.
    """
    if resume and overwrite:
        raise click.UsageError("--resume continues a run, --overwrite starts again; give one.")
    from charrnn.config.paths import named_path
    from charrnn.config.reader import load_config
    from charrnn.system.signals import graceful_interrupts
    from charrnn.training.reporter import TerminalReporter
    from charrnn.training.train import train as train_run
    from charrnn.workers.mpi import ranks, serve

    all_ranks = ranks()
    if all_ranks and all_ranks.rank:
        serve(all_ranks)
        return 0
    with closing(all_ranks) if all_ranks else nullcontext():
        train_run(
            load_config(config, overrides, origin="--set"),
            run_dir or _run_dir(named_path(config, "CONFIG")),
            resume=resume,
            overwrite=overwrite,
            init_from=init_from,
            reporter=TerminalReporter(worded=option_of),
            ranks=all_ranks,
            interrupts=graceful_interrupts,
        )
    return 0


def _run_dir(config: Path) -> Path:
    """Return the default run folder; a run's own config.yaml stands for the folder it is in."""
    from charrnn.runs.folder import RUNS, RunFolder

    own = RunFolder(config.parent)
    if config.name == own.config.name and own.holds_run():
        return own.path
    return RUNS / config.stem
