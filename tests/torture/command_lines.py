"""Random command lines, in a folder with runs and texts, give output or one error message."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from support import tiny_text, write_config
from torture.odd_values import PIECES, SMALL, VALUES, warm_up, write_texts
from torture.tables import COLUMNS
from torture.watched import Case, watch
from torture.words import (
    CHECKPOINTS,
    CONFIGS,
    NUMBERS,
    PICTURES,
    PRIMES,
    PROMPTS,
    RUN_DIRS,
    RUNS,
    TEXTS,
    VIEW_NUMBERS,
    WORDS,
)

import charrnn.planning.benchmark
from charrnn.commands.cli import cli, run
from charrnn.config.schema import all_keys

# These keep a training short. Of a key that is set twice, the last value counts.
BRIEF = ("train.max_steps=3", "model.hidden_size=6", "model.num_layers=1", "train.sample_length=9")
BRIEF += ("train.workers=1", "model.embedding_size=null")


_BEAMS = ("1", "2", "2", "5", "1000", "0", "x")
_PIECES = [piece.replace("\0", "") for piece in PIECES]  # no argument can hold a null character


def command_lines(folder: Path, count: int, seed: int) -> str:
    """Run random command lines and return a summary."""
    measure = charrnn.planning.benchmark.measure
    # A whole measurement takes ten seconds, and repeats the same work.
    charrnn.planning.benchmark.measure = partial(measure, rounds=1, round_s=0.001)
    try:
        warm_up(folder)
        model = folder / "model"
        model.mkdir()
        fill(model)
        cases = (case(seed, number, model) for number in range(count))
        return str(watch(cases, folder))
    finally:
        charrnn.planning.benchmark.measure = measure


def fill(place: Path) -> None:
    """Make the files and runs that a command line may name."""
    write_texts(place)
    sets = ["--set", "model.hidden_size=6", "--set", "train.max_steps=3"]
    write_config(place)
    write_config(place, {"data.tokens": "byte"}, "bytes")
    lists = {"data.path": "blocks.txt", "data.records": "line"}
    write_config(place, lists, "lines")
    write_config(place, lists | {"data.records": "paragraph", "data.tokens": "byte"}, "blocks")
    write_config(place, {"data.path": "table.csv", "data.records": "csv", **COLUMNS}, "pairs")
    free = [f"the {word} box={word[::-1]}" for word in tiny_text().split()]
    (place / "free.txt").write_text("\n".join(sorted({*free})), encoding="utf-8")
    separated = {"data.path": "free.txt", "data.records": "line", "data.prompt_separator": "="}
    write_config(place, separated, "free")
    for name in ("tiny", "bytes", "lines", "blocks", "pairs", "free"):
        run_dir = str(place / "runs" / name)
        assert run(["train", str(place / f"{name}.yaml"), "--run-dir", run_dir, *sets]) == 0
    whole = (place / "runs" / "tiny" / "last.npz").read_bytes()
    (place / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (place / "text.npz").write_text(tiny_text(), encoding="utf-8")
    (place / "link.npz").symlink_to(Path("runs", "tiny", "last.npz"))
    (place / "loop.npz").symlink_to("loop.npz")
    # Import Matplotlib once, if it is installed.
    run(["report", str(place / "runs" / "tiny"), "-o", str(place / "page.html")])
    run(["plot", str(place / "runs" / "tiny"), "-o", str(place / "curve.svg")])


def case(seed: int, number: int, model: Path) -> Case:
    """Return a case, which depends only on the numbers."""

    def prepare_folder(place: Path) -> Sequence[str]:
        shutil.copytree(model, place, symlinks=True, dirs_exist_ok=True)
        os.mkfifo(place / "fifo")
        return arguments(seed, number)

    def check(place: Path, code: int, out: str, err: str) -> str:
        changed = _files(place) != _files(model)
        return problem(code, out, err, changed or "finished: " in err)

    return Case(f"command_lines.arguments({seed}, {number})", prepare_folder, check)


def _files(place: Path) -> dict[Path, tuple[int, int]]:
    """Return the size and the modification time of each file in a folder."""
    found = [file for file in place.rglob("*") if file.is_file() and not file.is_symlink()]
    status = [(file.relative_to(place), file.stat()) for file in found]
    return {name: (one.st_size, one.st_mtime_ns) for name, one in status}


def problem(code: int, out: str, err: str, written: bool) -> str:
    """Return what is wrong with the result of a command, or an empty text."""
    if code == 1 and err.count("charrnn: error: ") != 1:
        return f"exit code 1, with stderr: {err[:1000]}"
    if code == 2 and err.count("Error: ") != 1 and not err.startswith("Usage: charrnn [OPTIONS] C"):
        return f"exit code 2, with stderr: {err[:1000]}"
    if code == 2 and out:
        return f"exit code 2, with stdout: {out[:1000]}"
    if not code and not out and not written:
        return f"neither output nor a run: {err[:1000]}"
    return ""


def arguments(seed: int, number: int) -> list[str]:
    """Return a command line."""
    chance = random.Random(f"{seed}/{number}")
    command = chance.choice([name for name, (share, _) in COMMANDS.items() for _ in range(share)])
    words = COMMANDS[command][1](chance)
    for _ in range(chance.choice((0, 0, 0, 0, 0, 0, 0, 1, 2))):
        words.insert(chance.randint(0, len(words)), chance.choice(WORDS))
    # Without its checkpoint, a command could take a pipe for its text, and wait.
    if words and command not in ("eval", "inspect") and chance.random() < 0.05:
        words.pop(chance.randrange(len(words)))
    if chance.random() < 0.02:
        return words
    # Every training is short.
    brief = [word for key in BRIEF for word in ("--set", key)]
    return [command, *words, *(brief if command in ("train", "bench") else ())]


def _train(chance: random.Random) -> list[str]:
    words = [_mostly(CONFIGS, 3, chance)] if chance.random() < 0.95 else []
    words += _sets(chance)
    if chance.random() < 0.8:
        words += ["--run-dir", _mostly(RUN_DIRS, 3, chance)]
    for flag in ("--resume", "--overwrite"):
        words += [flag] * chance.choice((0, 0, 0, 1))
    if chance.random() < 0.2:
        words += ["--init-from", _mostly(CHECKPOINTS, 5, chance)]
    return words


def _init(chance: random.Random) -> list[str]:
    words = [_mostly(TEXTS, 3, chance)] if chance.random() < 0.95 else []
    words += ["-o", _mostly(("new.yaml", "-", *PICTURES), 2, chance)]
    words += ["--minutes", chance.choice(("0.001", "0.001", "0.01", "0", "nan", "inf", "x", "1e9"))]
    return [*words, *_sets(chance), *["--overwrite"] * chance.choice((0, 1))]


def _sample(chance: random.Random) -> list[str]:
    words = [_mostly(CHECKPOINTS, 5, chance)] if chance.random() < 0.8 else []
    if chance.random() < 0.4:
        words += ["--prime", chance.choice((*PRIMES, *PRIMES, *WORDS, *_PIECES))]
    if {"runs/pairs", "runs/free"}.intersection(words) or chance.random() < 0.1:
        words += ["--prompt", chance.choice((*PROMPTS * 4, *PRIMES))]
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
    for flag in ("--unique", "--new", "--keep-cut", "--json"):
        words += [flag] * chance.choice((0, 0, 0, 0, 1))
    return words


def _predict(chance: random.Random) -> list[str]:
    words = [chance.choice((*PROMPTS * 4, *PRIMES)) for _ in range(chance.choice((0, 1, 1, 1, 2)))]
    model = chance.choice(("runs/pairs", "runs/free"))
    model = model if chance.random() < 0.7 else _mostly(CHECKPOINTS, 5, chance)
    words += ["--model", model] if chance.random() < 0.95 else []
    if not words[:1] or words[0] == "--model" or chance.random() < 0.1:
        words += ["--file", _mostly(TEXTS, 3, chance)]
    words += ["--top", chance.choice(("1", "2", "2", "3", "1000", "0", "x"))] * chance.choice(
        (0, 0, 1)
    )
    words += ["--unknown", chance.choice(("skip", "skip", "skip", "error", "x"))] * chance.choice(
        (0, 1)
    )
    words += ["--beam", chance.choice(_BEAMS)] * chance.choice((0, 0, 1))
    words += ["--length", chance.choice(("1", "5", "5", "100", "0", "x"))] * chance.choice((0, 1))
    return words + ["--json"] * chance.choice((0, 0, 1))


def _eval(chance: random.Random) -> list[str]:
    words = _model_and_text(chance) + ["--json"] * chance.choice((0, 1))
    words += ["--beam", chance.choice(_BEAMS)] * chance.choice((0, 0, 0, 1))
    return words + ["--each"] * chance.choice((0, 0, 1))


def _model_and_text(chance: random.Random) -> list[str]:
    words = [chance.choice(CHECKPOINTS)] if chance.random() < 0.3 else []
    if chance.random() < 0.6:  # a single argument could be a pipe, read as a text
        words = [_mostly(CHECKPOINTS, 5, chance), _mostly(TEXTS, 3, chance)]
    if words in (["fifo"], ["/dev/zero"]):  # endless texts
        words = ["gone.txt"]
    if chance.random() < 0.3:
        words += ["--split", chance.choice(("train", "valid", "test", "x", ""))]
    if chance.random() < 0.4:
        words += ["--unknown", chance.choice(("skip", "skip", "error", "x"))]
    return words


def _inspect(chance: random.Random) -> list[str]:
    view = chance.choice(("predictions", "surprise", "cells", "gradients"))
    words = _model_and_text(chance)
    if view == "predictions" and chance.random() < 0.9:
        words = [*words[:1], "--text", chance.choice((*PRIMES, *PRIMES, *WORDS, *_PIECES))]
        words += ["--unknown", "skip"] * chance.choice((0, 1, 1))
    for option, numbers in VIEW_NUMBERS[view].items():
        if chance.random() < 0.3:
            words += [option, chance.choice(numbers if chance.random() < 0.9 else WORDS)]
    if view == "gradients" and chance.random() < 0.3:
        words += ["-o", _mostly(PICTURES, 4, chance)]
    if view in ("surprise", "cells") and chance.random() < 0.3:
        words += ["--colour", chance.choice(("always", "never", "auto", "x"))]
    return [view, *words, *["--json"] * chance.choice((0, 0, 1))]


def _report(chance: random.Random) -> list[str]:
    words = [_mostly(RUNS, 2, chance) for _ in range(chance.choice((0, 1, 1, 2)))]
    if chance.random() < 0.5:
        words += ["-o", chance.choice(("new.html", "-", "page.html", *PICTURES))]
    return words


def _plot(chance: random.Random) -> list[str]:
    words = [_mostly(RUNS, 2, chance) for _ in range(chance.choice((0, 1, 1, 2)))]
    words += ["-o", _mostly(PICTURES, 4, chance)]
    if chance.random() < 0.5:
        words += ["--what", chance.choice(("loss", "rate", "norm", "speed", "x"))]
    return words


def _export(chance: random.Random) -> list[str]:
    words = [_mostly(CHECKPOINTS, 5, chance)] if chance.random() < 0.8 else []
    if chance.random() < 0.5:
        words += ["-o", chance.choice(("new.html", "-", "page.html", *PICTURES))]
    if chance.random() < 0.5:
        words += ["--precision", chance.choice(("8", "16", "32", "12", ""))]
    return words


def _info(chance: random.Random) -> list[str]:
    return [_mostly(CHECKPOINTS, 5, chance)] if chance.random() < 0.8 else []


def _bench(chance: random.Random) -> list[str]:
    words = [_mostly(CONFIGS, 3, chance)] if chance.random() < 0.5 else []
    return [*words, *_sets(chance), *["--json"] * chance.choice((0, 1))]


def _mostly(words: Sequence[str], good: int, chance: random.Random) -> str:
    """Return one of the words, most often one of the first `good`."""
    return chance.choice(words[:good] if chance.random() < 0.6 else words)


def _sets(chance: random.Random) -> list[str]:
    words = []
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        key = chance.choice((*all_keys(), *all_keys(), "data", "x.y", "", "model.", ".cell"))
        value = chance.choice(SMALL if chance.random() < 0.5 else VALUES).replace("\0", "")
        words += ["--set", chance.choice((f"{key}={value}",) * 8 + (key, value, f"{key}=={value}"))]
    return words


# The share of each command, and the function that makes its arguments.
COMMANDS: dict[str, tuple[int, Callable[[random.Random], list[str]]]] = {
    "init": (1, _init),
    "train": (2, _train),
    "sample": (3, _sample),
    "eval": (1, _eval),
    "export": (1, _export),
    "info": (1, _info),
    "bench": (1, _bench),
    "inspect": (2, _inspect),
    "report": (1, _report),
    "plot": (1, _plot),
    **({"predict": (2, _predict)} if "predict" in cli.commands else {}),
}
