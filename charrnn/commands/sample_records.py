"""charrnn sample with a model of records: writes whole records, on all cores."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext

import click

from charrnn.commands.tables import json_line
from charrnn.model.record_sampling import RecordSampler, SampledRecord, Selection
from charrnn.system.progress import progress
from charrnn.system.terminal import visible
from charrnn.workers.sampling import attempts_by_workers, compiled_for, workers_for

_FLUSH_EVERY_S = 0.02  # shorter than a reader notices


def print_records(
    sampler: RecordSampler,
    selection: Selection,
    n: int,
    *,
    prompt: str | None,
    prime: str,
    separator: str,
    as_json: bool,
) -> None:
    """Print n records, and report on stderr how many attempts were left out.

    Args:
        sampler: makes the attempts.
        selection: of n records.
        n: their number.
        prompt: of all records; None without prompts.
        prime: printed before each.
        separator: between records.
        as_json: print an object a line, with the prompt if there is one, the text, its
            log-probability and whether it ended.
    """
    written = _written(sampler, selection, n)
    if as_json:
        asked = {} if prompt is None else {"prompt": prompt}
        objects = (
            asked | {"text": prime + one.text, "log_prob": one.log_prob, "ended": one.ended}
            for one in written
        )
        _print_lines(map(json_line, objects))
    else:
        _print_lines((prime + one.text for one in written), separator.removeprefix("\n"))
    if selection.summary:
        click.echo(f"left out: {selection.summary}", err=True)


def _written(sampler: RecordSampler, selection: Selection, n: int) -> Iterator[SampledRecord]:
    """Yield n records; show the progress on stderr if a terminal does not show the records."""
    shown = (
        nullcontext(lambda _: None) if sys.stdout.isatty() else progress(n, "records", "writing")
    )
    sampler = compiled_for(sampler, n)
    with attempts_by_workers(sampler, workers_for(sampler, n)) as attempts, shown as advance:
        for record in selection.of(attempts):
            yield record
            advance(1)


def _print_lines(texts: Iterable[str], between: str = "") -> None:
    """Print texts, each with a newline at its end; a terminal gets no control characters."""
    terminal, flushed_s, before = sys.stdout.isatty(), 0.0, ""
    for text in texts:
        sys.stdout.write(f"{before}{visible(text) if terminal else text}\n")
        before = between
        now_s = time.monotonic()
        if now_s - flushed_s > _FLUSH_EVERY_S:  # flushing each would take longer than writing it
            sys.stdout.flush()
            flushed_s = now_s
    sys.stdout.flush()
