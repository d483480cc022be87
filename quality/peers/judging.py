"""Judges one file as Paperlane does, in a process of its own: `python -m quality.peers.judging FILE ROUNDS`.

Prints JSON: the `seconds` that all checks took in each round, `characters` and `words` of the text, and `peak` memory
in bytes.
"""

import json
import sys
from pathlib import Path

from quality.peers.memory import peak
from quality.reading import judge


def main() -> None:
    """Judge, and tell."""
    path, rounds = Path(sys.argv[1]), int(sys.argv[2])
    content = path.read_bytes()
    found = [judge(path.name, content) for _ in range(rounds)]
    report = found[-1].report
    told = {
        "seconds": [one.seconds["issue_detection"] for one in found],
        "characters": report.characters,
        "words": report.words,
        "peak": peak(),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
