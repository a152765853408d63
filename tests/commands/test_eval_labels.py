"""charrnn eval of models that reply to prompts: accuracy, recall, F1 and confusions of labels."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import LABELS, make_run, words, write_table

import charrnn
from charrnn.commands.cli import run
from charrnn.inspection.glyphs import display_width
from charrnn.model.classification import Classification
from charrnn.workers import prediction, predictor
from charrnn.workers.prediction import LabelPredictions

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run that tells labels, and one that writes words for a label."""
    folder = tmp_path_factory.mktemp("labelled")
    for kind in ("table", "writer"):
        make_run(folder, kind)
    some = [(f"{word[:-1]}{'xyz'[k % 3]}", kind) for k, (word, kind) in enumerate(words()[:200])]
    write_table(folder / "mixed.csv", some)  # a third of the labels is right
    write_table(folder / "others.csv", [*some[:10], ("aby", "yes"), ("acx", "no"), ("acy", "yes")])
    return folder


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def printed(capsys: Capture, *arguments: str) -> list[str]:
    """Return the lines that `charrnn eval` prints."""
    capsys.readouterr()
    assert run(["eval", *arguments]) == 0
    return capsys.readouterr().out.split("\n")[:-1]


def objects(capsys: Capture, *arguments: str) -> list[Any]:
    """Return the objects that `charrnn eval --json` prints."""
    return [json.loads(line) for line in printed(capsys, *arguments, "--json")]


