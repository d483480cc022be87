"""Landlock, by which a process gives up its right to files; Linux 5.13 or later.

The interface: https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import os
import stat
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture that Python runs on
_VERSION = 1  # flag of the first: tell the version
_PATH_BENEATH = 1  # kind of rule

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_OF_VERSION_1 = (1 << 13) - 1  # execute, read, write, remove, make
_SINCE = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # move to another folder, truncate, device control


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled", ctypes.c_uint64),)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def only_read(paths: Iterable[str]) -> bool:
    """From now on this process opens nothing but these for reading, and runs no program; False where nothing is done.

    Files that are open stay open. The process must have given up new privileges (`PR_SET_NO_NEW_PRIVS`).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION)
    if version < 1:
        return False
    handled = _OF_VERSION_1 | sum(right for since, right in _SINCE.items() if version >= since)
    wanted = _Ruleset(handled)
    if (rules := libc.syscall(_CREATE_RULESET, ctypes.byref(wanted), ctypes.sizeof(wanted), 0)) < 0:
        return False
    try:
        for path in paths:
            _allow(libc, rules, path)
        return libc.syscall(_RESTRICT_SELF, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no right
    try:
        folder = stat.S_ISDIR(os.fstat(place).st_mode)
        beneath = _Beneath(_READ_FILE | _READ_DIR if folder else _READ_FILE, place)
        libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(beneath), 0)
    finally:
        os.close(place)
