"""Configurations that something has happened to, each trained with: one message, or a training."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from support import TINY
from torture.odd_values import PIECES, SMALL, VALUES, warm_up, write_texts
from torture.watched import SECONDS, Case, watch

from charrnn.config import all_keys
from charrnn.config_reader import config_from_dict, load_config

SHIPPED = Path(__file__).parents[2] / "configs"

_LONGEST = 1_000_000  # characters, so that it is not the mutation which takes the memory
LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 30))


def configurations(folder: Path, count: int, seed: int) -> str:
    """Train with mutated configurations; return what came of them."""
    warm_up(folder)
    return str(watch((case(seed, number) for number in range(count)), folder))


def case(seed: int, number: int) -> Case:
    """Return a case, which is always the same for the same numbers."""

    def prepare(place: Path) -> Sequence[str]:
        write_texts(place)
        (place / "bad.yaml").write_bytes(mutated(seed, number))
        arguments = ["train", str(place / "bad.yaml"), "--run-dir", str(place / "run")]
        return [*arguments, *brought_down(place / "bad.yaml")]

    return Case(f"mutated_configs.mutated({seed}, {number})", prepare, problem)


def problem(place: Path, code: int, out: str, err: str) -> str:
    """Say what is wrong with how a training ended."""
    if out:
        return f"on stdout: {out[:200]}"
    if err.count("charrnn: error: ") != (code != 0) or code == 2:
        return f"exit code {code}, and it says: {err[:1000]}"
    if len(err) > 10_000:
        return f"it says {len(err):,} characters, beginning with {err[:500]}"
    if not code and not (place / "run" / "last.npz").exists():
        return f"no checkpoint, and it says: {err[:1000]}"
    if code and (place / "run").exists() and "diverged" not in err:
        return f"the run's folder was begun, and it says: {err[:1000]}"
    return ""


def brought_down(config: Path) -> list[str]:
    """Return arguments that keep a valid configuration from doing much work, where it has much.

    A model of a thousand layers, or thirty epochs, is the user's to ask for.
    """
    signal.alarm(SECONDS)  # from here on; watched.py sets it anew for the command
    try:
        loaded = load_config(config)
    except Exception:  # whatever it is, it is for the command to show
        return []
    model, train = loaded.model, loaded.train
    changes = {
        "model.hidden_size": min(model.hidden_size, 64),
        "model.num_layers": min(model.num_layers, 3),
        "train.sample_length": min(train.sample_length, 200),
        "train.workers": train.workers if train.workers == "auto" else min(int(train.workers), 3),
    }
    if model.embedding_size:
        changes["model.embedding_size"] = min(model.embedding_size, 64)
    if train.max_steps is None or train.max_steps > 100:
        changes["train.max_steps"] = 2
    values = loaded.to_dict()
    sets = []
    for key, value in changes.items():
        section, name = key.split(".")
        if values[section][name] != value:
            sets += ["--set", f"{key}={value}"]
    return sets


def mutated(seed: int, number: int) -> bytes:
    """Return a mutated configuration."""
    chance = random.Random(f"{seed}/{number}")
    bases = list(_bases())
    text = chance.choice(bases)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        text = chance.choice(_OF_TEXT)(text, chance)[:_LONGEST]
    raw = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.15:
        raw = chance.choice(_OF_BYTES)(raw, chance)
    return raw


def _bases() -> Iterator[str]:
    """Yield valid configurations: the shipped ones brought down, and some with all keys."""
    for path in sorted(SHIPPED.glob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        small = {"path": "text.txt", "hidden_size": "8", "batch_size": "2", "seq_length": "5"}
        small |= {"max_steps": "4", "max_epochs": "1"}
        keys = [line.split(":")[0].strip() for line in lines]
        yield "\n".join(
            f"{line.split(':')[0]}: {small[key]}" if key in small else line
            for key, line in zip(keys, lines, strict=True)
        )
    yield "data:\n  path: text.txt\ntrain: {batch_size: 2, seq_length: 5, max_epochs: 1}\n"
    yield "data: {path: [text.txt, other.txt]}\nseed: 3\ntrain: {max_steps: 1, batch_size: 2}\n"
    yield config_from_dict(TINY).to_yaml().replace(f"{Path.cwd()}/", "")
    for cell, optimizer, schedule in (("gru", "adamw", "step"), ("lstm", "rmsprop", "cosine")):
        values = {section: dict(keys) for section, keys in TINY.items()}
        values["model"] |= {"cell": cell, "num_layers": 2, "embedding_size": 3, "dropout": 0.1}
        values["train"] |= {"optimizer": optimizer, "schedule": schedule, "patience": 2}
        values["train"] |= {"sample_length": 20, "validate_every": 5, "checkpoint_every": "1s"}
        values["data"] |= {"test_fraction": 0.1}
        yield config_from_dict(values).to_yaml().replace(f"{Path.cwd()}/", "")


def _value(text: str, chance: random.Random) -> str:
    """Another value for a key."""
    lines = text.split("\n")
    places = [i for i, line in enumerate(lines) if ": " in line] or [0]
    i = chance.choice(places)
    lines[i] = f"{lines[i].partition(':')[0]}: {chance.choice(VALUES)}"
    return "\n".join(lines)


def _small(text: str, chance: random.Random) -> str:
    """Another value for a key, which it may well take."""
    lines = text.split("\n")
    i = chance.choice([i for i, line in enumerate(lines) if ": " in line] or [0])
    lines[i] = f"{lines[i].partition(':')[0]}: {chance.choice(SMALL)}"
    return "\n".join(lines)


def _key(text: str, chance: random.Random) -> str:
    """A line more: a key of the program or of nobody, at some depth."""
    lines = text.split("\n")
    name = chance.choice((*all_keys(), "unknown", "data", "model", "train", "<<", "3", "[a]", ""))
    name = chance.choice((name, name.split(".")[-1], name[:-1], name.upper(), name * 50))
    line = " " * chance.choice((0, 2, 2, 2, 4)) + f"{name}: {chance.choice(VALUES)}"
    lines.insert(chance.randint(0, len(lines)), line)
    return "\n".join(lines)


def _section(text: str, chance: random.Random) -> str:
    """A section that is something else."""
    lines = text.split("\n")
    heads = [i for i, line in enumerate(lines) if line.endswith(":")] or [0]
    i = chance.choice(heads)
    lines[i] += f" {chance.choice(VALUES)}"
    return "\n".join(lines)


def _lines(text: str, chance: random.Random) -> str:
    """A line doubled, lost, moved or indented."""
    lines = text.split("\n")
    i, j = (chance.randrange(len(lines)) for _ in range(2))
    how = chance.randrange(5)
    if how == 0:
        lines.insert(j, lines[i])
    elif how == 1:
        del lines[i]
    elif how == 2:
        lines[i], lines[j] = lines[j], lines[i]
    elif how == 3:
        lines[i] = chance.choice((" ", "\t", "- ", "   ")) + lines[i]
    else:
        (a, colon, x), (b, other, y) = lines[i].partition(": "), lines[j].partition(": ")
        lines[i], lines[j] = f"{a}{colon}{y}", f"{b}{other}{x}"
    return "\n".join(lines)


def _piece(text: str, chance: random.Random) -> str:
    """A sign somewhere."""
    at = chance.randint(0, len(text))
    return text[:at] + chance.choice(PIECES) * chance.choice((1, 1, 1, 2, 50)) + text[at:]


def _part(text: str, chance: random.Random) -> str:
    """A part lost or repeated."""
    start = chance.randint(0, len(text))
    end = min(len(text), start + chance.choice((1, 2, 5, 20, 100)))
    return text[:start] + text[start:end] * chance.choice((0, 0, 2, 3, 100)) + text[end:]


def _whole(text: str, chance: random.Random) -> str:
    """Something before, after, around or instead of it all."""
    value = chance.choice(VALUES)
    return chance.choice(
        (
            LAUGHS + text,
            text + LAUGHS,
            f"{text}\n---\n{text}",
            f"{text}\n{value}",
            f"{value}\n{text}",
            value,
            f"x: &x {{{text.splitlines()[0] if text else ''}}}\n{text}\n<<: *x\n",
            "- " + text,
            text * chance.choice((2, 500)),
            "# " + text,
            text.replace("\n", chance.choice(("\r\n", "\r", "\x85", "\n\n", "\n\t"))),
            text + "\n" + "# x\n" * 80_000,
            text + "\nmore: " + "x" * 300_000,
            "".join(" " * i + "a:\n" for i in range(chance.choice((5, 30, 500)))) + text,
        )
    )


def _flipped(raw: bytes, chance: random.Random) -> bytes:
    """Some bits turned over."""
    changed = bytearray(raw or b"x")
    for _ in range(chance.choice((1, 1, 3, 10))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _noise(raw: bytes, chance: random.Random) -> bytes:
    """Bytes of any value put in, or instead of it all."""
    noise = chance.randbytes(chance.choice((1, 4, 100, 3000)))
    at = chance.randint(0, len(raw))
    return chance.choice((raw[:at] + noise + raw[at:], noise))


def _encoded(raw: bytes, chance: random.Random) -> bytes:
    """Another encoding, a byte order mark, an end too early."""
    text = raw.decode("utf-8", "replace")
    at = chance.randint(0, len(raw))
    return chance.choice(
        (
            text.encode("utf-16"),
            text.encode("utf-16-be"),
            text.encode("utf-32"),
            b"\xef\xbb\xbf" + raw,
            b"\xef\xbb\xbf" * 2 + raw,
            raw[:at] + b"\xef\xbb\xbf" + raw[at:],
            raw[:at],
            raw[:at] + b"\0" + raw[at:],
            raw[:at] + b"\xed\xa0\x80" + raw[at:],
            raw[:at] + b"\xff" + raw[at:],
            text.encode("cp037", "replace"),
        )
    )


_OF_TEXT: tuple[Callable[[str, random.Random], str], ...] = (
    *(
        _value,
        _value,
        _value,
        _small,
        _small,
        _small,
        _key,
        _key,
        _section,
        _lines,
        _lines,
        _piece,
        _part,
        _whole,
    ),
)
_OF_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flipped,
    _flipped,
    _noise,
    _encoded,
)
