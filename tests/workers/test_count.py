"""The number of workers, and how their processes are started."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import contents, write_config

from charrnn.commands.cli import run
from charrnn.config.reader import config_from_dict, load_config
from charrnn.errors import RunError
from charrnn.kernels import blas
from charrnn.text.corpus import Corpus
from charrnn.text.vocabulary import Vocabulary
from charrnn.workers.count import automatic_workers, resolve_workers
from charrnn.workers.processes import ProcessGroup, start_method
from charrnn.workers.worker import Job

FIVE_STREAMS = {"train.batch_size": 5, "train.seq_length": 7}


def test_more_workers_than_streams_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, {**FIVE_STREAMS, "train.workers": 6})
    before = contents(tmp_path)
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("charrnn: error: train.workers 6: the batch has only 5 streams")
    assert "set train.batch_size to 6 or more, or use fewer workers" in err
    assert contents(tmp_path) == before


def test_a_resumed_run_keeps_its_number_of_workers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It replaces auto; another number would change the result and is refused by name."""
    config = write_config(tmp_path, {**FIVE_STREAMS, "train.max_steps": 10})
    command = ["train", str(config), "--run-dir", str(tmp_path / "run"), "--set"]
    assert run([*command, "train.workers=2"]) == 0
    before = contents(tmp_path)
    capsys.readouterr()
    more = ["--resume", "--set", "train.max_steps=15"]
    assert run([*command, "train.workers=3", *more]) == 1
    err = capsys.readouterr().err
    assert "train.workers is 3, and was 2" in err
    assert err.count(" is ") == 1
    assert contents(tmp_path) == before
    sizes: list[int] = []
    group = ProcessGroup.__init__

    def noted(self: ProcessGroup, job: Job, *rest: Any) -> None:
        sizes.append(job.workers)
        group(self, job, *rest)

    monkeypatch.setattr(ProcessGroup, "__init__", noted)
    assert run([*command, "train.workers=auto", *more]) == 0
    assert sizes == [2]
    assert load_config(tmp_path / "run" / "config.yaml").train.workers == 2


# cores, the environment, the configuration over one LSTM of 256 units -> workers
AUTOMATIC: list[tuple[int, dict[str, str], dict[str, int], int]] = [
    (1, {}, {}, 1),
    (2, {}, {}, 2),
    (5, {}, {}, 5),
    (64, {}, {}, 8),  # 64 streams, at least eight per worker
    (64, {}, {"batch_size": 65}, 8),
    (64, {}, {"batch_size": 15}, 1),
    (64, {}, {"batch_size": 16}, 2),
    (64, {}, {"batch_size": 1, "seq_length": 1000}, 1),
    (64, {}, {"hidden_size": 32, "seq_length": 16}, 1),  # too little work to share
    (64, {}, {"hidden_size": 32, "seq_length": 80}, 3),
    (64, {}, {"hidden_size": 32, "seq_length": 32}, 1),  # one-hot input takes no product
    (8, {"OPENBLAS_NUM_THREADS": "1"}, {}, 8),
    (8, {"OPENBLAS_NUM_THREADS": "2"}, {}, 4),
    (8, {"MKL_NUM_THREADS": "3"}, {}, 2),
    (8, {"OMP_NUM_THREADS": "16"}, {}, 1),
    (8, {"OMP_NUM_THREADS": "0"}, {}, 8),
    (8, {"OMP_NUM_THREADS": "4,2"}, {}, 8),
]


@pytest.mark.parametrize(("available", "environment", "values", "workers"), AUTOMATIC)
def test_automatic_workers(
    available: int,
    environment: dict[str, str],
    values: dict[str, int],
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(available)), raising=False)  # noqa: ARG005
    given = {"batch_size": 64, "seq_length": 64, "hidden_size": 256} | values
    model = {"cell": "lstm", "num_layers": 1, "hidden_size": given.pop("hidden_size")}
    config = config_from_dict({"data": {"path": "text.txt"}, "model": model, "train": given})
    assert automatic_workers(config, 65) == workers


def test_processes_are_forked_only_without_other_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert start_method() == "spawn"
    finally:
        end.set()
        thread.join()
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # other tests may have left threads
    assert start_method() == ("fork" if sys.platform == "linux" else "spawn")


def test_products_run_on_one_thread_beside_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_threads, set_threads = (blas._openblas(f"{verb}_num_threads") for verb in ("get", "set"))
    if get_threads is None:
        pytest.skip("NumPy has another BLAS library")
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before = get_threads()
    set_threads(2)
    try:
        config = load_config(write_config(tmp_path, {**FIVE_STREAMS, "train.workers": 2}))
        codes = np.arange(400, dtype=np.uint8) % 60
        corpus = Corpus(codes, Vocabulary(np.arange(60), "char"), "", 400, 400)
        with closing(ProcessGroup(Job(resolve_workers(config, 60), corpus))):
            assert get_threads() == 1
        assert get_threads() == 2
    finally:
        set_threads(before)


def test_a_script_without_a_main_guard_may_train(tmp_path: Path) -> None:
    write_config(tmp_path, {**FIVE_STREAMS, "train.workers": 2})
    script = tmp_path / "script.py"
    script.write_text(
        "import charrnn, charrnn.workers.processes\n"
        "charrnn.workers.processes.start_method = lambda: 'spawn'\n"
        "print('begins')\n"
        "print(charrnn.train(charrnn.load_config('tiny.yaml'), 'run').steps)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "begins\n20\n", "")


def test_a_worker_of_a_pool_cannot_start_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {"daemon": True})
    config = load_config(write_config(tmp_path, {**FIVE_STREAMS, "train.workers": 2}))
    with pytest.raises(RunError, match=r"worker of a pool.*set train\.workers to 1"):
        resolve_workers(config, 60)
    with pytest.raises(RunError, match=r"2 in this run: .* resume it outside the pool"):
        resolve_workers(config, 60, config.train)
    assert automatic_workers(config, 60) == 1
