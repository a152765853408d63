"""The WebAssembly kernel: its text and its bytes."""

from __future__ import annotations

from importlib.resources import files

import wasmtime


def test_the_stored_bytes_are_those_of_the_text() -> None:
    """To write them anew: `python tests/exporters/test_kernel.py`."""
    folder = files("charrnn.exporters")
    text = (folder / "kernel.wat").read_text(encoding="utf-8")
    assert (folder / "kernel.wasm").read_bytes() == bytes(wasmtime.wat2wasm(text))
