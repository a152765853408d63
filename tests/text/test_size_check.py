"""Texts that are too small: each remedy that the message names works, and is the nearest one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import tiny_text, write_config

from charrnn.commands.cli import run
from charrnn.config.reader import config_from_dict, override_defaults
from charrnn.errors import TextError
from charrnn.text.corpus import Corpus, cut_points
from charrnn.text.load import load_corpus
from charrnn.text.size_check import check_sizes, small_parts
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.recipe import fill_defaults


def train_sized(
    folder: Path, n: int, sizes: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> str:
    """Train for one step on a text of n characters; return the error, or "" if it works."""
    (folder / "text.txt").write_text(tiny_text(n), encoding="utf-8")
    config = write_config(folder, {**sizes, "model.hidden_size": 2, "train.max_steps": 1})
    code = run(["train", str(config), "--run-dir", str(folder / "run"), "--overwrite"])
    error = capsys.readouterr().err
    return error if code else ""


def remedies(error: str) -> list[tuple[str, float]]:
    """Return the remedies of an error, each as key ("text" for its length) and value."""
    advice = error.split("It would work with ")[1]
    found = re.findall(r"((?:train|data)\.\w+) ([\d.]+\d|\d)", advice)
    if text := re.search(r"a text of ([\d,]+) characters", advice):
        found.append(("text", text[1].replace(",", "")))
    return [(key, float(value) if "." in value else int(value)) for key, value in found]


@pytest.mark.parametrize(
    ("n", "N", "T", "valid", "test"),
    [
        (60, 4, 20, 0.0, 0.0),
        (60, 4, 20, 0.2, 0.2),
        (1200, 50, 30, 0.1, 0.0),  # and a thousands comma
        (60, 4, 20, 0.2, 0.0),  # with batch_size 2 the validation part would be too small
        (60, 1, 59, 0.1, 0.0),  # a text of 67 would leave too small a validation part
        (5, 4, 29, 0.05, 0.05),  # rounding: 130 * 0.9 is 116.99...
    ],
)
def test_a_training_part_too_small_names_what_would_work(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    n: int,
    N: int,
    T: int,
    valid: float,
    test: float,
) -> None:
    sizes = {
        "data.valid_fraction": valid,
        "data.test_fraction": test,
        "train.batch_size": N,
        "train.seq_length": T,
    }
    error = train_sized(tmp_path, n, sizes, capsys)
    assert f"train.batch_size {N} x train.seq_length {T} needs {N * T + 1:,}" in error
    assert f"the training part has {int(n * (1 - valid - test)):,} characters" in error
    found = remedies(error)
    assert "text" in dict(found)
    for key, value in found:
        if key == "text":
            assert not train_sized(tmp_path, int(value), sizes, capsys), (key, value)
            assert train_sized(tmp_path, int(value) - 1, sizes, capsys), (key, value - 1)
        else:
            assert not train_sized(tmp_path, n, {**sizes, key: value}, capsys), (key, value)
            if key.startswith("train."):
                assert train_sized(tmp_path, n, {**sizes, key: value + 1}, capsys), (key, value)


@pytest.mark.parametrize(
    ("name", "n", "N", "T", "fractions"),
    [
        ("validation", 600, 2, 50, {"valid": 0.05}),
        ("test", 600, 2, 50, {"valid": 0.1, "test": 0.05}),
        ("test", 1000, 2, 70, {"valid": 0.1, "test": 0.01}),
        ("validation", 550, 10, 50, {"valid": 0.05}),  # raised, it leaves too little to train on
        ("validation", 600, 2, 50, {"valid": 0.05, "test": 0.05}),  # and the test part is as small
    ],
)
def test_a_part_too_small_for_a_window_names_what_would_work(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    n: int,
    N: int,
    T: int,
    fractions: dict[str, float],
) -> None:
    sizes: dict[str, float] = {"train.batch_size": N, "train.seq_length": T}
    sizes |= {f"data.{part}_fraction": fraction for part, fraction in fractions.items()}
    error = train_sized(tmp_path, n, sizes, capsys)
    assert f"the {name} part has " in error
    found = remedies(error)
    assert found
    for key, value in found:
        if key == "text":
            assert not train_sized(tmp_path, int(value), sizes, capsys), value
            continue
        assert not train_sized(tmp_path, n, {**sizes, key: value}, capsys), (key, value)


def test_no_validation_part_is_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {"data.valid_fraction": 0, "train.batch_size": 2, "train.seq_length": 5}
    assert not train_sized(tmp_path, 11, sizes, capsys)
    assert (tmp_path / "run" / "last.npz").exists()
    assert not (tmp_path / "run" / "best.npz").exists()


def test_two_characters_are_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {"data.valid_fraction": 0, "train.batch_size": 1, "train.seq_length": 1}
    assert not train_sized(tmp_path, 2, sizes, capsys)
    run_dir = str(tmp_path / "run")
    assert run(["eval", run_dir, "--split", "train"]) == 0
    assert run(["eval", run_dir, str(tmp_path / "text.txt")]) == 0
    assert run(["sample", run_dir, "--length", "3"]) == 0


# The same for any sizes, without training.


def refusal(n: int, values: dict[str, Any]) -> str:
    """Return the error about a text of n characters with these values, or ""."""
    nested: dict[str, dict[str, Any]] = {"data": {"path": "text.txt"}}
    for dotted, value in values.items():
        section, _, key = dotted.partition(".")
        nested.setdefault(section, {})[key] = value
    config = config_from_dict(nested)
    codes = np.broadcast_to(np.uint8(0), n)
    corpus = Corpus(codes, Vocabulary(np.arange(2), "char"), "", *cut_points(n, config.data))
    try:
        check_sizes(corpus, config)
    except TextError as error:
        return str(error)
    return ""


def changed(n: int, values: dict[str, Any], change: str) -> tuple[int, dict[str, Any]]:
    """Return the length and the values after a change in the words of the error."""
    if text := re.fullmatch(r"a text of ([\d,]+) characters", change):
        return int(text[1].replace(",", "")), values
    pairs = re.findall(r"((?:data|train)\.\w+) (null|[\d.]*\d)", change)
    assert pairs, change
    return n, {**values, **{key: None if v == "null" else float(v) for key, v in pairs}}


SMALL = st.integers(1, 12) | st.integers(1, 10**6)
FRACTIONS = st.sampled_from((0.0, 0.1, 0.25, 0.5, 0.9, 1e-3, 1e-9, 1e-17, 1e-300)) | st.floats(
    0, 1, exclude_max=True
)


@given(
    st.integers(2, 60) | st.integers(2, 10**6),
    st.tuples(SMALL, SMALL, FRACTIONS, FRACTIONS).filter(lambda drawn: sum(drawn[2:]) < 1),
    st.sampled_from((None, 3)),
)
def test_each_remedy_works_and_is_the_nearest(
    n: int, drawn: tuple[int, int, float, float], patience: int | None
) -> None:
    keys = ("train.batch_size", "train.seq_length", "data.valid_fraction", "data.test_fraction")
    values: dict[str, Any] = dict(zip(keys, drawn, strict=True))
    if patience and drawn[2]:
        values["train.patience"] = patience
    problem = refusal(n, values)
    if not problem:
        return
    for change in problem.split("It would work with ")[1].split("; or "):
        length, new = changed(n, values, change)
        assert not refusal(length, new), change
        differing = [key for key in new if new[key] != values[key]]
        if length != n:
            assert refusal(length - 1, new), change
        elif len(differing) > 1:
            continue
        elif (key := differing[0]).startswith("train."):
            assert new[key] < values[key]
            assert refusal(n, {**new, key: new[key] + 1}), change
        elif new[key]:
            other = values["data.test_fraction" if "valid" in key else "data.valid_fraction"]
            for fraction in (k / 100 for k in range(1, 100)):
                nearer = abs(fraction - values[key]) < abs(new[key] - values[key]) - 1e-9
                if nearer and fraction + other < 1:
                    assert refusal(n, {**values, key: fraction}), change


_BOTH = "data.valid_fraction 0 and data.test_fraction 0 together"


@given(st.integers(1, 30), st.integers(1, 30))
def test_the_bound_is_exact(N: int, T: int) -> None:
    sizes = {"train.batch_size": N, "train.seq_length": T, "data.valid_fraction": 0}
    if N * T > 1:
        assert refusal(N * T, sizes)
    assert not refusal(N * T + 1, sizes)
    assert not refusal(N * T + 2, sizes)


@pytest.mark.parametrize(
    ("n", "sizes", "named"),
    [
        # The validation part is too large, or too small.
        (1000, {"valid": 0.9}, "data.valid_fraction 0.79"),
        (1000, {"valid": 0.001}, "data.valid_fraction 0.01"),
        (1000, {"valid": 0.5, "test": 0.4}, "data.valid_fraction 0.39"),
        (100_000, {"valid": 0.00001}, "data.valid_fraction 0.01"),
        (1000, {"valid": 1e-17}, "data.valid_fraction 0"),
        # No single change helps, and no text that anyone has.
        (1000, {"valid": 1e-300, "test": 1e-300}, _BOTH),
        (1000, {"valid": 1e-9, "test": 1e-9}, _BOTH),
    ],
)
def test_the_fraction_that_the_error_names(n: int, sizes: dict[str, float], named: str) -> None:
    values: dict[str, Any] = {f"data.{part}_fraction": value for part, value in sizes.items()}
    problem = refusal(n, {"train.batch_size": 20, "train.seq_length": 10, **values})
    assert named in re.split("It would work with |; or ", problem)


@pytest.mark.parametrize(
    ("chars", "keys", "remark"),
    [
        (11, {}, "a window has 1 step (train.seq_length); the validation part has 2 characters"),
        (700, {}, "the text is very small: the validation part has 70 characters"),
        (700, {"test_fraction": 0.1}, "the test part has 70 characters, so its loss says little"),
        (
            5000,
            {},
            "a text of 5,000 characters is small: a model will mostly memorise it; 50,000 or",
        ),
        (700, {"valid_fraction": 0.0}, "a text of 700 characters is small"),
        (20_000, {}, ""),
    ],
)
def test_a_very_small_text_gets_a_remark(chars: int, keys: dict[str, float], remark: str) -> None:
    open_ = override_defaults()
    written = replace(open_, data=replace(open_.data, **keys))  # type: ignore[arg-type]
    bounds = cut_points(chars, written.data)
    corpus = Corpus(np.zeros(chars, np.uint8), Vocabulary(np.arange(2), "char"), "", *bounds)
    T = fill_defaults(written, corpus.sizes, 2).train.seq_length
    assert remark in small_parts(corpus, written, T)
    assert bool(remark) == bool(small_parts(corpus, written, T))
    sized = replace(written, train=replace(written.train, seq_length=1))
    assert small_parts(corpus, sized, 1) == ""


def test_short_records_are_no_small_text(tmp_path: Path) -> None:
    """Their windows are as short as they are."""
    (tmp_path / "codes.txt").write_text("".join(f"{n:04}\n" for n in range(2000)))
    open_ = override_defaults()
    data = replace(open_.data, path=str(tmp_path / "codes.txt"), records="line")
    corpus = load_corpus(data)
    T = fill_defaults(open_, corpus.sizes, len(corpus.vocabulary)).train.seq_length
    assert T == 5
    assert small_parts(corpus, replace(open_, data=data), T) == ""
