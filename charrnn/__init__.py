"""Character-level language models with recurrent networks written by hand in NumPy.

model = charrnn.load("runs/tales")
model.sample("Once", length=200, seed=1)
model.score("Once upon a time").bits_per_char

charrnn.train(charrnn.load_config("configs/hello.yaml"), "runs/hello")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = ["CharRNNError", "LanguageModel", "__version__", "load", "load_config", "train"]

if TYPE_CHECKING:
    from charrnn.config.reader import load_config
    from charrnn.errors import CharRNNError
    from charrnn.model.language_model import LanguageModel
    from charrnn.runs.load import load
    from charrnn.training.train import train

_HOMES = {
    "CharRNNError": "errors",
    "LanguageModel": "model.language_model",
    "load": "runs.load",
    "load_config": "config.reader",
    "train": "training.train",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: --help and --version need no NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"charrnn.{_HOMES[name]}"), name)
