"""Runs a command and tells what it took: `python -m quality.peers.running COMMAND...`.

Prints JSON: `seconds` from start to end, the command's `code`, and its `peak` memory in bytes. A program of its own,
and a small one, because a process inherits the peak of the one that starts it.
"""

import json
import resource
import subprocess
import sys
import time


def main() -> None:
    """Run, and tell."""
    began = time.perf_counter()
    done = subprocess.run(sys.argv[1:], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "code": done.returncode, "peak": peak}))


if __name__ == "__main__":
    main()
