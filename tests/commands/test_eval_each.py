"""charrnn eval --each, and the scores of records: what each line says, and that it stands alone."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from plain_scoring import plain_loop
from support import tiny_text, train

import charrnn
from charrnn.commands.cli import run
from charrnn.config.schema import DataConfig, ModelConfig
from charrnn.errors import CharRNNError
from charrnn.kernels import CELLS
from charrnn.model.evaluation import SegmentScores, joined, score_windows
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters
from charrnn.text.part import encode_file, encode_list
from charrnn.text.vocabulary import Vocabulary
from charrnn.workers import scoring

RECORDS = {"data.records": "line", "data.valid_fraction": 0.3, "model.cell": "gru"}
Capture = pytest.CaptureFixture[str]


def names(count: int = 200, most: int = 9) -> list[str]:
    """Return names of 1 to `most` syllables, some of which occur more than once."""
    rng = random.Random(2)
    parts = ("ka", "ro", "mi", "n", "el", "sha", "t")
    return ["".join(rng.choices(parts, k=rng.randint(1, most))) for _ in range(count)]


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on records, in a folder with their list."""
    folder = tmp_path_factory.mktemp("listed")
    (folder / "text.txt").write_text("\n".join(names()))
    return train(folder, RECORDS)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a text."""
    return train(tmp_path_factory.mktemp("written"), {"data.valid_fraction": 0.33})


def table(capsys: Capture, *arguments: object) -> list[list[str]]:
    """Run `charrnn eval --each`; return the fields of its lines."""
    capsys.readouterr()
    assert run(["eval", "--each", *map(str, arguments)]) == 0
    return [line.split("\t") for line in capsys.readouterr().out.split("\n")[:-1]]


def figures(capsys: Capture, *arguments: object) -> dict[str, float]:
    """Run `charrnn eval --json`; return its figures."""
    capsys.readouterr()
    assert run(["eval", "--json", *map(str, arguments)]) == 0
    found: dict[str, float] = json.loads(capsys.readouterr().out)
    return found


def test_each_record_in_the_order_of_the_file(listed: Path, capsys: Capture) -> None:
    file = listed.parent / "text.txt"
    rows = table(capsys, listed, file)
    assert [text for _, _, text in rows] == names()
    model = charrnn.load(listed)
    for nats, nats_per_char, text in rows:
        alone = model.score(text)
        assert alone.chars == len(text) + 1
        assert float(nats) == pytest.approx(alone.nats, rel=1e-5, abs=6e-5)
        assert float(nats_per_char) == pytest.approx(alone.loss_nats, rel=1e-5, abs=6e-5)
    whole = figures(capsys, listed, file)
    assert whole["records"] == len(rows)
    total = sum(float(nats) for nats, _, _ in rows)
    assert total == pytest.approx(whole["nats_per_record"] * len(rows), abs=5e-5 * len(rows))
    assert whole["nats_per_record"] * len(rows) == pytest.approx(
        whole["loss_nats"] * whole["chars"], rel=1e-12
    )


@pytest.mark.parametrize("split", ["train", "valid"])
def test_each_record_of_a_split(listed: Path, capsys: Capture, split: str) -> None:
    rows = table(capsys, listed, "--split", split)
    whole = figures(capsys, listed, "--split", split)
    assert whole["records"] == len(rows) < 200
    assert sum(float(row[0]) for row in rows) == pytest.approx(
        whole["loss_nats"] * whole["chars"], abs=5e-5 * len(rows)
    )
    kept = {row[2] for row in rows}
    assert [row[2] for row in rows] == [name for name in names() if name in kept]


def test_the_figures_of_records(listed: Path, capsys: Capture) -> None:
    found = figures(capsys, listed)
    assert [*found][4:] == ["records", "nats_per_record"]
    assert run(["eval", str(listed)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[4:]] == [
        ["records", f"{found['records']}"],
        ["nats/record", f"{found['nats_per_record']:.4f}"],
    ]
    assert len({line.rindex(" ") for line in lines}) == 1


@pytest.mark.parametrize("ending", ["", "\n", "\n\n\n"])
def test_each_line_of_a_text(ending: str, written: Path, tmp_path: Path, capsys: Capture) -> None:
    """The state is carried, so the sum is the figure of the whole; blank lines count too."""
    text = f"bee\n\n{tiny_text(9000)}{ending}"
    (tmp_path / "other").write_text(text)
    rows = table(capsys, written, tmp_path / "other")
    lines = text.split("\n")
    assert [row[2] for row in rows] == (lines if lines[-1] else lines[:-1])
    model = charrnn.load(written)
    costs = plain_loop(model.model, model.encoder.text(text, "text"), 0, len(text))
    places, begin = [0.0, *costs], 0
    for k, (nats, nats_per_char, _) in enumerate(rows):
        after = min(begin + len(lines[k]) + 1, len(text))
        chars = after - max(begin, 1)
        assert float(nats) == pytest.approx(sum(places[begin:after]), abs=2e-3)
        assert float(nats_per_char) == pytest.approx(float(nats) / chars, abs=1e-3)
        begin = after
    whole = figures(capsys, written, tmp_path / "other")
    assert "records" not in whole
    assert sum(float(row[0]) for row in rows) == pytest.approx(
        whole["loss_nats"] * whole["chars"], abs=5e-5 * len(rows)
    )


def test_each_line_of_a_split_that_begins_within_one(written: Path, capsys: Capture) -> None:
    rows = table(capsys, written)
    part = tiny_text()[402:]
    assert tiny_text()[401] != "\n"
    assert [row[2] for row in rows] == part.split("\n")
    whole = figures(capsys, written)
    assert whole["chars"] == len(part)
    assert sum(float(row[0]) for row in rows) == pytest.approx(
        whole["loss_nats"] * len(part), abs=5e-5 * len(rows)
    )


def test_a_first_line_of_which_nothing_is_scored(
    written: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "other").write_text("\nbee")
    first, second = table(capsys, written, tmp_path / "other")
    assert first == ["0.0000", "nan", ""]
    assert second[2] == "bee"
    assert run(["eval", "--each", "--json", str(written), str(tmp_path / "other")]) == 0
    first_object, second_object = map(json.loads, capsys.readouterr().out.splitlines())
    assert first_object == {"nats": 0, "nats_per_char": None, "text": ""}
    assert second_object["nats"] == pytest.approx(float(second[0]), abs=6e-5)
    assert second_object["nats_per_char"] == pytest.approx(second_object["nats"] / 3)


def test_a_text_without_newlines_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "text.txt").write_text("ab ba " * 200)
    folder = train(tmp_path)
    ((nats, _, text),) = table(capsys, folder, tmp_path / "text.txt")
    whole = figures(capsys, folder, tmp_path / "text.txt")
    assert text == "ab ba " * 200
    assert float(nats) == pytest.approx(whole["loss_nats"] * whole["chars"], abs=1e-4)


def test_special_characters_are_escaped(tmp_path: Path, capsys: Capture) -> None:
    """So a record is one line with three fields, and the escapes can be undone."""
    blocks = ["a\tb\nc\\n", "\\\\ \ra", "b"]
    raw = "\n\n".join(blocks * 40)
    (tmp_path / "text.txt").write_bytes(raw.encode())
    keys = {"data.records": "paragraph", "data.newlines": "keep", "data.valid_fraction": 0}
    folder = train(tmp_path, keys)
    rows = table(capsys, folder, tmp_path / "text.txt")
    assert [row[2] for row in rows] == [r"a\tb\nc\\n", r"\\\\ \ra", "b"] * 40
    assert run(["eval", "--each", "--json", str(folder), str(tmp_path / "text.txt")]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["text"] for one in objects] == blocks * 40
    for one, row in zip(objects, rows, strict=True):
        assert one["nats"] == pytest.approx(float(row[0]), abs=6e-5)


@pytest.mark.parametrize("records", [None, "line"])
def test_a_model_of_bytes(records: str | None, tmp_path: Path, capsys: Capture) -> None:
    """Bytes that are no character are printed as U+FFFD; all of them are scored."""
    lines = [b"\xc3\xa9t\xc3\xa9", b"a\xff", b"b\r"] * 50
    (tmp_path / "text.txt").write_bytes(b"\n".join(lines))
    keys = {"data.records": records, "data.tokens": "byte", "data.valid_fraction": 0}
    folder = train(tmp_path, keys)
    rows = table(capsys, folder, tmp_path / "text.txt")
    assert [row[2] for row in rows] == ["été", "a\ufffd", r"b\r"] * 50
    for (nats, nats_per_char, _), line in list(zip(rows, lines, strict=True))[1:-1]:
        assert float(nats) / float(nats_per_char) == pytest.approx(len(line) + 1, rel=1e-3)


def test_blank_lines_are_no_records(listed: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "other").write_text("\n\nkaro\n \n\nn\n\n")
    assert [row[2] for row in table(capsys, listed, tmp_path / "other")] == ["karo", "n"]


def test_stdout_is_the_table_alone(listed: Path, capsys: Capture) -> None:
    assert run(["eval", "--each", str(listed)]) == 0
    captured = capsys.readouterr()
    assert {line.count("\t") for line in captured.out.splitlines()} == {2}
    assert captured.err == f"{listed / 'best.npz'}, validation part\n"


@pytest.mark.parametrize("kind", ["listed", "written"])
@pytest.mark.parametrize("workers", [2, 5])
def test_the_number_of_workers_does_not_matter(
    kind: str,
    workers: int,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Also where a window has fewer records than there are workers."""
    folder: Path = request.getfixturevalue(kind)
    long = "ka" * 500
    text = "\n".join([*names(300), long, "n"]) if kind == "listed" else tiny_text(6000)
    (tmp_path / "other").write_text(text)
    expected = table(capsys, folder, tmp_path / "other")
    monkeypatch.setattr(scoring, "_MIN_CHARS_PER_WORKER", 1)
    monkeypatch.setattr(scoring, "free_cores", lambda: workers)
    found = table(capsys, folder, tmp_path / "other")
    assert [row[2] for row in found] == [row[2] for row in expected]
    for row, true in zip(found, expected, strict=True):
        assert float(row[0]) == pytest.approx(float(true[0]), rel=1e-5, abs=1.1e-4)


