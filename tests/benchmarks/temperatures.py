"""Temperatures: how many words a model of a text invents, and how often it repeats itself.

    python tests/benchmarks/temperatures.py RUN

samples five texts at each temperature, and prints beside the validation part, each in stretches of
20,000 characters: the share of words (of three letters or more) that the training part does not
have, the share of sequences of four words that the stretch has had before, and the number of
different words among a thousand.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Sequence
from itertools import pairwise

from charrnn import load
from charrnn.text.load import load_corpus

CHARS, TEXTS, SEQUENCE = 20_000, 5, 4
WAYS: tuple[dict[str, float], ...] = (
    *({"temperature": one} for one in (0.6, 0.7, 0.8, 0.9, 1.0)),
    {"top_p": 0.9, "temperature": 1.0},
    {"top_p": 0.9, "temperature": 0.8},
    {"top_k": 5, "temperature": 1.0},
    {"top_k": 5, "temperature": 0.8},
)


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return re.findall(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*", text.lower())


def figures(text: str, known: set[str]) -> tuple[float, float, float]:
    """Return the three figures of a stretch."""
    words = words_of(text)
    long = [word for word in words if len(word) > 2]
    sequences = [*zip(*(words[k:] for k in range(SEQUENCE)), strict=False)]
    distinct = statistics.mean(
        len({*words[start:end]}) for start, end in pairwise(range(0, len(words) + 1, 1000))
    )
    return (
        sum(word not in known for word in long) / len(long),
        1 - len({*sequences}) / len(sequences),
        distinct,
    )


def show(what: str, texts: Sequence[str], known: set[str]) -> None:
    """Print the mean figures of several stretches, and the extremes of the invented words."""
    invented, repeated, distinct = zip(*(figures(text, known) for text in texts), strict=True)
    print(
        f"{what:32} {statistics.mean(invented):6.1%} ({min(invented):.1%} to {max(invented):.1%}) "
        f"{statistics.mean(repeated):6.1%} {statistics.mean(distinct):5.0f}"
    )


def main() -> None:
    model = load(sys.argv[1])
    corpus = load_corpus(model.config.data)
    known, held = (
        corpus.vocabulary.decode(corpus.codes[slice(*corpus.split(part))])
        for part in ("train", "valid")
    )
    words = {*words_of(known)}
    stretches = [held[k : k + CHARS] for k in range(0, len(held) - CHARS + 1, CHARS)]
    show(f"the text itself, {len(stretches)} of {CHARS:,}", stretches, words)
    for way in WAYS:
        pieces = model.stream(length=CHARS, N=TEXTS, seed=1, **way)
        texts = ["".join(text) for text in zip(*pieces, strict=True)]
        show(", ".join(f"{key} {value:g}" for key, value in way.items()), texts, words)


if __name__ == "__main__":
    main()
