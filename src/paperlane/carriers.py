"""The engines whose leases other makers' programs carry, by name; a library is loaded only where it is chosen."""

from contextlib import AbstractAsyncContextManager

from paperlane.engines import Carrier
from paperlane.engines.door import Door
from paperlane.errors import Misconfigured
from paperlane.settings import Settings

CARRIED = ("arq", "celery", "rq")


_USUAL_SLOTS = {("arq", ""): 50, ("celery", "cpu"): 10, ("celery", "model"): 20, ("celery", ""): 10, ("rq", ""): 10}
"""Of a worker, where nobody asked for a number: by engine and stage. Waiting for a model takes no processor."""


def slots_of(settings: Settings, engine: str) -> int:
    """How many tasks a worker of this engine runs at once."""
    if "slots" in settings.model_fields_set:
        return settings.slots
    stage = settings.stage if engine == "celery" else ""
    return _USUAL_SLOTS.get((engine, stage), settings.slots)


def broker_of(settings: Settings, engine: str) -> str:
    """The setting that names the broker of an engine."""
    return "amqp_url" if engine == "celery" and settings.amqp_url else "redis_url"


async def reach(settings: Settings, engine: str) -> None:
    """Go to an engine's broker as its workers do; Misconfigured as `carrier_of` says."""
    async with carrier_of(settings, engine):
        return


def carrier_of(settings: Settings, engine: str, door: Door | None = None) -> AbstractAsyncContextManager[Carrier]:
    """What hands an engine's leases over and, with a door, runs what arrives; its broker was reached once.

    Misconfigured when the engine's library is missing, or its broker cannot be used.
    """
    try:
        match engine:
            case "arq":
                from paperlane.engines.arq import opened  # noqa: PLC0415

                return opened(settings.redis_url, settings.shards, door)
            case "celery":
                from paperlane.engines.celery import opened  # noqa: PLC0415

                return opened(settings.amqp_url or settings.redis_url, door)
            case "rq":
                from paperlane.engines.rq import opened  # noqa: PLC0415

                return opened(settings.redis_url, door)
            case _:
                raise Misconfigured(
                    f"Nothing is handed over for the engine {engine!r}.", hint=f"Name one of {', '.join(CARRIED)}."
                )
    except ImportError as error:
        raise Misconfigured(
            f"The engine {engine} needs a library that is not installed ({error.name}).",
            hint=f"Where Paperlane's source is: make engine-{engine}; elsewhere: pip install 'paperlane[{engine}]'.",
        ) from error
