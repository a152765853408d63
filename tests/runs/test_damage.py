"""Checkpoints that are damaged, hostile or something else are refused, and run no code."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import Members, checkpoint_of, differences, members_of, refusal, sealed

from charrnn.commands.cli import run
from charrnn.errors import CheckpointError
from charrnn.kernels import Array
from charrnn.runs.checkpoint import load_checkpoint, save_checkpoint
from charrnn.runs.meta import FORMAT


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A checkpoint on disk."""
    path = tmp_path / "model.npz"
    save_checkpoint(path, checkpoint_of())
    return path


def edited(**changes: Any) -> Callable[[Members], Members]:
    """Return an edit that replaces members, or removes those that are None."""

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
    "no optimizer state": (edited(optimizer__v=None), "the array optimizer.v is missing"),
    "no state": (edited(states__1__h=None), "the array states.1.h is missing"),
    "wrong shape": (
        with_values("layers.0.Wh", lambda a: a[:, :2]),
        "the array layers.0.Wh does not fit: its header is "
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), } and should be "
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }",
    ),
    "same size, wrong shape": (with_values("output.b", lambda a: a[:, None]), "'shape': (3, 1)"),
    "wrong dtype": (
        with_values("output.W", lambda a: a.astype(np.float64)),
        "the array output.W does not fit: its header is {'descr': '<f8'",
    ),
    "wrong byte order": (with_values("output.W", lambda a: a.astype(">f4")), "output.W"),
    "Fortran order": (with_values("output.W", np.asfortranarray), "output.W does not fit"),
    "NaN": (
        with_values("layers.0.b", first_set_to(np.nan)),
        "the array layers.0.b has values that are not finite",
    ),
    "infinite optimizer state": (
        with_values("optimizer.m", first_set_to(np.inf)),
        "optimizer.m has values",
    ),
    "vocabulary not ascending": (
        with_values("vocabulary", lambda a: a[::-1]),
        "the array vocabulary is not ascending symbols below 1,114,112",
    ),
    "symbol twice": (with_values("vocabulary", first_set_to(97)), "not ascending symbols"),
    "no code point": (with_values("vocabulary", lambda a: a + 0x110000), "symbols below 1,114,112"),
    "vocabulary of one symbol": (
        with_values("vocabulary", lambda a: a[:1]),
        "the array vocabulary does not fit: its length is 1",
    ),
    "vocabulary of another size": (with_values("vocabulary", lambda a: a[:2]), "shape"),
    "vocabulary of floats": (
        with_values("vocabulary", lambda a: a.astype(np.float32)),
        "the array vocabulary does not fit",
    ),
    "newer format": (
        with_meta("format", value=FORMAT + 1),
        f"it has format {FORMAT + 1}, and this charrnn reads formats 1 to {FORMAT}; "
        "update charrnn to read it\n",
    ),
    "unknown cell": (
        with_meta("config", "model", "cell", value="lsmt"),
        "its configuration: model.cell: unknown value 'lsmt'",
    ),
    "larger model": (with_meta("config", "model", "hidden_size", value=10**6), "and should be"),
    "more streams": (with_meta("config", "train", "batch_size", value=10**6), "and should be"),
    "unknown tokens": (with_meta("tokens", value="word"), "word"),
    "no counters": (with_meta("counters", value={}), "step"),
    "counter of text": (with_meta("counters", "step", value="many"), "step"),
    "loss of text": (with_meta("counters", "best_loss_nats", value="low"), "best_loss_nats"),
    "negative step": (with_meta("counters", "step", value=-1), "step"),
    "meta of numbers": (edited(meta=np.zeros(3)), "the array meta does not fit"),
    "meta no JSON": (edited(meta=np.array("{")), "its meta data are not valid JSON"),
    "meta a list": (edited(meta=np.array("[]")), "this is not a charrnn checkpoint"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_does_not_fit_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    edit, problem = UNFIT[name]
    np.savez(saved, **edit(members_of(saved)))
    assert problem in refusal(saved, capsys)


def labels_of(*codes: int) -> Callable[[Members], Members]:
    """Return an edit of the labels of a checkpoint whose vocabulary ends with the codes 3 and 4."""
    return edited(labels__replies=np.array(codes, np.uint32))


UNFIT_LABELS: dict[str, tuple[Callable[[Members], Members], str]] = {
    "none": (edited(labels__replies=None), "the array labels.replies is missing"),
    "of another type": (
        with_values("labels.replies", lambda a: a.astype(np.float32)),
        "the array labels.replies does not fit",
    ),
    "of another shape": (
        with_values("labels.prompts", lambda a: a.reshape(0, 3)),
        "the array labels.prompts does not fit",
    ),
    "without an end": (labels_of(1, 3, 2), "the array labels.replies does not hold labels"),
    "with the end of a prompt": (labels_of(1, 3, 4, 3), "does not hold labels"),
    "of unknown symbols": (labels_of(1, 3, 5, 3), "does not hold labels"),
    "of codes that no type of codes holds": (labels_of(1, 3, 257, 3), "does not hold labels"),
    "not ascending": (labels_of(2, 3, 1, 3), "does not hold labels"),
    "twice": (labels_of(1, 3, 1, 3), "does not hold labels"),
    "empty": (labels_of(*[3] * 2), "does not hold labels"),
    "too many": (
        labels_of(*(code for n in range(257) for code in (*(n // 3**k % 3 for k in range(6)), 3))),
        "does not hold labels",
    ),
    "too long": (
        edited(labels__replies=np.zeros(2**22 + 1, np.uint32)),
        "the array labels.replies does not fit: its length is 4,194,305",
    ),
}


@pytest.mark.parametrize("name", UNFIT_LABELS)
def test_labels_that_do_not_fit_are_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    edit, problem = UNFIT_LABELS[name]
    save_checkpoint(saved, checkpoint_of(pairs=True))
    np.savez(saved, **sealed(edit(members_of(saved))))
    assert problem in refusal(saved, capsys)


UNFIT_SCALES: dict[str, tuple[Callable[[Members], Members], str]] = {
    "none": (edited(features__mean=None), "the array features.mean is missing"),
    "one of two": (edited(features__std=None), "the array features.std is missing"),
    "of another type": (
        with_values("features.mean", lambda a: a.astype(np.float32)),
        "the array features.mean does not fit",
    ),
    "of another length": (
        with_values("features.std", lambda a: a[:1]),
        "the array features.std does not fit",
    ),
    "empty": (
        edited(features__mean=np.zeros(0)),
        "the array features.mean does not fit: its length is 0",
    ),
    "without deviation": (
        with_values("features.std", lambda a: a * [1, 0]),
        "the array features.std has deviations that are not above 0",
    ),
    "not finite": (
        with_values("features.mean", lambda a: a * np.nan),
        "the array features.mean has values that are not finite",
    ),
    "of another projection": (
        with_values("features.W", lambda a: a[:1]),
        "the array features.W does not fit",
    ),
}


@pytest.mark.parametrize("name", UNFIT_SCALES)
def test_a_scale_of_features_that_does_not_fit_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    edit, problem = UNFIT_SCALES[name]
    save_checkpoint(saved, checkpoint_of(pairs=True, F=2))
    assert load_checkpoint(saved).F == 2
    np.savez(saved, **sealed(edit(members_of(saved))))
    assert problem in refusal(saved, capsys)


def test_a_label_that_was_changed_is_noticed(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(saved, checkpoint_of(pairs=True))
    np.savez(saved, **labels_of(1, 3, 2, 3)(members_of(saved)))
    assert "its contents have changed: they do not match their digest" in refusal(saved, capsys)


def test_an_unedited_file_is_read(saved: Path) -> None:
    np.savez(saved, **members_of(saved))
    assert asdict(load_checkpoint(saved).counters)["step"] == 12


@pytest.mark.parametrize("name", ["vocabulary", "layers.0.Wx", "optimizer.v", "states.1.h"])
def test_an_array_that_was_changed_is_noticed(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """One bit is changed, and the archive's checksums are right."""
    members = members_of(saved)
    members[name].reshape(-1)[-1:].view(np.uint32)[...] ^= 1
    np.savez(saved, **members)
    assert "its contents have changed: they do not match their digest" in refusal(saved, capsys)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("counters", "step"), 13),
        (("counters", "divergences"), 1),
        (("text_chars",), 601),
        (("text_sha256",), "cd" * 32),
        (("config", "seed"), 8),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else None,
)
def test_meta_data_that_were_changed_are_noticed(
    saved: Path, capsys: pytest.CaptureFixture[str], path: tuple[str, ...], value: Any
) -> None:
    np.savez(saved, **with_meta(*path, value=value)(members_of(saved)))
    assert "they do not match their digest" in refusal(saved, capsys)


def test_the_digest_is_computed_as_documented(saved: Path) -> None:
    members = members_of(saved)
    assert sealed(members)["sha256"] == members["sha256"]
    np.savez(saved, **sealed(with_meta("counters", "step", value=13)(members)))
    assert load_checkpoint(saved).counters.step == 13


@pytest.mark.parametrize(
    ("digest", "problem"),
    [
        (np.array("0" * 64), "they do not match their digest"),
        (np.array("0" * 63), "they do not match their digest"),
        (np.array("0" * 65), "the array sha256 does not fit: it is too long"),
        (np.zeros(64, np.uint8), "the array sha256 does not fit: its header is"),
        (np.array(["0" * 64]), "the array sha256 does not fit: its header is"),
    ],
)
def test_a_wrong_digest_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], digest: Array, problem: str
) -> None:
    np.savez(saved, **members_of(saved) | {"sha256": digest})
    assert problem in refusal(saved, capsys)


@pytest.mark.parametrize(("name", "beside"), [("best", "last"), ("last", "best")])
def test_the_checkpoint_beside_a_damaged_one_is_named(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str, beside: str
) -> None:
    path = saved.with_name(f"{name}.npz")
    path.write_bytes(b"")
    another = "; use another checkpoint of the run, if there is one\n"
    assert another in refusal(path, capsys)
    path.with_name(f"{beside}.npz").write_bytes(b"damaged as well")
    assert another in refusal(path, capsys)
    saved.replace(saved.with_name(f"{beside}.npz"))
    refused = refusal(path, capsys)
    assert f"; use {beside}.npz in the same folder" in refused
    assert ("from which a resumed run continues once this file is moved" in refused) is (
        name == "last"
    )


def test_a_file_of_another_kind_is_refused_with_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.yaml").write_text("data: {path: my.txt}\n")
    assert "name a .npz file that charrnn wrote, or a run folder" in refusal(
        tmp_path / "my.yaml", capsys
    )


class _Trap:
    """Makes a folder when it is unpickled."""

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
    error = refusal(saved, capsys)
    assert f"the array {name} does not fit: its header is {{'descr': '|O'" in error
    assert not sprung.exists()
    with np.load(saved, allow_pickle=True) as archive:
        archive[name]
    assert sprung.exists()  # the trap works


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
    assert "the array meta is missing; this is not a charrnn checkpoint" in refusal(saved, capsys)


@pytest.mark.parametrize(
    "change", [lambda raw: raw[:-4], lambda raw: raw + b"more"], ids=["shorter", "longer"]
)
def test_an_array_that_is_too_short_or_too_long_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], change: Callable[[bytes], bytes]
) -> None:
    """The archive is sound, and its checksums are right."""
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
    """Return the positions of all bytes of the array headers in an archive."""
    places, start = [], raw.find(b"\x93NUMPY")
    while start >= 0:
        (length,) = struct.unpack_from("<H", raw, start + 8)
        places += range(start, start + 10 + length)
        start = raw.find(b"\x93NUMPY", start + 1)
    return places


@pytest.mark.parametrize("value", [b"(", b"'", b"0", b"\n", b"\xff"])
def test_a_damaged_header_is_refused(saved: Path, value: bytes) -> None:
    """Headers are read before the checksums are known to be right."""
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
            loaded = load_checkpoint(saved)
        except CheckpointError:
            refused += 1
        else:  # the bit is in a part of the archive that is not read, such as a date
            assert differences(loaded, sound) == ""
    assert refused > 300


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("none.npz", "no such file or folder"),
        ("folder", "has no best.npz or last.npz; it is not a run folder"),
    ],
)
def test_a_missing_file_or_checkpoint_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argument: str, problem: str
) -> None:
    (tmp_path / "folder").mkdir()
    assert run(["info", str(tmp_path / argument)]) == 1
    assert capsys.readouterr().err.startswith(f"charrnn: error: {tmp_path / argument}: {problem}")


def test_parameters_too_large_to_compute_with_are_refused(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is finite and the digest is right, but products of them overflow."""
    members = members_of(saved)
    members["layers.0.Wh"][...] = 3e38
    np.savez(saved, **sealed(members))
    assert "its parameters are too large to compute with" in refusal(saved, capsys)
    checkpoint = checkpoint_of()
    checkpoint.parameters[-1] = 3e38
    with pytest.raises(CheckpointError, match="is not saved"):
        save_checkpoint(saved, checkpoint)
