"""The most memory that this process and its children have used."""

import re
import resource
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak() -> int:
    """In bytes; of this process since it began its program, where the system tells that."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    found = re.search(r"VmHWM:\s+(\d+)", _STATUS.read_text()) if _STATUS.exists() else None
    own = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(children, own * 1024)