def counted_by_hand(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the figures of pairs of a true and a predicted label, from their definitions."""
    true, predicted = (Counter(side) for side in zip(*pairs, strict=True))
    right = Counter(one for one, other in pairs if one == other)
    f1 = {}
    for label in {*true, *predicted}:
        precision = right[label] / predicted[label] if predicted[label] else 0
        recall = right[label] / true[label] if true[label] else 0
        f1[label] = 2 * precision * recall / (precision + recall) if right[label] else 0
    confusion: dict[str, dict[str, int]] = {}
    for (one, other), count in Counter(pairs).items():
        confusion.setdefault(one, {})[other] = count
    return {
        "accuracy": right.total() / len(pairs),
        "majority": max(true.values()) / len(pairs),
        "macro_f1": sum(f1.values()) / len(f1),
        "recall": {label: right[label] / true[label] for label in true},
        "confusion": confusion,
    }


@pytest.mark.parametrize("text", ["", "--split train", "mixed.csv", "others.csv"])
@pytest.mark.parametrize("cores", [1, 2])
def test_the_figures_of_labels(
    text: str, cores: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "_MIN_OPERATIONS_PER_WORKER", 1)
    monkeypatch.setattr(predictor, "free_cores", lambda: cores)
    monkeypatch.setattr(prediction, "_TOGETHER", 3 * 70)
    monkeypatch.setattr(prediction, "_REPLIES", 50)
    arguments = ("runs/table", *text.split())
    (found,) = objects(capsys, *arguments)
    each = objects(capsys, *arguments, "--each")
    expected = counted_by_hand([(one["reply"], one["predicted"]) for one in each])
    assert {key: found[key] for key in expected} == {
        "accuracy": pytest.approx(expected["accuracy"]),
        "majority": pytest.approx(expected["majority"]),
        "macro_f1": pytest.approx(expected["macro_f1"]),
        "recall": pytest.approx(expected["recall"]),
        "confusion": expected["confusion"],
    }
    model = charrnn.load("runs/table")
    for one, (reply,) in zip(each, model.predict([one["prompt"] for one in each]), strict=True):
        assert one["predicted"] == reply.text
        assert one["probability"] == pytest.approx(reply.probability, abs=1e-5)
    if text == "mixed.csv":
        assert 0.2 < found["accuracy"] < 0.5
    elif not text:
        assert found["accuracy"] > 0.9


def test_each_pair_in_the_order_of_the_file(capsys: Capture) -> None:
    pairs = words()[:30]
    write_table(Path("some.csv"), pairs)
    rows = [line.split("\t") for line in printed(capsys, "runs/table", "some.csv", "--each")]
    assert [(row[2], row[3].replace(r"\t", "\t")) for row in rows] == pairs
    scores = charrnn.load("runs/table").score_records(pairs)
    for row, score, (_, reply) in zip(rows, scores, pairs, strict=True):
        assert float(row[0]) == pytest.approx(score.nats, abs=1e-4)
        assert float(row[0]) / float(row[1]) == pytest.approx(len(reply) + 1, rel=0.05, abs=0.1)
        assert row[4] in {"early", "late", r"mid\tdle"}
        assert 1 / 3 <= float(row[5]) <= 1
    rows = [line.split("\t") for line in printed(capsys, "runs/writer", "some.csv", "--each")]
    assert [(row[3], row[2].replace(r"\t", "\t")) for row in rows] == pairs
    assert {len(row) for row in rows} == {4}


def test_a_model_without_labels_has_no_figures_of_them(capsys: Capture) -> None:
    (found,) = objects(capsys, "runs/writer")
    assert [*found] == [
        *("chars", "loss_nats", "bits_per_char", "perplexity", "records", "nats_per_record")
    ]
    assert "recall" not in printed(capsys, "runs/writer")


def test_replies_that_are_no_labels_count_as_wrong(capsys: Capture) -> None:
    assert run(["eval", "runs/table", "others.csv", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert "none of the model's 3 labels, which count as wrong: 3 of 13 (" in err
    assert sorted(err.rpartition("(")[2].split()) == ["'no',", "'yes')"]
    assert found["recall"]["yes"] == found["recall"]["no"] == 0
    assert sum(found["confusion"]["yes"].values()) == 2
    lines = printed(capsys, "runs/table", "others.csv")
    rows = lines[lines.index("recall") + 1 :]
    assert [row.split("  ")[1].strip() for row in rows[:-1]] == ["early", "late", r"mid\tdle"]
    assert rows[-1].split("  ")[1:] == ["other replies", "0.0000 of 3"]
    assert run(["eval", "runs/table", "mixed.csv"]) == 0
    assert "none of the model's" not in capsys.readouterr().err


def test_an_unknown_character_is_named_with_its_record(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.text.record_reader._TOGETHER", 7)
    write_table(tmp_path / "odd.csv", [*words()[:900], ("aÄx", "late"), *words()[:9]])
    assert run(["eval", "runs/table", str(tmp_path / "odd.csv")]) == 1
    message = capsys.readouterr().err
    assert r"odd.csv: 'Ä' (U+00C4) in record 901, 'aÄx\tlate', is not among the" in message


def test_other_replies_are_one_row_beside_a_label_of_that_name() -> None:
    true, label = np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1])
    found = LabelPredictions(["other replies", "b", "c", "d"], true, label, np.ones(4), 2)
    assert found.grouped.recall == {"other replies": 1, "b": 0, "(other replies)": 0}
    assert found.grouped.confusion["(other replies)"] == {"b": 2}
    assert found.grouped.accuracy == found.classification.accuracy == 1 / 4
    assert [*found.classification.recall] == ["other replies", "b", "c", "d"]


def test_the_plain_figures(capsys: Capture) -> None:
    (found,) = objects(capsys, "runs/table")
    lines = printed(capsys, "runs/table")
    assert [line.split() for line in lines[6:9]] == [
        ["accuracy", f"{found['accuracy']:.4f}"],
        ["most", "frequent", f"{found['majority']:.4f}"],
        ["macro-F1", f"{found['macro_f1']:.4f}"],
    ]
    assert len({line.rindex(" ") for line in lines[:9]}) == 1
    assert lines[9:11] == ["", "recall"]
    texts = {label: sum(row.values()) for label, row in found["confusion"].items()}
    assert lines[11:] == [
        f"  {label.replace(chr(9), chr(92) + 't'):<8}  {found['recall'][label]:.4f} of {count}"
        for label, count in texts.items()
    ]


def test_a_table_of_confusions_on_a_terminal(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = objects(capsys, "runs/table", "mixed.csv")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    lines = printed(capsys, "runs/table", "mixed.csv")
    title = next(k for k, line in enumerate(lines) if line.startswith("confusion"))
    assert len(lines[title]) < 60
    assert lines[title + 1].split() == ["early", "late", r"mid\tdle"]
    for line, label in zip(lines[title + 2 :], LABELS, strict=True):
        name, *counts = line.split()
        assert name == label.replace("\t", r"\t")
        assert [*map(int, counts)] == [found["confusion"][label].get(one, 0) for one in LABELS]
    monkeypatch.setenv("COLUMNS", "30")
    lines = printed(capsys, "runs/table", "mixed.csv")
    title = next(k for k, line in enumerate(lines) if "most frequent confusions" in line)
    rows = [line.split() for line in lines[title + 1 :]]
    counts = sorted(
        (
            count
            for true, row in found["confusion"].items()
            for predicted, count in row.items()
            if true != predicted
        ),
        reverse=True,
    )
    assert [int(row[2]) for row in rows] == counts
    for true, predicted, count, share in rows:
        one, other = (label.replace(r"\t", "\t") for label in (true, predicted))
        assert found["confusion"][one][other] == int(count)
        assert share == f"{int(count) / sum(found['confusion'][one].values()):.1%}"


@pytest.mark.parametrize("name", ["wide", "日本語のラベル" * 3])
def test_many_labels_fit_a_terminal(
    name: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from charrnn.commands import evaluate_labels

    rng = np.random.default_rng(1)
    names = [f"{name} label {k}" for k in range(40)]
    found = Classification.of(names, rng.integers(0, 40, 3000), rng.integers(0, 40, 3000))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    lines = [*evaluate_labels.label_lines(found)]
    assert all(display_width(line) <= 80 for line in lines)
    assert len(lines) == 2 + 40 + 2 + 10
    assert capsys.readouterr() == ("", "")


def test_a_label_that_is_never_right() -> None:
    found = Classification.of(["a", "b", "c"], np.array([0, 0]), np.array([1, 1]))
    assert (found.accuracy, found.macro_f1, found.recall) == (0, 0, {"a": 0})
    assert found.confusion == {"a": {"b": 2}}
    (one,) = found.most_confused(5)
    assert one == ("a", "b", 2, 1.0)


def test_a_label_that_does_not_occur_does_not_count() -> None:
    found = Classification.of(["a", "b", "c"], np.array([0, 1]), np.array([0, 1]))
    assert (found.macro_f1, [*found.recall]) == (1, ["a", "b"])
    assert found.most_confused(5) == []
