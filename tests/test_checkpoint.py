"""A checkpoint: what is written is what is read, and nothing else is read."""

from __future__ import annotations

import errno
import json
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import contents, train, write_config

from charrnn.checkpoint import FORMAT, Checkpoint, Counters, load_checkpoint, save_checkpoint
from charrnn.cli import run
from charrnn.config_reader import config_from_dict
from charrnn.errors import CheckpointError
from charrnn.kernels import CELLS, Array
from charrnn.optimizers import RULES
from charrnn.parameters import parameter_shapes
from charrnn.vocabulary import Vocabulary

Members = dict[str, Array]


def checkpoint_of(
    cell: str = "rnn",
    optimizer: str = "adam",
    tokens: str = "char",
    embedding_size: int | None = None,
    counters: Counters | None = None,
) -> Checkpoint:
    """Return a checkpoint with random arrays."""
    rng = np.random.default_rng(1)
    config = config_from_dict(
        {
            "seed": 7,
            "data": {"path": ["/a/\u00e9.txt", "/b/*.txt"], "tokens": tokens},
            "model": {
                "cell": cell,
                "num_layers": 2,
                "hidden_size": 3,
                "embedding_size": embedding_size,
            },
            "train": {"batch_size": 2, "optimizer": optimizer, "checkpoint_every": "60s"},
        }
    )
    vocabulary = Vocabulary(np.array([10, 97, 200 if tokens == "byte" else 0x1F41D]), tokens)
    P = sum(int(np.prod(shape)) for shape in parameter_shapes(config.model, 3).values())

    def draw(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    return Checkpoint(
        config=config,
        vocabulary=vocabulary,
        parameters=draw(P),
        counters=counters or Counters(step=12, best_loss_nats=1.25, best_step=10),
        slots={name: draw(P) for name in RULES[optimizer].slots},
        states=[tuple(draw(2, 3) for _ in CELLS[cell].states) for _ in range(2)],
        text_sha256="ab" * 32,
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A checkpoint on disk."""
    path = tmp_path / "model.npz"
    save_checkpoint(path, checkpoint_of())
    return path


def members_of(path: Path) -> Members:
    """Return the arrays of a file, read as anyone could."""
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def bits(array: Array) -> tuple[Any, ...]:
    """Return what makes two arrays the same to the bit."""
    return array.dtype.str, array.shape, array.tobytes()


# Round trip.


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("optimizer", RULES)
def test_every_field_comes_back_bit_for_bit(tmp_path: Path, cell: str, optimizer: str) -> None:
    counters = Counters(
        step=123_456_789,
        validated_step=1,
        best_loss_nats=0.1 + 0.2,  # no short decimal
        best_step=2,
        validations_since_best=3,
        unlogged_nats=1 / 3,
        unlogged_chars=4,
        out_of_patience=True,
    )
    tokens = "byte" if cell == "gru" else "char"
    before = checkpoint_of(cell, optimizer, tokens, 4 if cell == "lstm" else None, counters)
    path = tmp_path / "model.npz"
    save_checkpoint(path, before)
    after = load_checkpoint(path)
    assert after.config == before.config
    assert after.vocabulary == before.vocabulary
    assert bits(after.parameters) == bits(before.parameters)
    assert after.counters == before.counters
    assert list(after.slots) == list(before.slots)
    assert [bits(slot) for slot in after.slots.values()] == [
        bits(slot) for slot in before.slots.values()
    ]
    assert [[bits(s) for s in layer] for layer in after.states] == [
        [bits(s) for s in layer] for layer in before.states
    ]
    assert after.text_sha256 == before.text_sha256
    again = tmp_path / "again.npz"
    save_checkpoint(again, after)
    assert again.read_bytes() == path.read_bytes()


def test_no_best_loss_yet_comes_back_as_none(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model.npz", checkpoint_of(counters=Counters()))
    assert load_checkpoint(tmp_path / "model.npz").counters == Counters()


def test_what_was_loaded_can_be_trained_on(saved: Path) -> None:
    loaded = load_checkpoint(saved)
    loaded.model().parameters += 1
    for slot in loaded.slots.values():
        slot += 1


def test_equal_trainings_write_equal_files(tmp_path: Path) -> None:
    config = write_config(tmp_path, {"model.cell": "lstm", "model.dropout": 0.2})
    for name in ("a", "b"):
        assert run(["train", str(config), "--run-dir", str(tmp_path / name)]) == 0
    for file in ("last.npz", "best.npz", "config.yaml"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_arrays_are_named_for_anyone_to_read(tmp_path: Path) -> None:
    run_dir = train(tmp_path, {"model.cell": "lstm", "model.num_layers": 2})
    members = members_of(run_dir / "last.npz")
    V = len(members["vocabulary"])
    H = 8
    shapes = {name: array.shape for name, array in members.items()}
    assert shapes.pop("meta") == ()
    P = shapes["optimizer.m"][0]
    assert shapes == {
        "vocabulary": (V,),
        "layers.0.Wx": (V, 4 * H),
        "layers.0.Wh": (H, 4 * H),
        "layers.0.b": (4 * H,),
        "layers.1.Wx": (H, 4 * H),
        "layers.1.Wh": (H, 4 * H),
        "layers.1.b": (4 * H,),
        "output.W": (H, V),
        "output.b": (V,),
        "optimizer.m": (P,),
        "optimizer.v": (P,),
        **{f"states.{layer}.{state}": (2, H) for layer in (0, 1) for state in "hc"},
    }
    text = (tmp_path / "text.txt").read_text(encoding="utf-8")
    assert "".join(map(chr, members["vocabulary"])) == "".join(sorted(set(text)))
    meta = json.loads(str(members["meta"]))
    assert meta["format"] == FORMAT
    assert meta["counters"]["step"] == 20
    assert meta["config"]["model"]["hidden_size"] == H


# Damage.


def edited(**changes: Any) -> Callable[[Members], Members]:
    """Return an edit that replaces members, or with None leaves them out."""

    def edit(members: Members) -> Members:
        merged = members | {name.replace("__", "."): array for name, array in changes.items()}
        return {name: array for name, array in merged.items() if array is not None}

    return edit


def with_meta(*path: str, value: Any) -> Callable[[Members], Members]:
    """Return an edit of one value in the meta data."""

    def edit(members: Members) -> Members:
        meta = json.loads(str(members["meta"]))
        section = meta
        for name in path[:-1]:
            section = section[name]
        section[path[-1]] = value
        return members | {"meta": np.array(json.dumps(meta))}

    return edit


def with_values(name: str, change: Callable[[Array], Array]) -> Callable[[Members], Members]:
    """Return an edit of one array."""
    return lambda members: members | {name: change(members[name].copy())}


def first_set_to(value: float) -> Callable[[Array], Array]:
    """Return a change of an array's first element."""

    def change(array: Array) -> Array:
        array.flat[0] = value
        return array

    return change


UNFIT: dict[str, tuple[Callable[[Members], Members], str]] = {
    "no meta": (edited(meta=None), "the array meta is missing"),
    "no vocabulary": (edited(vocabulary=None), "the array vocabulary is missing"),
    "no parameter": (edited(layers__1__Wh=None), "the array layers.1.Wh is missing"),
    "no slot": (edited(optimizer__v=None), "the array optimizer.v is missing"),
    "no state": (edited(states__1__h=None), "the array states.1.h is missing"),
    "wrong shape": (
        with_values("layers.0.Wh", lambda a: a[:, :2]),
        "the array layers.0.Wh does not fit: it has shape (3, 2), and the configuration implies "
        "(3, 3)",
    ),
    "same size, wrong shape": (with_values("output.b", lambda a: a[:, None]), "shape (3, 1)"),
    "wrong dtype": (
        with_values("output.W", lambda a: a.astype(np.float64)),
        "the array output.W does not fit: it is float64, and should be float32",
    ),
    "wrong byte order": (with_values("output.W", lambda a: a.astype(">f4")), "output.W"),
    "Fortran order": (with_values("output.W", np.asfortranarray), "output.W does not fit"),
    "NaN": (
        with_values("layers.0.b", first_set_to(np.nan)),
        "the array layers.0.b has values that are not finite",
    ),
    "infinite slot": (with_values("optimizer.m", first_set_to(np.inf)), "optimizer.m has values"),
    "vocabulary not ascending": (
        with_values("vocabulary", lambda a: a[::-1]),
        "the array vocabulary is not in ascending order",
    ),
    "symbol twice": (with_values("vocabulary", first_set_to(97)), "not in ascending order"),
    "no code point": (with_values("vocabulary", lambda a: a + 0x110000), "vocabulary"),
    "vocabulary of another size": (with_values("vocabulary", lambda a: a[:2]), "shape"),
    "vocabulary of floats": (
        with_values("vocabulary", lambda a: a.astype(np.float32)),
        "the array vocabulary does not fit",
    ),
    "newer format": (
        with_meta("format", value=FORMAT + 1),
        f"it has format {FORMAT + 1}, and this charrnn reads format {FORMAT}",
    ),
    "unknown cell": (
        with_meta("config", "model", "cell", value="lsmt"),
        "its configuration: model.cell: unknown value 'lsmt'",
    ),
    "larger model": (with_meta("config", "model", "hidden_size", value=10**6), "implies"),
    "more streams": (with_meta("config", "train", "batch_size", value=10**6), "implies"),
    "unknown tokens": (with_meta("tokens", value="word"), "word"),
    "no counters": (with_meta("counters", value={}), "step"),
    "counter of text": (with_meta("counters", "step", value="many"), "step"),
    "loss of text": (with_meta("counters", "best_loss_nats", value="low"), "best_loss_nats"),
    "negative step": (with_meta("counters", "step", value=-1), "step"),
    "meta of numbers": (edited(meta=np.zeros(3)), "the array meta does not fit"),
    "meta no JSON": (edited(meta=np.array("{")), "is not a checkpoint of charrnn"),
    "meta a list": (edited(meta=np.array("[]")), "is not a checkpoint of charrnn"),
}


def refusal(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return how the command line refuses a checkpoint, in one line that names the file."""
    assert run(["info", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"charrnn: error: {path}: ")
    assert captured.err.count("\n") == 1
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    return captured.err


@pytest.mark.parametrize("name", UNFIT)
def test_what_does_not_fit_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    edit, problem = UNFIT[name]
    np.savez(saved, **edit(members_of(saved)))
    assert problem in refusal(saved, capsys)


def test_what_is_left_as_it_was_is_read(saved: Path) -> None:
    """The edits above are of files that are read without them."""
    np.savez(saved, **members_of(saved))
    assert asdict(load_checkpoint(saved).counters)["step"] == 12


class _Trap:
    """Makes a folder where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._path,)


@pytest.mark.parametrize("name", ["meta", "vocabulary", "layers.0.Wx", "optimizer.m", "states.0.h"])
def test_a_pickle_is_never_opened(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    sprung = tmp_path / "sprung"
    trap = np.empty((), object)
    trap[()] = _Trap(sprung)
    np.savez(saved, **members_of(saved) | {name: trap})
    assert f"the array {name} does not fit: it is of Python objects" in refusal(saved, capsys)
    assert not sprung.exists()
    with np.load(saved, allow_pickle=True) as archive:
        archive[name]
    assert sprung.exists()  # the trap was a real one


@pytest.mark.parametrize(
    "raw",
    [b"", b"Once upon a time", b"\x93NUMPY\x01\x00", b"PK\x03\x04" + bytes(100), bytes(5000)],
    ids=["empty", "text", "npy", "zip's beginning", "zeros"],
)
def test_another_kind_of_file_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], raw: bytes
) -> None:
    saved.write_bytes(raw)
    assert "is not a checkpoint, or a damaged one" in refusal(saved, capsys)


def test_another_programs_arrays_are_refused(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(saved, x=np.zeros(3))
    assert "the array meta is missing; this is no checkpoint of charrnn" in refusal(saved, capsys)


@pytest.mark.parametrize(
    "change", [lambda raw: raw[:-4], lambda raw: raw + b"more"], ids=["shorter", "longer"]
)
def test_an_array_of_another_length_than_it_says_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], change: Callable[[bytes], bytes]
) -> None:
    """The archive itself is sound, checksums and all."""
    with zipfile.ZipFile(saved) as archive:
        raws = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(saved, "w") as archive:
        for name, raw in raws.items():
            archive.writestr(name, change(raw) if name == "output.W.npy" else raw)
    assert "the array output.W is cut off or too long" in refusal(saved, capsys)


