"""`python -m tests.corpus.record`: run the corpus through the real Collector and write its answers down."""

from __future__ import annotations

import argparse
import sys

from tests.corpus import original, ours, recorded
from tests.corpus.all_cases import CASES
from tests.corpus.differences import ANSWERS
from tests.real.collector import build_collector


def main() -> int:
    """Record, or with `--check` only say what has changed; what chance decides stays as it is while its totals do."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing; fail where an answer has changed")
    arguments.add_argument("--ours", action="store_true", help="write our own answers where they differ on purpose")
    parsed = arguments.parse_args()
    check = parsed.check
    if parsed.ours:
        recorded.write({case.id: ours.run(case) for case in CASES if case.id in ANSWERS}, recorded.OURS)
        return 0
    found = original.run(build_collector(), CASES)
    before = recorded.read() if recorded.FILE.exists() else {}
    for case in CASES:
        known = before.get(case.id)
        if known is not None and case.totals_only and found[case.id].totals() == known.totals():
            found[case.id] = known
    changed = [name for name in sorted(found.keys() | before.keys()) if found.get(name) != before.get(name)]
    print("\n".join(changed) or "nothing has changed")
    if not check:
        recorded.write(found)
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
