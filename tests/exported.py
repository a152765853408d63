"""Models of every kind for the exporter, with random parameters, and their pages."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from chromium import Tab
from small_models import symbols_of
from support import plain_config

from charrnn.exporters.page import page
from charrnn.exporters.rounding import rounded
from charrnn.kernels import CELLS
from charrnn.model.language_model import LanguageModel
from charrnn.model.parameters import initial_parameters, parameter_shapes, parameter_views
from charrnn.runs.checkpoint import Checkpoint, save_checkpoint
from charrnn.runs.load import load
from charrnn.runs.meta import Counters
from charrnn.text.features import FeatureScale
from charrnn.text.labels import Labels
from charrnn.text.vocabulary import SYMBOLS, Vocabulary

TEXT = "\n <abcde\u00e9\u4e2d\U0001d11e\U0001f41d"  # two beyond the Basic Multilingual Plane


@dataclass(frozen=True)
class Kind:
    """A kind of data, of which a model is made."""

    symbols: str
    others: int = 0  # symbols outside the text
    data: dict[str, Any] = field(default_factory=dict)
    labels: tuple[tuple[list[int], ...], tuple[list[int], ...]] = ((), ())
    F: int = 0


_PAIRS = {"data.records": "line", "data.prompt_separator": "=", "train.prompt_weight": 0.1}
_LINE = TEXT.replace("\n", "")
_LABELS: tuple[list[int], ...] = ([], [1], [1, 2, 3], [1, 2, 4], [5])  # with common beginnings
KINDS = {
    "text": Kind(TEXT),
    "without newline": Kind(_LINE),
    "bytes": Kind("\n ab\t\u00e9\u4e2d\U0001f41d", data={"data.tokens": "byte"}),
    "records": Kind(_LINE, 1, {"data.records": "line"}),
    "blocks of bytes": Kind(
        "\n \u00e9\u4e2d", 1, {"data.records": "paragraph", "data.tokens": "byte"}
    ),
    "pairs": Kind(_LINE, 2, _PAIRS | {"data.reverse_prompts": True}),
    "labels": Kind(_LINE, 2, _PAIRS, ((), _LABELS)),
    "writer": Kind(_LINE, 2, _PAIRS, (([1], [1, 2], [2]), ())),
    "features": Kind(_LINE, 1, {"data.records": "line", "data.features_path": "/none.npy"}, F=3),
    "features and pairs": Kind(_LINE, 2, _PAIRS | {"data.features_path": "/none.npy"}, F=2),
}


class Shape(NamedTuple):
    """A network."""

    cell: str
    num_layers: int
    embedding_size: int | None = None
    hidden_size: int = 24


def checkpoint_of(kind: str, shape: Shape, seed: int = 1, symbols: str = "") -> Checkpoint:
    """Return a model with random parameters, large enough for peaked probabilities.

    Its vocabulary is that of the kind, unless other symbols are given.
    """
    some = KINDS[kind]
    sizes = {f"model.{name}": value for name, value in shape._asdict().items()}
    plain = {"data.path": "/none.txt", "train.batch_size": 1, "train.optimizer": "sgd"}
    config = plain_config(plain | {"train.max_epochs": 1} | some.data | sizes)
    tokens = config.data.tokens
    of_text = symbols_of(symbols or some.symbols, tokens).tolist()
    others = (SYMBOLS[tokens] + k for k in range(some.others))
    vocabulary = Vocabulary(
        np.array(sorted({*of_text, *others})),
        tokens,
        reverse_prompts=bool(config.data.reverse_prompts),
    )
    V, F = len(vocabulary), some.F
    parameters = initial_parameters(config.model, V, seed, F=F)
    rng = np.random.default_rng(seed)
    views = parameter_views(parameters, parameter_shapes(config.model, V, F))
    for name, view in views.items():
        view *= 8 if name == "output.W" else 2 if name.endswith("Wx") else 1
        if name.endswith("Wx"):  # gates of the input alone start as constants
            constant = view[:, views[name.replace("Wx", "Wh")].shape[1] :]
            constant[...] = rng.standard_normal(constant.shape)
    states = [
        tuple(np.zeros((1, shape.hidden_size), np.float32) for _ in CELLS[shape.cell].states)
        for _ in range(shape.num_layers)
    ]
    sides = ([np.array(one, vocabulary.code_dtype) for one in side] for side in some.labels)
    return Checkpoint(
        config,
        vocabulary,
        parameters,
        Counters(),
        {},
        states,
        "ab" * 32,
        longest_record=10 if some.others else None,
        labels=Labels(*map(tuple, sides)),
        scale=FeatureScale(rng.normal(size=F), rng.random(F) + 1) if F else None,
    )


def exported(tab: Tab, folder: Path, checkpoint: Checkpoint, precision: int = 32) -> LanguageModel:
    """Open the page of a checkpoint, and return the model that it must be equal to."""
    html = folder / "model.html"
    html.write_text(page(checkpoint, precision, name="a model", version="0"), encoding="utf-8")
    parameters = rounded(checkpoint, precision)
    save_checkpoint(folder / "model.npz", replace(checkpoint, parameters=parameters))
    tab.go(html.as_uri())
    tab.run("await engine.ready")
    return load(folder / "model.npz")


def ask(tab: Tab, task: str, engine: str = "engine", **options: Any) -> Any:
    """Return the answer of an engine of a page; of a task with parts these, and the answer."""
    parts, done = tab.run(
        f"const parts = []; const options = {json.dumps(options)};"
        f"const done = await {engine}.start('{task}', options, (part) => parts.push(part)).done;"
        "return [parts, done];"
    )
    return (parts, done) if parts else done
