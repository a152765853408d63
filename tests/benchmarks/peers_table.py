"""The table of `peers.py`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

CHARRNN, PEERS = "charrnn", ("char-rnn", "nanogpt")
NAMES = {"charrnn": "charrnn", "char-rnn": "char-rnn's recipe", "nanogpt": "nanoGPT's recipe"}
Line = dict[str, Any]


def print_table(lines: Sequence[Line]) -> None:
    """Print a Markdown table of the losses on the test parts, and what it was made of.

    Args:
        lines: results, each a line of the file.
    """
    if not lines:
        raise SystemExit("there are no results yet")
    systems = [one for one in PEERS if any(line["system"] == one for line in lines)]
    headers = ["text", "minutes", CHARRNN, "took"]
    for system in systems:
        headers += [NAMES[system], "ratio", "reaches charrnn's loss"]
    print(f"| {' | '.join(headers)} |\n{'|---' * len(headers)}|")
    texts = list(dict.fromkeys(line["text"] for line in lines))
    for text in texts:
        of_text = [line for line in lines if line["text"] == text]
        for minutes in sorted({line["minutes"] for line in of_text}):
            print(f"| {' | '.join(row(text, minutes, of_text, systems))} |")
    machines = {f"{line['processor']}, {line['cores']} cores" for line in lines}
    versions = sorted({line["version"] for line in lines})
    print(f"\n{'; '.join(sorted(machines))}; {', '.join(versions)}.")
    print("Nats per character of the test part, the median of the seeds and their range. A ratio")
    print(f"is to charrnn's loss. Characters scored: {scored(texts, lines)}.")


def row(text: str, minutes: float, lines: Sequence[Line], systems: Sequence[str]) -> list[str]:
    """Return the cells of a text and a number of minutes.

    Args:
        text: its name.
        minutes: of the training.
        lines: all results of the text, from which the times are taken.
        systems: the peers.
    """
    of_minutes = [line for line in lines if line["minutes"] == minutes]
    ours = [line for line in of_minutes if line["system"] == CHARRNN]
    took = f"{statistics.median(one['s'] for one in ours):.0f} s" if ours else ""
    cells = [text, f"{minutes:g}", losses(ours), took]
    for system in systems:
        theirs = [line for line in of_minutes if line["system"] == system]
        ratio = reached = ""
        if ours and theirs:
            ratio = f"{median(theirs, 'test_nats') / median(ours, 'test_nats'):.3f}"
            reached = reaches(median(ours, "valid_nats"), lines, system)
        cells += [losses(theirs), ratio, reached]
    return cells


def losses(lines: Sequence[Line]) -> str:
    """Return the median and the range of the losses of some seeds."""
    if not lines:
        return ""
    found = sorted(line["test_nats"] for line in lines)
    spread = f" ({found[0]:.3f} to {found[-1]:.3f})" if len(found) > 1 else ""
    return f"{statistics.median(found):.3f}{spread}"


def median(lines: Sequence[Line], figure: str) -> float:
    """Return the median of a figure."""
    return float(statistics.median(line[figure] for line in lines))


def reaches(loss_nats: float, lines: Sequence[Line], system: str) -> str:
    """Return when a system first has a validation loss, or how long it ran without reaching it.

    Args:
        loss_nats: the loss to reach, on the stretches.
        lines: all results of a text.
        system: the peer.
    """
    of_system = [line for line in lines if line["system"] == system]
    points = [point for line in of_system for point in line["trace"]]
    seconds = [point["s"] for point in points if point["valid_nats"] <= loss_nats]
    if seconds:
        return f"after {min(seconds) / 60:.1f} min"
    return f"not in {max(point['s'] for point in points) / 60:.1f} min"


def scored(texts: Sequence[str], lines: Sequence[Line]) -> str:
    """Return the number of characters of each test part; all systems have scored the same ones."""
    found = []
    for text in texts:
        counts = {line["test_chars"] for line in lines if line["text"] == text}
        found.append(f"{text} {' or '.join(f'{one:,}' for one in sorted(counts))}")
    return ", ".join(found)
