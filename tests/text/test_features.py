"""Features of records: read from columns or from a file, checked, standardised, cached."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from support import plain_config

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.kernels import Array
from charrnn.text import load
from charrnn.text.features import FeatureScale
from charrnn.text.load import load_corpus
from charrnn.text.records import RecordCorpus

HEAD = "name,red,green\n"
TABLE = {"records": "csv", "reply_column": "name", "feature_columns": ["red", "green"]}
NAMES = [f"{a}{b}{c}" for a in "xyz" for b in "abcdefgh" for c in "mno"]
VALUES = np.random.default_rng(1).normal(50, 9, (len(NAMES), 2)).round(3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config_of(**keys: Any) -> DataConfig:
    """Return the configuration of the table t.csv, with other keys."""
    keys = {"path": "t.csv", "valid_fraction": 0.3, **keys}
    return plain_config({f"data.{key}": value for key, value in keys.items()}).data


def table_of(values: Array = VALUES, names: list[str] = NAMES) -> str:
    rows = (f"{name},{a!r},{b!r}" for name, (a, b) in zip(names, values.tolist(), strict=True))
    return HEAD + "\n".join(rows)


def loaded(data: DataConfig) -> RecordCorpus:
    return cast(RecordCorpus, load_corpus(data))


def by_name(corpus: RecordCorpus) -> dict[str, Array]:
    """Return the standardised features of each record."""
    ranks = np.arange(len(corpus.starts))
    texts = [corpus.vocabulary.decode(codes) for codes in corpus.reply_codes(ranks)]
    assert corpus.features is not None
    assert corpus.features.dtype == np.float32
    return dict(zip(texts, corpus.features, strict=True))


def test_features_are_standardised_by_the_training_part(folder: Path) -> None:
    (folder / "t.csv").write_text(table_of())
    corpus = loaded(config_of(**TABLE))
    train = corpus.reply_codes(np.arange(corpus.train_end))
    mine = [NAMES.index(corpus.vocabulary.decode(codes)) for codes in train]
    assert 20 < len(mine) < len(NAMES) - 10
    mean, std = VALUES[mine].mean(0), VALUES[mine].std(0)
    assert corpus.scale is not None
    assert np.allclose(corpus.scale.mean, mean, rtol=1e-14)
    assert np.allclose(corpus.scale.std, std, rtol=1e-12)
    found = by_name(corpus)
    for name, row in zip(NAMES, VALUES, strict=True):
        assert np.allclose(found[name], (row - mean) / std, rtol=1e-6)


def test_constant_far_and_tiny_features(folder: Path) -> None:
    """A constant one has the deviation 1, and a number far from all others does not overflow."""
    rows = [(0.1, 1e-200 * k) for k in range(len(NAMES))]
    (folder / "t.csv").write_text(table_of(np.array(rows)))
    corpus = loaded(config_of(**TABLE, valid_fraction=0))
    assert corpus.scale is not None
    assert corpus.scale.std.tolist() == [1, 1]
    scale = FeatureScale(np.array([0.1]), np.array([1e-300]))
    assert scale.standardised(np.array([[1e100], [-1.0], [0.1]])).tolist() == [[1e6], [-1e6], [0]]


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "f2", "i4", "u1"])
def test_features_of_a_file_are_those_of_columns(folder: Path, dtype: str) -> None:
    """Of several texts and files, in their order; blank lines and empty names are no records."""
    values = VALUES.astype(dtype)
    (folder / "t.csv").write_text(table_of(values.astype(float)))
    (folder / "a.txt").write_text("\n".join(NAMES[:9]) + "\n\n")
    (folder / "b.txt").write_text("\n \n" + "\n\n".join(NAMES[9:]))
    np.save("1.npy", values[:20])
    np.save("2.npy", np.asfortranarray(values[20:]))
    columns = loaded(config_of(**TABLE))
    lists = config_of(path=["a.txt", "b.txt"], records="line", features_path=["1.npy", "2.npy"])
    file = loaded(lists)
    assert columns.text_sha256 == file.text_sha256
    assert columns.cut_points == file.cut_points
    first, second = by_name(columns), by_name(file)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_features_belong_to_the_digest_and_to_the_part_of_a_record(folder: Path) -> None:
    """Equal texts with other features are other records, whose parts may differ."""
    (folder / "t.csv").write_text(table_of(VALUES, ["aa", "b"] * (len(NAMES) // 2)))
    corpus = loaded(config_of(**TABLE))
    assert 0 < corpus.train_end < corpus.middle_end == len(NAMES)
    assert corpus.repeats == 0
    other = VALUES.copy()
    other[5, 1] += 1e-9
    (folder / "t.csv").write_text(table_of(other, ["aa", "b"] * (len(NAMES) // 2)))
    assert loaded(config_of(**TABLE)).text_sha256 != corpus.text_sha256
    plain = loaded(config_of(records="csv", reply_column="name", header=True, valid_fraction=0))
    assert plain.text_sha256 != corpus.text_sha256
    assert plain.repeats == len(NAMES) - 2
    assert plain.features is plain.scale is None
    assert [*plain.arrays] == ["codes", "starts"]


@pytest.mark.parametrize("records", ["tsv", "jsonl"])
def test_other_tables_have_features_too(folder: Path, records: str) -> None:
    (folder / "t.csv").write_text(table_of())
    rows = [*zip(NAMES, VALUES.tolist(), strict=True)]
    lines = ["red\tname\tgreen", *(f"{a!r}\t{name}\t {b!r} " for name, (a, b) in rows)]
    if records == "jsonl":
        lines = [f'{{"name": "{name}", "red": {a!r}, "green": "{b!r}"}}' for name, (a, b) in rows]
    (folder / "t").write_text("\n".join(lines))
    found = loaded(config_of(**{**TABLE, "path": "t", "records": records}))
    assert found.text_sha256 == loaded(config_of(**TABLE)).text_sha256


def test_validation_records_have_features_of_their_own(folder: Path) -> None:
    (folder / "t.csv").write_text(table_of(VALUES[:40], NAMES[:40]))
    (folder / "v.csv").write_text(table_of(VALUES[40:], NAMES[40:]))
    corpus = loaded(config_of(**TABLE, valid_path="v.csv"))
    assert corpus.scale is not None
    assert np.allclose(corpus.scale.mean, VALUES[:40].mean(0), rtol=1e-14)
    expected = (VALUES[40:] - VALUES[:40].mean(0)) / VALUES[:40].std(0)
    found = by_name(corpus)
    assert np.allclose([found[name] for name in NAMES[40:]], expected, rtol=1e-6)


BAD_TABLES = {
    "no column": ("name,red\na,1\n", "t.csv: line 1: no column is called 'green' (data.feature_"),
    "no number": (
        f"{HEAD}a,1,2\nb,n/a,2\n",
        "t.csv: line 3: 'red' (data.feature_columns) is 'n/a', not a number; write a number, or re",
    ),
    "comma": (
        f'{HEAD}a,1,"1,5"\n',
        "'green' (data.feature_columns) is '1,5', not a number; write a number, with a point befor",
    ),
    "underscore": (f"{HEAD}a,1_0,2\n", "is '1_0', not a number"),
    "nan": (f"{HEAD}a,nan,1\n", "'red' (data.feature_columns) is 'nan': nan is not finite; write"),
    "infinite": (f"{HEAD}a,1,-1e999\n", "is '-1e999': -inf is not finite"),
    "large": (f"{HEAD}a,1e101,1\n", "1e+101 is larger than 1e+100; divide the numbers"),
    "short row": (
        f"{HEAD}a,1\nb,1,2\nc\n",
        "line 2: has 2 cells, and data.feature_columns is cell",
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_refused(folder: Path, name: str) -> None:
    text, problem = BAD_TABLES[name]
    (folder / "t.csv").write_text(text)
    with pytest.raises(TextError) as error:
        load_corpus(config_of(**TABLE, valid_fraction=0))
    assert problem in str(error.value)


def test_a_feature_that_is_the_reply_by_another_name_is_refused(folder: Path) -> None:
    (folder / "t.csv").write_text(table_of())
    with pytest.raises(TextError, match=r"data\.reply_column and, by another name, data\.feature_"):
        load_corpus(config_of(**{**TABLE, "feature_columns": 1}))


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


BAD_FILES: dict[str, tuple[Any, str]] = {
    "a pickle": (np.array([[Evil()]], object), "is not a .npy file with an array of numbers"),
    "a text": (b"name,red\na,1\n", "is not a .npy file with an array of numbers"),
    "empty": (b"", "is not a .npy file"),
    "one dimension": (np.ones(72), "has the shape (72,), not (records, features); save it with"),
    "no feature": (np.ones((72, 0)), "f.npy: "),
    "complex": (np.ones((72, 1), complex), "has values of type complex128, and features are real"),
    "strings": (np.full((72, 1), "1"), "has values of type <U1"),
    "too few rows": (np.ones((71, 2)), "f.npy: has 71 rows, and list.txt 72 records; save a row"),
    "nan": (
        np.where(np.arange(144).reshape(72, 2) == 11, np.nan, 1),
        "f.npy: row 6, column 2: nan is not finite",
    ),
    "large": (np.full((72, 2), 1e101), "f.npy: row 1, column 1: 1e+101 is larger than 1e+100"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused(folder: Path, name: str) -> None:
    (folder / "list.txt").write_text("\n".join(NAMES))
    array, problem = BAD_FILES[name]
    if isinstance(array, bytes):
        (folder / "f.npy").write_bytes(array)
    else:
        np.save("f.npy", array)
    with pytest.raises(TextError) as error:
        load_corpus(config_of(path="list.txt", records="line", features_path="f.npy"))
    said = str(error.value).replace(f"{folder}/", "")
    assert said.startswith("f.npy: ")
    assert problem in said
    assert not (folder / "executed").exists()


def test_files_with_other_columns_are_not_joined(folder: Path) -> None:
    (folder / "list.txt").write_text("\n".join(NAMES))
    np.save("1.npy", np.ones((2, 3)))
    np.save("2.npy", np.ones((70, 2)))
    with pytest.raises(TextError, match=r"2\.npy: has 2 columns, and \S*1\.npy 3"):
        load_corpus(config_of(path="list.txt", records="line", features_path="?.npy"))


def test_a_damaged_file_is_refused_or_read(folder: Path) -> None:
    """With one message, whatever its bytes are."""
    (folder / "list.txt").write_text("\n".join(NAMES))
    file, rng = io.BytesIO(), random.Random(3)
    np.save(file, VALUES)
    data, refused = config_of(path="list.txt", records="line", features_path="f.npy"), list[str]()
    for _ in range(150):
        raw = bytearray(file.getvalue())
        for _ in range(rng.choice((1, 1, 3))):
            raw[rng.choice((rng.randrange(128), rng.randrange(len(raw))))] = rng.randrange(256)
        (folder / "f.npy").write_bytes(raw[: rng.choice((len(raw), len(raw), rng.randrange(999)))])
        try:
            corpus = loaded(data)
        except TextError as error:
            refused.append(str(error))
        else:
            assert np.isfinite(by_name(corpus)["xam"]).all()
    assert len(refused) > 50
    assert all(problem.startswith(f"{folder}/f.npy: ") for problem in refused)


@pytest.mark.parametrize("source", ["columns", "file"])
def test_features_of_a_large_text_are_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """They are read from the cache, which is made again where they are missing or damaged."""
    (folder / "t.csv").write_text(table_of())
    np.save("f.npy", VALUES)
    keys = TABLE if source == "columns" else {"records": "csv", "reply_column": "name"}
    data = config_of(**keys, **({} if source == "columns" else {"features_path": "f.npy"}))
    expected = loaded(data)
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setattr(load, "LARGE", 0)
    notes: list[str] = []

    def check(encodes: bool) -> None:
        notes.clear()
        found = cast(RecordCorpus, load_corpus(data, notes.append))
        assert isinstance(found.codes, np.memmap)
        assert found.text_sha256 == expected.text_sha256
        assert found.cut_points == expected.cut_points
        assert found.features is not None
        assert expected.features is not None
        assert np.array_equal(found.features, expected.features)
        assert any("encoding" in note for note in notes) == encodes

    check(encodes=True)
    check(encodes=False)
    kept = [*(folder / "cache" / "texts").glob("*.features")]
    assert len(kept) == (source == "columns")
    for file in kept:
        raw = bytearray(file.read_bytes())
        raw[-20] ^= 1
        file.write_bytes(raw)
        check(encodes=True)
        file.unlink()
        check(encodes=True)
        check(encodes=False)
    np.save("f.npy", VALUES + 1)
    changed = load_corpus(data)
    assert (changed.text_sha256 == expected.text_sha256) == (source == "columns")
