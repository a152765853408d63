"""The examples in docstrings run, and the public functions have one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from support import ROOT

import charrnn
from charrnn.commands.cli import run
from charrnn.kernels import CELLS

PUBLIC = [
    "charrnn.runs.load.load",
    "charrnn.training.train.train",
    "charrnn.config.reader.load_config",
    "charrnn.planning.texts.propose",
    "charrnn.model.text_model.TextModel.sample",
    "charrnn.model.text_model.TextModel.stream",
    "charrnn.model.language_model.LanguageModel.sample_records",
    "charrnn.model.reply_model.ReplyModel.predict",
    "charrnn.model.text_model.TextModel.score",
    "charrnn.model.language_model.LanguageModel.score_records",
    *(
        f"charrnn.kernels.{cell}.{cell}_{direction}"
        for cell in CELLS
        for direction in ("forward", "backward")
    ),
]
# What a reader of an example has at hand: a text, a configuration for it, a trained run.
CONFIG = """\
data: {path: my-text.txt}
model: {hidden_size: 16, num_layers: 1}
train: {batch_size: 4, seq_length: 20, max_steps: 20}
"""
KINDS = """\
data: {path: kinds.txt, records: line, prompt_separator: ":"}
model: {hidden_size: 16, num_layers: 1}
train: {max_steps: 100, learning_rate: 0.05}
"""
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def modules() -> Iterator[ModuleType]:
    """Yield the modules whose source has examples."""
    for found in pkgutil.walk_packages(charrnn.__path__, "charrnn."):
        spec = found.module_finder.find_spec(found.name, None)
        if spec and spec.origin and ">>> " in Path(spec.origin).read_text(encoding="utf-8"):
            yield importlib.import_module(found.name)
    yield charrnn


EXAMPLES = [
    example
    for module in modules()
    for example in doctest.DocTestFinder(exclude_empty=True).find(module)
    if example.examples
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("examples")
    text = (ROOT / "data" / "tales.txt").read_text(encoding="utf-8")
    (place / "my-text.txt").write_text(text[:5000], encoding="utf-8")
    (place / "my.yaml").write_text(CONFIG, encoding="utf-8")
    assert run(["train", str(place / "my.yaml"), "--run-dir", str(place / "runs" / "tales")]) == 0
    train = ["train", str(place / "my.yaml"), "--set", "data.records=line"]
    assert run([*train, "--run-dir", str(place / "runs" / "names")]) == 0
    lines = [f"{a}{b}:{'early' if a < 'n' else 'late'}" for a in LETTERS for b in LETTERS]
    (place / "kinds.txt").write_text("\n".join(lines), encoding="utf-8")
    (place / "kinds.yaml").write_text(KINDS, encoding="utf-8")
    assert (
        run(["train", str(place / "kinds.yaml"), "--run-dir", str(place / "runs" / "kinds")]) == 0
    )
    return place


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example.name))
def test_an_example_does_what_it_says(
    example: doctest.DocTest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    example.globs |= {"charrnn": charrnn, "model": charrnn.load("runs/tales")}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report: list[str] = []
    runner.run(example, out=report.append)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_function_has_an_example(name: str) -> None:
    assert name in {example.name for example in EXAMPLES}
