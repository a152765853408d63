"""charrnn sample with a model of a text: writes a text as it grows, or many in groups."""

from __future__ import annotations

import codecs
import math
import sys
import time
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import chain
from typing import Any

from charrnn.model.language_model import LanguageModel
from charrnn.system.terminal import FAINT, coloured, visible, wants_colours

_FLUSH_EVERY_S = 0.02  # shorter than a reader notices
_GROUP_TEXTS = 256  # texts sampled side by side, at most
_GROUP_CHARS = 1 << 25  # characters of such texts together, at most


def print_texts(
    model: LanguageModel, prime: str, length: int, n: int, *, shows_prime: bool, **options: Any
) -> None:
    """Print n continuations of a prime, with a line of --- between them.

    Args:
        model: of a text.
        prime: the text to continue.
        length: characters of each continuation.
        n: number of continuations.
        shows_prime: print the prime before each.
        options: keywords of `LanguageModel.stream`.
    """
    printed = prime
    if model.vocabulary.tokens == "byte":
        # The continuation completes a character that the prime has begun.
        utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        printed = utf8.decode(prime.encode("utf-8", "surrogateescape"), final=length == 0)
    groups = (
        (N, model.stream(prime, length, N=N, first=first, **options))
        for N, first in _groups(n, length)
    )
    _print_samples(groups, printed if shows_prime else "", length)


def _groups(num_samples: int, length: int) -> Iterator[tuple[int, int]]:
    """Yield the size and the first number of each group of texts that are sampled side by side.

    A group is held in memory until it is printed, so its size has a bound.
    """
    most = max(1, min(_GROUP_TEXTS, _GROUP_CHARS // max(1, length)))
    for first in range(0, num_samples, most):
        yield min(most, num_samples - first), first


def _print_samples(
    groups: Iterable[tuple[int, Iterable[list[str]]]], prime: str, length: int
) -> None:
    """Print the texts of each group; a text alone in its group is printed as it grows."""
    from charrnn.system.progress import progress

    separator = ""
    for N, pieces in groups:
        if N == 1:
            texts: Iterable[Iterable[str]] = [chain([prime], (piece for (piece,) in pieces))]
        else:
            buffers = [StringIO() for _ in range(N)]
            with progress(length, "characters each", "writing") as advance:
                for step in pieces:
                    for buffer, piece in zip(buffers, step, strict=True):
                        buffer.write(piece)
                    advance(1)
            texts = ([prime, buffer.getvalue()] for buffer in buffers)
        for text in texts:
            sys.stdout.write(separator)
            _print_text(text, faint_first=bool(prime) and wants_colours(sys.stdout))
            separator = "---\n"


def _print_text(pieces: Iterable[str], *, faint_first: bool = False) -> None:
    """Print a text as it grows, and a newline if it does not end in one, also when interrupted.

    The first piece may be faint, to tell a prime from its continuation.

    A terminal gets no control characters. A piece that comes after a pause is shown at once; pieces
    that follow each other fast are flushed together, because flushing each of them can take longer
    than sampling it.
    """
    last, flushed_s, terminal = "", -math.inf, sys.stdout.isatty()
    try:
        for piece in pieces:
            shown = visible(piece) if terminal else piece
            sys.stdout.write(coloured(shown, FAINT) if faint_first else shown)
            faint_first = False
            last = piece or last
            now_s = time.monotonic()
            if now_s - flushed_s > _FLUSH_EVERY_S:
                sys.stdout.flush()
                flushed_s = now_s
    finally:
        if not last.endswith("\n"):
            sys.stdout.write("\n")
        sys.stdout.flush()
