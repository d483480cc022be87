"""Log lines are events with fields, on stderr: for people, or as JSON for programs."""

import logging
import os
import sys

import structlog

from paperlane.settings import Settings


def configure(settings: Settings) -> None:
    """Set logging up for this process, libraries included."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    for_programs = settings.log_format == "json"
    last: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if for_programs
        else [structlog.dev.ConsoleRenderer(colors=_in_colour(), pad_event_to=0)]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_only_event, *last]))
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _in_colour() -> bool:
    """On a terminal, unless its owner wants none (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _only_event(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(_logger, _name, event)  # pyright: ignore[reportArgumentType]
