"""Charts in files: charrnn plot, charrnn inspect gradients -o."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from drawn_runs import LONG
from support import tiny_text, train

from charrnn.commands.cli import run
from charrnn.report.charts import _gradient_curves
from charrnn.runs.checkpoint import load_checkpoint, save_checkpoint

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


STARTS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "gif": b"GIF8"}


@pytest.mark.parametrize(
    ("kind", "what"), [("png", "loss"), ("svg", "rate"), ("pdf", "norm"), ("png", "speed")]
)
def test_charts_of_metrics(kind: str, what: str, drawn: Path) -> None:
    made = []
    for _ in range(2):
        assert run(["plot", "runs/tiny", "-o", f"curves.{kind}", "--what", what]) == 0
        made.append((drawn / f"curves.{kind}").read_bytes())
    assert made[0].startswith(STARTS[kind])
    assert made[0] == made[1]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf", "gif"])
def test_charts_of_gradients(kind: str, drawn: Path) -> None:
    (drawn / "t.txt").write_text(tiny_text(600))
    command = ["inspect", "gradients", "runs/tiny", "runs/tiny", "t.txt", "--lags", "9"]
    assert run([*command, "--losses", "3", "-o", f"g.{kind}"]) == 0
    content = (drawn / f"g.{kind}").read_bytes()
    assert content.startswith(STARTS[kind])


def test_several_models_have_distinct_names(drawn: Path) -> None:
    (drawn / "long.txt").write_text(tiny_text(4000), encoding="utf-8")
    train(drawn, LONG | {"model.cell": "rnn"}).rename(drawn / "runs" / "other")
    shutil.copytree("runs/tiny", "runs/again")
    command = ["inspect", "gradients", "runs/tiny", "runs/other", "runs/again", "long.txt"]
    found: list[Any] = []

    def keep(models: Any, *_: Any) -> None:
        found.extend(models)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charrnn.report.charts.gradient_chart", keep)
        assert run([*command, "--lags", "5", "--losses", "3", "-o", "g.png"]) == 0
    assert [(name, [str(state) for state in states]) for name, states in found] == [
        ("tiny", ["layer 0, h", "layer 0, c"]),
        ("rnn", ["layer 0, h"]),
        ("again", ["layer 0, h", "layer 0, c"]),
    ]
    labels = [(label, colour, style) for label, colour, style, _ in _gradient_curves(found, "abc")]
    assert labels == [
        ("tiny, layer 0, h", "a", "-"),
        ("tiny, layer 0, c", "a", "--"),
        ("rnn, layer 0, h", "b", "-"),
        ("again, layer 0, h", "c", "-"),
        ("again, layer 0, c", "c", "--"),
    ]


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_gradients_of_zero_are_drawn(kind: str, drawn: Path) -> None:
    (drawn / "t.txt").write_text(tiny_text(600))
    checkpoint = load_checkpoint(drawn / "runs" / "tiny" / "best.npz")
    checkpoint.parameters[...] *= 30_000
    save_checkpoint(drawn / "dead.npz", checkpoint)
    command = ["inspect", "gradients", "dead.npz", "t.txt", "--lags", "9", "--losses", "3"]
    assert run([*command, "-o", f"g.{kind}"]) == 0
    assert (drawn / f"g.{kind}").stat().st_size > 1000
