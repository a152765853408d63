"""Mutated checkpoints, which must be refused in one message or read as before."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from checkpoints import as_format_1, differences
from support import write_config
from torture.byte_mutations import RAW
from torture.checkpoint_mutations import DIGESTS, STRUCTURED, structured
from torture.lists import list_of_records
from torture.tables import COLUMNS, TABLES, table
from torture.watched import Case, watch

from charrnn.commands.cli import cli
from charrnn.config.reader import load_config
from charrnn.errors import CheckpointError
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.training.train import train

STORED = Path(__file__).parents[1] / "runs" / "stored"

_DOORS = ("info", "info", "info", "sample", "eval", "resume", "begin")
_PREDICT = ["predict"] * ("predict" in cli.commands)  # a door for models with labels

_RUNS = (
    {"model.cell": "rnn", "train.optimizer": "sgd"},
    {"model.cell": "lstm", "train.optimizer": "adam", "model.embedding_size": 3},
    {"model.cell": "gru", "train.optimizer": "rmsprop", "data.tokens": "byte"},
    {"model.cell": "gru", "train.optimizer": "adagrad", "model.num_layers": 2},
    {"model.cell": "lstm", "train.optimizer": "momentum", "data.tokens": "byte"},
    {"model.cell": "rnn", "train.optimizer": "adam", "data.records": "line"},
    {"model.cell": "gru", "data.tokens": "byte", "data.records": "paragraph"},
    {"model.cell": "lstm", "data.records": "csv", **COLUMNS},
    {"model.cell": "rnn", "data.tokens": "byte", "data.records": "jsonl", **COLUMNS},
    {"model.cell": "lstm", "data.records": "tsv", **COLUMNS, "data.feature_columns": "size"},
)


class Source(NamedTuple):
    """A sound checkpoint and its run folder."""

    run: Path
    raw: bytes
    checkpoint: Checkpoint


def checkpoints(folder: Path, count: int, seed: int) -> str:
    """Give mutated checkpoints to the command line; return the figures in words."""
    sources, places = _sources(folder / "sources"), folder / "places"
    places.mkdir()
    watched = watch((_case(sources, seed, i) for i in range(count)), places)
    return str(watched)


def _sources(folder: Path) -> list[Source]:
    """Return newly trained runs, their copies in format 1, and a stored run."""
    runs = []
    for number, overrides in enumerate(_RUNS):
        place = folder / str(number)
        place.mkdir(parents=True)
        values = {"train.workers": 1, "train.backend": "numpy", "model.hidden_size": 4}
        if records := overrides.get("data.records"):
            rng = random.Random(1)
            text = table(rng, records, 60) if records in TABLES else list_of_records(rng, 60)
            (place / "text.txt").write_text(text, encoding="utf-8")
        run = place / "run"
        train(load_config(write_config(place, {**values, **overrides})), run)
        shutil.copy(place / "text.txt", run)
        runs.append(run)
        if records is None:  # format 1 knew none
            old = Path(shutil.copytree(run, place / "format_1"))
            np.savez(old / "last.npz", **as_format_1(run / "last.npz"))
            runs.append(old)
    runs.append(Path(shutil.copytree(STORED / "format_1", folder / "stored")))
    files = [run / "last.npz" for run in runs]
    return [Source(file.parent, file.read_bytes(), load_checkpoint(file)) for file in files]


def _case(sources: Sequence[Source], seed: int, number: int) -> Case:
    """Return the case that a seed and a number determine."""
    rng = random.Random(f"checkpoints {seed} {number}")
    source, other = rng.choice(sources), rng.choice(sources)
    law = True
    if rng.random() < 0.4:
        how = rng.choice(list(RAW))
        raw = RAW[how](rng, source.raw, other.raw)
    else:
        names = rng.choices(list(STRUCTURED), k=rng.choice([1, 1, 1, 2, 3]))
        digest = rng.choice(DIGESTS)
        raw = structured(rng, source.raw, names, digest)
        how = f"{', '.join(names)}; digest {digest}"
        law = source.checkpoint.format > 1 and digest != "made right"
    labels = source.checkpoint.labels.replies
    features = ["--features", "7"] if source.checkpoint.scale else []
    door = rng.choice([*_DOORS, *(_PREDICT if labels else ())])

    def prepare_folder(place: Path) -> Sequence[str]:
        (place / "kept.npz").write_bytes(raw)
        if door == "resume":
            run = place / "run"
            shutil.copytree(source.run, run)
            (run / "last.npz").write_bytes(raw)
            settings = ["data.path=run/text.txt", f"train.max_steps={_steps(source) + 3}"]
            arguments = [word for setting in settings for word in ("--set", setting)]
            return ["train", "run/config.yaml", "--run-dir", "run", "--resume", *arguments]
        (place / "model.npz").write_bytes(raw)
        if door == "begin":
            shutil.copytree(source.run, place / "source")
            arguments = ["--init-from", "model.npz", "--set", "data.path=source/text.txt"]
            return ["train", "source/config.yaml", "--run-dir", "new", *arguments]
        if door == "eval":
            shutil.copy(source.run / "text.txt", place)
            return ["eval", "model.npz", "text.txt"]
        if door == "predict":
            return ["predict", "bee", "--model", "model.npz", *features]
        sampled = ["--length", "5", "--seed", "1", "--greedy"] if door == "sample" else []
        sampled += ["--prompt", "bee", *features] if sampled and labels else []
        return [door, "model.npz", *sampled]

    def check(place: Path, code: int, _: str, err: str) -> str:
        try:
            loaded = load_checkpoint(place / "kept.npz")
        except CheckpointError:
            return "" if code else "load_checkpoint refuses it, and the command does not"
        if not law:
            return ""
        changed = differences(loaded, source.checkpoint)
        if door == "sample" and "that reached the greatest length" in err:  # it was read
            code = 0
        if not changed:
            return f"load_checkpoint reads it, and the command says {err}" if code else ""
        # Of two joined files, zipfile reads the second.
        return f"loaded with another {changed}" if differences(loaded, other.checkpoint) else ""

    return Case(f"checkpoints {seed} {number} ({source.run}: {how}; {door})", prepare_folder, check)


def _steps(source: Source) -> int:
    return source.checkpoint.counters.step
