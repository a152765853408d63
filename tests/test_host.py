"""What belongs to the whole process is as it was after a training, a score or a sample."""

from __future__ import annotations

import gc
import locale
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from multiprocessing import spawn
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tqdm
from support import tiny_text, write_config

import charrnn
from charrnn.kernels.blas import _openblas, one_blas_thread
from charrnn.workers.processes import _nothing_to_import

THREADS = 6


def process_state() -> dict[str, Any]:
    """Everything that a program shares with the library it calls."""
    get_threads = _openblas("get_num_threads")
    return {
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "BLAS threads": get_threads() if get_threads else None,
        "main module": sys.modules["__main__"],
        "preparation of processes": spawn.get_preparation_data,
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "NumPy errors": np.geterr(),
        "locale": locale.setlocale(locale.LC_ALL),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "tqdm's monitor": tqdm.tqdm.monitor_interval,
        "frozen objects": gc.get_freeze_count(),
        "trace": sys.gettrace(),
        "folder": os.getcwd(),
        "numba's cache": numba_cache(),
    }


def numba_cache() -> str | None:
    numba = sys.modules.get("numba")
    return None if numba is None else str(numba.config.CACHE_DIR)


def in_threads(call: Callable[[int], object]) -> None:
    """Run a call in several threads at once; raise what any of them raises."""
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            call(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def train(folder: Path, name: str, workers: int) -> None:
    overrides = [f"train.workers={workers}", "train.max_steps=3", "train.sample_length=5"]
    config = charrnn.load_config(folder / "tiny.yaml", overrides)
    charrnn.train(config, folder / "runs" / name)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_training_leaves_the_process_as_it_was(workers: int, tmp_path: Path) -> None:
    write_config(tmp_path)
    train(tmp_path, "first", workers)  # imports and compiles
    set_threads = _openblas("set_num_threads")
    if set_threads:
        set_threads(2)
    try:
        before = process_state()
        train(tmp_path, "second", workers)
        model = charrnn.load(tmp_path / "runs" / "second")
        model.score(tiny_text(100))
        model.sample(length=10)
        assert process_state() == before
    finally:
        if set_threads:
            set_threads(1)


def test_trainings_at_once_leave_the_process_as_it_was(tmp_path: Path) -> None:
    write_config(tmp_path)
    train(tmp_path, "first", 1)
    before = process_state()
    in_threads(lambda number: train(tmp_path, f"run{number}", 1 + number % 2))
    assert process_state() == before


def test_users_of_one_blas_thread_may_overlap() -> None:
    get_threads, set_threads = _openblas("get_num_threads"), _openblas("set_num_threads")
    if get_threads is None:
        pytest.skip("NumPy uses another library")
    set_threads(2)
    try:
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert get_threads() == 1
        second.__exit__(None, None, None)
        assert get_threads() == 2
    finally:
        set_threads(1)


def test_only_the_processes_of_a_training_do_without_the_main_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "program.py", raising=False)
    prepare, entered, leave = spawn.get_preparation_data, threading.Event(), threading.Event()

    def second() -> None:
        with _nothing_to_import():
            entered.set()
            leave.wait(5)

    thread = threading.Thread(target=second)
    with _nothing_to_import():
        thread.start()
        entered.wait(0.3)  # it enters now, or waits until this one has left
        mine = spawn.get_preparation_data("mine")
        others: list[dict[str, Any]] = []
        other = threading.Thread(
            target=lambda: others.append(spawn.get_preparation_data("another"))
        )
        other.start()
        other.join()
        assert not any("main" in key for key in mine)
        assert others[0].keys() > mine.keys()
    leave.set()
    thread.join()
    assert spawn.get_preparation_data is prepare


def test_one_model_serves_several_threads(tmp_path: Path) -> None:
    """The same scores and texts as alone, bit for bit."""
    write_config(tmp_path, {"model.hidden_size": 16})
    train(tmp_path, "model", 1)
    model = charrnn.load(tmp_path / "runs" / "model")
    text = tiny_text(2000)

    def results(number: int) -> list[tuple[float, str, list[list[str]]]]:
        return [
            (
                model.score(text[k : k + 400]).loss_nats,
                model.sample(text[k : k + 900], 20, seed=k),
                list(model.stream(text[: k + 50], 5, N=3, seed=k)),
            )
            for k in range(number, 200 + number, 10)
        ]

    alone = [results(number) for number in range(THREADS)]
    found: dict[int, object] = {}
    in_threads(lambda number: found.update({number: results(number)}))
    assert [found[number] for number in range(THREADS)] == alone


def test_loading_in_several_threads_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    write_config(tmp_path)
    train(tmp_path, "model", 1)
    before = process_state()
    in_threads(lambda _: [charrnn.load(tmp_path / "runs" / "model") for _ in range(50)])
    assert process_state() == before


def test_streams_of_one_thread_may_alternate(tmp_path: Path) -> None:
    write_config(tmp_path)
    train(tmp_path, "model", 1)
    model = charrnn.load(tmp_path / "runs" / "model")
    alone = [list(model.stream("the bee", 30, seed=seed)) for seed in range(3)]
    streams = [model.stream("the bee", 30, seed=seed) for seed in range(3)]
    alternating = [list(pieces) for pieces in zip(*zip(*streams, strict=True), strict=True)]
    assert alternating == alone


def test_a_copy_of_a_model_is_a_model_of_its_own(tmp_path: Path) -> None:
    import copy
    import pickle

    write_config(tmp_path)
    train(tmp_path, "model", 1)
    model = charrnn.load(tmp_path / "runs" / "model")
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        other.model.parameters[...] = 0
        assert model.sample("a", 10, seed=1) != other.sample("a", 10, seed=1)
        np.testing.assert_array_equal(other.model.views["output.b"], 0)


def test_a_long_score_lets_other_threads_sample(tmp_path: Path) -> None:
    """The lock is held for a window at a time."""
    write_config(tmp_path)
    train(tmp_path, "model", 1)
    model = charrnn.load(tmp_path / "runs" / "model")
    text, inside, longest_s = tiny_text(600) * 500, threading.Event(), [0.0]

    def score() -> None:
        inside.set()
        start = time.monotonic()
        model.score(text)
        longest_s[0] = time.monotonic() - start

    thread = threading.Thread(target=score)
    thread.start()
    inside.wait()
    waits = []
    while thread.is_alive():
        start = time.monotonic()
        model.sample("a", length=1, seed=1)
        waits.append(time.monotonic() - start)
    thread.join()
    assert len(waits) > 5
    assert sorted(waits)[len(waits) // 2] < longest_s[0] / 5
