"""The WebAssembly kernel: its text and its bytes. Run as a script, this writes the bytes."""

from __future__ import annotations

from pathlib import Path

import wasmtime

import charrnn

KERNEL = Path(charrnn.__file__).parent / "exporters" / "kernel.wat"


def assembled() -> bytes:
    """Return the bytes of the kernel's text."""
    return bytes(wasmtime.wat2wasm(KERNEL.read_text(encoding="utf-8")))


def test_the_stored_bytes_are_those_of_the_text() -> None:
    assert KERNEL.with_suffix(".wasm").read_bytes() == assembled()


if __name__ == "__main__":
    KERNEL.with_suffix(".wasm").write_bytes(assembled())
