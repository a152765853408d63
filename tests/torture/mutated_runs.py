"""Runs with mutated records, each drawn as a page or a picture, or refused in one message."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from drawn_runs import Outline, make_run
from torture.mutations import OF_BYTES, OF_TEXT
from torture.odd_values import PIECES, warm_up
from torture.watched import Case, watch

from charrnn.commands.cli import run

# Values that replace a number or a word of a record.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**53, 2**63, 10**400, -(10**400), 0.0, -0.0, 1e-320, 1e308),
    *(float("nan"), float("inf"), float("-inf"), "", "nan", "1e3", "12", "&lt;"),
    *(
        [],
        {},
        [1, 2],
        {"a": 1},
        [[[]]],
        "x" * 100_000,
        "\ud800",
        "\u202e",
        "\x00",
        "\x1b[2J",
        "\ufffe",
    ),
    *("train", "valid", "sample", "skipped", *PIECES),
)
# Text that a page must show and not interpret.
_TAGS = ("</script><script>x</script>", "<img src=x onerror=x>", "]]>", "'\"><b onclick=x>", "&lt;")
_LONGEST = 1_000_000  # bytes


def runs(folder: Path, count: int, seed: int) -> str:
    """Draw runs with mutated records; return the figures in words."""
    warm_up(folder)
    model = folder / "model"
    model.mkdir()
    make_run(model)
    for command in (["report"], ["plot", "-o", str(folder / "warm.svg")]):
        assert run([command[0], str(model / "runs" / "tiny"), *command[1:]]) == 0
    (model / "runs" / "tiny" / "report.html").unlink()
    return str(watch((_case(model, seed, number) for number in range(count)), folder))


def _case(model: Path, seed: int, number: int) -> Case:
    """Return the case that a seed and a number determine."""
    what = random.Random(f"doors {seed} {number}").choice(("loss", "rate", "norm", "speed", "page"))

    def prepare_folder(place: Path) -> Sequence[str]:
        chance = random.Random(f"runs {seed} {number}")
        shutil.copytree(model, place, dirs_exist_ok=True)
        run_dir = place / "runs" / "tiny"
        (run_dir / "metrics.jsonl").write_bytes(mutated(run_dir, chance))
        if chance.random() < 0.2:
            text = (run_dir / "config.yaml").read_text(encoding="utf-8")
            changed = chance.choice(OF_TEXT)(text, chance)[:_LONGEST]
            (run_dir / "config.yaml").write_bytes(changed.encode("utf-8", "surrogatepass"))
        if chance.random() < 0.3:  # the page then shows the records alone
            (run_dir / "best.npz").unlink()
        if what == "page":
            return ["report", "runs/tiny", "-o", "new.html"]
        return ["plot", "runs/tiny", "--what", what, "-o", "new.svg"]

    return Case(f"mutated_runs._case({seed}, {number}), {what}", prepare_folder, _problem)


def _problem(place: Path, code: int, out: str, err: str) -> str:
    """Return what is wrong with the drawing of a run, or nothing."""
    if out:
        return f"on stdout: {out[:200]}"
    if err.count("charrnn: error: ") != (code != 0) or code == 2:
        return f"exit code {code}, and it says: {err[:1000]}"
    if code:
        written = [file.name for file in place.glob("new.*")]
        return f"an error, and {written} is there" if written else ""
    if (place / "new.svg").exists():
        ElementTree.parse(place / "new.svg")
        return ""
    page = (place / "new.html").read_text(encoding="utf-8")
    outline = Outline(page)
    if outline.handlers or "script" in outline.tags:
        return f"something that runs is in the page: {outline.handlers}"
    if [address for address in outline.loaded if not address.startswith("data:")]:
        return f"the page loads {outline.loaded}"
    return "" if page.rstrip().endswith("</html>") else "the page has no end"


def mutated(run_dir: Path, chance: random.Random) -> bytes:
    """Return the records of a run after some mutations."""
    raw = (run_dir / "metrics.jsonl").read_bytes()
    for _ in range(chance.choice((1, 1, 2, 3, 5))):
        if chance.random() < 0.8:
            raw = chance.choice(_OF_RECORDS)(raw.split(b"\n"), chance)[:_LONGEST]
        else:
            raw = chance.choice(OF_BYTES)(raw, chance)
    return raw


def _value(lines: list[bytes], chance: random.Random) -> bytes:
    """Replace a value in some records or in all."""
    key = chance.choice(("step", "loss_nats", "split", "text", "elapsed_s", "chars_per_s", "epoch"))
    key = chance.choice((key, key, "gradient_norm", "learning_rate"))
    share = chance.choice((0.02, 0.1, 1.0))
    changed, one = [], chance.choice(VALUES)
    for line in lines:
        if line.startswith(b"{") and chance.random() < share:
            value = one if share == 1 else chance.choice(VALUES)
            line = _with_value(line, key, value)
        changed.append(line)
    return b"\n".join(changed)


def _tags(lines: list[bytes], chance: random.Random) -> bytes:
    """Put tags into the samples."""
    samples = (b'"sample"' in line for line in lines)
    return b"\n".join(
        _with_value(line, "text", chance.choice(_TAGS)) if sample else line
        for line, sample in zip(lines, samples, strict=True)
    )


def _with_value(line: bytes, key: str, value: Any) -> bytes:
    try:
        record = json.loads(line)
        return json.dumps(record | {key: value}).encode()
    except (
        ValueError,
        TypeError,
    ):  # a line that an earlier mutation changed, or a number that is too long
        return line


def _without(lines: list[bytes], chance: random.Random) -> bytes:
    """Keep one kind of record, or all others."""
    kind = chance.choice((b'"train"', b'"valid"', b'"sample"'))
    kept = chance.random() < 0.5
    return b"\n".join([*(line for line in lines if (kind in line) == kept), b""])


def _moved(lines: list[bytes], chance: random.Random) -> bytes:
    """Shuffle, repeat or drop records."""
    how = chance.randrange(3)
    if how == 0:
        chance.shuffle(lines)
    elif how == 1:
        lines *= chance.choice((2, 50))
    else:
        lines = lines[: chance.randrange(len(lines)) + 1]
    return b"\n".join([*lines, b""])


def _line(lines: list[bytes], chance: random.Random) -> bytes:
    """Insert a line that is not a record."""
    depth = chance.choice((5, 100_000))
    other = chance.choice(
        (b"", b"{}", b"[]", b"null", b"[" * depth, b'{"step": 1}', b"\xff\xfe", b"1")
    )
    lines.insert(chance.randint(0, len(lines)), other)
    return b"\n".join(lines)


_OF_RECORDS: tuple[Callable[[list[bytes], random.Random], bytes], ...] = (
    *(_value, _value, _value, _tags, _without, _moved, _line),
)
