"""Evaluation: every character of a part once, and the figure that a plain loop would give."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import tiny_text, train

import charrnn
from charrnn import evaluation
from charrnn.checkpoint import load_checkpoint
from charrnn.cli import run
from charrnn.config import ModelConfig
from charrnn.corpus import load_corpus
from charrnn.evaluation import WARM_UP, Score, score, score_windows
from charrnn.kernels import CELLS, Array
from charrnn.model import Model, States
from charrnn.parameters import initial_parameters

TALES = Path(__file__).parent.parent / "data" / "tales.txt"


def small_model(cell: str = "lstm", V: int = 7) -> Model:
    """Return a model in float64, so that two orders of the same sums agree to many digits."""
    config = ModelConfig(cell=cell, num_layers=2, hidden_size=6)
    parameters = initial_parameters(config, V, seed=3, dtype=np.float64)
    parameters += 0.3 * np.random.default_rng(4).standard_normal(parameters.size)
    return Model(config, V, parameters)


def random_codes(n: int, V: int = 7) -> Array:
    """Return a text of n random characters."""
    return np.random.default_rng(5).integers(0, V, n).astype(np.uint8)


def plain_loop(model: Model, codes: Array, start: int, end: int, context: int = 0) -> list[float]:
    """Score a part one character at a time, one stream, reading from `context` on."""
    states, costs_nats = model.zero_states(1), []
    for place in range(context, end - 1):
        logits, states, _ = model.forward(codes[place : place + 1, None].astype(np.intp), states)
        logits = logits[0, 0].astype(np.float64)  # (V,)
        log_sum = logits.max() + math.log(np.exp(logits - logits.max()).sum())
        if place + 1 >= start:
            costs_nats.append(float(log_sum - logits[codes[place + 1]]))
    return costs_nats


# Against a plain loop.


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("start", "end"), [(0, 300), (1, 300), (0, 2), (100, 101), (150, 290), (257, 300), (299, 300)]
)
def test_one_stream_is_the_plain_loop(cell: str, start: int, end: int) -> None:
    model, codes = small_model(cell), random_codes(300)
    context = max(0, start - 1 - WARM_UP)
    costs_nats = plain_loop(model, codes, start, end, context)
    found = score(model, codes, start, end)
    assert found.chars == len(costs_nats) == end - max(start, 1)
    assert found.nats == pytest.approx(sum(costs_nats), rel=1e-9)


@pytest.mark.parametrize(("start", "end"), [(0, 4000), (1, 4000), (3, 3100), (1500, 4000)])
def test_several_streams_are_nearly_the_plain_loop(start: int, end: int) -> None:
    model, codes = small_model(), random_codes(4000)
    costs_nats = plain_loop(model, codes, start, end)
    found = score(model, codes, start, end)
    assert found.chars == len(costs_nats)
    assert found.loss_nats == pytest.approx(sum(costs_nats) / len(costs_nats), abs=1e-6)


def test_a_text_of_its_own_has_no_prediction_for_its_first_character() -> None:
    model, codes = small_model(), random_codes(50)
    assert score(model, codes, 0, 50).chars == 49
    assert score(model, codes, 0, 50) == score(model, codes, 1, 50)


def test_the_first_character_of_a_split_is_predicted_from_the_text_before() -> None:
    model, codes = small_model(), random_codes(50)
    other = codes.copy()
    other[29] = (codes[29] + 1) % 7
    assert score(model, codes, 30, 31).nats != score(model, other, 30, 31).nats


def test_the_text_after_a_part_does_not_matter() -> None:
    model, codes = small_model(), random_codes(5000)
    other = codes.copy()
    other[4000:] = 0
    assert score(model, codes, 500, 4000) == score(model, other, 500, 4000)


def test_the_parts_of_a_text_add_up_to_it() -> None:
    model, codes = small_model(), random_codes(200)
    parts = (
        score(model, codes, 0, 80) + score(model, codes, 80, 150) + score(model, codes, 150, 200)
    )
    whole = score(model, codes, 0, 200)
    assert parts.chars == whole.chars
    assert parts.nats == pytest.approx(whole.nats, rel=1e-9)


# Which character is scored where: a stand-in for the model that follows what it is given.


class Reader:
    """Takes codes for places in the text, and checks the order in which they are read.

    Its states are, for each stream, the place that must come next (0: any) and how many
    characters were read in order before it.
    """

    def __init__(self, n: int, end: int) -> None:
        self.end = end  # of the part; what is read past it is not scored
        self.V = 7
        self.costs = np.random.default_rng(6).random(n)  # of each place
        self.scored_without_context: list[int] = []

    def zero_states(self, N: int) -> States:
        return [(np.zeros((N, 1)), np.zeros((N, 1)))]

    def forward(self, codes: Array, states: States) -> tuple[None, States, None]:
        expected, read = (state[:, 0] for state in states[0])
        for row in codes:
            in_order = row == expected
            read = np.where(in_order, read + 1, 1)
            expected = row + 1
        return None, [(expected[:, None].astype(float), read[:, None].astype(float))], None

    def score(self, codes: Array, targets: Array, states: States) -> tuple[Array, States]:
        assert np.array_equal(targets, codes + 1)
        expected = states[0][0][:, 0]
        fresh = (expected != codes[0]) & (expected < self.end - 1)
        self.scored_without_context += codes[0][fresh].tolist()
        _, states, _ = self.forward(codes, states)
        return self.costs[targets], states


def read_through(n: int, start: int, end: int, streams: int) -> tuple[Reader, list[Score]]:
    """Let the stand-in be scored on a part of a text of n places."""
    reader = Reader(n, end)
    codes = np.arange(n, dtype=np.uint32)
    return reader, list(score_windows(reader, codes, start, end, streams=streams))  # type: ignore[arg-type]


def check_each_once(n: int, start: int, end: int, streams: int) -> None:
    reader, windows = read_through(n, start, end, streams)
    assert sum(window.chars for window in windows) == end - max(start, 1)
    nats = sum(window.nats for window in windows)
    assert nats == pytest.approx(reader.costs[max(start, 1) : end].sum(), rel=1e-9)
    # Only the first character of a text is read as the first: every stream has been warmed up.
    assert set(reader.scored_without_context) <= ({0} if start <= 1 else set())


@given(st.data(), st.integers(1, 7))
def test_each_character_is_scored_once_however_many_streams(
    data: st.DataObject, streams: int
) -> None:
    n = data.draw(st.integers(2, 250))
    start = data.draw(st.integers(0, n - 2))
    end = data.draw(st.integers(max(start, 1) + 1, n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "WARM_UP", 3)
        patch.setattr(evaluation, "_WINDOW", 5)
        check_each_once(n, start, end, streams)


@pytest.mark.parametrize("streams", [1, 2, 7, 64])
@pytest.mark.parametrize(
    ("start", "end"), [(0, 30_000), (1, 30_000), (2, 29_999), (5, 8_197), (27_000, 30_000)]
)
def test_each_character_is_scored_once_with_the_real_windows(
    start: int, end: int, streams: int
) -> None:
    check_each_once(30_000, start, end, streams)


@given(st.integers(2, 250), st.integers(1, 7), st.integers(0, 100))
def test_each_character_is_scored_once_however_large_the_vocabulary(
    n: int, streams: int, logits: int
) -> None:
    """A window has no more logits than it may, unless a step of one stream has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "WARM_UP", 3)
        patch.setattr(evaluation, "_LOGITS", logits)
        check_each_once(n, 0, n, streams)
        _, windows = read_through(n, 0, n, streams)
        assert max(window.chars for window in windows) * 7 <= max(logits, 7)


