"""charrnn bench: its figures, its output, and that it writes no file."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support import contents, write_config

import charrnn.planning.benchmark
from charrnn.commands.cli import run
from charrnn.config.reader import override_defaults
from charrnn.config.schema import Config
from charrnn.kernels import CELLS
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters, parameter_views, training_flops
from charrnn.planning.benchmark import V, measure, measurements, memory_mb
from charrnn.text.random_text import random_corpus
from charrnn.training.recipe import fill_defaults
from charrnn.workers.count import least_bytes, resolve_workers
from charrnn.workers.group import WorkerGroup

SMALL = ["model.num_layers=2", "model.hidden_size=16", "train.seq_length=8", "train.batch_size=8"]


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        charrnn.planning.benchmark, "measure", partial(measure, rounds=1, round_s=0.01)
    )
    monkeypatch.setattr(charrnn.planning.benchmark, "_EVALUATED_CHARS", 3000)


@pytest.mark.usefixtures("briefly")
@pytest.mark.parametrize("workers", [1, 2])
def test_the_figures(
    workers: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    sets = [word for value in (*SMALL, f"train.workers={workers}") for word in ("--set", value)]
    assert run(["bench", "--json", *sets]) == 0
    out, err = capsys.readouterr()
    figures = json.loads(out)
    assert err.startswith("measuring for 10 to 30 seconds\n")
    assert figures["config"]["train"]["workers"] == workers
    assert figures["train_chars_per_s"] > 1000
    assert figures["train_chars_per_s_lowest"] <= figures["train_chars_per_s"]
    assert figures["train_chars_per_s"] <= figures["train_chars_per_s_highest"]
    assert figures["eval_chars_per_s"] > 1000
    assert figures["sample_64_chars_per_s"] > figures["sample_chars_per_s"] > 100
    share = figures["train_chars_per_s"] * figures["flops_per_char"] / 1e9 / figures["peak_gflops"]
    assert figures["share_of_peak"] == pytest.approx(share)
    assert 0 < share < 1
    assert 10 < figures["memory_mb"] < 2000
    assert contents(tmp_path) == {}


@pytest.mark.usefixtures("briefly")
def test_a_small_fraction_for_validation_is_no_matter(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the few records that are measured, it would leave an empty part."""
    given = [*SMALL, "data.records=line", "data.valid_fraction=1e-6"]
    assert run(["bench", *(word for value in given for word in ("--set", value))]) == 0
    assert "one record" in capsys.readouterr().out


@pytest.mark.usefixtures("briefly")
def test_the_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(write_config(tmp_path)), "--set", "model.cell=gru"]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["model"] == "gru 1 x 8"
    assert rows["window"] == "2 streams x 5 characters"
    assert list(rows)[2:] == ["workers", "training", "evaluation", "sampling", "peak", "memory"]
    assert rows["training"].split()[1] == "characters/s"


def small() -> Config:
    """Return a configuration of one worker with NumPy."""
    given = override_defaults([*SMALL, "train.workers=1", "train.backend=numpy"])
    sizes = random_corpus(10_000, V, given.data, 1).sizes
    return fill_defaults(given, sizes, V)


@pytest.mark.usefixtures("briefly")
def test_every_measurement_is_counted() -> None:
    """The bar is full at the end."""
    counted = list[int]()
    measure(small(), 2, 0.01, counted.append)
    assert sum(counted) == measurements(2)


@pytest.mark.usefixtures("briefly")
def test_the_peak_is_the_best_of_those_beside_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A peak that was measured while the processor was slow is no bound."""
    calls, peaks = list[str](), iter([3.0, 8.0, 5.0])
    train = WorkerGroup.train

    def slow_at_first(_: WorkerGroup) -> float:
        calls.append("peak")
        return next(peaks)

    def noted(group: WorkerGroup, step: int) -> float:
        calls.append("train")
        return train(group, step)

    monkeypatch.setattr(WorkerGroup, "peak_gflops", slow_at_first)
    monkeypatch.setattr(WorkerGroup, "train", noted)
    speeds = measure(small(), 2, 0.0)
    assert speeds.peak_gflops == 8
    assert calls == ["train", "peak", "train", "train", "peak", "train", "peak"]


@pytest.mark.usefixtures("briefly")
@pytest.mark.parametrize("gflops", [1e-6, 1e6])
def test_more_than_the_peak_is_explained(
    gflops: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(WorkerGroup, "peak_gflops", lambda _: gflops)
    bench = ["bench", *(word for value in SMALL for word in ("--set", value))]
    assert run(bench) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("peak"))
    share = int(row.partition("training reaches ")[2].partition("%")[0])
    why = "its products are faster than these, or the processor was slower during these"
    assert (share > 100, row.endswith(why)) == ((True, True) if gflops < 1 else (False, False))
    assert run([*bench, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["above_peak"] == (why if gflops < 1 else None)


@pytest.mark.parametrize(
    ("cell", "embedding", "flops"),
    [
        ("rnn", "null", 6 * (3 * 16 * 16 + 16 * V)),
        ("lstm", "null", 6 * (3 * 16 * 64 + 16 * V)),
        ("lstm", "5", 6 * (5 * 64 + 3 * 16 * 64 + 16 * V)),
    ],
)
def test_training_flops_count_the_matrix_products(cell: str, embedding: str, flops: int) -> None:
    sets = [*SMALL, f"model.cell={cell}", f"model.embedding_size={embedding}"]
    config = resolve_workers(override_defaults(sets), V)
    assert training_flops(config.model, V) == flops


def test_the_memory_of_a_missing_process_is_none() -> None:
    alone = memory_mb()
    if alone is None:
        pytest.skip("the system does not report it")
    assert alone > 10
    assert memory_mb(2**22 + 1) is None  # no such process


def test_a_model_larger_than_the_memory_is_refused_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["bench", "--set", "model.hidden_size=200000"]) == 1
    assert "and this machine has" in capsys.readouterr().err


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("layers", "H", "N", "T"), [(1, 8, 50, 20), (3, 64, 10, 30), (2, 20, 7, 60)]
)
def test_the_lower_bound_on_the_memory_of_a_window_is_tight(
    cell: str, layers: int, H: int, N: int, T: int
) -> None:
    """A bound above the real size would refuse a training that fits."""
    sets = [f"model.cell={cell}", f"model.num_layers={layers}", f"model.hidden_size={H}"]
    sets += [f"train.batch_size={N}", f"train.seq_length={T}"]
    config = resolve_workers(
        override_defaults([*sets, "train.backend=numpy", "train.workers=1"]), V
    )
    model = Model(config.model, V, initial_parameters(config.model, V, 1))
    gradient = parameter_views(np.empty_like(model.parameters), model.shapes)
    codes = np.zeros((T, N), np.intp)
    model.loss_gradient(codes, codes, model.zero_states(N), gradient)
    _, least = least_bytes(config, V)
    assert model.workspace_bytes / 3 < least <= model.workspace_bytes


def test_a_window_larger_than_the_memory_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["model.hidden_size=128", "train.batch_size=1000000", "train.seq_length=1000000"]
    assert run(["bench", *(word for key in sets for word in ("--set", key))]) == 1
    err = capsys.readouterr().err
    assert "train.batch_size 1000000 x train.seq_length 1000000 in 2 layers of 128" in err
    assert err.endswith("Try a smaller train.batch_size or train.seq_length\n")
