"""Command lines at random, in a folder with a run and texts: the product, or one message."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from support import tiny_text, write_config
from torture.odd_values import PIECES, SMALL, VALUES, warm_up, write_texts
from torture.watched import Case, watch

import charrnn.benchmark
from charrnn.cli import run
from charrnn.config import all_keys

WORDS = (
    *("", " ", "-", "--", "---", "-x", "--help", "-h", "--version", "--no-such", "=", "=x", "a=b"),
    *(
        "\u00e9",
        "\u4e2d\u6587",
        "\U0001f41d",
        "\u202e",
        "\x1b[2J",
        "\x07",
        "\r\n",
        "\t",
        "%s",
        "{}",
    ),
    *("\udcff", "a\udc80b", "\udcff.npz", "x" * 300, "x" * 5000, "/" * 300, "*", "?", "~", "$HOME"),
    *("'", '"', "\\", "nan", "inf", "0x10", "1e3", "1_0", "\u0663", "-1", "0", "1", "9" * 5000),
)
# Pipes stand only where a checkpoint is meant: as a text one is waited for, as by any program.
CHECKPOINTS = (
    *("runs/tiny", "runs/bytes", "runs/tiny/last.npz", "runs/bytes/best.npz", "runs/tiny/"),
    *("runs", ".", "..", "/", "folder", "text.txt", "empty.txt", "cut.npz", "text.npz", "gone.npz"),
    *("runs/tiny/config.yaml", "runs/tiny/metrics.jsonl", "/dev/null", "/dev/zero", "/dev/stdin"),
    *("fifo", "link.npz", "loop.npz", "gone", "runs/tiny/last.npz/x", "/proc/self/mem"),
)
TEXTS = (
    *("text.txt", "other.txt", "empty.txt", "one.txt", "latin.txt", "-", "folder", ".", "gone.txt"),
    *("/dev/null", "/proc/self/mem", "text.txt/x", "runs/tiny/last.npz", "tiny.yaml", "loop.npz"),
)
CONFIGS = (
    *("tiny.yaml", "bytes.yaml", "text.txt", "gone.yaml", "folder", "."),
    *("empty.txt", "latin.txt", "large.txt", "runs/tiny/config.yaml", "runs/tiny", "/dev/null"),
    *("/dev/zero", "-", "text.npz", "loop.npz", "/proc/self/mem"),
)
# Only folders in the current one: whoever names another is to have it written.
RUN_DIRS = (
    *(
        "new",
        "runs/tiny",
        "a/b/c",
        ".",
        "text.txt",
        "text.txt/x",
        "folder",
        "runs/\u00e9",
        "x" * 300,
    ),
    *("runs/\udcff", "x" * 5000, "", "a\nb", "\x1b[2J", "/dev/null", "link.npz", " "),
)
PRIMES = (
    "",
    "the",
    "The",
    "\u00e9",
    "\U0001f41d",
    "\udcff\udcfe",
    "\x1b",
    "\n",
    "a" * 3000,
    "--",
    "-",
)
# Lengths and numbers that are not many: a long text is the user's to ask for.
NUMBERS = {
    "--length": ("0", "1", "7", "300"),
    "--num-samples": ("1", "2", "3", "300"),
    "--temperature": ("0", "0.5", "1", "1e-300", "1e300", "1e-400", "-0.0", "5e-324"),
    "--top-k": ("1", "3", "1000", "9" * 30),
    "--top-p": ("0.5", "1", "1e-300", "0.999999999999"),
    "--seed": ("0", "1", "4294967296", "9" * 300),
}
# What a training may become at most; the last of a key that is set twice counts.
BRIEF = ("train.max_steps=3", "model.hidden_size=4", "model.num_layers=1", "train.sample_length=9")
BRIEF += ("train.workers=1", "model.embedding_size=null")


_PIECES = [piece.replace("\0", "") for piece in PIECES]  # which no argument can hold


def command_lines(folder: Path, count: int, seed: int) -> str:
    """Run random command lines; return what came of them."""
    measure = charrnn.benchmark.measure
    # A whole measurement takes ten seconds, and is the same work several times.
    charrnn.benchmark.measure = partial(measure, rounds=1, round_s=0.001)
    try:
        warm_up(folder)
        model = folder / "model"
        model.mkdir()
        fill(model)
        cases = (case(seed, number, model) for number in range(count))
        return str(watch(cases, folder))
    finally:
        charrnn.benchmark.measure = measure


def fill(place: Path) -> None:
    """Make what a command line may name."""
    write_texts(place)
    sets = ["--set", "model.hidden_size=6", "--set", "train.max_steps=3"]
    write_config(place)
    write_config(place, {"data.tokens": "byte"}, "bytes")
    for name in ("tiny", "bytes"):
        run_dir = str(place / "runs" / name)
        assert run(["train", str(place / f"{name}.yaml"), "--run-dir", run_dir, *sets]) == 0
    whole = (place / "runs" / "tiny" / "last.npz").read_bytes()
    (place / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (place / "text.npz").write_text(tiny_text(), encoding="utf-8")
    (place / "link.npz").symlink_to(Path("runs", "tiny", "last.npz"))
    (place / "loop.npz").symlink_to("loop.npz")


def case(seed: int, number: int, model: Path) -> Case:
    """Return a case, which is always the same for the same numbers."""

    def prepare(place: Path) -> Sequence[str]:
        shutil.copytree(model, place, symlinks=True, dirs_exist_ok=True)
        os.mkfifo(place / "fifo")
        return arguments(seed, number)

    return Case(f"command_lines.arguments({seed}, {number})", prepare, problem)


def problem(place: Path, code: int, out: str, err: str) -> str:
    """Say what is wrong with how a command ended."""
    if code == 1 and err.count("charrnn: error: ") != 1:
        return f"exit code 1, and it says: {err[:1000]}"
    if code == 2 and err.count("Error: ") != 1 and not err.startswith("Usage: charrnn [OPTIONS] C"):
        return f"exit code 2, and it says: {err[:1000]}"
    if code == 2 and out:
        return f"exit code 2, and on stdout: {out[:1000]}"
    if not code and not out and not any((place / new).exists() for new in ("runs", "new.yaml")):
        return f"neither a product nor a run: {err[:1000]}"
    return ""


def arguments(seed: int, number: int) -> list[str]:
    """Return a command line."""
    chance = random.Random(f"{seed}/{number}")
    command = chance.choice([name for name, (share, _) in COMMANDS.items() for _ in range(share)])
    words = COMMANDS[command][1](chance)
    for _ in range(chance.choice((0, 0, 0, 0, 0, 0, 0, 1, 2))):
        words.insert(chance.randint(0, len(words)), chance.choice(WORDS))
    if words and command != "eval" and chance.random() < 0.05:
        words.pop(chance.randrange(len(words)))
    if chance.random() < 0.02:
        return words
    # Whatever else is said, a training is brief; where this makes no sense it is wrong usage.
    brief = [word for key in BRIEF for word in ("--set", key)]
    return [command, *words, *(brief if command in ("train", "bench") else ())]


def _train(chance: random.Random) -> list[str]:
    words = [_mostly(CONFIGS, 2, chance)] if chance.random() < 0.95 else []
    words += _sets(chance)
    if chance.random() < 0.8:
        words += ["--run-dir", _mostly(RUN_DIRS, 3, chance)]
    for flag in ("--resume", "--overwrite"):
        words += [flag] * chance.choice((0, 0, 0, 1))
    if chance.random() < 0.2:
        words += ["--init-from", _mostly(CHECKPOINTS, 4, chance)]
    return words


def _init(chance: random.Random) -> list[str]:
    words = [_mostly(TEXTS, 2, chance)] if chance.random() < 0.95 else []
    words += ["-o", chance.choice(("new.yaml", "new.yaml", "-"))]
    words += ["--minutes", chance.choice(("0.001", "0.001", "0.01", "0", "nan", "inf", "x", "1e9"))]
    return [*words, *_sets(chance), *["--overwrite"] * chance.choice((0, 1))]


def _sample(chance: random.Random) -> list[str]:
    words = [_mostly(CHECKPOINTS, 4, chance)] if chance.random() < 0.8 else []
    if chance.random() < 0.4:
        words += ["--prime", chance.choice((*PRIMES, *PRIMES, *WORDS, *_PIECES))]
    if chance.random() < 0.2:
        words += ["--prime-file", chance.choice((*TEXTS, "/dev/zero"))]
    for option, numbers in NUMBERS.items():
        if chance.random() < 0.3:
            value = chance.choice(numbers)
            if chance.random() < 0.1:
                value = chance.choice(
                    ("", "-1", "x", "nan", "inf", "-inf", "1e", "9" * 5000, "0x1")
                )
            words += [option, value]
    if chance.random() < 0.2:
        words += ["--stop", chance.choice((*PRIMES, *WORDS))]
    if chance.random() < 0.3:
        words += ["--unknown", chance.choice(("skip", "skip", "skip", "error", "x"))]
    for flag in ("--greedy", "--no-prime"):
        words += [flag] * chance.choice((0, 0, 1, 2))
    return words


def _eval(chance: random.Random) -> list[str]:
    words = [chance.choice(CHECKPOINTS)] if chance.random() < 0.3 else []
    if chance.random() < 0.6:  # after a checkpoint, or else a pipe would be a text
        words = [_mostly(CHECKPOINTS, 4, chance), _mostly(TEXTS, 2, chance)]
    if words in (["fifo"], ["/dev/zero"]):  # which would be texts without end
        words = ["gone.txt"]
    if chance.random() < 0.3:
        words += ["--split", chance.choice(("train", "valid", "test", "x", ""))]
    if chance.random() < 0.4:
        words += ["--unknown", chance.choice(("skip", "skip", "error", "x"))]
    return words + ["--json"] * chance.choice((0, 1))


def _info(chance: random.Random) -> list[str]:
    return [_mostly(CHECKPOINTS, 4, chance)] if chance.random() < 0.8 else []


def _bench(chance: random.Random) -> list[str]:
    words = [_mostly(CONFIGS, 2, chance)] if chance.random() < 0.5 else []
    return [*words, *_sets(chance), *["--json"] * chance.choice((0, 1))]


def _mostly(words: Sequence[str], good: int, chance: random.Random) -> str:
    """Return one of the words, mostly of the first ones."""
    return chance.choice(words[:good] if chance.random() < 0.6 else words)


def _sets(chance: random.Random) -> list[str]:
    words = []
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        key = chance.choice((*all_keys(), *all_keys(), "data", "x.y", "", "model.", ".cell"))
        value = chance.choice(SMALL if chance.random() < 0.5 else VALUES).replace("\0", "")
        words += ["--set", chance.choice((f"{key}={value}",) * 8 + (key, value, f"{key}=={value}"))]
    return words


# Each command: its share of the lines, and what makes its words.
COMMANDS: dict[str, tuple[int, Callable[[random.Random], list[str]]]] = {
    "init": (1, _init),
    "train": (2, _train),
    "sample": (3, _sample),
    "eval": (1, _eval),
    "info": (1, _info),
    "bench": (1, _bench),
}