def test_odd_records(listed: Path, tmp_path: Path, capsys: Capture) -> None:
    texts = ["n", "ka" * 50_000, *names(2000, 2), "t"]
    (tmp_path / "other").write_text("\n".join(texts))
    rows = table(capsys, listed, tmp_path / "other")
    assert [row[2] for row in rows] == texts
    model = charrnn.load(listed)
    for k in (0, 2, -1):
        assert float(rows[k][0]) == pytest.approx(model.score(texts[k]).nats, rel=1e-5)
    shorter = model.score("ka" * 1000)  # which repeats itself in the same way
    assert float(rows[1][1]) == pytest.approx(shorter.loss_nats, rel=0.02)


@pytest.mark.parametrize("cell", CELLS)
def test_a_record_stands_alone(cell: str) -> None:
    """In float64: whatever the neighbours, the windows and the shares of the workers."""
    texts = [*names(40), "", "t", "karo" * 40, *names(200, 3)]
    symbols = [np.array([*map(ord, text)], np.uint32) for text in texts]
    vocabulary = Vocabulary(np.array([*sorted({*map(ord, "".join(texts))}), 0x110000]), "char")
    config = ModelConfig(cell=cell, num_layers=2, hidden_size=5)
    parameters = initial_parameters(config, len(vocabulary), seed=3, dtype=np.float64)
    parameters += 0.3 * np.random.default_rng(4).standard_normal(parameters.size)
    model = Model(config, len(vocabulary), parameters)
    codes = [vocabulary.encode(one, "") for one in symbols]
    corpus = encode_list(vocabulary, codes)
    expected = [
        sum(plain_loop(model, record, 1, len(record)))
        for record in map(vocabulary.as_record, codes)
    ]
    for workers in (1, 2, 7):
        scores = SegmentScores(corpus.segments(*corpus.everything))
        shares = [
            score_windows(
                model,
                corpus.scoring_windows(*corpus.everything, (k, workers)),
                vocabulary.separator,
            )
            for k in range(workers)
        ]
        for windows in zip(*shares, strict=True):
            scores.add(joined(windows))
        found = list(scores)
        assert [score.chars for score in found] == [len(text) + 1 for text in texts]
        assert [score.nats for score in found] == pytest.approx(expected, rel=1e-12)