def test_a_file_cut_off_anywhere_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = saved.read_bytes()
    for length in range(0, len(raw), len(raw) // 40):
        saved.write_bytes(raw[:length])
        refusal(saved, capsys)


def headers(raw: bytes) -> list[int]:
    """Return the places of the bytes of an archive's array headers."""
    places, start = [], raw.find(b"\x93NUMPY")
    while start >= 0:
        (length,) = struct.unpack_from("<H", raw, start + 8)
        places += range(start, start + 10 + length)
        start = raw.find(b"\x93NUMPY", start + 1)
    return places


@pytest.mark.filterwarnings("ignore:Reading `.npy`")
@pytest.mark.parametrize("value", [b"(", b"'", b"0", b"\n", b"\xff"])
def test_a_damaged_header_is_refused(saved: Path, value: bytes) -> None:
    """Headers are parsed before the archive's checksums are known to be right."""
    raw = saved.read_bytes()
    for place in headers(raw)[:256]:
        if raw[place : place + 1] == value:
            continue
        saved.write_bytes(raw[:place] + value + raw[place + 1 :])
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(saved)
        assert str(caught.value).startswith(f"{saved}: "), place


def test_flipped_bits_are_noticed_or_harmless(saved: Path) -> None:
    raw, rng = saved.read_bytes(), np.random.default_rng(1)
    sound = load_checkpoint(saved)
    refused = 0
    for place in rng.integers(0, len(raw), 400):
        flipped = raw[place] ^ (1 << int(rng.integers(8)))
        saved.write_bytes(raw[:place] + bytes([flipped]) + raw[place + 1 :])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of NumPy, about the header
                loaded = load_checkpoint(saved)
        except CheckpointError:
            refused += 1
        else:  # in a part of the archive that is not read, such as a date
            assert bits(loaded.parameters) == bits(sound.parameters)
            assert loaded.counters == sound.counters
    assert refused > 300


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("none.npz", "no such file or folder"),
        ("folder", "has no best.npz or last.npz; it is not a run's folder"),
    ],
)
def test_what_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argument: str, problem: str
) -> None:
    (tmp_path / "folder").mkdir()
    assert run(["info", str(tmp_path / argument)]) == 1
    assert capsys.readouterr().err.startswith(f"charrnn: error: {tmp_path / argument}: {problem}")


