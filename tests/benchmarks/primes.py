"""How a prime is best read: from zero states alone, or after a text.

Of runs that are named, on texts with newlines: the loss after primes of several lengths that are
cut from the validation part, where a line begins and inside a line, for each beginning that is read
before the prime. With `--labels`, for runs on lines such as `Korean: Kim`: the share of the words
written after each `Korean: ` that are most like words of this label, by pairs of letters.
`--write FILE` writes such lines, of made-up words.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from charrnn.kernels import Array
from charrnn.model.model import Model
from charrnn.model.sampling import generate
from charrnn.model.sampling_params import SamplingParams, generators
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.runs.folder import find_checkpoint
from charrnn.text.part import Part, encode_split
from charrnn.text.vocabulary import Vocabulary

PRIMES, NEXT = (1, 3, 8, 20), (1, 5, 20)  # characters
SPAN = max(PRIMES) + max(NEXT)
END = 256  # characters of the end of the training text
PLACES, BLOCK = 2000, 250  # places, and how many are read side by side
WORDS, LONGEST = 200, 30  # words of each label, and characters of a word, at most
LABELS = ["Arabic", "Chinese", "Czech", "Dutch", "English", "French", "German", "Greek", "Irish"]
LABELS += ["Italian", "Japanese", "Korean", "Polish", "Russian", "Scottish"]
ONSETS = [*"bdfghjklmnprstvz", "ch", "sh", "st", "tr", "br", "kr", "pl", "th"]
VOWELS, CODAS = [*"aeiou", "ai", "ou", "ee"], ["", *"nrlskm", "ng"]
ENDINGS = ["ov", "ski", "ic", "en", "son", "ini", "aki", "ez", "ard", "ault", "yan", "eau", "ko"]
ENDINGS += ["ung", "ia", "is", "ter", "wood"]


def labelled_lines(count: int = 300) -> str:
    """Return shuffled lines of so many words for each label, which has syllables of its own."""
    syllables, words = random.Random(5), random.Random(1)
    grammars = {
        label: [syllables.sample(*of) for of in ((ONSETS, 6), (VOWELS, 3), (CODAS, 2))]
        + [syllables.sample(ENDINGS, 2)]
        for label in LABELS
    }
    lines = []
    for label, (*parts, endings) in grammars.items():
        for _ in range(count):
            stem = [words.choice(part) for _ in range(words.choice([1, 2])) for part in parts]
            lines.append(f"{label}: {''.join([*stem, words.choice(endings)]).capitalize()}\n")
    words.shuffle(lines)
    return "".join(lines)


def beginnings(part: Part, vocabulary: Vocabulary) -> dict[str, Array]:
    """Return the codes (n,) of each beginning by its name; the first is that of charrnn."""
    newline = vocabulary.encode(vocabulary.symbols_of("\n"), "newline")  # (1,)
    text = part.codes[: part.corpus.split("train")[1]]
    line_end = int(np.flatnonzero(text == newline)[-1]) + 1
    return {
        "a newline": newline,
        "nothing": newline[:0],
        "two newlines": np.repeat(newline, 2),
        "the training text's end": text[-END:],
        "its last whole lines": text[:line_end][-END:],
    }


def losses(model: Model, beginning: Array, text: Array) -> Array:
    """Return the loss in nats (N, SPAN) of each character of texts (N, SPAN)."""
    found = []
    before = np.tile(beginning, (BLOCK, 1))  # (BLOCK, n)
    for start in range(0, len(text), BLOCK):
        block = text[start : start + BLOCK]
        codes = np.concatenate([before[: len(block)], block], 1).T.astype(np.intp)  # (T, N)
        logits, _, _ = model.forward(codes[:-1], model.zero_states(len(block)))
        logits = logits[-(SPAN - 1) :].astype(np.float64)  # before all characters but the first
        logits -= logits.max(2, keepdims=True)
        of_next = np.take_along_axis(logits, codes[-(SPAN - 1) :, :, None], 2)[:, :, 0]
        found.append((np.log(np.exp(logits).sum(2)) - of_next).T)
    return np.pad(np.concatenate(found), ((0, 0), (1, 0)), constant_values=np.nan)


def places(part: Part, vocabulary: Vocabulary) -> dict[str, Array]:
    """Return places (N,) of the validation part where a line begins, and others."""
    newline = int(vocabulary.encode(vocabulary.symbols_of("\n"), "newline")[0])
    at = np.arange(part.start + 1, part.end - SPAN)
    at, after = at[part.codes[at] != newline], part.codes[at - 1][part.codes[at] != newline]
    rng = np.random.default_rng(0)
    kinds = {"a line begins": at[after == newline], "inside a line": at[after != newline]}
    return {
        kind: rng.choice(where, min(PLACES, len(where)), replace=False)
        for kind, where in kinds.items()
    }


def print_losses(checkpoint: Checkpoint, part: Part) -> None:
    """Print a row for each kind of place, length of a prime and number of characters after it."""
    vocabulary, model = checkpoint.vocabulary, checkpoint.model()
    before = beginnings(part, vocabulary)
    print("| | places | prime | next |", " | ".join(before), "|")
    print("|---" * (4 + len(before)) + "|")
    for kind, where in places(part, vocabulary).items():
        text = part.codes[where[:, None] + np.arange(SPAN)]
        nats = {name: losses(model, codes, text) for name, codes in before.items()}
        for p in PRIMES:
            for following in NEXT:
                mean, *others = [one[:, p : p + following].mean(1) for one in nats.values()]
                row = f"| {kind} | {len(where):,} | {p} | {following} | {mean.mean():.3f} |"
                for other in others:
                    error = (other - mean).std(ddof=1) / math.sqrt(len(where))
                    row += f" {(other - mean).mean():+.3f} ± {error:.3f} |"
                print(row, flush=True)


def most_similar(lines: str) -> tuple[list[str], Callable[[str], str]]:
    """Return the labels of lines, and the function that finds the label of a word."""
    pairs: dict[str, Counter[str]] = {}
    for label, _, word in (line.partition(": ") for line in lines.splitlines()):
        pairs.setdefault(label, Counter()).update(pairs_of(word))
    totals = {label: counts.total() + 100 for label, counts in pairs.items()}

    def similarity(word: str, label: str) -> float:
        counts, total = pairs[label], totals[label]
        return sum(math.log((counts[pair] + 0.1) / total) for pair in pairs_of(word))

    return sorted(pairs), lambda word: max(pairs, key=lambda label: similarity(word, label))


def pairs_of(word: str) -> list[str]:
    """Return the pairs of neighbouring letters of a word, its begin and end included."""
    return [a + b for a, b in zip(f"^{word}", f"{word}$", strict=True)]


def print_shares(checkpoint: Checkpoint, part: Part) -> None:
    """Print, for each beginning, the share of words that are most like those of the label."""
    vocabulary, model = checkpoint.vocabulary, checkpoint.model()
    labels, nearest = most_similar(vocabulary.decode(part.codes))
    for name, before in beginnings(part, vocabulary).items():
        shares = {}
        for label in labels:
            prime = vocabulary.encode(vocabulary.symbols_of(f"{label}: "), "label")
            rngs = [*generators(1, range(WORDS))]
            written = generate(model, np.concatenate([before, prime]), SamplingParams(), rngs)
            codes = np.array([*islice(written, LONGEST)]).T  # (N, LONGEST)
            words = [vocabulary.decode(one).partition("\n")[0] for one in codes]
            shares[label] = np.mean([nearest(word) == label for word in words])
        least = min(shares, key=lambda label: shares[label])
        print(
            f"after {name}: {np.mean(list(shares.values())):.3f} of the words, "
            f"{shares[least]:.3f} of {least}",
            flush=True,
        )


def main() -> None:
    """Print a table for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", help="run folders or checkpoints")
    parser.add_argument("--labels", action="store_true", help="the lines have labels")
    parser.add_argument("--write", metavar="FILE", help="write lines with labels")
    arguments = parser.parse_args()
    if arguments.write:
        Path(arguments.write).write_text(labelled_lines(), encoding="utf-8")
    for run in arguments.runs:
        checkpoint = load_checkpoint(find_checkpoint(run))
        data, cut = checkpoint.config.data, checkpoint.cut
        part = encode_split(data, checkpoint.text_sha256, "valid", cut=cut)
        print(f"\n{run}\n")
        print_losses(checkpoint, part)
        if arguments.labels:
            print_shares(checkpoint, part)


if __name__ == "__main__":
    main()
