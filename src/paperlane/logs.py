"""Log lines are events with fields, on stderr: for people, or as JSON for programs."""

import logging
import os
import sys
import traceback
from collections import deque
from collections.abc import Iterator

import structlog
from sqlalchemy.exc import SQLAlchemyError

from paperlane.errors import PaperlaneError
from paperlane.settings import Settings

_SPEAK = (OSError, PaperlaneError, RuntimeError, SQLAlchemyError)
_LONGEST = 300
_FRAMES = 25
_DEEPEST = 6


def configure(settings: Settings) -> None:
    """Set logging up for this process, libraries included."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_traceback),
    ]
    for_programs = settings.log_format == "json"
    last: list[structlog.typing.Processor] = (
        [structlog.processors.JSONRenderer()]
        if for_programs
        else [structlog.dev.ConsoleRenderer(colors=_in_colour(), pad_event_to=0)]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Prints would write a line and its end by turns where PYTHONUNBUFFERED is set: several processes share a log.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_only_event, *last]))
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def told(error: BaseException, depth: int = 0) -> Iterator[str]:
    """Lines that say where an error was raised, its causes first; nothing of what the code held in its hands.

    Most errors quote what they were given, which may be a document or a token. So only those speak that say what
    happened in their first line, and quote after it: those of the system, of the database and our own.
    """
    causes = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    if (cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        causes.append(cause)
    for one in causes if depth < _DEEPEST else ():
        yield from told(one, depth + 1)
    said = str(error).partition("\n")[0][:_LONGEST] if isinstance(error, _SPEAK) else ""
    yield ": ".join(filter(None, (type(error).__qualname__, said)))
    for frame, line in deque(traceback.walk_tb(error.__traceback__), _FRAMES):
        yield f"  {frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}"


def _traceback(exc_info: structlog.typing.ExcInfo) -> str:
    return "\n".join(told(exc_info[1]))


def _in_colour() -> bool:
    """On a terminal, unless its owner wants none (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _only_event(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(_logger, _name, event)  # pyright: ignore[reportArgumentType]
