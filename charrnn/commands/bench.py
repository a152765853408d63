"""charrnn bench."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from charrnn.config.schema import Config
    from charrnn.planning.benchmark import Speeds


_CHARS = 1_000_000  # of the text that sizes which are left open are chosen for


@click.command()
@click.argument("config", required=False)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a key of the configuration. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def bench(config: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Measure how fast a model trains, is evaluated and writes on this machine.

    CONFIG says which; what it leaves open, or all, is what suits a text of 1 MB. The text is made
    up, of 65 characters; nothing is written.
    """
    from charrnn.config.reader import load_config, override_defaults
    from charrnn.planning.benchmark import V, measure
    from charrnn.training.recipe import fill_defaults
    from charrnn.workers.count import resolve_workers
    from charrnn.workers.mpi import refuse_ranks

    refuse_ranks("bench")
    loaded = (
        load_config(config, overrides, origin="--set")
        if config
        else override_defaults(overrides, origin="--set")
    )
    resolved = resolve_workers(fill_defaults(loaded, _CHARS, V), V)
    if sys.stderr.isatty():
        click.echo("measuring, for some ten seconds", err=True)
    speeds = measure(resolved)
    if as_json:
        click.echo(json.dumps({"config": resolved.to_dict(), **speeds.to_dict()}))
        return
    for name, text in _rows(resolved, speeds):
        click.echo(f"{name:<10}  {text}")


def _rows(config: Config, speeds: Speeds) -> list[tuple[str, str]]:
    model, train = config.model, config.train
    rows = [
        ("model", f"{model}"),
        ("window", f"{train.batch_size} streams x {train.seq_length} characters"),
        ("workers", f"{train.workers}, {train.backend}"),
        (
            "training",
            f"{speeds.train_chars_per_s:,.0f} chars/s ({speeds.train_chars_per_s_lowest:,.0f} "
            f"to {speeds.train_chars_per_s_highest:,.0f})",
        ),
        ("evaluation", f"{speeds.eval_chars_per_s:,.0f} chars/s"),
        (
            "sampling",
            f"{speeds.sample_chars_per_s:,.0f} chars/s one text, "
            f"{speeds.sample_64_chars_per_s:,.0f} chars/s 64 texts side by side",
        ),
        (
            "peak",
            f"{speeds.peak_gflops:,.0f} GFLOP/s in products of 1024 x 1024 matrices; training "
            f"reaches {speeds.share_of_peak:.0%}",
        ),
    ]
    if speeds.memory_mb is not None:
        rows.append(("memory", f"{speeds.memory_mb:,.0f} MB"))
    return rows
