"""inspect, report, plot, info and bench for models of records."""

from __future__ import annotations

import json
import random
import re
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_runs import Outline, report
from support import train

import charrnn.planning.benchmark
from charrnn.commands.cli import run
from charrnn.planning.benchmark import measure, training_job, training_step
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.workers.processes import start_group

RUN = {
    "data.records": "line",
    "data.valid_fraction": 0.4,
    "model.cell": "lstm",
    "train.max_steps": None,
    "train.max_epochs": 3,
    "train.batch_size": 20,
    "train.sample_length": 20,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run on lines and one on blocks."""
    folder = tmp_path_factory.mktemp("records")
    rng = random.Random(2)
    parts = ("ka", "ro", "mi ", "(el", "n)", "sha", "t")
    names = ["".join(rng.choices(parts, k=rng.randint(1, 8))).strip() for _ in range(300)]
    (folder / "text.txt").write_text("\n".join(names))
    (folder / "runs").mkdir()
    train(folder, RUN).rename(folder / "runs" / "lines")
    blocks = ["\n".join(names[i : i + 3]) for i in range(0, 300, 3)]
    (folder / "blocks.txt").write_text("\n\n".join(blocks))
    overrides = {"data.path": "blocks.txt", "data.records": "paragraph", "data.tokens": "byte"}
    train(folder, RUN | overrides).rename(folder / "runs" / "blocks")
    return folder


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a command prints."""
    assert run(arguments) == 0
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the JSON object that a command prints."""
    return json.loads(printed(capsys, *arguments, "--json"))


@pytest.mark.parametrize(
    "what", ["lines", "lines text.txt", "lines --split train", "blocks", "blocks blocks.txt"]
)
def test_the_mean_surprise_is_that_of_eval(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["runs/" + what.split()[0], *what.split()[1:]]
    found = as_json(capsys, "inspect", "surprise", *arguments)
    expected = as_json(capsys, "eval", *arguments)
    assert found["chars"] == expected["chars"] == len(found["nats"])
    assert found["loss_nats"] == pytest.approx(expected["loss_nats"], rel=1e-5)
    assert np.mean(found["nats"]) == pytest.approx(found["loss_nats"], abs=1e-4)


def test_the_most_surprising_characters_have_their_records(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = Path("text.txt").read_text().splitlines()
    found = as_json(capsys, "inspect", "surprise", "runs/lines", "--top", "8")["surprising"]
    assert len(found) == 8
    for one in found:
        name, place = names[one["record"] - 1], one["place"]
        assert one["character"] == name[place : place + 1]  # empty for the end
        assert name[:place].endswith(one["before"])
        assert name[place + 1 :].startswith(one["after"])
    rows = printed(capsys, "inspect", "surprise", "runs/lines", "--top", "8").splitlines()[-9:]
    assert rows[0].split()[:2] == ["record", "nats"]
    assert [row.split()[0] for row in rows[1:]] == [str(one["record"]) for one in found]


@pytest.mark.parametrize("view", [["surprise"], ["cells", "--unit", "3"]])
def test_each_record_has_its_line(view: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    names = Path("text.txt").read_text().splitlines()
    out = printed(capsys, "inspect", *view, "runs/lines", "text.txt", "--length", "200")
    text = out.split("\nmean ")[0]
    shown = [line.removesuffix("␃") for line in text.splitlines() if line.endswith("␃")]
    assert len(shown) > 10
    assert shown == names[: len(shown)]


def test_units_that_track_a_feature_of_records(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "inspect", "cells", "runs/lines")["units"]
    assert {"position in the record", "inside brackets"} <= {one["follows"] for one in found}
    assert abs(found[0]["r"]) > 0.3
    out = printed(capsys, "inspect", "cells", "runs/blocks")
    assert "position in the line " in out
    assert "position in the record " in out
    values = as_json(capsys, "inspect", "cells", "runs/lines", "--unit", "1")["activations"]
    assert [i for i, one in enumerate(values) if one is None] == [len(values) - 1]


def test_a_large_list_is_read_in_part(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.commands.inspect_cells._MAX_CHARS", 500)
    assert run(["inspect", "cells", "runs/lines", "text.txt"]) == 0
    assert re.search(r"reading the first \d\d of 300 records\n", capsys.readouterr().err)


def test_gradients_go_as_far_back_as_records_allow(capsys: pytest.CaptureFixture[str]) -> None:
    lengths = [len(name) + 1 for name in Path("text.txt").read_text().splitlines()]
    arguments = ["inspect", "gradients", "runs/lines", "text.txt", "--losses", "30"]
    found = as_json(capsys, *arguments)
    most = len(found["lags"])
    assert sum(max(0, n - most + 1) for n in lengths) >= 30
    assert sum(max(0, n - most) for n in lengths) < 30
    assert all(norm > 0 for norm in found["curves"][0]["median"])
    assert as_json(capsys, *arguments, "--lags", "4")["lags"] == [1, 2, 3, 4]
    assert run([*arguments, "--lags", "99"]) == 1
    assert (
        f"text.txt: its longest record has {max(lengths) - 1} characters, too few to go back 99 "
        f"steps; --lags {max(lengths)} is the most"
    ) in capsys.readouterr().err


def test_models_that_go_back_differently_far(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "inspect", "gradients", "runs/blocks", "runs/lines", "--losses", "9")
    assert {len(one["median"]) for one in found["curves"]} == {len(found["lags"])}


@pytest.mark.parametrize(("name", "token"), [("lines", "character"), ("blocks", "byte")])
def test_a_page_about_records(name: str, token: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    page = report(f"runs/{name}")
    text = re.sub(r"\s*\n\s*", "", Outline(page).text)
    steps = load_checkpoint(Path(f"runs/{name}/last.npz")).counters.step
    chars, loss = (
        as_json(capsys, "eval", f"runs/{name}")[figure] for figure in ("chars", "loss_nats")
    )
    for words in (
        f"records{'text' if name == 'lines' else name}.txt",
        f"steps{steps} of {steps}",
        f"on the validation part: {chars:,} {token}s, {loss:.4f} nats/",
        "Oddest records",
        "position in the record",
    ):
        assert words in text
    assert run(["plot", f"runs/{name}", "-o", "curve.svg"]) == 0


def test_a_page_about_many_records(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    monkeypatch.setattr("charrnn.report.views._READ", 300)
    assert re.search(r"on the first \d\d records of the validation part: ", report("runs/lines"))
    assert capsys.readouterr().out == ""


def test_info_says_what_the_records_were(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "info", "runs/lines")
    sizes = re.search(r"\nrecords     line: (\d+) for training, (\d+) for validation\n", out)
    assert sizes
    assert int(sizes[1]) + int(sizes[2]) == 300
    known = "".join(sorted(set(Path("text.txt").read_text()) - {"\n"}))
    row = f"vocabulary  {len(known)} characters {known!r} and the end of a record\n"
    assert row in out
    assert "records     paragraph: " in printed(capsys, "info", "runs/blocks")
    assert " bytes and the end of a record\n" in printed(capsys, "info", "runs/blocks")


@pytest.mark.parametrize("workers", [1, 2])
def test_bench_of_records(
    workers: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        charrnn.planning.benchmark, "measure", partial(measure, rounds=1, round_s=0.01)
    )
    monkeypatch.setattr(charrnn.planning.benchmark, "_EVALUATED_CHARS", 3000)
    out = printed(capsys, "bench", "runs/lines/config.yaml", "--set", f"train.workers={workers}")
    rows = dict(line.split(maxsplit=1) for line in out.splitlines() if not line.startswith(" "))
    assert rows["window"] == "20 records x 5 characters"
    assert "one record, " in rows["sampling"]


def test_bench_counts_no_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charrnn.planning.benchmark, "_EVALUATED_CHARS", 3000)
    config = load_checkpoint(Path("runs/lines/last.npz")).config
    job = training_job(config)
    with closing(start_group(job)) as group:
        step, windows = training_step(group), group.worker.training_windows
        counted = [step() for _ in range(windows.windows)]
    assert sum(counted) == job.corpus.scored(*job.corpus.everything)
    assert sum(counted) < sum(windows.window(i).inputs.size for i in range(windows.windows))
