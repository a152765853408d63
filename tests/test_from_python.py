"""Training and loading from Python."""

from __future__ import annotations

import errno
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import contents, train, write_config

from charrnn import LanguageModel, load, load_config, propose
from charrnn import train as train_run
from charrnn.commands.cli import run
from charrnn.commands.output_file import output_path
from charrnn.errors import CharRNNError, ConfigError, RunError
from charrnn.kernels.blas import one_blas_thread
from charrnn.kernels.optimizers import OPTIMIZERS
from charrnn.workers.processes import _nothing_to_import


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(train(tmp_path_factory.mktemp("tiny")))


def test_a_configuration_made_by_hand_is_checked_before_a_run_is_replaced(tmp_path: Path) -> None:
    run_dir = train(tmp_path)
    config = load_config(tmp_path / "tiny.yaml")
    before = contents(run_dir)
    wrong: list[Any] = [("learning_rate", "fast"), ("optimizer", "foo"), ("batch_size", -3)]
    for key, value in wrong:
        changed = replace(config, train=replace(config.train, **{key: value}))
        with pytest.raises(ConfigError, match=f"train.{key}"):
            train_run(changed, run_dir, overwrite=True)
    with pytest.raises(RunError, match="choose one"):
        train_run(config, run_dir, resume=True, overwrite=True)
    with pytest.raises(ConfigError, match="run_dir: '' is not a path"):
        train_run(config, "")
    assert contents(run_dir) == before


def test_the_repr_of_a_model(tmp_path: Path) -> None:
    model = load(train(tmp_path))
    assert repr(model) == f"<LanguageModel rnn 1 x 8, {len(model.vocabulary)} characters>"


def test_train_takes_the_path_of_a_configuration(tmp_path: Path) -> None:
    assert train_run(write_config(tmp_path), tmp_path / "run").steps == 20


def test_a_configuration_is_proposed_for_a_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that the command trains with; several texts can be a list of paths."""
    monkeypatch.chdir(tmp_path)
    words = [f"{a}{b}{c}{d}" for a in "bcdfg" for b in "aeiou" for c in "klmnr" for d in "aeiou"]
    Path("names.txt").write_text("\n".join(words), encoding="utf-8")
    notes: list[str] = []
    sets = ["model.hidden_size=8", "train.max_steps=3"]
    config = propose(Path("names.txt"), "0.5s", sets, note=notes.append)
    assert (config.data.records, config.model.hidden_size) == ("line", 8)
    assert any("a list; data.records line" in note for note in notes)
    assert train_run(config, "runs/python").steps == 3
    command = [
        "train",
        "names.txt",
        "--minutes",
        "0.5s",
        *(x for one in sets for x in ("--set", one)),
    ]
    assert run(command) == 0
    of_python, of_command = (load_config(f"runs/{one}/config.yaml") for one in ("python", "names"))
    assert of_python.data == of_command.data
    monkeypatch.setattr("charrnn.planning.proposal._MEASURED_S", 0.1)
    both = propose(["names.txt", Path("names.txt")], overrides=["data.records=null", *sets])
    assert both.data.path == (str(tmp_path / "names.txt"),) * 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("none.txt",), r"none\.txt: no such file; name a text file"),
        ((3,), "text: 3 is not a path"),
        ((b"names.txt",), "text: b'names.txt' is not a path"),
        (([],), r"text: \[\] names no text"),
        (("one.txt", -1), "minutes: -1 is not a number of minutes"),
        (("one.txt", 1, ["train.max_minutes=2"]), "both set a time; give one"),
        (("one.txt", None, "train.max_steps=2"), "is not a list of overrides"),
        (("one.txt", None, ["data.path=b.txt"]), "overrides: data.path: name the text as"),
        (("one.txt", None, ["train.epochs=2"]), "overrides: train.epochs: unknown key"),
    ],
)
def test_a_wrong_argument_of_propose_is_named(
    arguments: Any, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.txt").write_text("one text", encoding="utf-8")
    with pytest.raises(CharRNNError, match=problem):
        propose(*arguments)


def test_a_text_in_place_of_a_configuration(tmp_path: Path) -> None:
    text = tmp_path / "my.txt"
    text.write_text("Once upon a time\n" * 9, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"charrnn\.propose\('{text}'\) proposes one, if it is"):
        train_run(text, tmp_path / "run")


WRONG: dict[str, list[Any]] = {
    "prime": [3, None, b"bee", ["bee"]],
    "length": [2.5, "10", -1, True, float("nan"), [1]],
    "N": [0, 1.5, None, "two"],
    "temperature": ["hot", True, -1, float("inf"), 1j, np.arange(2)],
    "top_k": [0, 1.5, "all", False],
    "top_p": [0, 1.5, "most", float("nan")],
    "seed": [-1, 2.5, "one", [1, -1], ["one"], b"1", np.int64(-1)],
    "stop": ["", 3, b"bee"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in WRONG.items() for v in vs])
def test_a_wrong_argument_of_sampling_is_named(name: str, value: Any, tiny: LanguageModel) -> None:
    methods = [tiny.stream] if name == "N" else [tiny.stream, tiny.sample]
    for method in methods:
        with pytest.raises(CharRNNError, match=rf"^{name}: "):
            method(**{name: value})


@pytest.mark.parametrize("text", [None, 3, b"bee", ["bee"]])
def test_a_text_to_score_is_a_string(text: Any, tiny: LanguageModel) -> None:
    with pytest.raises(CharRNNError, match=rf"^text: is of type {type(text).__name__}, not a str"):
        tiny.score(text)


def test_numbers_may_be_numpys(tiny: LanguageModel) -> None:
    plain = tiny.sample("bee", 9, temperature=0.5, top_k=3, top_p=0.75, seed=2)
    assert plain == tiny.sample(
        np.str_("bee"),
        np.int32(9),  # type: ignore[arg-type]
        temperature=np.float32(0.5),  # type: ignore[arg-type]
        top_k=np.uint8(3),  # type: ignore[arg-type]
        top_p=np.float64(0.75),
        seed=np.int64(2),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("path", [3, b"run", ["run"], "a\0b", "a\ud800", ""])
def test_a_wrong_path_is_named(path: Any, tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with pytest.raises(CharRNNError, match=r"^path: .* is not a path"):
        load(path)
    with pytest.raises(CharRNNError, match=r"^run_dir: .* is not a path"):
        train_run(config, path)
    with pytest.raises(CharRNNError, match=r"^init_from: .* is not a path"):
        train_run(config, tmp_path / "run", init_from=path)
    assert not (tmp_path / "run").exists()


def test_errors_of_the_system_are_errors_of_charrnn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without permission, which root would ignore."""
    config = write_config(tmp_path)
    locked = tmp_path / "locked"
    stat = Path.stat

    def refused(self: Path, **named: Any) -> Any:
        if locked in self.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return stat(self, **named)

    locked.mkdir()
    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(CharRNNError, match=r"locked.*: cannot be read: Permission denied"):
        load(locked / "run")
    with pytest.raises(CharRNNError, match=r"locked.*: cannot be written: Permission denied"):
        train_run(config, locked / "run")
    with pytest.raises(CharRNNError, match=r"locked.*: cannot be read: Permission denied"):
        train_run(config, tmp_path / "run", init_from=locked / "run")
    monkeypatch.undo()
    with pytest.raises(CharRNNError, match=r"File name too long"):
        load("x" * 300)
    for name in ("x" * 300, "x" * 300 + ".npz"):
        with pytest.raises(CharRNNError, match="cannot be read: File name too long"):
            load_config(name)


