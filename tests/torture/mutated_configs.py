"""Train with mutated configurations; each gives one error message, or a training."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from support import TINY
from torture.mutations import OF_BYTES, OF_TEXT
from torture.odd_values import warm_up, write_texts
from torture.watched import SECONDS, Case, watch

from charrnn.config.reader import config_from_dict, load_config

SHIPPED = Path(__file__).parents[2] / "configs"

_LONGEST = 1_000_000  # characters, so that the mutation itself takes little memory


def configurations(folder: Path, count: int, seed: int) -> str:
    """Train with mutated configurations; return a summary."""
    warm_up(folder)
    return str(watch((case(seed, number) for number in range(count)), folder))


def case(seed: int, number: int) -> Case:
    """Return a case, always the same one for the same numbers."""

    def prepare_folder(place: Path) -> Sequence[str]:
        write_texts(place)
        (place / "bad.yaml").write_bytes(mutated(seed, number))
        arguments = ["train", str(place / "bad.yaml"), "--run-dir", str(place / "run")]
        return [*arguments, *reduced(place / "bad.yaml")]

    return Case(f"mutated_configs.mutated({seed}, {number})", prepare_folder, problem)


def problem(place: Path, code: int, out: str, err: str) -> str:
    """Return what is wrong with the end of a training, or nothing."""
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


def reduced(config: Path) -> list[str]:
    """Return arguments that keep a valid configuration from taking long.

    Users may rightly ask for a model of a thousand layers, or for many epochs.
    """
    signal.alarm(SECONDS)  # watched.py sets it again for the command
    try:
        loaded = load_config(config)
    except Exception:  # the command will report it
        return []
    model, train = loaded.model, loaded.train
    changes = {
        "model.hidden_size": min(model.hidden_size, 64) if model.hidden_size else None,
        "model.num_layers": min(model.num_layers, 3) if model.num_layers else None,
        "train.sample_length": min(train.sample_length or 0, 200),
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
        text = chance.choice(OF_TEXT)(text, chance)[:_LONGEST]
    raw = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.15:
        raw = chance.choice(OF_BYTES)(raw, chance)
    return raw


def _bases() -> Iterator[str]:
    """Yield valid configurations: the shipped ones, reduced, and some with all keys."""
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
    yield "data: {path: blocks.txt, records: line}\ntrain: {max_steps: 2, batch_size: 2}\n"
    for data in (
        "{path: table.csv, records: csv, prompt_column: name, reply_column: kind}",
        "{path: table.tsv, records: tsv, prompt_column: [1, 2], reply_column: 2, header: true}",
        "{path: table.jsonl, records: jsonl, prompt_column: kind, reply_column: name}",
        "{path: table.csv, records: csv, reply_column: name, feature_columns: [size, 3]}",
        '{path: blocks.txt, records: line, prompt_separator: "e", split_by: record}',
        "{path: labels, records: line, label_from: file, label_as: reply, split_by: prompt}",
    ):
        yield f"data: {data}\ntrain: {{max_steps: 2, batch_size: 2, prompt_weight: 0.5}}\n"
    yield config_from_dict(TINY).to_yaml().replace(f"{Path.cwd()}/", "")
    for cell, optimizer, schedule, records in (
        ("gru", "adamw", "step", None),
        ("lstm", "rmsprop", "cosine", None),
        ("rnn", "sgd", "constant", "paragraph"),
    ):
        values = {section: dict(keys) for section, keys in TINY.items()}
        values["model"] |= {"cell": cell, "num_layers": 2, "embedding_size": 3, "dropout": 0.1}
        values["train"] |= {"optimizer": optimizer, "schedule": schedule, "patience": 2}
        values["train"] |= {"sample_length": 20, "validate_every": 5, "checkpoint_every": "1s"}
        values["data"] |= {"test_fraction": 0.1, "records": records, "path": "blocks.txt"}
        yield config_from_dict(values).to_yaml().replace(f"{Path.cwd()}/", "")
