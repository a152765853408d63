"""Charts in files: charrnn plot, charrnn inspect gradients -o."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from drawn_runs import LONG, report
from support import tiny_text, train

from charrnn.commands.cli import run
from charrnn.report.charts import Curve, gradient_curves
from charrnn.report.figures import log_ticks
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

    def keep(models: Any, *_: Any) -> list[Curve]:
        found.extend(models)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charrnn.report.charts.gradient_chart", keep)
        assert run([*command, "--lags", "5", "--losses", "3", "-o", "g.png"]) == 0
    assert [(name, [str(state) for state in states]) for name, states in found] == [
        ("tiny", ["layer 0, h", "layer 0, c"]),
        ("rnn", ["layer 0, h"]),
        ("again", ["layer 0, h", "layer 0, c"]),
    ]
    curves = [curve for curve, _ in gradient_curves(found, "abc")]
    labels = [(curve.name, curve.colour, curve.style) for curve in curves]
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


def test_the_ticks_of_a_narrow_logarithmic_axis() -> None:
    for low, high in ((0.09, 0.6), (0.3, 0.31), (1e-6, 2.0), (0.02, 0.03), (5, 5.5), (1e-30, 1e30)):
        ticks = log_ticks(low, high)
        assert 3 <= len(ticks) <= 12
        assert all(low <= tick <= high for tick in ticks)
        assert ticks == sorted(set(ticks))


def test_a_legend_stands_above_the_axes(drawn: Path) -> None:
    """It covers no curve, even of six runs with long names."""
    names = ["runs/tiny"]
    for k in range(5):
        names.append(f"runs/{k}-{'long-name-' * 6}")
        shutil.copytree("runs/tiny", names[-1])
    figures: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.pyplot.close", figures.append)
        assert run(["plot", *names, "-o", str(drawn / "c.png")]) == 0
    (figure,) = figures
    figure.draw_without_rendering()
    (axes,), (legend,), (title,) = figure.axes, figure.legends, figure.texts
    assert len(legend.get_texts()) == 6
    box = legend.get_window_extent()
    assert box.y0 >= axes.bbox.y1
    assert box.x1 <= figure.bbox.x1
    assert title.get_window_extent().y0 >= box.y1
    assert title.get_text() == "Loss, nats/char"


def test_a_picture_of_one_run_has_its_name(drawn: Path) -> None:
    titles: list[str] = []

    def keep(_draw: Any, title: str, _x_label: str, path: Path) -> None:
        titles.append(title)
        path.touch()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charrnn.report.figures.save_chart", keep)
        for what in ("loss", "rate", "norm", "speed"):
            assert run(["plot", "-o", str(drawn / f"{what}.png"), "--what", what]) == 0
    assert titles == [
        "Loss, nats/char: tiny",
        "Learning rate: tiny",
        "Gradient norm, before clipping: tiny",
        "Speed, characters/s: tiny",
    ]


def test_a_page_has_the_values_under_the_pointer(drawn: Path) -> None:
    """Each bar has the values that the metrics have for its step."""
    metrics = (drawn / "runs" / "tiny" / "metrics.jsonl").read_text()
    records = [json.loads(line) for line in metrics.splitlines()]
    losses = {r["step"]: r["loss_nats"] for r in records if r["split"] == "train"}
    page = report("runs/tiny")
    bars = re.findall(r'<text x="[^"]*" y="[^"]*">step (\d+): (.*?)</text>', page)
    assert 4 * 30 < len(bars) <= 4 * 48
    first = next(re.sub(r"<[^>]*>", "", values) for step, values in bars if step == "20")
    valid = next(r["loss_nats"] for r in records if r["split"] == "valid" and r["step"] == 20)
    assert first == f"training {losses[20]:.4g}, validation {valid:.4g}"