# Writing.


def _half_written(file: Any, **_: Any) -> None:
    file.write(b"half of it")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FAILURES = {
    "numpy.savez": _half_written,
    "os.fsync": _no_space,
    "os.replace": _no_space,
    "tempfile.mkstemp": _no_space,
}


@pytest.mark.parametrize("function", FAILURES)
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    saved: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    before = contents(saved.parent)
    monkeypatch.setattr(function, FAILURES[function])
    with pytest.raises(CheckpointError, match="cannot be written: No space left") as caught:
        save_checkpoint(saved, checkpoint_of(counters=Counters(step=13)))
    assert str(caught.value).startswith(f"{saved}: ")
    assert contents(saved.parent) == before


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    before = contents(saved.parent)
    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(saved, checkpoint_of(counters=Counters(step=13)))
    assert contents(saved.parent) == before


def test_the_file_is_flushed_before_it_takes_the_old_ones_place(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        calls.append("fsync")
        fsync(descriptor)

    def noted_replace(source: str, target: Path) -> None:
        calls.append("replace")
        assert Path(source).parent == target.parent
        assert Path(source).stat().st_size > 1000
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    save_checkpoint(saved, checkpoint_of())
    assert calls[:2] == ["fsync", "replace"]


def test_a_training_that_cannot_save_says_so_and_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(tmp_path)
    before = (run_dir / "last.npz").read_bytes()
    capsys.readouterr()
    monkeypatch.setattr(np, "savez", _half_written)
    config = write_config(tmp_path, {"train.max_steps": 25, "train.validate_every": 1000})
    assert run(["train", str(config), "--run-dir", str(run_dir), "--resume"]) == 1
    error = capsys.readouterr().err
    assert "npz: cannot be written: No space left on device" in error.splitlines()[-1]
    assert (run_dir / "last.npz").read_bytes() == before
    names = {path.name for path in run_dir.iterdir()}
    assert names == {"config.yaml", "metrics.jsonl", "best.npz", "last.npz"}


# charrnn info.


def test_info_shows_what_a_checkpoint_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_text("so it is\n" * 60, encoding="utf-8")
    run_dir = train(tmp_path, {"model.cell": "gru"})
    capsys.readouterr()
    assert run(["info", str(run_dir)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    loaded = load_checkpoint(run_dir / "best.npz")
    lines = captured.out.splitlines()
    shown = {line[:12].strip(): line[12:] for line in lines if line[:1].strip()}
    assert shown["file"].startswith(f"{run_dir / 'best.npz'} (format {FORMAT}, ")
    assert shown["steps"] == "20"
    assert shown["parameters"] == f"{loaded.parameters.size:,}"
    assert f"{loaded.counters.best_loss_nats:.4f} nats/char" in shown["validation"]
    assert "at step 20" in shown["validation"]
    assert shown["vocabulary"] == "6 chars " + repr("\n iost")
    for name, shape in loaded.model().shapes.items():
        assert [name, *str(shape).split()] in [line.split() for line in lines]
    configuration = captured.out.split("configuration\n")[1]
    assert [line[2:] for line in configuration.splitlines()] == (
        (run_dir / "config.yaml").read_text(encoding="utf-8").splitlines()
    )


def test_info_of_a_run_that_has_not_validated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "model.npz", checkpoint_of(tokens="byte", counters=Counters()))
    assert run(["info", str(tmp_path / "model.npz")]) == 0
    out = capsys.readouterr().out
    assert "validation  none yet; best none yet\n" in out
    assert "training    none yet\n" in out
    assert "vocabulary  3 bytes\n" in out
