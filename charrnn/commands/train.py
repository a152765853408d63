"""charrnn train."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from shlex import join, quote
from typing import TYPE_CHECKING, Any

import click

from charrnn.commands.after_training import show_what_was_learned
from charrnn.commands.options import Time, option_of, set_option
from charrnn.errors import ConfigError
from charrnn.system.terminal import wrapped

if TYPE_CHECKING:
    from charrnn.config.schema import Config

_READ = 4096  # characters at the beginning of a file
_CONFIGS = (".yaml", ".yml", ".npz")  # of a checkpoint, the error says where its configuration is


@click.command()
@click.argument("config", metavar="CONFIG|TEXT...", nargs=-1, required=True)
@click.option(
    "--minutes",
    type=Time(),
    metavar="TIME",
    help="For a TEXT: time that the training may take, 5 (minutes), 90s, 2m or 1h.",
)
@set_option
@click.option(
    "--run-dir", metavar="DIR", help="Folder to write to.  [default: runs/NAME-OF-CONFIG-OR-TEXT]"
)
@click.option("--resume", is_flag=True, help="Continue a run exactly where it stopped.")
@click.option("--overwrite", is_flag=True, help="Start again in a folder that holds a run.")
@click.option(
    "--init-from",
    metavar="CHECKPOINT",
    help="Start a new run from the weights of another run or checkpoint.",
)
def train(
    config: tuple[str, ...],
    minutes: float | None,
    overrides: tuple[str, ...],
    run_dir: str | None,
    resume: bool,
    overwrite: bool,
    init_from: str | None,
) -> int:
    """Train a model on a TEXT, or as the file CONFIG describes.

    CONFIG ends in .yaml. Of any other file, or several, or a folder or glob of texts, a
    configuration is proposed as charrnn init does it. The run folder gets config.yaml (with every
    key filled in), metrics.jsonl, best.npz and last.npz. Ctrl-C saves and stops; --resume continues
    from there and gives the same bits as a run without interruption. Under mpiexec -n K, K
    processes share the work.
    """
    if resume and overwrite:
        raise click.UsageError("--resume continues a run, --overwrite starts again; give one.")
    configs = [one for one in config if one.lower().endswith(_CONFIGS)]
    if configs and len(config) > 1:
        raise click.UsageError(f"{configs[0]} is a configuration; give it alone, or texts.")
    if configs and minutes is not None:
        raise click.UsageError(
            "--minutes is for a TEXT; --set train.max_minutes=TIME limits a configuration."
        )
    if not configs and not os.path.exists(config[0]) and os.path.exists(f"{config[0]}.yaml"):
        raise click.UsageError(f"{config[0]}: no such text; did you mean {config[0]}.yaml?")
    if not configs and len(config) == 1 and _is_like_a_configuration(config[0]):
        raise click.UsageError(
            f"{config[0]} looks like a configuration, whose name ends in .yaml; rename it, or name "
            "the text."
        )
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
        if configs:
            chosen = load_config(config[0], overrides, origin="--set")
            folder = run_dir or _run_dir(named_path(config[0], "CONFIG"))
        else:
            # A model that starts from other weights has their shape, and ranks have other speeds.
            measures = init_from is None and all_ranks is None
            chosen, folder = _of_texts(
                config, minutes, overrides, run_dir, resume, overwrite, measures
            )
        outcome = train_run(
            chosen,
            folder,
            resume=resume,
            overwrite=overwrite,
            init_from=init_from,
            reporter=TerminalReporter(worded=option_of),
            ranks=all_ranks,
            interrupts=graceful_interrupts,
        )
    show_what_was_learned(outcome.run_dir)
    return 0


def _is_like_a_configuration(name: str) -> bool:
    """Return whether a file has the one key that every configuration has."""
    try:
        with open(name, encoding="utf-8") as file:
            return re.search(r"^data:\s+\{?\s*path:", file.read(_READ), re.MULTILINE) is not None
    except (OSError, ValueError):
        return False


def _run_dir(config: Path) -> Path:
    """Return the default run folder; a run's own config.yaml stands for the folder it is in."""
    from charrnn.runs.folder import RUNS, RunFolder

    own = RunFolder(config.parent)
    if config.name == own.config.name and own.holds_run():
        return own.path
    return RUNS / config.stem