def test_a_long_text_is_read_by_many_streams() -> None:
    _, windows = read_through(70_000, 0, 70_000, 64)
    assert max(window.chars for window in windows) == 64 * 64  # streams x steps


def test_the_figure_does_not_depend_on_the_number_of_streams(tmp_path: Path) -> None:
    overrides = {
        "data.path": str(TALES),
        "model.cell": "lstm",
        "model.hidden_size": 16,
        "train.batch_size": 16,
        "train.seq_length": 25,
        "train.max_steps": 100,
        "train.learning_rate": 1e-2,
    }
    loaded = load_checkpoint(train(tmp_path, overrides) / "last.npz")
    codes = load_corpus(loaded.config.data).codes
    model, end = loaded.model(), 40_000
    scores = [score(model, codes, 10_000, end, streams=streams) for streams in (1, 2, 7, 64)]
    assert {found.chars for found in scores} == {30_000}
    assert 1.5 < scores[0].loss_nats < 3.0  # it has learnt something, and not everything
    for found in scores[1:]:
        assert found.loss_nats == pytest.approx(scores[0].loss_nats, abs=1e-3)


# Units.


def test_the_figures_and_their_units() -> None:
    found = Score(chars=4, nats=4 * math.log(8))
    assert found.to_dict() == {
        "chars": 4,
        "loss_nats": pytest.approx(math.log(8)),
        "bits_per_char": pytest.approx(3.0),
        "perplexity": pytest.approx(8.0),
    }
    assert math.isfinite(Score(1, 1e6).perplexity)


