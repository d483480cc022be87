"""Judges a file, or all of a folder, as Paperlane does, in one process: `python -m quality.peers.judging PATH ROUNDS`.

Prints JSON: the `seconds` that all checks took in each round, `characters` and `words` of the text, and `peak` memory
in bytes. What no format reads is left out.
"""

import json
import sys
from pathlib import Path

from paperlane.errors import DocumentError
from paperlane.work.child import collect_seldom
from quality.peers.memory import peak
from quality.reading import Tested, judge


def main() -> None:
    """Judge, and tell."""
    path, rounds = Path(sys.argv[1]), int(sys.argv[2])
    collect_seldom()
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = [[one for file in files if (one := _judged(file)) is not None] for _ in range(rounds)]
    told = {
        "seconds": [sum(one.seconds["issue_detection"] for one in of_round) for of_round in found],
        "characters": sum(one.report.characters for one in found[-1]),
        "words": sum(one.report.words for one in found[-1]),
        "peak": peak(),
    }
    print(json.dumps(told))


def _judged(path: Path) -> Tested | None:
    try:
        return judge(path.name, path.read_bytes())
    except DocumentError:
        return None


if __name__ == "__main__":
    main()
