"""Changed checkpoints: refused in one message, or read as what they were before."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from checkpoints import as_format_1, bits
from support import write_config
from torture.byte_mutations import RAW
from torture.checkpoint_mutations import DIGESTS, STRUCTURED, structured
from torture.watched import Case, watch

from charrnn.config.reader import load_config
from charrnn.errors import CheckpointError
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.training.train import train

STORED = Path(__file__).parents[1] / "runs" / "stored"

_DOORS = ("info", "info", "info", "sample", "eval", "resume", "begin")

_RUNS = (
    {"model.cell": "rnn", "train.optimizer": "sgd"},
    {"model.cell": "lstm", "train.optimizer": "adam", "model.embedding_size": 3},
    {"model.cell": "gru", "train.optimizer": "rmsprop", "data.tokens": "byte"},
    {"model.cell": "gru", "train.optimizer": "adagrad", "model.num_layers": 2},
    {"model.cell": "lstm", "train.optimizer": "momentum", "data.tokens": "byte"},
)


class Source(NamedTuple):
    """A sound checkpoint, and the run it is of."""

    run: Path
    raw: bytes
    checkpoint: Checkpoint


def checkpoints(folder: Path, count: int, seed: int) -> str:
    """Feed changed checkpoints to the command line; return what came of it."""
    sources, places = _sources(folder / "sources"), folder / "places"
    places.mkdir()
    watched = watch((_case(sources, seed, i) for i in range(count)), places)
    return str(watched)


def _sources(folder: Path) -> list[Source]:
    """Train some runs, each also as of format 1; and take the stored one."""
    runs = []
    for number, overrides in enumerate(_RUNS):
        place = folder / str(number)
        place.mkdir(parents=True)
        values = {"train.workers": 1, "train.backend": "numpy", "model.hidden_size": 4}
        run = place / "run"
        train(load_config(write_config(place, {**values, **overrides})), run)
        shutil.copy(place / "text.txt", run)
        runs.append(run)
        old = Path(shutil.copytree(run, place / "format_1"))
        np.savez(old / "last.npz", **as_format_1(run / "last.npz"))
        runs.append(old)
    runs.append(Path(shutil.copytree(STORED / "format_1", folder / "stored")))
    files = [run / "last.npz" for run in runs]
    return [Source(file.parent, file.read_bytes(), load_checkpoint(file)) for file in files]


def _case(sources: Sequence[Source], seed: int, number: int) -> Case:
    """Return a case, made of nothing but seed and number."""
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
    door = rng.choice(_DOORS)

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
        sampled = ["--length", "5", "--seed", "1", "--greedy"] if door == "sample" else []
        return [door, "model.npz", *sampled]

    def check(place: Path, code: int, _: str, err: str) -> str:
        try:
            loaded = load_checkpoint(place / "kept.npz")
        except CheckpointError:
            return "" if code else "it is refused, and the command went on with it"
        if not law:
            return ""
        if code:
            return f"it is read, and the command said {err}"
        problems = [differences(loaded, source.checkpoint), differences(loaded, other.checkpoint)]
        return f"loaded with other {problems[0]}" if all(problems) else ""

    return Case(f"checkpoints {seed} {number} ({source.run}: {how}; {door})", prepare_folder, check)


def _steps(source: Source) -> int:
    return source.checkpoint.counters.step


def differences(found: Checkpoint, sound: Checkpoint) -> str:
    """Return what of a checkpoint is not what it was, to the bit."""
    fields = {
        "configuration": found.config != sound.config,
        "vocabulary": found.vocabulary != sound.vocabulary,
        "parameters": bits(found.parameters) != bits(sound.parameters),
        "counters": found.counters != sound.counters,
        "slots": [(n, bits(a)) for n, a in found.optimizer_state.items()]
        != [(n, bits(a)) for n, a in sound.optimizer_state.items()],
        "states": [[bits(a) for a in layer] for layer in found.states]
        != [[bits(a) for a in layer] for layer in sound.states],
        "text": (found.text_sha256, found.text_chars) != (sound.text_sha256, sound.text_chars),
        "format": found.format != sound.format,
    }
    return ", ".join(name for name, differs in fields.items() if differs)
