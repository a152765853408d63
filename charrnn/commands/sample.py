"""charrnn sample."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import report_skipped
from charrnn.commands.options import FiniteFloat
from charrnn.errors import TextError
from charrnn.system.terminal import visible

if TYPE_CHECKING:
    from charrnn.model.language_model import LanguageModel


_FLUSH_EVERY_S = 0.02  # shorter than the eye can tell
_GROUP_TEXTS = 256  # at most so many are written side by side,
_GROUP_CHARS = 1 << 25  # and of so many characters together
_PRIME_BYTES = 1 << 24


@click.command()
@click.argument("checkpoint", required=False)
@click.option("--prime", metavar="TEXT", help="Text to go on from.")
@click.option(
    "--prime-file", metavar="FILE", help="File with the text to go on from; - is standard input."
)
@click.option("--no-prime", is_flag=True, help="Print the continuation without the prime.")
@click.option(
    "--length",
    metavar="N",
    type=click.IntRange(min=0),
    default=500,
    show_default=True,
    help="New characters to write.",
)
@click.option(
    "--temperature",
    metavar="X",
    type=FiniteFloat(min=0),
    default=1.0,
    show_default=True,
    help="Below 1 more of the likely, above 1 more of the unlikely; 0 is --greedy.",
)
@click.option(
    "--top-k", metavar="K", type=click.IntRange(min=1), help="Choose among the K likeliest."
)
@click.option(
    "--top-p",
    metavar="P",
    type=FiniteFloat(min=0, max=1, min_open=True),
    help="Choose among the likeliest that together have probability P.",
)
@click.option("--greedy", is_flag=True, help="Take the likeliest character each time.")
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    help="For the same text each time.  [default: drawn, and told on stderr]",
)
@click.option(
    "--num-samples",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Texts to write; a line of --- stands between them.",
)
@click.option("--stop", metavar="TEXT", help="End a text after this.")
@click.option(
    "--unknown",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="What to do with a character of the prime that the model does not know.",
)
def sample(
    checkpoint: str | None,
    prime: str | None,
    prime_file: str | None,
    no_prime: bool,
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    greedy: bool,
    seed: int | None,
    num_samples: int,
    stop: str | None,
    unknown: str,
) -> None:
    """Let a model write.

    CHECKPOINT is a file or a run's folder; left out, it is the newest run under runs/. The prime
    and its continuation go to stdout.
    """
    if prime is not None and prime_file is not None:
        raise click.UsageError("--prime and --prime-file both name a prime; give one.")
    if stop == "":
        raise click.UsageError("--stop: an empty text is everywhere; give at least one character.")
    from charrnn.runs.folder import find_checkpoint
    from charrnn.runs.load import load
    from charrnn.workers.mpi import refuse_ranks

    refuse_ranks("sample")
    path = find_checkpoint(checkpoint)
    model = load(path)
    text = prime or "" if prime_file is None else _read_prime(prime_file, model)
    drawn = seed is None and not greedy and temperature > 0
    if seed is None:
        seed = int.from_bytes(os.urandom(4), "little")
    skip_unknown = unknown == "skip"
    known = len(model.encode(text, "prime", skip_unknown=skip_unknown))
    if checkpoint is None:
        click.echo(str(path), err=True)
    if drawn:
        click.echo(f"seed {seed}", err=True)
    report_skipped(len(model.vocabulary.symbols_of(text)) - known)
    groups = (
        (
            N,
            model.stream(
                text,
                length,
                N=N,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                greedy=greedy,
                seed=group_seed,
                stop=stop,
                skip_unknown=skip_unknown,
            ),
        )
        for N, group_seed in _groups(num_samples, length, seed)
    )
    _print_samples(groups, "" if no_prime else text)


def _groups(num_samples: int, length: int, seed: int) -> Iterator[tuple[int, int | list[int]]]:
    """Yield how many texts are written side by side at a time, and the seed of each such group.

    A group is held in memory until it is printed, so its size is bounded whatever is asked for.
    """
    most = max(1, min(_GROUP_TEXTS, _GROUP_CHARS // max(1, length)))
    for group, first in enumerate(range(0, num_samples, most)):
        yield min(most, num_samples - first), [seed, group] if group else seed


def _read_prime(file: str, model: LanguageModel) -> str:
    from charrnn.text.decoding import decode_text

    try:
        if file == "-":
            raw = sys.stdin.buffer.read(_PRIME_BYTES + 1) if sys.stdin else b""
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(_PRIME_BYTES + 1)
    except OSError as error:
        raise TextError(f"--prime-file {file}: cannot be read: {error.strerror}") from None
    if len(raw) > _PRIME_BYTES:
        raise TextError(
            f"--prime-file {file}: has more than {_PRIME_BYTES:,} bytes; what a model goes on from "
            "is the end of a text: a few thousand characters are enough"
        )
    if model.vocabulary.tokens == "byte":
        return raw.decode("utf-8", "surrogateescape")
    return decode_text(
        raw,
        f"--prime-file {file}",
        newlines=model.config.data.newlines,
        remedy="save it as UTF-8",
    )


def _print_samples(groups: Iterable[tuple[int, Iterable[list[str]]]], prime: str) -> None:
    """Write the texts of each group; one that stands alone is written as it is made."""
    for group, (N, pieces) in enumerate(groups):
        if N == 1:
            _begin(group > 0)
            _write(chain([prime], (piece for (piece,) in pieces)))
            continue
        texts = [StringIO() for _ in range(N)]
        for step in pieces:
            for text, piece in zip(texts, step, strict=True):
                text.write(piece)
        for i, text in enumerate(texts):
            _begin(group > 0 or i > 0)
            _write([prime, text.getvalue()])


def _begin(after_another: bool) -> None:
    """Write what stands between two texts."""
    if after_another:
        sys.stdout.write("---\n")


def _write(pieces: Iterable[str]) -> None:
    """Write a text as it is made, and a newline if it does not end in one.

    On a terminal no character of it is an order to the terminal. What is written comes out at once
    where it is made slowly, and otherwise many times a second: flushing for each character can
    take longer than params it.
    """
    last, flushed_s, terminal = "", -math.inf, sys.stdout.isatty()
    for piece in pieces:
        sys.stdout.write(visible(piece) if terminal else piece)
        last = piece or last
        now_s = time.monotonic()
        if now_s - flushed_s > _FLUSH_EVERY_S:
            sys.stdout.flush()
            flushed_s = now_s
    if not last.endswith("\n"):
        sys.stdout.write("\n")
    sys.stdout.flush()
