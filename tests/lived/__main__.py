"""``python -m lived``: live many colleges, and show the smallest one that differs from the truth.

``--seeds 200`` lives that many colleges with most troubles each, ``--trouble NAME`` those with one trouble alone (it
may be given several times), ``--each`` those with each by itself, ``--learners 500`` larger ones.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

import structlog
import warm
from lived.shrink import Case, report, shrink
from lived.troubles import NAMES, Troubles


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lived", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--learners", type=int, default=20)
    parser.add_argument("--trouble", action="append", choices=(*NAMES, "none"), default=[])
    parser.add_argument("--weekly", action="store_true", help="a night each week, not every second one")
    parser.add_argument("--flavour", choices=("csv", "ilr"), default="csv")
    parser.add_argument("--each", action="store_true", help="every trouble by itself")
    chosen = parser.parse_args()
    warm.share()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    failed = 0
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        some = Troubles.some(random.Random(seed))
        if chosen.trouble:
            some = Troubles.only(*(name for name in chosen.trouble if name != "none"))
        for troubles in [Troubles.only(name) for name in NAMES] if chosen.each else [some]:
            case = Case.whole(seed, chosen.learners, troubles, brisk=not chosen.weekly, flavour=chosen.flavour)
            with tempfile.TemporaryDirectory() as folder:
                difference, _ = case.difference(Path(folder) / "college")
            print(f"seed {seed}, troubles: {troubles}: {difference or 'as it was'}", flush=True)
            if difference is not None:
                failed += 1
                print(report(shrink(case)), flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