# charrnn eval.


@pytest.fixture
def run_dir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """A run with three parts, in runs/ of the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = train(tmp_path, {"data.valid_fraction": 0.2, "data.test_fraction": 0.1})
    (tmp_path / "runs").mkdir()
    folder = folder.rename(tmp_path / "runs" / "mine")
    capsys.readouterr()
    return folder


def figures(capsys: pytest.CaptureFixture[str], *arguments: str) -> SimpleNamespace:
    """Run `charrnn eval --json`; return its figures."""
    assert run(["eval", "--json", *arguments]) == 0
    return SimpleNamespace(**json.loads(capsys.readouterr().out))


@pytest.mark.usefixtures("run_dir")
def test_json_is_all_that_stdout_gets(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    found = json.loads(captured.out)
    assert list(found) == ["chars", "loss_nats", "bits_per_char", "perplexity"]
    assert found["bits_per_char"] == pytest.approx(found["loss_nats"] / math.log(2))
    assert found["perplexity"] == pytest.approx(math.exp(found["loss_nats"]))
    assert str(Path("runs", "mine", "best.npz")) in captured.err
    assert "validation part" in captured.err


@pytest.mark.usefixtures("run_dir")
def test_without_json_stdout_gets_a_figure_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys)
    assert run(["eval"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["characters", f"{found.chars:,}"],
        ["nats/char", f"{found.loss_nats:.4f}"],
        ["bits/char", f"{found.bits_per_char:.4f}"],
        ["perplexity", f"{found.perplexity:.3f}"],
    ]


@pytest.mark.parametrize(
    ("split", "start", "end"), [("train", 0, 420), ("valid", 420, 540), ("test", 540, 600)]
)
def test_a_split_is_scored_whole(
    run_dir: Path, capsys: pytest.CaptureFixture[str], split: str, start: int, end: int
) -> None:
    found = figures(capsys, "--split", split)
    loaded = load_checkpoint(run_dir / "best.npz")
    costs = plain_loop(loaded.model(), load_corpus(loaded.config.data).codes, start, end)
    assert found.chars == len(costs) == end - max(start, 1)
    assert found.loss_nats == pytest.approx(sum(costs) / len(costs), abs=1e-3)


def test_valid_is_the_default_and_what_the_training_measured(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = figures(capsys)
    assert vars(found) == vars(figures(capsys, "--split", "valid"))
    best = load_checkpoint(run_dir / "best.npz").counters.best_loss_nats
    assert found.loss_nats == pytest.approx(best, rel=1e-6)


def test_which_argument_is_which(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder or an .npz is a model; any other single argument is a text."""
    text = Path("other")  # the name says nothing
    text.write_text(tiny_text(300), encoding="utf-8")
    last = str(run_dir / "last.npz")
    of_split, of_text = vars(figures(capsys)), vars(figures(capsys, "other"))
    assert of_split["chars"] == 120
    assert of_text["chars"] == 299
    assert vars(figures(capsys, str(run_dir))) == of_split
    assert vars(figures(capsys, last)) == of_split
    assert vars(figures(capsys, str(run_dir), "other")) == of_text
    assert vars(figures(capsys, last, "other")) == of_text
    model = charrnn.load(run_dir)
    assert model.score(tiny_text(300)).to_dict() == of_text


