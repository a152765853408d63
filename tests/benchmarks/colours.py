"""Colours: how near the values that runs tell for unseen names are to those of the survey.

    python tests/benchmarks/colours.py RUN...

prints the mean distance in RGB (0 to 255 each) over the names of the test part of runs of
configs/colour-of.yaml that differ in their seed: of the best reply, and of the mean of 100 samples,
beside the value of the nearest name of the training and validation parts, by the edits that lead
from one to the other, where several nearest ones count equally, and beside the mean of all values.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from labels import parts_of  # type: ignore[import-not-found,unused-ignore]
from pronunciation import edit_distance, replies  # type: ignore[import-not-found,unused-ignore]

from charrnn import load

SAMPLES = 100  # of a name
Values = npt.NDArray[np.float64]  # (n, 3)


def values_of(texts: Sequence[str]) -> Values:
    """Return the red, green and blue of hexadecimal values; middle grey for what is none."""
    found = np.full((len(texts), 3), 128.0)
    for place, text in enumerate(texts):
        if re.fullmatch("#[0-9a-f]{6}", text):
            found[place] = list(bytes.fromhex(text[1:]))
    return found


def distance(values: Values, true: Values) -> float:
    """Return the mean distance between rows."""
    return float(np.linalg.norm(values - true, axis=-1).mean())


def main() -> None:
    parts = parts_of(sys.argv[1])
    known, (names, told) = parts["train"] + parts["valid"], zip(*parts["test"], strict=True)
    true, known_values = values_of(told), values_of([told for _, told in known])
    found: dict[str, list[float]] = {"best reply": [], f"mean of {SAMPLES} samples": []}
    for run in sys.argv[1:]:
        model = load(run)
        means = [
            values_of(
                [one.text for one in model.sample_records(SAMPLES, prompt=name, seed=1)]
            ).mean(0)
            for name in names
        ]
        both = (values_of(replies(run, names)), np.array(means))
        for row, values in zip(found.values(), both, strict=True):
            row.append(distance(values, true))
    edits = np.array([[edit_distance(name, other) for other, _ in known] for name in names])
    nearest = [known_values[row == row.min()] for row in edits]
    pairs = zip(nearest, true, strict=True)
    print(f"{len(names)} names, {len(known)} known")
    for what, row in found.items():
        print(f"{what}: {statistics.mean(row):.1f} ({min(row):.1f} to {max(row):.1f})")
    print(f"nearest name: {statistics.mean(distance(one, value) for one, value in pairs):.1f}")
    print(f"mean of all: {distance(known_values.mean(0), true):.1f}")


if __name__ == "__main__":
    main()
