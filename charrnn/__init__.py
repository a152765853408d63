"""Character-level language models with recurrent networks, written by hand in NumPy.

The package trains an RNN, LSTM, Mogrifier LSTM or GRU on a text, and samples new text from it. The
commands of `charrnn` call the functions below. Load a trained model, sample from it, and score a
text with it:

>>> import charrnn
>>> model = charrnn.load("runs/tales")
>>> text = model.sample("Once", length=200, seed=1)
>>> len(text)
200
>>> score = model.score("Once upon a time")
>>> score.chars, score.bits_per_char  # the first character is not scored
(15, ...)

Train a model on a text, in a time, with a configuration that is proposed for it and this machine:

>>> config = charrnn.propose("my-text.txt", minutes="2s")
>>> outcome = charrnn.train(config, "runs/my-text")

Or train it as a configuration file describes. Only `data.path`, the text, is required; unset keys
get defaults chosen from the size of the text, and an override sets any key:

>>> config = charrnn.load_config("my.yaml", ["train.max_steps=2"])
>>> outcome = charrnn.train(config, "runs/mine")
>>> outcome.steps
2

Export it as one page that runs it in a browser:

>>> charrnn.export("runs/tales", "tales.html").path.name
'tales.html'

Errors in files, texts, configurations and sampling parameters are `CharRNNError`s, whose messages
say what would be right:

>>> charrnn.load_config("my.yaml", ["model.cel=gru"])
Traceback (most recent call last):
    ...
charrnn.errors.ConfigError: overrides: model.cel: unknown key (did you mean model.cell?)

`help(charrnn.propose)`, `help(charrnn.train)`, `help(charrnn.load)` and
`help(charrnn.LanguageModel)` describe the arguments. To read the code, start with
`charrnn/README.md`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "CharRNNError",
    "LanguageModel",
    "__version__",
    "export",
    "load",
    "load_config",
    "propose",
    "train",
]

if TYPE_CHECKING:
    from charrnn.config.reader import load_config
    from charrnn.errors import CharRNNError
    from charrnn.exporters.export import export
    from charrnn.model.language_model import LanguageModel
    from charrnn.planning.texts import propose
    from charrnn.runs.load import load
    from charrnn.training.train import train
    from charrnn.version import __version__

_MODULES = {
    "CharRNNError": "errors",
    "__version__": "version",
    "export": "exporters.export",
    "LanguageModel": "model.language_model",
    "load": "runs.load",
    "load_config": "config.reader",
    "propose": "planning.texts",
    "train": "training.train",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Import a public name on first use, because `import charrnn` must not import NumPy."""
    if name not in _MODULES:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    return getattr(import_module(f"charrnn.{_MODULES[name]}"), name)
