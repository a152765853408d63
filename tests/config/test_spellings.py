"""How each spelling of a value is read, in a configuration file and with --set alike."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from charrnn.config.reader import load_config, override_defaults
from charrnn.errors import ConfigError

NO_NUMBER = "'{}' is not a number above 0"
COMMA = "{} has a comma; write a point before decimals, and nothing between thousands"


def base_60(means: str) -> str:
    """Return the message about a number in base 60."""
    return f"{{}} is in base 60 in YAML and means {means}; write {means} or another decimal number"


def octal(means: int, decimal: int) -> str:
    """Return the message about an octal number."""
    return f"{{}} is octal in YAML and means {means}; write {decimal} or {means}"


# A spelling without quotes -> the number that it is where a number is asked for, None for null, or
# the message that refuses it there.
SPELLINGS: dict[str, float | str | None] = {
    "100": 100,
    "+5": 5,
    "1_000": 1000,
    "1.5": 1.5,
    ".5": 0.5,
    "1.": 1,
    "1e3": 1000,
    "1E3": 1000,
    "1e+3": 1000,
    "1e-3": 0.001,
    "1.0e-3": 0.001,
    "0x10": 16,
    "0b11": 3,
    "0o17": 15,
    "007": 7,  # octal and decimal mean the same
    "08": 8,  # not octal
    "0100.5": 100.5,  # not octal
    "0100": octal(64, 100),
    "0_100": octal(64, 100),
    "-0100": octal(-64, -100),
    "1:30": base_60("90"),
    "1:02:03": base_60("3723"),
    "1:30.5": base_60("90.5"),
    "-1:30": base_60("-90"),
    "1,5": COMMA,
    "1,000": COMMA,
    "1.000,5": COMMA,
    "-5": "{} is not a number above 0",
    "yes": NO_NUMBER,
    "no": NO_NUMBER,
    "on": NO_NUMBER,
    "off": NO_NUMBER,
    "true": NO_NUMBER,
    "False": NO_NUMBER,
    "y": NO_NUMBER,
    ".inf": NO_NUMBER,
    "inf": NO_NUMBER,
    ".nan": NO_NUMBER,
    "nan": NO_NUMBER,
    "2020-01-01": NO_NUMBER,
    "1__000": NO_NUMBER,
    "0x": NO_NUMBER,
    "~": None,
    "null": None,
    "NULL": None,
    "": None,
}


def read(folder: Path, key: str, spelling: str, from_file: bool) -> Any:
    """Return the value that a spelling gives to a key."""
    section, name = key.split(".")
    sections = {"data": {"path": "text.txt"}}
    if from_file:
        sections.setdefault(section, {})[name] = spelling
    lines = [
        line
        for one, keys in sections.items()
        for line in (f"{one}:", *(f"  {k}: {value}" for k, value in keys.items()))
    ]
    path = folder / "c.yaml"
    path.write_text("\n".join(lines))
    config = load_config(path, [] if from_file else [f"{key}={spelling}"])
    return config.by_key()[key]


@pytest.fixture(params=[True, False], ids=["file", "set"])
def from_file(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> bool:
    """Return whether the file or --set gives the value; a path is relative to the same folder."""
    monkeypatch.chdir(tmp_path)
    return bool(request.param)


@pytest.mark.parametrize(("spelling", "meant"), SPELLINGS.items(), ids=list(SPELLINGS))
def test_where_a_number_is_asked_for(
    spelling: str, meant: float | str | None, from_file: bool, tmp_path: Path
) -> None:
    key = "train.learning_rate"
    if isinstance(meant, str):
        with pytest.raises(ConfigError, match=re.escape(f"{key}: {meant.format(spelling)}")):
            read(tmp_path, key, spelling, from_file)
    else:
        assert read(tmp_path, key, spelling, from_file) == meant


@pytest.mark.parametrize(
    ("spelling", "minutes"),
    [("2m", 2), ("90s", 1.5), ("1h", 60), ("1.5 h", 90), ("1_200s", 20), ("7", 7), ("0x10", 16)],
)
def test_a_time_may_have_a_unit(
    spelling: str, minutes: float, from_file: bool, tmp_path: Path
) -> None:
    assert read(tmp_path, "train.max_minutes", spelling, from_file) == minutes


@pytest.mark.parametrize("spelling", ["0s", "-3m", "m", "2d", "1,5m", "1m30s", "yes"])
def test_what_is_no_time(spelling: str, from_file: bool, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not a number of minutes above 0 .*90s, 2m or 1h"):
        read(tmp_path, "train.max_minutes", spelling, from_file)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_where_a_text_is_asked_for_it_is_the_spelling(
    spelling: str, from_file: bool, tmp_path: Path
) -> None:
    if SPELLINGS[spelling] is None:
        with pytest.raises(ConfigError, match=r"data\.path: null is not a file"):
            read(tmp_path, "data.path", spelling, from_file)
    else:
        assert read(tmp_path, "data.path", spelling, from_file) == str(tmp_path / spelling)


@pytest.mark.parametrize("key", ["train.max_steps", "train.validate_every", "train.workers"])
def test_an_ambiguous_whole_number_is_refused_with_its_meaning(
    key: str, from_file: bool, tmp_path: Path
) -> None:
    """Also where a word could stand for the number."""
    meaning = re.escape(octal(64, 100).format("0100"))
    with pytest.raises(ConfigError, match=f"{key}: {meaning}"):
        read(tmp_path, key, "0100", from_file)
    assert read(tmp_path, key, "0x40", from_file) == 64


def test_quotes_change_nothing_but_null(from_file: bool, tmp_path: Path) -> None:
    assert read(tmp_path, "train.max_steps", "'1e3'", from_file) == 1000
    assert read(tmp_path, "data.path", "'0100'", from_file) == str(tmp_path / "0100")
    assert read(tmp_path, "data.path", "'~.txt'", from_file) == str(tmp_path / "~.txt")
    assert read(tmp_path, "data.path", "'null'", from_file) == str(tmp_path / "null")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (" => ", " => "),
        (": ", ": "),
        ("|", "|"),
        (" - ", " - "),
        ("\t", "\t"),
        (r"\t", "\t"),
        ("#", "#"),
        ("' '", " "),
        ('"\\t"', "\t"),
        ("null", None),
        ("", None),
    ],
)
def test_an_override_of_a_separator_keeps_its_characters(raw: str, value: str | None) -> None:
    given = [f"data.prompt_separator={raw}", "data.records=line"]
    assert override_defaults(given).data.prompt_separator == value
    if value is None or len(value) == 1:
        given = [f"data.delimiter={raw}", "data.records=csv", "data.reply_column=1"]
        assert override_defaults(given).data.delimiter == value
