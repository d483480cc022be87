"""How often somebody may ask: each user by their quota, and strangers by the address that they come from."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from math import ceil, floor
from time import monotonic

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paperlane.errors import TooMany
from paperlane.records.accounts import Account

_MINUTE = 60.0
_MOST = 10_000  # buckets, and tokens that are known: who came last is kept
_STRANGERS = 60  # tries a minute of one address with tokens that are not known here
_NET = 64  # bits of an IPv6 address that name who has it
_ROUNDING = 1e-6  # requests: who waited as told must not meet what is left of fractions
_VERDICT = "paperlane.pace"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a request; times in seconds."""

    limit: int
    left: int  # how many more may come at once
    wait: float  # until one may come; 0 where this one may
    whole: float  # until as many may come at once as a minute allows


class Buckets:
    """What each asked for lately: it fills with every request, and drains evenly, a minute's requests in a minute.

    So `limit` may come at once, and `limit` more in each minute after that. One that is full lets nothing in, and what
    it refuses does not fill it. Who asked last is known for longest, of the `most` that are. For one event loop.
    """

    def __init__(self, clock: Callable[[], float] = monotonic, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, who: Hashable, limit: int) -> Verdict:
        """One request more, of at most `limit` a minute, which may be another one each time."""
        level = self.level(who, limit)
        over = level + 1 - limit
        if over <= _ROUNDING:
            level, over = level + 1, 0.0
        self._levels[who] = (level, self._clock())
        self._levels.move_to_end(who)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        each = _MINUTE / limit
        return Verdict(limit, max(0, floor(limit - level + _ROUNDING)), over * each, level * each)

    def give_back(self, who: Hashable) -> None:
        """A request that was let in does not count after all."""
        if who in self._levels:
            level, at = self._levels[who]
            self._levels[who] = (max(0.0, level - 1), at)

    def level(self, who: Hashable, limit: int) -> float:
        """How many of the last requests still count; never more than the limit that holds now."""
        level, at = self._levels.get(who, (0.0, 0.0))
        return min(float(limit), max(0.0, level - (self._clock() - at) * limit / _MINUTE))


class Pace:
    """The buckets of one web process; nothing of it is written anywhere."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._users = Buckets(clock)
        self._strangers = Buckets(clock)
        self._known: OrderedDict[str, None] = OrderedDict()  # hashes of tokens that were good when they last came

    def take(self, connection: HTTPConnection, account: Account, limit: int) -> Verdict | None:
        """A request of this account, counted once; None where there is no limit. `PaceHeaders` tell it."""
        if not limit:
            return None
        if before := connection.scope.get(_VERDICT):
            return before[-1]
        verdict = self._users.take(account.id, limit)
        connection.scope.get(_VERDICT, []).append(verdict)
        return verdict

    def check(self, connection: HTTPConnection, account: Account, limit: int) -> None:
        """The same; TooMany where the account has asked too often."""
        verdict = self.take(connection, account, limit)
        if verdict is not None and verdict.wait:
            raise too_many(verdict.wait)

    def used(self, account: Account, limit: int) -> int:
        """How many requests of this account count now."""
        return ceil(self._users.level(account.id, limit) - _ROUNDING) if limit else 0

    def admit(self, connection: HTTPConnection, token: str) -> None:
        """Before a token is looked up: TooMany where too many that nobody knows came from its address.

        One that was good before is looked up all the same, so strangers lock nobody out who has come in.
        """
        wait = 0.0 if _digest(token) in self._known else self._strangers.take(_address(connection), _STRANGERS).wait
        if wait:
            raise too_many(wait)

    def told(self, connection: HTTPConnection, token: str, *, is_good: bool | None) -> None:
        """After it was; None where nobody can say, as while the database is away: it was no stranger's fault."""
        digest = _digest(token)
        if is_good is None:
            if digest not in self._known:
                self._strangers.give_back(_address(connection))
            return
        if not is_good:
            self._known.pop(digest, None)
            return
        if digest not in self._known:
            self._strangers.give_back(_address(connection))
        self._known[digest] = None
        self._known.move_to_end(digest)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)


def too_many(wait: float) -> TooMany:
    """The refusal of who asks too often."""
    return TooMany(
        "Too many requests came in the last minute.",
        hint="Ask less often: the header Retry-After says when the next request may come.",
        code="too_many_requests",
        retry_after=ceil(wait),
    )


def pace_of(connection: HTTPConnection) -> Pace:
    """The pace of this process."""
    return connection.app.state.pace


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _address(connection: HTTPConnection) -> str:
    """Where a request comes from; of an IPv6 address the network, in which somebody may have any.

    A socket for both kinds tells IPv4 ones as `::ffff:` and the address: these are no network of one owner.
    """
    host = connection.client.host if connection.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    inner = address.ipv4_mapped
    return str(int(address) >> (128 - _NET)) if inner is None else str(inner)


class PaceHeaders:
    """Tells who has a limit what is left of it, in every answer: draft-ietf-httpapi-ratelimit-headers-10."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        verdicts: list[Verdict] = []

        async def telling(message: Message) -> None:
            if verdicts and message["type"] == "http.response.start":
                last = verdicts[-1]
                policy = f'"requests";q={last.limit};w={_MINUTE:.0f}'
                left = f'"requests";r={last.left};t={ceil(last.whole)}'
                told = [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]
                message = {**message, "headers": [*message["headers"], *told]}
            await send(message)

        await self._app({**scope, _VERDICT: verdicts}, receive, telling)