def test_a_home_folder_is_found_in_every_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_config(tmp_path, {"train.max_steps": 2})
    monkeypatch.setenv("HOME", str(tmp_path))
    train_run(f"~/{config.name}", "~/runs/one")
    assert (tmp_path / "runs" / "one" / "last.npz").exists()
    load("~/runs/one")
    train_run(config, "~/runs/two", init_from="~/runs/one")
    (tmp_path / "pictures").mkdir()
    with pytest.raises(CharRNNError, match=r"pictures/none.*there is no folder"):
        output_path("~/pictures/none/x.html")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_floating_point_errors_that_the_host_raises_are_its_own(
    optimizer: str, tmp_path: Path
) -> None:
    """A rare character has gradients that underflow."""
    (tmp_path / "text.txt").write_text("ab" * 300 + "q" + "ab" * 300)
    keys = {"train.optimizer": optimizer, "train.learning_rate": 0.1, "train.backend": "numpy"}
    config = write_config(tmp_path, keys | {"train.max_steps": 150, "train.batch_size": 4})
    (tmp_path / "text.txt").write_text("ab" * 300 + "q" + "ab" * 300)
    before = np.seterr(all="raise")
    try:
        train_run(config, tmp_path / "run")
        model = load(tmp_path / "run")
        views = model.model.views
        views["output.W"] *= 1000
        views["layers.0.Wh"] *= 1000
        for given in ({"temperature": 1e-3, "top_p": 0.9}, {"top_k": 1}, {}):
            model.sample("ab", 30, seed=1, **given)
        model.score("abab" * 20)
        assert np.geterr()["under"] == "raise"
    finally:
        np.seterr(**before)


def test_a_stop_text_that_the_model_cannot_write_is_refused(tiny: LanguageModel) -> None:
    with pytest.raises(CharRNNError, match=r"^stop: '\\\\' .*position 0 is not among the .*never"):
        tiny.sample(stop="\\n")
    assert tiny.sample(length=3, stop="\r\n") is not None


def test_a_stop_text_of_a_model_of_bytes_is_checked_byte_by_byte(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("é and ü " * 99, encoding="utf-8")
    model = load(train(tmp_path, {"data.tokens": "byte"}))
    assert len(model.sample(length=3, stop="é")) <= 3
    with pytest.raises(CharRNNError, match=r"^stop: byte 0xb6 at position 3 is not .*never"):
        model.sample(stop="éö")
    with pytest.raises(CharRNNError, match=r"^stop: '\\ud800' .* has no bytes, so it never"):
        model.sample(stop="\ud800")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_while_a_thread_uses_the_model_or_starts_workers(tiny: LanguageModel) -> None:
    """The locks of a thread that does not survive the fork must not stay locked."""
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with tiny.model.lock, one_blas_thread(), _nothing_to_import():
            holding.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    child = os.fork()
    if not child:
        signal.alarm(10)  # ends a child that waits for ever
        with one_blas_thread(), _nothing_to_import():
            os._exit(0 if tiny.sample("bee", 5, seed=1) else 1)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert tiny.sample("bee", 5, seed=1)