def _of_texts(
    arguments: Sequence[str],
    minutes: float | None,
    overrides: Sequence[str],
    run_dir: str | None,
    resume: bool,
    overwrite: bool,
    measures: bool,
) -> tuple[Config, Path]:
    """Return the configuration of a training on texts, and its run folder.

    A run that is resumed keeps its own configuration; for a new one it is proposed and printed.

    Args:
        arguments: name the texts.
        minutes: that the training may take; None: what suits the texts.
        overrides: `KEY=VALUE` each.
        run_dir: folder of the run, by default runs/NAME-OF-TEXT.
        resume, overwrite: options of the training.
        measures: whether a model is sized to this machine; otherwise keys stay unset.
    """
    from charrnn.commands.proposing import proposed_for
    from charrnn.config.paths import named_path
    from charrnn.config.reader import load_config, override_values
    from charrnn.planning.texts import configuration, named_texts
    from charrnn.runs.folder import RUNS, RunFolder
    from charrnn.training.resume import checkpoint_to_resume

    values = override_values(overrides, origin="--set")
    for one in map(RunFolder, map(Path, arguments)):
        if one.config.is_file() and one.holds_run():
            raise ConfigError(
                f"{one.path}: is a run, not a text; "
                f"charrnn train {one.config} --resume continues it"
            )
    texts = named_texts(arguments, values, partial(click.echo, err=True), "--set")
    if run_dir is not None:
        run = RunFolder(named_path(run_dir, "--run-dir"))
    elif len(arguments) > 1 or not texts.name.exists():
        raise ConfigError("with several texts, --run-dir DIR names the folder of the run")
    else:
        name = texts.name.resolve().name if texts.name.is_dir() else texts.name.stem
        run = RunFolder(RUNS / name)
    if resume and run.holds_run():
        if minutes is not None:
            # As train.max_minutes it would change the learning rates of a run that had no limit,
            # so that a command repeated with --resume would not give the same bits.
            time = f"{minutes:g}" if minutes >= 1 else f"{60 * minutes:g}s"
            folder = [] if run_dir is None else ["--run-dir", run_dir]
            sets = [word for one in overrides for word in ("--set", one)]
            words = ["charrnn", "train", *arguments, *folder, "--resume", *sets]
            raise click.UsageError(
                f"--minutes sizes a new run, and {run.path} is one already, which keeps its own "
                f"length; leave --minutes out, or limit the run, in all, with: {join(words)} "
                f"--set train.max_minutes={time}"
            )
        own = load_config(run.config, overrides, origin="--set")
        return replace(own, data=replace(own.data, path=texts.config.data.path)), run.path
    if not resume:
        checkpoint_to_resume(run, texts.config, resume=False, overwrite=overwrite)
    if not measures:
        limit: dict[str, Any] = {} if minutes is None else {"max_minutes": minutes}
        chosen, _ = configuration(texts, overrides, values, "--set")
        return replace(chosen, train=replace(chosen.train, **limit)), run.path
    found = proposed_for(texts, minutes, overrides, values, remarks=False)
    # The training prints the size of the text, remarks on it and the model.
    reasons = _without_a_file(found.reasons, found.instead, found.features)
    click.echo(wrapped("\n".join([*reasons, found.time]), sys.stderr), err=True)
    return found.proposal.config, run.path


def _without_a_file(
    reasons: Sequence[str], instead: Mapping[str, Any], features: Sequence[int | str]
) -> list[str]:
    """Return reasons of a proposal in which options stand for what init writes behind a #."""
    from charrnn.config.writer import on_one_line
    from charrnn.planning.columns import BEHIND, GIVEN_BEHIND

    def options(values: Mapping[str, Any]) -> str:
        return " ".join(
            f"--set {quote(f'data.{key}={on_one_line(value)}')}" for key, value in values.items()
        )

    # The side that draws a record into its part follows from the others.
    other = f"with {options({key: instead[key] for key in instead if key != 'split_by'})}"
    given = f"can be given with {options({'feature_columns': [*features]})}"
    return [one.replace(BEHIND, other).replace(GIVEN_BEHIND, given) for one in reasons]
