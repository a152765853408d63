"""Rounded parameters: how far they are from the others, and what that costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import KINDS, Shape, checkpoint_of
from support import train

from charrnn.commands.cli import run
from charrnn.exporters.rounding import rounded, rounding_loss
from charrnn.exporters.weights import pack
from charrnn.kernels import Array
from charrnn.model.parameters import parameter_shapes, parameter_views
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.text.part import own_corpus

SHAPES = {"layers.0.Wx": (40, 30), "layers.0.b": (30,)}


def numbers(scale: float) -> Array:
    """Return parameters of very different sizes, of SHAPES."""
    rng = np.random.default_rng(1)
    found: Array = scale * rng.standard_normal(1230) * 10.0 ** rng.uniform(-3, 0, 1230)
    return found.astype(np.float32)


def unpacked(data: bytes, entry: dict[str, Any]) -> Array:
    """Read an array as network.js does."""
    shape, at, n = entry["shape"], entry["at"], int(np.prod(entry["shape"]))
    found: Array
    if entry["bits"] == 32:
        found = np.frombuffer(data, "<f4", n, at)
    elif entry["bits"] == 16:
        found = np.frombuffer(data, "<f2", n, at).astype(np.float64) * entry["scale"]
    else:
        scales = np.frombuffer(data, "<f4", shape[1], at).astype(np.float64)
        whole = np.frombuffer(data, "i1", n, at + 4 * shape[1]).reshape(shape)
        found = whole * scales
    return found.astype(np.float32).reshape(shape)


# float32 reaches from 1e-45 to 3e38, IEEE half precision only from 6e-8 to 65,504.
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e-42, 1e6, 1e37])
@pytest.mark.parametrize("precision", [8, 16, 32])
def test_rounding_is_close_at_every_size(precision: int, scale: float) -> None:
    parameters = numbers(scale)
    before = parameters.copy()
    packed = pack(parameters, SHAPES, precision)
    np.testing.assert_array_equal(parameters, before)
    assert [entry["name"] for entry in packed.arrays] == [*SHAPES]
    views = parameter_views(packed.parameters, SHAPES)
    for entry in packed.arrays:
        np.testing.assert_array_equal(unpacked(packed.data, entry), views[entry["name"]])
        assert entry["at"] % 4 == 0
    exact = parameter_views(parameters, SHAPES)
    np.testing.assert_array_equal(views["layers.0.b"], exact["layers.0.b"])

    W, error = exact["layers.0.Wx"], np.abs(views["layers.0.Wx"] - exact["layers.0.Wx"])
    tiny = 2.0**-149  # the smallest float32
    if precision == 32:
        assert not error.any()
    elif precision == 16:
        assert (error <= np.abs(W) * 2.0**-11 + np.abs(W).max() * 2.0**-38 + tiny).all()
    else:
        assert (error <= np.abs(W).max(0) / 127 * 0.5001 + 64 * tiny).all()


def test_a_matrix_of_zeros_is_rounded_to_zeros() -> None:
    for precision in (8, 16, 32):
        assert not pack(np.zeros(1230, np.float32), SHAPES, precision).parameters.any()


def test_the_sizes_are_those_of_the_precision() -> None:
    sizes = [len(pack(numbers(1), SHAPES, bits).data) for bits in (8, 16, 32)]
    assert sizes == [1200 + 4 * 30 + 120, 2400 + 120, 4800 + 120]


@pytest.mark.parametrize("kind", KINDS)
def test_a_rounded_model_has_the_parameters_of_the_page(kind: str) -> None:
    checkpoint = checkpoint_of(kind, Shape("gru", 2, 8))
    shapes = parameter_shapes(checkpoint.config.model, len(checkpoint.vocabulary), checkpoint.F)
    packed = pack(checkpoint.parameters, shapes, 8)
    np.testing.assert_array_equal(rounded(checkpoint, 8), packed.parameters)
    assert (packed.parameters != checkpoint.parameters).mean() > 0.5


def test_the_loss_of_rounding_is_that_of_eval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(tmp_path, {"train.max_steps": 200})
    checkpoint = load_checkpoint(run_dir / "last.npz")
    corpus = own_corpus(checkpoint.config.data, checkpoint.text_sha256, cut=checkpoint.cut)
    losses = {bits: rounding_loss(checkpoint, bits, corpus) for bits in (8, 16, 32)}
    capsys.readouterr()
    assert run(["eval", str(run_dir / "last.npz"), "--split", "valid"]) == 0
    shown = capsys.readouterr().out
    for bits, most in ((8, 1e-2), (16, 1e-4), (32, 0.0)):
        found = losses[bits]
        assert found is not None
        assert f"{found.exact:.4f}" in shown
        assert abs(found.rounded - found.exact) <= most
        assert (found.rounded == found.exact) is (bits == 32)
