"""Every alteration of every message, and the table of what became of each: `python
tests/attacks/every_attempt.py`.

Ends with 1 when something came out that should not have, or nobody noticed.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

TESTS = Path(__file__).parents[1]


def main() -> int:
    sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "city")]  # as pytest has them
    bench, judge, city_bench = map(import_module, ("attack_bench", "attack_judge", "city_bench"))
    sweep, pki = map(import_module, ("sweep", "city.pki"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keys = pki.make(folder / "pki", kiosks=(*sweep.AT_ONCE, sweep.ANOTHER))
        city = city_bench.Rehearsal(
            folder, keys, city_bench.Authority(), generate_private_key(65537, 2048)
        )
        made = sweep.Sweep(bench.Attack(city, folder), judge.Table())
        made.run(sweep.every)
        print(made.table, *made.failed, sep="\n")
        return 1 if made.failed else 0


if __name__ == "__main__":
    sys.exit(main())
