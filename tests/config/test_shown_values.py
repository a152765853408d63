"""Values in messages: any value is shown, short and on one line."""

from __future__ import annotations

import pytest

from charrnn.errors import shown, shown_name


def nested(levels: int) -> list[object]:
    """Return a list in a list, and so on."""
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


def within_itself() -> list[object]:
    """Return a list whose only item is the list itself."""
    value: list[object] = []
    value.append(value)
    return value


def laughs(levels: int) -> list[object]:
    """Return two references to two references, and so on."""
    value: list[object] = ["ha"]
    for _ in range(levels):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        10**100_000,
        -(10**100_000),
        16**5000,
        [10**10_000],
        "x" * 10**7,
        "\x1b[2J\r\b\x9b\u202e",
        "\ud800",
        "\n\n\n",
        b"\xff" * 1000,
        nested(100_000),
        within_itself(),
        laughs(100),
        {str(i): i for i in range(1000)},
        {1: "a", "b": 2},
        {1, "a"},
        object(),
        float("nan"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_can_be_shown(value: object) -> None:
    text = shown(value)
    assert 0 < len(text) <= 60
    assert text.isprintable()
    assert 0 < len(shown_name(text * 10)) <= 60


def test_values_are_shown_as_in_yaml() -> None:
    assert shown([None, True, 1.5, "a"]) == "[null, true, 1.5, 'a']"
