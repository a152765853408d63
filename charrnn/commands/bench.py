"""charrnn bench."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import refuse_mpiexec
from charrnn.commands.options import json_option, set_option
from charrnn.commands.tables import print_objects
from charrnn.errors import counted, plural
from charrnn.system.terminal import wrapped

if TYPE_CHECKING:
    from charrnn.config.schema import Config
    from charrnn.planning.benchmark import Speeds

_MEASURING = "measuring for 10 to 30 seconds"
_CHARS = 1_000_000  # of the imaginary text for which unset keys are filled in


@click.command()
@click.argument("config", required=False)
@set_option
@json_option
def bench(config: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Measure the speed of training, evaluation and sampling.

    The model is the one that the file CONFIG describes, by default one sized for a text of 1 MB;
    unset keys get the defaults for such a text. The text is random, with 65 distinct characters;
    records have 10 to 50 of them and an end, which counts as one. Nothing is written.
    """
    from charrnn.backends.backend import compiling_note
    from charrnn.config.reader import load_config, override_defaults
    from charrnn.planning.benchmark import V, measure, measurements
    from charrnn.system.progress import progress
    from charrnn.text.random_text import random_corpus
    from charrnn.training.recipe import fill_defaults
    from charrnn.workers.count import resolve_workers

    refuse_mpiexec()
    written = (
        load_config(config, overrides, origin="--set")
        if config
        else override_defaults(overrides, origin="--set")
    )
    sizes = random_corpus(_CHARS, V, written.data, written.seed).sizes
    resolved = resolve_workers(fill_defaults(written, sizes, V), V)
    for note in filter(None, (compiling_note(resolved.train.backend), _MEASURING)):
        click.echo(note, err=True)
    with progress(measurements(), "measurements", "measuring") as advance:
        speeds = measure(resolved, advance=advance)
    if as_json:
        above = {"above_peak": _reason(speeds.share_of_peak)}
        print_objects([{"config": resolved.to_dict()} | speeds._asdict() | above])
        return
    for name, text in _rows(resolved, speeds):
        click.echo(wrapped(f"{name:<10}  {text}", sys.stdout, indent=12))


def _rows(config: Config, speeds: Speeds) -> list[tuple[str, str]]:
    model, train, tokens = config.model, config.train, config.data.tokens
    row, sampled = ("record", "record") if config.data.records else ("stream", "text")
    rate = f"{plural(tokens)}/s"
    rows = [
        ("model", f"{model}"),
        ("window", f"{counted(train.batch_size, row)} x {counted(train.seq_length, tokens)}"),
        ("workers", f"{train.workers}, {train.backend}"),
        (
            "training",
            f"{speeds.train_chars_per_s:,.0f} {rate} ({speeds.train_chars_per_s_lowest:,.0f} "
            f"to {speeds.train_chars_per_s_highest:,.0f})",
        ),
        ("evaluation", f"{speeds.eval_chars_per_s:,.0f} {rate}"),
        (
            "sampling",
            f"{speeds.sample_chars_per_s:,.0f} {rate} one {sampled}, "
            f"{speeds.sample_64_chars_per_s:,.0f} {rate} 64 {sampled}s side by side",
        ),
        (
            "peak",
            f"{speeds.peak_gflops:,.0f} GFLOP/s in products of 1024 x 1024 matrices; training "
            f"reaches {_share(speeds.share_of_peak)}",
        ),
    ]
    if speeds.memory_mb is not None:
        rows.append(("memory", f"{speeds.memory_mb:,.0f} MB"))
    return rows


def _share(of_peak: float) -> str:
    """Return the share of the peak that training reaches, and why it is more than all of it."""
    reason = _reason(of_peak) if round(100 * of_peak) > 100 else None
    return f"{of_peak:.0%}: {reason}" if reason else f"{of_peak:.0%}"


def _reason(of_peak: float) -> str | None:
    """Return why training reaches more than the peak; None if it does not."""
    if of_peak <= 1:
        return None
    return "its products are faster than these, or the processor was slower during these"
