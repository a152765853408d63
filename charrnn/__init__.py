"""Character-level language models with recurrent networks written by hand in NumPy.

model = charrnn.load("runs/tales")
model.sample("Once", length=200, seed=1)
model.score("Once upon a time").bits_per_char

charrnn.train(charrnn.load_config("configs/hello.yaml"), "runs/hello")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["CharRNNError", "LanguageModel", "__version__", "load", "load_config", "train"]

if TYPE_CHECKING:
    from charrnn.config_reader import load_config
    from charrnn.errors import CharRNNError
    from charrnn.language_model import LanguageModel, load
    from charrnn.training import train

_HOMES = {
    "CharRNNError": "errors",
    "LanguageModel": "language_model",
    "load": "language_model",
    "load_config": "config_reader",
    "train": "training",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: --help and --version need no NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"charrnn.{_HOMES[name]}"), name)