def test_a_long_record_does_not_keep_short_ones(tmp_path: Path) -> None:
    """The work is that of the records, even if a very long one is among many short ones."""
    (tmp_path / "other").write_text("\n".join(["ab", "b"] * 2000 + ["ab" * 5000, "ab" * 100]))
    vocabulary = Vocabulary(np.array([97, 98, 0x110000]), "char")
    part = encode_file(DataConfig(path="", records="line"), vocabulary, str(tmp_path / "other"))
    windows = list(part.corpus.scoring_windows(part.start, part.end))
    assert sum(int(window.scored.sum()) for window in windows) == 8000 + 2000 + 10_001 + 201
    assert sum(window.inputs.size for window in windows) < 30_000


# From Python.


def test_score_records(listed: Path) -> None:
    model = charrnn.load(listed)
    texts = ["karo", "", "t" * 200, *names(50), "karo"]
    scores = model.score_records(iter(texts))
    assert [score.chars for score in scores] == [len(text) + 1 for text in texts]
    for score, text in zip(scores, texts, strict=True):
        assert score.nats == pytest.approx(model.score(text).nats, rel=1e-5)
        assert score.bits_per_char == pytest.approx(score.nats / score.chars / math.log(2))
    assert model.score_records([]) == []
    assert model.score_records(["kXaro"], skip_unknown=True)[0].nats == pytest.approx(
        scores[0].nats, rel=1e-5
    )


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        (["ka", "roX"], r"records\[1\]: 'X' \(U\+0058\) in 'roX' is not among the "),
        (["ka", 3], r"records\[1\]: is of type int, not a string"),
        ("karo", r"records: is of type str, not a list of strings"),
        (None, r"records: is of type NoneType, not a list of strings"),
    ],
)
def test_what_is_no_list_of_records_is_refused(records: object, problem: str, listed: Path) -> None:
    with pytest.raises(CharRNNError, match=f"^{problem}"):
        charrnn.load(listed).score_records(records)  # type: ignore[arg-type]


def test_a_model_of_a_text_scores_no_records(written: Path) -> None:
    with pytest.raises(CharRNNError, match=r"not trained on records.*score\(text\) scores a text"):
        charrnn.load(written).score_records(["bee"])
