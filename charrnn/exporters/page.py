"""One page that runs a model in a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from charrnn.exporters.description import describe
from charrnn.exporters.weights import pack
from charrnn.inspection.units import UnitCorrelation
from charrnn.model.parameters import parameter_shapes
from charrnn.runs.checkpoint import Checkpoint
from charrnn.system.terminal import visible

_WORKER = ("network", "vocabulary", "sampling", "writer", "reader", "replies", "worker")
_SCRIPT = ("engine", "page", "writing", "asking", "typing")
_FILES = files("charrnn.exporters")


def page(
    checkpoint: Checkpoint,
    precision: int = 16,
    *,
    name: str,
    version: str,
    about: str = "",
    units: Sequence[UnitCorrelation] = (),
) -> str:
    """Return the HTML of a page that runs a checkpoint's model.

    It makes no request, and what it may run is given by hashes in its Content-Security-Policy.

    Args:
        checkpoint: the model.
        precision: bits of a parameter, 8, 16 or 32.
        name: of the model, for the title.
        version: of charrnn.
        about: a sentence about the model.
        units: to show along a text.
    """
    shapes = parameter_shapes(checkpoint.config.model, len(checkpoint.vocabulary), checkpoint.F)
    packed = pack(checkpoint.parameters, shapes, precision)
    description = {
        "name": visible(name),
        **describe(checkpoint, units),
        "arrays": packed.arrays,
        "kernel": _base64((_FILES / "kernel.wasm").read_bytes()),
    }
    style, script = _text("page.css"), _joined(_SCRIPT)
    policy = {
        "default-src": "'none'",
        "script-src": f"{_hash(script)} 'wasm-unsafe-eval'",
        "style-src": _hash(style),
        "worker-src": "blob:",
    }
    parts = {
        "version": html.escape(version),
        "name": html.escape(visible(name)),
        "about": html.escape(visible(about)),
        "policy": "; ".join(f"{directive} {sources}" for directive, sources in policy.items()),
        "style": style,
        "script": script,
        "worker": _joined(_WORKER),
        "description": _json(description),
        "weights": _base64(packed.data),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text("page.html"))


def _text(file: str) -> str:
    return (_FILES / file).read_text(encoding="utf-8")


def _joined(scripts: Sequence[str]) -> str:
    """Return scripts as one, in a scope without silent mistakes."""
    return "\n".join(['"use strict";', *(_text(f"{name}.js") for name in scripts)])


def _hash(text: str) -> str:
    """Return the source that allows an element of just this text."""
    return f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _json(value: Any) -> str:
    """Return JSON that ends no HTML element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
