"""Large texts in use: memory, training and scoring."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support import tiny_text, train

from charrnn.commands.cli import run
from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.text.load import load_corpus
from charrnn.text.part import encode_file
from charrnn.text.vocabulary import Vocabulary


@pytest.mark.parametrize("piece", ["All the bees hum in the box.\n", "Größe 大きさ\n", "no end"])
def test_loading_takes_a_few_chunks_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: str
) -> None:
    raw = piece.encode() * 1000
    path = tmp_path / "text.txt"
    with open(path, "wb") as file:
        for _ in range(40_000_000 // len(raw)):
            file.write(raw)
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    for _ in ("encoded", "mapped"):
        tracemalloc.start()
        corpus = load_corpus(DataConfig(str(path)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(corpus.codes, np.memmap)
        assert peak < 24e6


def test_training_on_a_large_text_is_the_same_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(tmp_path)
    last = (run_dir / "last.npz").read_bytes()
    monkeypatch.setattr("charrnn.text.load.LARGE", 0)
    monkeypatch.setattr("charrnn.text.decoding.CHUNK", 100)
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    for times in (1, 0):
        capsys.readouterr()
        train(tmp_path, None, "--overwrite")
        assert capsys.readouterr().err.count("encoding") == times
        assert (run_dir / "last.npz").read_bytes() == last
    for folder in (tmp_path / "cache", tmp_path / "elsewhere"):
        monkeypatch.setenv("CHARRNN_CACHE_DIR", str(folder))
        assert run(["eval", str(run_dir)]) == 0
        assert ("encoding" in capsys.readouterr().err) == (folder.name == "elsewhere")


def test_a_file_is_encoded_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = load_checkpoint(train(tmp_path) / "last.npz")
    file = tmp_path / "other.txt"
    text = tiny_text(300)
    for chunk in (1, 7, 1 << 20):
        monkeypatch.setattr("charrnn.text.decoding.CHUNK", chunk)
        file.write_text(text, encoding="utf-8")
        data, vocabulary = checkpoint.config.data, checkpoint.vocabulary
        part = encode_file(data, vocabulary, str(file))
        assert checkpoint.vocabulary.decode(part.corpus.codes) == text
        assert (part.start, part.end) == (0, 300)
        file.write_text(text + "É", encoding="utf-8")
        with pytest.raises(
            TextError, match=r"'É' \(U\+00C9\) at position 300 is not .*skip_unknown=True"
        ):
            encode_file(checkpoint.config.data, checkpoint.vocabulary, str(file))
        for short in ("", "a"):
            file.write_text(short, encoding="utf-8")
            with pytest.raises(TextError, match="has nothing to predict"):
                encode_file(checkpoint.config.data, checkpoint.vocabulary, str(file))


@pytest.mark.parametrize(("tokens", "V"), [("byte", 256), ("char", 256), ("char", 65_536)])
@pytest.mark.parametrize("skip_unknown", [False, True])
def test_codes_do_not_depend_on_what_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: str, V: int, skip_unknown: bool
) -> None:
    """With these V an unknown symbol has an internal code that needs a wider type."""
    monkeypatch.setattr("charrnn.text.decoding.CHUNK", 1000)
    first = 0 if tokens == "byte" else 0x10000
    vocabulary = Vocabulary(np.arange(first, first + V), tokens)
    raw = bytes(range(256)) if tokens == "byte" else vocabulary.decode(np.arange(V)).encode()
    unknown = b"a" if skip_unknown and tokens == "char" else b""  # every byte is known
    file = tmp_path / "text"
    file.write_bytes(raw[:400] + unknown + raw[400:])
    part = encode_file(
        DataConfig(str(file), tokens=tokens), vocabulary, str(file), skip_unknown=skip_unknown
    )
    assert part.corpus.codes.tolist() == list(range(V))
    assert part.corpus.codes.itemsize == (1 if V == 256 else 2)
    assert (part.start, part.end, part.skipped) == (0, V, len(unknown))
