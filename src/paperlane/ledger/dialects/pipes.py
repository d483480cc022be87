"""Notices between processes that share a database file, by named pipes: a hint that may be lost, never a promise."""

import errno
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from stat import S_IMODE
from threading import Event, Lock, Thread

from paperlane.ledger.dialects.hearers import Hearers

_GATHER = 0.02  # seconds between two looks into the pipe: who wakes for each of many commits slows them down
_MOST = 65_536  # bytes that a pipe holds
_READ_AND_WRITE = 0o666
_READ = 0o444
_TO_SEARCH = 2  # places from the right to read to the right to search a folder
_BEING_MADE = "."


class Pipes:
    """Tells everybody who uses the database what has something to run.

    Each process that listens has a pipe in a folder beside the database, and who announces writes to all of them: it
    never waits, for a full pipe has told enough. They reach as far as the index of SQLite's log does, which is memory
    that processes on one kernel share. Being told of writes to that log (inotify) would come too early: it is written
    before the commit is flushed and seen. It would be on Linux only, too.
    """

    def __init__(self, database: Path | None) -> None:
        """Of those that share this file; None where a database is this process's alone."""
        self._database = database
        self._folder = None if database is None else Path(f"{database}-notices")
        self._hearers = Hearers()
        self._lock = Lock()
        self._pipe: _Pipe | None = None

    def announce(self, engines: Collection[str]) -> None:
        """These have something to run."""
        for engine in engines:
            self._hearers.tell(engine)
        words = "".join(f"{engine}\n" for engine in engines).encode()
        for path in self._of_others():
            _write(path, words)

    def _of_others(self) -> Iterator[Path]:
        if self._folder is None:
            return
        own = None if self._pipe is None else self._pipe.path.name
        with suppress(OSError):  # nobody listens, and nobody ever did
            for name in os.listdir(self._folder):  # noqa: PTH208  at each commit that makes something runnable
                if name != own and not name.startswith(_BEING_MADE):
                    yield self._folder / name

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None] | None:
        """Call `heard` with each engine that is announced, until the answer is called.

        None where pipes are not had: then only what this process announces is heard.
        """
        stop = self._hearers.add(heard)
        with self._lock:
            if self._database is not None and self._folder is not None and self._pipe is None:
                try:
                    mode = _mode_of(self._database)
                    _make_folder(self._folder, mode)
                    self._pipe = _Pipe(self._folder, mode, self._hearers.tell)
                except OSError:  # the file system has none
                    return None
        return stop

    def close(self) -> None:
        """Hear nothing more."""
        with self._lock:
            if self._pipe is not None:
                self._pipe.close()
                self._pipe = None


def _mode_of(database: Path) -> int:
    """Who may use the database may ring, as with the files that SQLite makes beside it."""
    return S_IMODE(database.stat().st_mode) & _READ_AND_WRITE


def _make_folder(folder: Path, mode: int) -> None:
    """Who may read the database finds the pipes there, and who may write it adds one."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(mode | (mode & _READ) >> _TO_SEARCH)


class _Pipe:
    """A pipe that a thread reads."""

    def __init__(self, folder: Path, mode: int, tell: Callable[[str], None]) -> None:
        name = token_hex(8)
        self.path = folder / name
        self._tell = tell
        self._ended = Event()
        made = folder / f"{_BEING_MADE}{name}"
        os.mkfifo(made, 0o600)
        try:
            made.chmod(mode)
            self._out = os.open(made, os.O_RDONLY | os.O_NONBLOCK)
            self._in = os.open(made, os.O_WRONLY | os.O_NONBLOCK)  # kept open, or each announcer's leaving were an end
            os.set_blocking(self._out, True)
            made.rename(self.path)  # now it is read, so nobody takes it for one that was left behind
        except OSError:
            made.unlink(missing_ok=True)
            raise
        self._thread = Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            words = os.read(self._out, _MOST)
            for engine in set(words.decode(errors="replace").split("\n")) - {""}:
                self._tell(engine)
            self._ended.wait(_GATHER)

    def close(self) -> None:
        self._ended.set()
        with suppress(OSError):
            self.path.unlink()
        with suppress(BlockingIOError):  # full, so it wakes anyway
            os.write(self._in, b"\n")
        self._thread.join()
        os.close(self._in)
        os.close(self._out)


def _write(path: Path, words: bytes) -> None:
    try:
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:  # whose it was is dead
            with suppress(OSError):
                path.unlink()
        return
    try:
        os.write(pipe, words)
    except OSError:
        pass  # it is full, and has told enough; or its reader has just left
    finally:
        os.close(pipe)
