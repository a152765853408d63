"""charrnn report: pages about runs of every kind; what report and plot refuse."""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_runs import LONG, Outline, report
from support import tiny_text, train

from charrnn.commands.cli import run
from charrnn.report.history import binned, read_history
from charrnn.runs.checkpoint import load_checkpoint, save_checkpoint

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

HOSTILE = "</script><script>alert(1)</script>\n<img src=x onerror=alert(2)>\n"
HOSTILE += "\x1b[2J\u202eevil\u202c & \"'\n"


def test_a_page_has_curves_samples_views_and_configuration(drawn: Path) -> None:
    assert run(["report"]) == 0
    page = (drawn / "runs" / "tiny" / "report.html").read_text(encoding="utf-8")
    outline = Outline(page)
    assert outline.tags.count("svg") == 5
    assert not outline.loaded
    for word in (
        "Loss",
        "Learning rate",
        "clipped",
        "Predictions",
        "inside a word",
        "Configuration",
    ):
        assert word in outline.text
    history = read_history(drawn / "runs" / "tiny" / "metrics.jsonl")
    assert [sample.step for sample in history.samples] == [20, 40, 60]
    for sample in history.samples:
        assert sample.text in outline.text.replace("\r", "")
    assert history.best
    assert f"{history.best[1]:.4f} nats/char at step {history.best[0]}" in outline.text
    assert page.count("hidden_size: 8") == 1
    assert "steps60 of 60" in re.sub(r"\s*\n\s*", "", outline.text)
    for word in ("the model hesitates as if between", "temperature 0.6", "temperature 1"):
        assert word in outline.text
    assert outline.text.index("hesitates") < outline.text.index("temperature 0.6")
    assert outline.text.index("temperature 0.6") < outline.text.index("Learning rate")
    assert "charrnn train runs/tiny/config.yaml --resume --set train.max_steps=120" in outline.text
    assert "charrnn train runs/tiny/config.yaml --run-dir runs/tiny-again" in outline.text
    assert str(drawn) not in page  # a shared page must not reveal folders
    before = page
    assert run(["report", "runs/tiny"]) == 0  # replaces the page, with the same content
    assert (drawn / "runs" / "tiny" / "report.html").read_text(encoding="utf-8") == before


def test_a_run_out_of_patience_is_resumed_with_more(drawn: Path) -> None:
    (drawn / "long.txt").write_text(tiny_text(4000), encoding="utf-8")
    impatient = {"train.patience": 1, "train.learning_rate": 0.5, "train.validate_every": 5}
    train(drawn, LONG | impatient | {"train.max_steps": 400})
    text = Outline(report("run")).text
    assert "more time will make it better" not in text
    command = re.search(r"charrnn (train run/config.yaml --resume .*)", text)
    assert command
    assert command[1].endswith("--resume --set train.patience=2")
    before = len(read_history(drawn / "run" / "metrics.jsonl").valid["step"])
    assert run(command[1].split()) == 0
    assert len(read_history(drawn / "run" / "metrics.jsonl").valid["step"]) > before


def test_an_unfinished_run_is_resumed_without_other_limits(drawn: Path) -> None:
    for file in (drawn / "runs" / "tiny").glob("*.npz"):
        checkpoint = load_checkpoint(file)
        counters = replace(checkpoint.counters, step=40, best_step=40)
        save_checkpoint(file, replace(checkpoint, counters=counters))
    history = [line for line in lines_of(drawn) if json.loads(line)["step"] <= 40]
    (drawn / "runs" / "tiny" / "metrics.jsonl").write_text("".join(history))
    text = Outline(report("runs/tiny")).text
    assert "The training is not finished: it is at step 40 of 60." in text
    assert "charrnn train runs/tiny/config.yaml --resume\n" in text


def test_several_runs_side_by_side_with_their_differences(drawn: Path) -> None:
    (drawn / "long.txt").write_text(tiny_text(4000), encoding="utf-8")
    train(drawn, LONG | {"model.hidden_size": 12}).rename(drawn / "runs" / "other")
    outline = Outline(report("runs/tiny", "runs/other"))
    assert outline.tags.count("svg") == 6
    assert "model.hidden_size" in outline.text
    assert re.search(r"model\.cell\s*lstm\s*rnn", outline.text)
    assert "train.batch_size" not in outline.text.split("\nTraining\n")[0]
    assert re.search(r"The lowest validation loss is that of (tiny|other), [\d.]+", outline.text)


