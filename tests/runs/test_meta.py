"""A checkpoint's meta data: every value is checked, and unknown keys are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import checkpoint_of, members_of, refusal, sealed

from charrnn.runs.checkpoint import load_checkpoint, save_checkpoint
from charrnn.runs.meta import FORMAT

Meta = dict[str, Any]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A checkpoint on disk."""
    path = tmp_path / "model.npz"
    save_checkpoint(path, checkpoint_of())
    return path


def set_to(*path: str, value: Any) -> Callable[[str], str]:
    """Return an edit of one value."""

    def edit(text: str) -> str:
        meta = json.loads(text)
        section = meta
        for name in path[:-1]:
            section = section[name]
        section[path[-1]] = value
        return json.dumps(meta)

    return edit


def without(*path: str) -> Callable[[str], str]:
    """Return an edit that removes a value."""

    def edit(text: str) -> str:
        meta = json.loads(text)
        section = meta
        for name in path[:-1]:
            section = section[name]
        del section[path[-1]]
        return json.dumps(meta)

    return edit


def as_format_1(text: str) -> str:
    """Change the format to 1, and nothing else."""
    return set_to("format", value=1)(text)


NO_JSON = "its meta data are not valid JSON"

UNFIT: dict[str, tuple[Callable[[str], str], str]] = {
    "deep lists": (lambda _: "[" * 1_000_000, NO_JSON),
    "deep mappings": (lambda _: '{"a":' * 500_000, NO_JSON),
    "a number of very many digits": (
        lambda text: text.replace('"step": 12', '"step": ' + "9" * 100_000),
        NO_JSON,
    ),
    "a number of many digits": (
        lambda text: text.replace('"step": 12', '"step": ' + "9" * 4_000),
        "its counter step is a number of over 60 digits, not a whole number",
    ),
    "a format of many digits": (
        set_to("format", value=10**4000),
        "it has format a number of over 60 digits, and this charrnn reads",
    ),
    "a size of many digits": (
        set_to("config", "model", "hidden_size", value=10**4000),
        "its configuration: model.hidden_size: a number of over 60 digits is not",
    ),
    "a learning rate that is not a number": (
        set_to("config", "train", "learning_rate", value=float("nan")),
        "its configuration: train.learning_rate: nan is not",
    ),
    "a length that is infinite": (
        set_to("text_chars", value=float("inf")),
        "its text_chars is inf, not a number of characters",
    ),
    "not a number": (
        lambda text: text.replace("1.25", "NaN"),
        "its counter best_loss_nats is nan, not a finite number or null",
    ),
    "minus infinity": (
        lambda text: text.replace("1.25", "-Infinity"),
        "its counter best_loss_nats is -inf, not",
    ),
    "a loss beyond floats": (
        lambda text: text.replace("1.25", "1e999"),
        "its counter best_loss_nats is inf, not",
    ),
    "two texts": (lambda text: text + text, NO_JSON),
    "nothing": (lambda _: "", NO_JSON),
    "a number": (lambda _: "7", "its meta data have no format; this is not a charrnn checkpoint"),
    "a lone surrogate": (lambda _: '{"\ud800": 1}', "have no format"),
    "no format": (without("format"), "its meta data have no format"),
    "format of text": (set_to("format", value="2"), "its format is '2', which does not exist"),
    "format of a float": (set_to("format", value=2.0), "its format is 2.0, which does not exist"),
    "format true": (set_to("format", value=True), "its format is true, which does not exist"),
    "format 0": (set_to("format", value=0), "its format is 0, which does not exist"),
    "newer format": (set_to("format", value=FORMAT + 1), "update charrnn to read it"),
    "format 1 with what came later": (
        as_format_1,
        "its meta data have an unknown key 'cut_points'",
    ),
    "no tokens": (without("tokens"), "its meta data lack tokens"),
    "no text's length": (without("text_chars"), "its meta data lack text_chars"),
    "no cut": (without("cut_points"), "its meta data lack cut_points"),
    "a cut of null": (set_to("cut_points", value=None), "its cut_points are null, not two places"),
    "no steps": (without("steps_per_epoch"), "its meta data lack steps_per_epoch"),
    "an epoch without steps": (
        set_to("steps_per_epoch", value=0),
        "its steps_per_epoch is 0, not a number of steps",
    ),
    "three cuts": (set_to("cut_points", value=[1, 2, 3]), "its cut_points are [1, 2, 3], not"),
    "a cut of floats": (set_to("cut_points", value=[1.0, 2]), "its cut_points are [1.0, 2], not"),
    "a cut back": (set_to("cut_points", value=[540, 480]), "its cut_points are [540, 480], not"),
    "nothing to train on": (set_to("cut_points", value=[0, 480]), "are [0, 480], not"),
    "a cut beyond the text": (
        set_to("cut_points", value=[480, 601]),
        "its cut_points are [480, 601], not two places in a text of length 600",
    ),
    "a cut of a text without a length": (
        set_to("text_chars", value=None),
        "its cut_points are [480, 540], not two places in a text of length null",
    ),
    "no longest record": (without("longest_record"), "its meta data lack longest_record"),
    "a record in a text": (set_to("longest_record", value=3), "its longest_record is 3, not"),
    "an unknown key": (set_to("more", value=1), "its meta data have an unknown key 'more'"),
    "other tokens": (
        set_to("tokens", value="byte"),
        "its tokens are 'byte', and its configuration has data.tokens char",
    ),
    "a list of tokens": (set_to("tokens", value=["char"]), "its tokens are ['char']"),
    "no configuration": (set_to("config", value=None), "its configuration's sections are null"),
    "a configuration of text": (
        set_to("config", value="lstm"),
        "sections are 'lstm', not names with values",
    ),
    "a section of numbers": (set_to("config", "train", value=[1]), "values of train are [1]"),
    "no section": (without("config", "model"), "its configuration's sections lack model"),
    "no text": (without("config", "data", "path"), "its configuration lacks data.path"),
    "an unknown setting": (
        set_to("config", "model", "gates", value=1),
        "its configuration: model.gates: unknown key",
    ),
    "a layer too many": (
        set_to("config", "model", "num_layers", value=3),
        "layers.2.Wx is missing",
    ),
    "an unset size": (
        set_to("config", "model", "hidden_size", value=None),
        "its configuration has no value for model.hidden_size",
    ),
    "an unset decay": (
        lambda text: set_to("config", "train", "weight_decay", value=None)(
            set_to("config", "train", "optimizer", value="adamw")(text)
        ),
        "its configuration has no value for train.weight_decay",
    ),
    "no end": (
        lambda text: set_to("config", "train", "max_epochs", value=None)(
            set_to("config", "train", "max_steps", value=None)(text)
        ),
        "its configuration has no value for train.max_epochs",
    ),
    "a million layers": (set_to("config", "model", "num_layers", value=10**6), "num_layers"),
    "a digest of the text of numbers": (
        set_to("text_sha256", value=1),
        "its text_sha256 is 1, not a SHA-256",
    ),
    "a digest too short": (set_to("text_sha256", value="ab"), "its text_sha256 is 'ab'"),
    "a text of less than nothing": (
        set_to("text_chars", value=-1),
        "its text_chars is -1, not a number of characters",
    ),
    "a text of true": (set_to("text_chars", value=True), "its text_chars is true"),
    "a text of half a character": (set_to("text_chars", value=0.5), "its text_chars is 0.5"),
    "no counters": (set_to("counters", value={}), "its counters lack step"),
    "a list of counters": (
        set_to("counters", value=[]),
        "its counters are [], not names with values",
    ),
    "no divergences": (without("counters", "divergences"), "its counters lack divergences"),
    "an unknown counter": (
        set_to("counters", "bits", value=1),
        "its counters have an unknown key 'bits'",
    ),
    "a step of text": (set_to("counters", "step", value="12"), "its counter step is '12'"),
    "a step that is true": (set_to("counters", "step", value=True), "its counter step is true"),
    "half a step": (set_to("counters", "step", value=12.5), "its counter step is 12.5"),
    "a step back": (set_to("counters", "step", value=-1), "its counter step is -1, not a whole"),
    "a step beyond": (set_to("counters", "step", value=2**53 + 1), "its counter step is 90071992"),
    "no step": (set_to("counters", "step", value=None), "its counter step is null"),
    "a whole loss": (set_to("counters", "best_loss_nats", value=1), "best_loss_nats is 1, not"),
    "a list of losses": (set_to("counters", "valid_loss_nats", value=[1.0]), "is [1.0], not"),
    "no loss summed": (set_to("counters", "unlogged_nats", value=None), "unlogged_nats is null"),
    "a loss below nothing": (
        set_to("counters", "unlogged_nats", value=-1.0),
        "is -1.0, not a finite number of",
    ),
    "patience of 1": (
        set_to("counters", "out_of_patience", value=1),
        "out_of_patience is 1, not true or false",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_meta_data_that_do_not_fit_are_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The digest is right, so the value is the reason."""
    edit, problem = UNFIT[name]
    members = members_of(saved)
    text = edit(str(members["meta"]))
    np.savez(saved, **sealed(members | {"meta": np.array(text)}))
    assert problem in refusal(saved, capsys)


def test_an_unedited_text_is_read(saved: Path) -> None:
    members = members_of(saved)
    text = json.dumps(json.loads(str(members["meta"])))
    np.savez(saved, **sealed(members | {"meta": np.array(text)}))
    assert load_checkpoint(saved).counters.step == 12


def test_format_1_has_no_digest_and_no_newer_keys(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = members_of(saved)
    text = str(members["meta"])
    for key in ("text_chars", "cut_points", "steps_per_epoch", "longest_record"):
        text = without(key)(text)
    for counter in ("divergences", "elapsed_s", "out_of_time"):
        text = without("counters", counter)(text)
    members |= {"meta": np.array(as_format_1(text))}
    np.savez(saved, **members)
    assert "it holds 'sha256.npy', which does not belong there" in refusal(saved, capsys)
    del members["sha256"]
    np.savez(saved, **members)
    loaded = load_checkpoint(saved)
    assert (loaded.format, loaded.text_chars, loaded.counters.divergences) == (1, None, 0)


def test_a_text_that_is_too_long_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(saved, **members_of(saved) | {"meta": np.array(" " * ((4 << 20) + 1))})
    assert "the array meta does not fit: it is too long" in refusal(saved, capsys)


def test_a_text_with_impossible_code_points_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = members_of(saved)
    raw = np.full(4, 0x110000, "<u4")
    np.savez(saved, **members | {"meta": raw.view("<U4").reshape(())})
    assert "the array meta is damaged: it is not text" in refusal(saved, capsys)
