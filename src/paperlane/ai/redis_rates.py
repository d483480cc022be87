"""The rates of models on a Redis: one key a model, changed where nobody else did meanwhile.

Loaded only where an engine goes through a Redis, and so has its library.
"""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, WatchError
from redis.retry import Retry

from paperlane.errors import ModelAway

Given = TypeVar("Given")

_PREFIX = "paperlane:rate:"
_KEPT = 3_600  # seconds: what is older than two minutes counts no more
_IMPATIENT = 3.0  # seconds in which Redis must answer
_TRIES = 100
_NAP = 0.005  # seconds, on average


class RedisRates:
    """`Rates` for all workers that share a Redis; its clock counts.

    A Redis that forgets everything lets through what one minute permits once more.
    """

    def __init__(self, url: str) -> None:
        patience: dict[str, Any] = {"socket_timeout": _IMPATIENT, "socket_connect_timeout": _IMPATIENT}
        self._redis = Redis.from_url(url, retry=Retry(NoBackoff(), 1), **patience)

    def change(self, model: str, work: Callable[[str, float], tuple[str, Given]]) -> Given:
        """ModelAway where Redis does not answer."""
        try:
            for _ in range(_TRIES):
                with suppress(WatchError):
                    return self._changed(_PREFIX + model, work)
                time.sleep(_NAP * 2 * random.random())  # noqa: S311  spreads load, keeps no secret
        except (RedisError, OSError) as error:
            raise ModelAway(
                f"The Redis of the models' rates does not answer: {error}.",
                hint="Documents wait for it. If it stays, tell who runs this service.",
                retry_after=5,
            ) from error
        raise ModelAway("Too many workers change a model's rate at once.", retry_after=1)

    def _changed(self, key: str, work: Callable[[str, float], tuple[str, Given]]) -> Given:
        """WatchError where somebody else was faster."""
        with self._redis.pipeline(transaction=True) as together:
            together.watch(key)
            kept = cast("bytes | None", together.get(key))
            seconds, micros = together.time()
            after, given = work((kept or b"").decode(), seconds + micros / 1_000_000)
            together.multi()
            together.set(key, after, ex=_KEPT)
            together.execute()
        return given

    def close(self) -> None:
        """Close its connections."""
        self._redis.close()
