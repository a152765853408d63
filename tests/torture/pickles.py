"""Put code in every place where a checkpoint could carry it, and check that nothing executes it.

Each payload makes a folder, the mark, when it is unpickled or evaluated. The commands must refuse
the file, or read from it the checkpoint that it was made of. Some payloads are first executed on
purpose, to see that they work.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from checkpoints import differences
from support import write_config
from torture.watched import Case, watch
from zip_bytes import Entry, entries_of, npy_bytes, zip_bytes

import charrnn
from charrnn.config.reader import load_config
from charrnn.errors import CharRNNError
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.training.train import train

MARK = "mark"  # in the current folder, which belongs to one case

Build = Callable[[list[Entry]], bytes]


class Trap:
    """Makes the mark when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (MARK,)


PICKLE = pickle.dumps(Trap(), protocol=4)
CODE = f"__import__('os').mkdir('{MARK}')"

_HEADERS = {
    "for the type": f"{{'descr': {CODE}, 'fortran_order': False, 'shape': (3,), }}",
    "for the shape": f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({CODE},), }}",
    "as a whole": CODE,
    "in a key": f"{{'descr': '<f4', 'fortran_order': False, 'shape': (3,), {CODE}: 1, }}",
    "in a type's name": f"{{'descr': '<f4\\n{CODE}', 'fortran_order': False, 'shape': (3,), }}",
}


def objects(shape: tuple[int, ...] = ()) -> np.ndarray[Any, Any]:
    """Return an array of objects that are traps."""
    array = np.empty(shape, object)
    array.reshape(-1)[...] = Trap()
    return array