def test_a_text_is_read_as_the_training_text_was(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_dir.exists()
    Path("plain").write_bytes(b"in the blue\nbox\n")
    Path("other").write_bytes(b"\xef\xbb\xbfin the blue\r\nbox\r")
    assert vars(figures(capsys, "other")) == vars(figures(capsys, "plain"))


@pytest.mark.usefixtures("run_dir")
@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "has no character to predict"),
        (b"a", "has no character to predict"),
        (b"in the Box", "'B' (U+0042) at position 7 is not among the "),
        (b"in \xff", "byte 3 (0xff) is not utf-8"),
        (None, "no such text file, checkpoint or run"),
    ],
)
def test_a_text_that_cannot_be_scored_is_refused(
    capsys: pytest.CaptureFixture[str], raw: bytes | None, problem: str
) -> None:
    if raw is not None:
        Path("other.txt").write_bytes(raw)
    assert run(["eval", "other.txt"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"charrnn: error: other.txt: {problem}")
    assert captured.out == ""


def test_a_text_may_come_from_standard_input(
    run_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = b"\xef\xbb\xbfin the blue\r\nbox\r"
    Path("other").write_bytes(raw)
    for arguments in ([], [str(run_dir)]):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        assert figures(capsys, *arguments, "-") == figures(capsys, *arguments, "other")


@pytest.mark.usefixtures("run_dir")
@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "has no character to predict"),
        (None, "has no character to predict"),
        (b"in the Box", "'B' (U+0042) at position 7 is not among the "),
        (b"in \xff", "byte 3 (0xff) is not utf-8"),
    ],
)
def test_standard_input_that_cannot_be_scored_is_refused(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    raw: bytes | None,
    problem: str,
) -> None:
    closed = raw is None  # by whoever started the program
    monkeypatch.setattr(sys, "stdin", None if closed else io.TextIOWrapper(io.BytesIO(raw or b"")))
    assert run(["eval", "-"]) == 1
    assert capsys.readouterr().err.startswith(f"charrnn: error: standard input: {problem}")


@pytest.mark.usefixtures("run_dir")
def test_unknown_characters_are_left_out_where_it_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("other").write_text("Yin theZ Bbox", encoding="utf-8")
    Path("known").write_text("in the box", encoding="utf-8")
    assert run(["eval", "other"]) == 1
    error = capsys.readouterr().err
    assert "'Y' (U+0059) at position 0 is not among the " in error
    assert error.endswith("; --unknown skip leaves such characters out\n")
    assert run(["eval", "other", "--unknown", "skip", "--json"]) == 0
    captured = capsys.readouterr()
    assert "left out: 3 characters that the model does not know\n" in captured.err
    of_rest = json.loads(captured.out)
    assert of_rest == vars(figures(capsys, "known"))
    model = charrnn.load()
    assert model.score("Yin theZ Bbox", skip_unknown=True).to_dict() == of_rest
    Path("other").write_text("YZB", encoding="utf-8")
    assert run(["eval", "other", "--unknown", "skip"]) == 1
    assert "other: has no character to predict that this model knows" in capsys.readouterr().err


@pytest.mark.usefixtures("run_dir")
@pytest.mark.parametrize(
    "change",
    [lambda text: text + "a", lambda text: text[:-1], str.swapcase, lambda text: text[::-1]],
    ids=["longer", "shorter", "other characters", "same characters"],
)
def test_a_text_that_has_changed_has_no_splits_any_more(
    capsys: pytest.CaptureFixture[str], change: object
) -> None:
    assert callable(change)
    text = Path("text.txt")
    text.write_text(change(text.read_text(encoding="utf-8")), encoding="utf-8")
    assert run(["eval", "--split", "valid"]) == 1
    captured = capsys.readouterr()
    assert "text.txt: has changed since the training" in captured.err
    assert "name a text file to score it whole" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(("split", "other"), [("valid", "train"), ("test", "valid")])
def test_an_empty_split_is_refused_with_the_ways_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], split: str, other: str
) -> None:
    folder = train(tmp_path, {f"data.{split}_fraction": 0})
    capsys.readouterr()
    assert run(["eval", str(folder), "--split", split]) == 1
    error = capsys.readouterr().err
    assert f"text.txt: has no {split} part (data.{split}_fraction is 0)" in error
    assert "choose another --split, or name a text file" in error
    assert figures(capsys, str(folder), "--split", other).chars > 0
    assert figures(capsys, str(folder), str(tmp_path / "text.txt")).chars == 599


@pytest.mark.usefixtures("run_dir")
@pytest.mark.parametrize(
    "arguments", [["a", "b", "c"], ["text.txt", "--split", "test"], ["--split", "all"]]
)
def test_wrong_usage_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(["eval", *arguments]) == 2
    assert capsys.readouterr().out == ""
