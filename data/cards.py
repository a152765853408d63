"""Write cards.txt to this folder: invented cards of a game, with a blank line between them."""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from things import name_from

FILE = Path(__file__).parent / "cards.txt"
CARDS = 900

NAMES = {  # kind -> patterns of names
    "Beast": "{mood} {beast}",
    "Folk": "{trade} of the {weather}",
    "Spell": "{virtue} of {weather}",
    "Tool": "{colour} {thing}",
}
RULES = {  # kind -> what such a card may do
    "Beast": """When this enters, {gain}.|Whenever another Beast enters, {gain}.|This has
        +{n}/+0 as long as you have a {thing}.|This cannot be blocked by Folk.""",
    "Folk": """Pay {n}: {gain}.|Tap: {gain}.|Other Folk have +{n}/+{n}.|At the start of your turn,
        {gain}.""",
    "Spell": """{gain}, then {gain}.|Return a Beast to its owner's hand.|All Folk rest until your
        next turn.|Destroy a Tool of cost {n} or less.""",
    "Tool": """Tap: {gain}.|The Beast that carries this has +{n}/+{n}.|Pay {n}, break this:
        {gain}.""",
}
GAINS = "draw a card|gain {n} gold|look at the top {n} cards|put a token on this|rest a Beast"


def card(number: int) -> str:
    """Return the card of a number."""
    draw = random.Random(number)

    def one_of(texts: str) -> str:
        choices = texts.split("|")
        return " ".join(choices[int(draw.random() * len(choices))].split())

    kind = [*NAMES][number % len(NAMES)]
    cost = 1 + int(draw.random() * 6)
    rule = one_of(RULES[kind])
    while "{gain}" in rule:
        rule = rule.replace("{gain}", one_of(GAINS), 1)
    while "{n}" in rule:
        rule = rule.replace("{n}", str(1 + int(draw.random() * 3)), 1)
    lines = [name_from(NAMES[kind], draw), f"Cost: {cost}", f"Kind: {kind}"]
    lines.append(name_from(rule[0].upper() + rule[1:], draw))
    if kind in ("Beast", "Folk"):
        lines.append(f"{max(1, cost - int(draw.random() * 3))}/{cost}")
    return "\n".join(lines)


def main() -> None:
    """Write different cards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=FILE)
    file = parser.parse_args().file
    cards = dict.fromkeys(map(card, range(CARDS)))
    file.write_text("\n\n".join(cards) + "\n", encoding="utf-8")
    print(f"{file}: {len(cards):,} cards")


if __name__ == "__main__":
    main()