def npy(array: np.ndarray[Any, Any]) -> bytes:
    """Return the bytes that numpy.save writes for an array, also for one of objects."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def _replaced(name: str, data: bytes) -> Build:
    return lambda entries: zip_bytes(
        [replace(entry, data=data) if entry.name == name else entry for entry in entries]
    )


def _more(name: str, data: bytes = PICKLE) -> Build:
    return lambda entries: zip_bytes([*entries, Entry(name, data)])


def _instead(name: str) -> Build:
    return lambda entries: zip_bytes(
        [Entry(name, PICKLE) if e.name.startswith(name.split(".")[0]) else e for e in entries]
    )


def _torch(_: list[Entry]) -> bytes:
    """Return a file like those of torch.save."""
    names = {"data.pkl": PICKLE, "byteorder": b"little", "version": b"3\n", "data/0": bytes(64)}
    return zip_bytes([Entry(f"model/{name}", data) for name, data in names.items()])


def _meta_of(text: str) -> Build:
    return _replaced("meta.npy", npy(np.array(text)))


def _with_fields(entry: Entry, local: bool) -> Entry:
    extra = struct.pack("<2H", 0x6B70, len(PICKLE)) + PICKLE
    return entry.changed(extra=extra) if local else replace(entry, central={"extra": extra})


def places(names: Sequence[str]) -> dict[str, Build]:
    """Return a build for every place, given the names of the members of a sound checkpoint."""
    structured = np.zeros(3, [("a", "<f4"), ("b", "O")])
    structured["b"] = Trap()
    nested = io.BytesIO()
    np.savez(nested, meta=objects())
    found: dict[str, Build] = {}
    for name in names:
        found[f"{name} of objects"] = _replaced(name, npy(objects()))
        found[f"{name} of many objects"] = _replaced(name, npy(objects((3,))))
        found[f"{name} with objects in fields"] = _replaced(name, npy(structured))
        found[f"{name} as a bare pickle"] = _replaced(name, PICKLE)
        found[f"{name} with a pickle after it"] = lambda entries, name=name: zip_bytes(  # type: ignore[misc]
            [replace(e, data=e.data + PICKLE) if e.name == name else e for e in entries]
        )
        for where, header in _HEADERS.items():
            data = npy_bytes(np.zeros(3, np.float32), header.encode())
            found[f"{name} with code in its header, {where}"] = _replaced(name, data)
            data = npy_bytes(np.zeros(3, np.float32), header.encode(), b"\3\0")
            found[f"{name} with code in a newer header, {where}"] = _replaced(name, data)
    for name in ("data.pkl", "meta.pkl", "more.npy", "meta", "__main__.py", "../x.pkl", "x.joblib"):
        found[f"a member {name} more"] = _more(name)
        found[f"a member {name} of objects more"] = _more(name, npy(objects()))
    return found | {
        "meta.pkl instead of meta.npy": _instead("meta.pkl"),
        "vocabulary.pkl instead of vocabulary.npy": _instead("vocabulary.pkl"),
        "a member that is an archive": _more("nested.npz", nested.getvalue()),
        "meta that is an archive": _replaced("meta.npy", nested.getvalue()),
        "meta that is code": _meta_of(CODE),
        "meta that is a YAML tag": _meta_of(f"!!python/object/apply:os.mkdir [{MARK}]"),
        "meta that is a pickle as text": _meta_of(PICKLE.decode("latin-1")),
        "the comment": lambda entries: zip_bytes(entries, comment=PICKLE),
        "before the first member": lambda entries: PICKLE + zip_bytes(entries),
        "after the end": lambda entries: zip_bytes(entries) + PICKLE,
        "before the directory": lambda entries: zip_bytes(entries, before_directory=PICKLE),
        "between two members": lambda entries: zip_bytes(
            [entries[0], replace(entries[1], before=PICKLE), *entries[2:]]
        ),
        "a member's comment": lambda entries: zip_bytes(
            [replace(entries[0], central={"comment": PICKLE}), *entries[1:]]
        ),
        "a field of the directory": lambda entries: zip_bytes(
            [_with_fields(entries[0], local=False), *entries[1:]]
        ),
        "a field of both headers": lambda entries: zip_bytes(
            [_with_fields(entries[0], local=True), *entries[1:]]
        ),
        "a file that is a pickle": lambda _: PICKLE,
        "a file that is a pickle of the first protocol": lambda _: pickle.dumps(Trap(), protocol=0),
        "a file that is a pickle of a checkpoint": lambda entries: pickle.dumps(
            {entry.name: entry.data for entry in entries} | {"meta": Trap()}
        ),
        "a file that is an array of objects": lambda _: npy(objects()),
        "a file of torch's": _torch,
        "a file of joblib's": lambda _: b"\x80\x04\x95" + struct.pack("<Q", len(PICKLE)) + PICKLE,
        "a program with a checkpoint behind it": lambda entries: (
            CODE.encode() + b"\n" + zip_bytes(entries)
        ),
        "a zip that Python would run": _more("__main__.py", CODE.encode()),
    }


DOORS: dict[str, Callable[[Path], Sequence[str]]] = {
    "info": lambda _: ["info", "model.npz"],
    "sample": lambda _: ["sample", "model.npz", "--length", "5", "--seed", "1"],
    "eval": lambda _: ["eval", "model.npz", "text.txt"],
    "--init-from": lambda _: ["train", "tiny.yaml", "--run-dir", "new", "--init-from", "model.npz"],
    "--resume": lambda _: ["train", "tiny.yaml", "--run-dir", "run", "--resume"],
    "a run folder": lambda _: ["sample", "run", "--length", "5", "--seed", "1"],
    "charrnn.load": lambda _: ["--version"],
}


def every_place(folder: Path, count: int, seed: int) -> str:
    """Try every place with every command, or with one command if `count` is 0."""
    _sprung_elsewhere(folder / "sprung")
    source = folder / "source"
    source.mkdir()
    config = load_config(write_config(source, {"train.workers": 1, "train.backend": "numpy"}))
    train(config, source / "run")
    sound = load_checkpoint(source / "run" / "last.npz")
    entries = entries_of(source / "run" / "last.npz")
    built = {
        place: build([replace(entry) for entry in entries])
        for place, build in places([entry.name for entry in entries]).items()
    }
    doors = list(DOORS)
    cases = (
        _case(source, sound, f"{place}, through {door}", raw, door)
        for number, (place, raw) in enumerate(built.items())
        for door in (doors if count else [doors[(seed + number) % len(doors)]])
    )
    inside = folder / "places"
    inside.mkdir()
    watched = watch(cases, inside)
    through = f"through {len(doors) if count else 1} of {len(doors)} doors"
    return f"{len(built)} places {through}, none executed; {watched}"


def _case(source: Path, sound: Checkpoint, name: str, raw: bytes, door: str) -> Case:
    def prepare_folder(place: Path) -> Sequence[str]:
        for file in ("text.txt", "tiny.yaml"):
            shutil.copy(source / file, place)
        (place / "run").mkdir()
        for file in ("model.npz", "run/last.npz", "run/best.npz"):
            (place / file).write_bytes(raw)
        if door == "charrnn.load":
            os.chdir(place)
            with suppress(CharRNNError):
                charrnn.load(place / "model.npz")
        return DOORS[door](place)

    def check(place: Path, code: int, out: str, err: str) -> str:  # noqa: ARG001
        if (place / MARK).exists():
            return "the payload was executed"
        try:
            loaded = load_checkpoint(place / "model.npz")
        except CharRNNError:
            return "" if code or door == "charrnn.load" else "the command did not refuse it"
        return f"exit code {code}: {err}" if code else differences(loaded, sound)

    return Case(name, prepare_folder, check)


def _sprung_elsewhere(folder: Path) -> None:
    """Check that the traps spring when careless code opens them."""
    folder.mkdir()
    here = Path.cwd()
    os.chdir(folder)
    try:
        archive = io.BytesIO()
        np.savez(archive, meta=objects())
        archive.seek(0)
        for opened in (
            lambda: pickle.loads(PICKLE),
            lambda: eval(CODE),
            lambda: np.load(archive, allow_pickle=True)["meta"],
            lambda: pickle.loads(zipfile.ZipFile(io.BytesIO(_torch([]))).read("model/data.pkl")),
        ):
            opened()
            os.rmdir(MARK)  # raises if there is no mark
    finally:
        os.chdir(here)
