"""What kind of file system a path lies on, as Linux tells it."""

import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_NETWORKED = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fakeowner", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
})  # fmt: skip


def is_networked(kind: str) -> bool:
    """May its files be changed by another machine, or through another kernel? Then nobody shares memory over them.

    So may those behind FUSE, where a program answers; `fuseblk` is a disk of this machine. What a virtual machine has
    of its host is `virtiofs`, `9p`, `prl_fs`, `vboxsf` or `vmhgfs`, in Docker Desktop's also `fakeowner`.
    """
    return kind in _NETWORKED or kind == "fuse" or kind.startswith("fuse.")


def kind_of(path: Path, mounts: Path = _MOUNTS) -> str:
    """The type of the file system that a path lies on or will lie on; "" where the system is not Linux, and tells none.

    Format: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html. Of two mounts on one folder the later
    one, which stands last, hides the other.
    """
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place = path.resolve()
    found, longest = "", -1
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), before.split()[4]))
        if place.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = after.split()[0], len(point.parts)
    return found
