"""The child process of a sandbox: runs one step after another on what comes through its standard input.

A job is one byte that brings an open file or none, a header line (JSON: step, size, cpu, output) and `size` bytes of
input. Back go header lines: {"taken"}, {"progress", "message"} any number of times, then {"size"} and the result, or
{"error"}, both with {"resident"}: the bytes of memory that stay in use. Before the first job goes {"ready"}, or
{"unusable"} with the reason why the steps cannot be imported. {"used"}, with what goes first and what goes back, are
the seconds of processor time so far.
"""

import gc
import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import nullcontext
from importlib import import_module
from io import BufferedReader, FileIO
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic import TypeAdapter

from paperlane.errors import PaperlaneError
from paperlane.model.steps import Step
from paperlane.work.isolation import allow_cpu, isolate, memory_meter

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 1 << 20

TOO_COMPLEX = "too_complex"
FILE, NO_FILE = b"F", b"N"
_OBJECTS_BETWEEN_COLLECTIONS = 200_000


class _Line:
    """The way to and from the parent."""

    def __init__(self, way: socket.socket) -> None:
        self.way = way
        self.pending = b""

    def job(self) -> tuple[bool, int | None]:
        """Is there another job, and the descriptor that it brings; False when the parent is gone."""
        brought, descriptors, _, _ = socket.recv_fds(self.way, 1, 1)
        return bool(brought), descriptors[0] if descriptors else None

    def header(self) -> dict[str, Any]:
        """What is to be done."""
        while b"\n" not in self.pending:
            if not (more := self.way.recv(_CHUNK)):
                raise EOFError
            self.pending += more
        line, _, self.pending = self.pending.partition(b"\n")
        return json.loads(line)

    def content(self, size: int) -> bytes:
        """So many bytes."""
        parts, missing = [self.pending[:size]], size - len(self.pending)
        self.pending = self.pending[size:]
        while missing > 0:
            more = self.way.recv(min(missing, _CHUNK))
            if not more:
                raise EOFError
            parts.append(more)
            missing -= len(more)
        return b"".join(parts)

    def tell(self, header: Mapping[str, object], content: bytes = b"") -> None:
        """Answer."""
        self.way.sendall(json.dumps(header).encode() + b"\n")
        self.way.sendall(content)


class _File(FileIO):
    """A job's file; remembers why the system could not read it, whatever its reader makes of that."""

    trouble: OSError | None = None

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        try:
            return super().readinto(buffer)
        except OSError as error:
            self.trouble = error
            raise

    def readall(self) -> bytes:
        try:
            return super().readall()
        except OSError as error:
            self.trouble = error
            raise


class _Job:
    """What the running step may use."""

    def __init__(self, line: _Line, file: _File | None) -> None:
        self._line = line
        self._file = file and BufferedReader(file)
        self._told = -1.0

    def progress(self, share: float, message: str = "") -> None:
        if share - self._told >= 0.01 or share >= 1.0:  # noqa: PLR2004  a percent
            self._told = share
            self._line.tell({"progress": share, "message": message})

    def attachment(self) -> BinaryIO:
        if self._file is None:
            raise LookupError("this step was given no file")
        return self._file


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


class _Steps:
    """The steps by name, with what decodes and encodes their ends."""

    def __init__(self, path: str) -> None:
        module, _, name = path.partition(":")
        self._steps: Mapping[str, Step[Any, Any]] = getattr(import_module(module), name)
        self._ends: dict[str, tuple[TypeAdapter[Any], TypeAdapter[Any]]] = {}

    def run(self, name: str, value: bytes, job: _Job) -> bytes:
        """The saved form of the step's result."""
        step = self._steps[name]
        if name not in self._ends:
            self._ends[name] = (_adapter(step.takes), _adapter(step.gives))
        takes, gives = self._ends[name]
        if step.run is None:
            raise LookupError(name)
        return gives.dump_json(step.run(takes.validate_json(value), job))


def _error(code: str, message: str, hint: str = "", kind: str = "document") -> dict[str, object]:
    return {"error": {"code": code, "message": message, "hint": hint, "kind": kind}}


def _too_complex(what: str) -> dict[str, object]:
    return _error(TOO_COMPLEX, f"The document needs too much {what}.", "Split it, or leave out what is very large.")


def _unreadable(why: OSError) -> dict[str, object]:
    return _error("file_unavailable", f"The file cannot be read: {why.strerror or why}.", kind="file")


def _answer(steps: _Steps, header: Mapping[str, Any], value: bytes, job: _Job) -> tuple[Mapping[str, object], bytes]:
    try:
        result = steps.run(header["step"], value, job)
    except PaperlaneError as error:
        return _error(error.code, error.message, error.hint), b""
    except MemoryError:
        return _too_complex("memory"), b""
    except RecursionError:
        return _too_complex("nesting"), b""
    except Exception as error:  # noqa: BLE001  whatever a step raises is told, by type and place, never with its text
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(place.filename)}:{place.lineno}"  # noqa: PTH119  a name, not a file
        message = f"The step {header['step']} failed: {type(error).__name__} at {where}."
        return _error("step_failed", message, kind="step"), b""
    if len(result) > header["output"]:
        return _too_complex("room for its result"), b""
    return {"size": len(result)}, result


def collect_seldom() -> None:
    """Look for garbage seldom, and never in what is imported.

    A step makes many objects that live until it ends, and few that wait for the collector: by Python's own thresholds
    it takes a tenth of the time of checks, and a quarter of reading a DOCX.
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


def main(way: socket.socket, path: str, memory_bytes: int, nice: int, paths: list[str]) -> None:
    """Run jobs until the parent is gone."""
    os.nice(max(0, nice - os.nice(0)))  # a worker's own counts; first: what is imported takes most of a second
    sys.path.extend(paths)
    line = _Line(way)
    try:
        steps = _Steps(path)
    except Exception as error:  # noqa: BLE001  an application's own module may raise anything; its parent tells it
        line.tell({"unusable": f"{type(error).__name__}: {error}"})
        return
    collect_seldom()
    resident_bytes = memory_meter()
    isolate(memory_bytes)
    line.tell({"ready": True, "used": time.process_time()})
    while True:
        more, descriptor = line.job()
        if not more:
            return
        header = line.header()
        value = line.content(header["size"])
        line.tell({"taken": True})
        allow_cpu(header["cpu"])
        with nullcontext() if descriptor is None else _File(descriptor) as file:
            told, result = _answer(steps, header, value, _Job(line, file))
            if file is not None and file.trouble is not None:  # its reader took that for a damaged document
                told, result = _unreadable(file.trouble), b""
        line.tell({**told, "resident": resident_bytes(), "used": time.process_time()}, result)


if __name__ == "__main__":
    _path, _memory, _nice, *_paths = sys.argv[1:]
    main(socket.socket(fileno=os.dup(0)), _path, int(_memory), int(_nice), _paths)