def test_losses_that_cannot_be_compared_are_not(drawn: Path) -> None:
    (drawn / "long.txt").write_text(tiny_text(4000), encoding="utf-8")
    for name, key, value in (("bytes", "data.tokens", "byte"), ("some", "train.valid_chars", 200)):
        train(drawn, LONG | {key: value}).rename(drawn / "runs" / name)
        assert "lowest validation loss" not in Outline(report("runs/tiny", f"runs/{name}")).text


def test_none_of_two_equal_runs_is_the_best(drawn: Path) -> None:
    shutil.copytree("runs/tiny", drawn / "runs" / "again")
    assert re.search(
        r"The lowest validation loss, [\d.]+ nats/char, is that of several\.",
        Outline(report("runs/tiny", "runs/again")).text,
    )


def test_what_the_finished_model_writes_is_what_sample_writes(
    drawn: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = Outline(report("runs/tiny")).text
    for temperature in ("0.6", "1"):
        options = f"--length 1000 --seed 1 --temperature {temperature} --no-prime".split()
        assert run(["sample", "runs/tiny", *options]) == 0
        assert capsys.readouterr().out.strip() in text


def test_stretches_that_a_sample_shares_with_the_training_text(drawn: Path) -> None:
    text = "".join(f"{word} of the long river\n" for word in ("stones", "birds", "boats") * 80)
    (drawn / "river.txt").write_text(text)
    overrides = {"data.path": "river.txt", "train.max_steps": 300, "train.learning_rate": 0.02}
    train(drawn, overrides)
    table = report("run").split("Longest stretches that stand in the training text, too")[1]
    cell, table = r'<td class="number">(\d+)</td>', table.split("Training")[0]
    rows = re.findall(rf"{cell}{cell}<td><code><bdi>(.*)</bdi>", table)
    assert rows
    lines = text.splitlines(keepends=True)
    for length, number, stretch in rows:
        words = stretch.replace("↵", "\n")
        assert len(words) == int(length)
        assert words in "".join(lines[int(number) - 1 : int(number) + 5])


def test_text_from_a_user_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "<b>&\u202e"
    Path(f"{name}.txt").write_text(HOSTILE * 40, encoding="utf-8")
    overrides = {"data.path": f"{name}.txt", "train.sample_length": 90, "train.max_steps": 60}
    train(tmp_path, overrides).rename(tmp_path / name)
    page = report(name)
    outline = Outline(page)
    assert not {"script", "img", "b"} & set(outline.tags)
    assert not outline.loaded
    assert not outline.handlers
    assert "\x1b" not in page
    assert "Content-Security-Policy" in page
    assert "default-src 'none'" in page


def lines_of(drawn: Path) -> list[str]:
    return (drawn / "runs" / "tiny" / "metrics.jsonl").read_text().splitlines(keepends=True)


def without_validation(drawn: Path) -> None:
    (drawn / "long.txt").write_text(tiny_text(4000), encoding="utf-8")
    shutil.rmtree(drawn / "runs" / "tiny")
    train(drawn, LONG | {"data.valid_fraction": 0}).rename(drawn / "runs" / "tiny")


def of_one_step(drawn: Path) -> None:
    (drawn / "long.txt").write_text(tiny_text(4000), encoding="utf-8")
    shutil.rmtree(drawn / "runs" / "tiny")
    one = LONG | {"train.max_steps": 1, "train.log_every": 1}
    train(drawn, one).rename(drawn / "runs" / "tiny")


def of_a_tiny_text(drawn: Path) -> None:
    (drawn / "long.txt").write_text(tiny_text(300))
    shutil.rmtree(drawn / "runs" / "tiny")
    train(drawn, LONG).rename(drawn / "runs" / "tiny")


def still_running(drawn: Path) -> None:
    lines = lines_of(drawn)
    (drawn / "runs" / "tiny" / "metrics.jsonl").write_text("".join(lines[:9]) + lines[9][:20])
    (drawn / "runs" / "tiny" / "best.npz").unlink()
    (drawn / "runs" / "tiny" / "last.npz").unlink()


def diverged(drawn: Path) -> None:
    lines = lines_of(drawn)
    skip = {"step": 30, "epoch": 1, "split": "skipped", "reason": "x", "elapsed_s": 1.0}
    wild = json.loads(lines[5]) | {"gradient_norm": None, "loss_nats": 1e30}
    lines[5:5] = [json.dumps(skip) + "\n", json.dumps(wild) + "\n"]
    (drawn / "runs" / "tiny" / "metrics.jsonl").write_text("".join(lines))


def damaged(drawn: Path) -> None:
    lines = lines_of(drawn)
    lines[3] = '{"step": 2, "spl\n'
    (drawn / "runs" / "tiny" / "metrics.jsonl").write_text("".join(lines))
    (drawn / "runs" / "tiny" / "best.npz").write_bytes(b"PK no checkpoint")


def moved(drawn: Path) -> None:
    config = drawn / "runs" / "tiny" / "config.yaml"
    assert config.exists()
    (drawn / "long.txt").write_text("another text. " * 400)
    train(drawn, LONG).rename(drawn / "runs" / "changed")
    (drawn / "long.txt").unlink()
    shutil.rmtree(drawn / "runs" / "tiny")
    (drawn / "runs" / "changed").rename(drawn / "runs" / "tiny")


def empty(drawn: Path) -> None:
    (drawn / "runs" / "tiny" / "metrics.jsonl").write_text("")
    (drawn / "runs" / "tiny" / "best.npz").unlink()


KINDS: dict[str, tuple[Any, list[str]]] = {
    "without validation": (
        without_validation,
        ["none: data.valid_fraction is 0", "the training part"],
    ),
    "of one step": (of_one_step, ["steps1", "Predictions"]),
    "of a tiny text": (of_a_tiny_text, ["The text is too short to measure correlations."]),
    "still running": (still_running, ["it has no checkpoint yet", "steps9"]),
    "diverged": (diverged, ["updates skipped1, because they were not finite"]),
    "damaged": (damaged, ["damaged lines1 of the metrics, ignored", "with last.npz on "]),
    "its text gone": (
        moved,
        ["The model cannot be shown: the model's own text: long.txt: no such file."],
    ),
    "without metrics": (empty, ["nothing was recorded", "validationnone yet"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_gets_a_page(kind: str, drawn: Path) -> None:
    change, words = KINDS[kind]
    change(drawn)
    text = re.sub(r"\s*\n\s*", "", Outline(report("runs/tiny")).text)
    for word in words:
        assert word in text
    assert str(drawn) not in text
    assert run(["plot", "-o", "curve.png", "runs/tiny"]) == 0


def test_an_unreadable_checkpoint_is_reported(
    drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (drawn / "runs" / "tiny" / "best.npz").write_bytes(b"junk")
    report("runs/tiny")
    assert "best.npz" in capsys.readouterr().err


def test_to_standard_output(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    assert run(["report", "runs/tiny", "-o", "-"]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")


def test_a_run_may_be_called_anything(drawn: Path) -> None:
    names = ["a$\\foo$b", "漢字", "_old", "no-utf8\udcff", "<b>"]
    for name in names:
        shutil.copytree("runs/tiny", name)
    text = Outline(report(*names)).text
    for name in names:
        assert name.strip("_").encode("utf-8", "replace").decode() in text
    assert run(["plot", *names, "-o", "c.svg"]) == 0
    assert (drawn / "c.svg").stat().st_size > 1000


def test_a_run_without_a_checkpoint_has_no_known_differences(drawn: Path) -> None:
    shutil.copytree("runs/tiny", "runs/young")
    for file in ("best.npz", "last.npz"):
        (drawn / "runs" / "young" / file).unlink()
    text = Outline(report("runs/tiny", "runs/young")).text
    assert "Differences" not in text
    assert "it has no checkpoint yet" in text


def test_a_resumed_run_has_one_history(drawn: Path) -> None:
    (drawn / "long.txt").write_text(tiny_text(4000), encoding="utf-8")
    run_dir = train(drawn, LONG | {"train.max_steps": 40, "train.log_every": 1})
    train(drawn, LONG | {"train.log_every": 1}, "--resume")
    history = read_history(run_dir / "metrics.jsonl")
    assert history.train["step"].tolist() == list(range(1, 61))
    text = re.sub(r"\s*\n\s*", "", Outline(report("run")).text)
    assert "steps60 of 60" in text
    assert "max_steps: 60" in text


def test_a_long_run_is_drawn_in_seconds(drawn: Path) -> None:
    """A page about 100,000 lines stays small."""
    record = json.loads(lines_of(drawn)[0])
    with open(drawn / "runs" / "tiny" / "metrics.jsonl", "w") as file:
        for step in range(1, 100_001):
            values = {"step": step, "loss_nats": 1 + 1 / step, "gradient_norm": 1 + step % 7}
            file.write(json.dumps(record | values) + "\n")
    start = time.process_time()
    page = report("runs/tiny")
    assert time.process_time() - start < 10
    assert len(page) < 1_000_000


ODD = [None, "x", 1e308, -1e308, 1e-320, 0, -5, 2**70, [], {}, True, "1e400", "\ud800", math.nan]


def test_odd_values_in_the_metrics_do_not_prevent_a_page(drawn: Path) -> None:
    kinds = {json.loads(line)["split"]: json.loads(line) for line in lines_of(drawn)}
    with open(drawn / "runs" / "tiny" / "metrics.jsonl", "w") as file:
        for record in kinds.values():
            for field in record:
                for value in ODD:
                    file.write(json.dumps(record | {field: value}) + "\n")
    text = Outline(report("runs/tiny")).text
    assert " of the metrics, ignored" in text


@pytest.mark.parametrize("norm", [0, -1, None])
def test_norms_without_a_logarithm(drawn: Path, norm: float | None) -> None:
    metrics = drawn / "runs" / "tiny" / "metrics.jsonl"
    records = [json.loads(line) | {"gradient_norm": norm} for line in lines_of(drawn)]
    metrics.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert "gradient norm" in Outline(report("runs/tiny")).text.lower()


def test_a_long_curve_keeps_its_extremes() -> None:
    x = np.arange(1000.0)
    y = np.sin(x)
    y[500], y[501] = 100, np.nan
    points = binned(x, y, 50)
    assert len(points.x) == 50
    assert points.high.max() == 100
    assert (points.low <= points.mean).all()
    assert (points.mean <= points.high).all()
    assert points.low.min() == pytest.approx(-1, abs=1e-3)
    short = binned(x[:10], y[:10], 50)
    assert short.mean.tolist() == y[:10].tolist()


REFUSED = {
    "report none": (1, "none: is not a run folder"),
    "report runs": (1, "runs: is not a run folder"),
    "report runs/tiny -o notes.html": (1, "exists already and is not from charrnn"),
    "report runs/tiny -o notes.md": (1, "name a file that ends in .html"),
    "report runs/tiny runs/../runs/tiny": (1, "the same run is named twice"),
    "report runs/tiny -o runs": (1, "runs: is a folder; name a file in it"),
    "report runs/tiny -o none/page.html": (1, "there is no folder none; make it first"),
    "report a b c d e f g": (1, "7 runs are too many; name at most 6"),
    "plot runs/tiny": (2, "Missing option '-o'"),
    "plot runs/tiny -o curve.bmp": (1, "name a file that ends in .png, .svg or .pdf"),
    "plot runs/tiny -o mine.svg": (1, "exists already and is not from charrnn"),
    "inspect gradients runs/tiny -o mine.svg": (1, "exists already and is not from charrnn"),
    "report runs/tiny -o /dev/full": (1, "name a file that ends in .html"),
    "plot none -o curve.png": (1, "none: is not a run folder"),
    "plot runs -o curve.png": (1, "runs: is not a run folder"),
}


@pytest.mark.parametrize("has_libraries", [True, False])
@pytest.mark.parametrize("command", REFUSED)
def test_what_is_refused(
    command: str,
    has_libraries: bool,
    drawn: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong argument is reported before a missing library."""
    if not has_libraries:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
    (drawn / "notes.html").write_text("<p>mine</p>")
    (drawn / "mine.svg").write_text("mine, of charrnn")
    for name in "abcdefg":
        shutil.copytree("runs/tiny", name)
    code, message = REFUSED[command]
    assert run(command.split()) == code
    err = capsys.readouterr().err
    assert message in err
    assert (drawn / "notes.html").read_text() == "<p>mine</p>"


@pytest.mark.parametrize(
    "command", ["report", "plot -o c.png", "inspect gradients runs/tiny -o g.png"]
)
@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_missing_library_is_named(
    package: str,
    command: str,
    drawn: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert run(command.split()) == 1
    assert "pip install matplotlib jinja2" in capsys.readouterr().err
