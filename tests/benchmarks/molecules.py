"""A language like that of chemists' SMILES: brackets and ring digits that must pair up.

`python tests/benchmarks/molecules.py make MEGABYTES > molecules.txt` writes lines drawn from
a grammar. `check < samples.txt` prints the share of lines that are well-formed, and of these the
share that is not in `--known FILE`.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterator

ATOMS = {"C": 50, "c": 18, "N": 8, "O": 9, "n": 3, "S": 2, "F": 2, "Cl": 2, "Br": 1, "P": 0.5}
CHARGED = ("[NH3+]", "[O-]", "[N+]", "[nH]", "[C@H]", "[C@@H]", "[S+]", "[13C]")
TOKEN = re.compile(r"\[[A-Za-z0-9@+-]+\]|Cl|Br|[CcNnOSFP]|[=#]|[()]|[1-9]")


def molecule(rng: random.Random) -> str:
    """Return a molecule of a random size."""
    left = rng.randint(6, 45)  # atoms
    free, pieces = list("123456789"), list[str]()

    def chain(depth: int) -> None:
        nonlocal left
        opened: list[tuple[str, int]] = []  # ring digits of this chain, and atoms before they close
        for place in range(rng.randint(1, 12) if depth else 99):
            if left <= 0 and not opened:
                return
            if place or depth:
                pieces.append(rng.choices(["", "=", "#"], [85, 13, 2])[0])
            left -= 1
            charged = rng.random() < 0.05
            atom = rng.choice(CHARGED) if charged else rng.choices([*ATOMS], [*ATOMS.values()])[0]
            pieces.append(atom)
            closing = [one for one, wait in opened if wait <= 0]
            opened = [(one, wait - 1) for one, wait in opened if wait > 0]
            for digit in closing:
                pieces.append(digit)
                free.append(digit)
            if left > 0 and free and not closing and rng.random() < 0.12:
                digit = free.pop(free.index(min(free)))
                pieces.append(digit)
                opened.append((digit, rng.randint(2, 6)))
            if left > 2 and depth < 4 and rng.random() < 0.15:
                pieces.append("(")
                chain(depth + 1)
                pieces.append(")")
        for _ in range(20):  # close what is open
            if not opened:
                return
            pieces.append("C")
            pieces.extend(one for one, _ in opened[:1])
            free.extend(one for one, _ in opened[:1])
            opened = opened[1:]

    chain(0)
    return "".join(pieces)


def well_formed(line: str) -> bool:
    """Return whether brackets nest, ring digits pair up, and every bond joins two atoms."""
    tokens = TOKEN.findall(line)
    if not line or "".join(tokens) != line:
        return False
    depth, rings, before = 0, dict[str, int](), "("
    for place, token in enumerate(tokens):
        if token == "(":
            if before in ("(", "=", "#"):
                return False
            depth += 1
        elif token == ")":
            depth -= 1
            if depth < 0 or before in ("(", "=", "#"):
                return False
        elif token in ("=", "#"):
            if before in ("=", "#") or place == 0:
                return False
        elif token.isdigit():
            if before in ("(", ")", "=", "#"):
                return False
            opened = rings.pop(token, None)
            if opened is None:
                rings[token] = place
            elif opened == place - 1:  # a ring of one atom
                return False
        before = token
    return depth == 0 and not rings and before not in ("=", "#")


def lines(megabytes: float, seed: int) -> Iterator[str]:
    """Yield so many bytes of molecules."""
    rng, written = random.Random(seed), 0.0
    while written < megabytes * 1e6:
        one = molecule(rng)
        written += len(one) + 1
        yield one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["make", "check"])
    parser.add_argument("megabytes", nargs="?", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--known", help="file of the data, for check")
    options = parser.parse_args()
    if options.action == "make":
        for line in lines(options.megabytes, options.seed):
            print(line)
        return
    found = sys.stdin.read().splitlines()
    good = [line for line in found if well_formed(line)]
    print(f"well-formed {len(good) / len(found):.1%} of {len(found):,}")
    if options.known:
        with open(options.known, encoding="utf-8") as file:
            known = set(file.read().splitlines())
        print(f"not in the data {sum(one not in known for one in good) / max(1, len(good)):.1%}")


if __name__ == "__main__":
    main()
