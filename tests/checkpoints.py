"""Checkpoints made for tests, and their members."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import plain_config

from charrnn.commands.cli import run
from charrnn.errors import CheckpointError
from charrnn.kernels import CELLS, Array
from charrnn.kernels.optimizers import OPTIMIZERS
from charrnn.model.parameters import parameter_shapes
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.runs.meta import Counters
from charrnn.text.features import FeatureScale
from charrnn.text.labels import Labels
from charrnn.text.vocabulary import SYMBOLS, Vocabulary

Members = dict[str, Array]

LABELS = Labels((), tuple(np.array(codes, np.uint8) for codes in ([1], [1, 2], [2])))


def checkpoint_of(
    cell: str = "rnn",
    optimizer: str = "adam",
    tokens: str = "char",
    embedding_size: int | None = None,
    counters: Counters | None = None,
    *,
    pairs: bool = False,
    F: int = 0,
) -> Checkpoint:
    """Return a checkpoint with random arrays; of prompts and replies with labels, if `pairs`."""
    rng = np.random.default_rng(1)
    config = plain_config(
        {
            "seed": 7,
            "data.path": ["/a/\u00e9.txt", "/b/*.txt"],
            "data.tokens": tokens,
            "model.cell": cell,
            "model.hidden_size": 3,
            "model.embedding_size": embedding_size,
            "train.batch_size": 2,
            "train.max_epochs": 30,
            "train.optimizer": optimizer,
            "train.checkpoint_every": "60s",
            **({"data.records": "line", "data.prompt_separator": "="} if pairs else {}),
            **({"data.features_path": "/f.npy"} if F else {}),
        }
    )
    symbols = [10, 97, 200 if tokens == "byte" else 0x1F41D]
    symbols += [SYMBOLS[tokens], SYMBOLS[tokens] + 1] if pairs else []
    vocabulary = Vocabulary(np.array(symbols), tokens)
    shapes = parameter_shapes(config.model, len(vocabulary), F).values()
    P = sum(int(np.prod(shape)) for shape in shapes)

    def draw(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    return Checkpoint(
        config=config,
        vocabulary=vocabulary,
        parameters=draw(P),
        counters=counters or Counters(step=12, best_loss_nats=1.25, best_step=10),
        optimizer_state={name: draw(P) for name in OPTIMIZERS[optimizer].state},
        states=[tuple(draw(2, 3) for _ in CELLS[cell].states) for _ in range(2)],
        text_sha256="ab" * 32,
        text_chars=600,
        cut_points=(480, 540),
        steps_per_epoch=5,
        labels=LABELS if pairs else Labels(),
        scale=FeatureScale(rng.normal(size=F), rng.random(F) + 1) if F else None,
    )


def members_of(path: Path) -> Members:
    """Return the arrays of a file, read by NumPy alone."""
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def sealed(members: Members) -> Members:
    """Return arrays with their right digest."""
    arrays = {name: array for name, array in sorted(members.items()) if name != "sha256"}
    lines = [
        f"{name} {array.dtype.str} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}\n"
        for name, array in arrays.items()
    ]
    return arrays | {"sha256": np.array(hashlib.sha256("".join(lines).encode()).hexdigest())}


def as_format_1(path: Path) -> Members:
    """Return a checkpoint's arrays as format 1 holds them."""
    members = members_of(path)
    del members["sha256"]
    meta = json.loads(str(members["meta"])) | {"format": 1}
    del meta["text_chars"], meta["cut_points"], meta["steps_per_epoch"]
    del meta["longest_record"]
    for counter in ("divergences", "elapsed_s", "out_of_time"):
        del meta["counters"][counter]
    return members | {"meta": np.array(json.dumps(meta, ensure_ascii=False))}


def bits(array: Array) -> tuple[Any, ...]:
    """Return a value that is equal for arrays of the same type, shape and bits."""
    return array.dtype.str, array.shape, array.tobytes()


def differences(found: Checkpoint, expected: Checkpoint) -> str:
    """Return the names of the fields that differ by a bit."""
    differ = {
        "configuration": found.config != expected.config,
        "vocabulary": found.vocabulary != expected.vocabulary,
        "parameters": bits(found.parameters) != bits(expected.parameters),
        "counters": found.counters != expected.counters,
        "optimizer state": [(n, bits(a)) for n, a in found.optimizer_state.items()]
        != [(n, bits(a)) for n, a in expected.optimizer_state.items()],
        "states": [[bits(a) for a in layer] for layer in found.states]
        != [[bits(a) for a in layer] for layer in expected.states],
        "text": (found.text_sha256, found.text_chars, found.cut_points)
        != (expected.text_sha256, expected.text_chars, expected.cut_points),
        "steps": found.steps_per_epoch != expected.steps_per_epoch,
        "labels": [[bits(one) for one in side] for side in found.labels]
        != [[bits(one) for one in side] for side in expected.labels],
        "scale": [bits(one) for one in found.scale or ()]
        != [bits(one) for one in expected.scale or ()],
        "format": found.format != expected.format,
    }
    return ", ".join(name for name, differs in differ.items() if differs)


def refusal(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Check that a checkpoint is refused in one line that names the file; return the line.

    A line that announces the reading of a large file may come before it.
    """
    assert run(["info", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    *notes, line = captured.err.splitlines(keepends=True)
    assert line.startswith(f"charrnn: error: {path}: ")
    assert line.endswith("\n")
    assert all(note.startswith(f"reading {path} (") for note in notes)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    return line
