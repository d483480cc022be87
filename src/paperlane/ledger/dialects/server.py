"""What database servers have in common: connections that are kept, and made anew when the server was away."""

from sqlalchemy import URL, Engine, NullPool, create_engine, event

from paperlane.ledger.dialects import versions

REACH = 10
"""Seconds in which a server answers who connects, or it counts as away."""

SILENT = 15
"""Seconds without a sign of the server's machine after which a connection counts as lost, also while it is waited for.

A worker has two thirds of a lease left when its heartbeat finds no answer: 20 seconds, unless leases are made shorter.
"""

ANSWER = 60
"""Seconds in which a statement is answered: longer than any of ours takes, with its waits for locks where these are
limited. A server that is silent for longer, on a machine that lives, stands still; PostgreSQL's is asked first."""

IDLE = 10
"""Seconds after which the server ends a transaction that idles, and gives its locks free. None of ours idles for long:
its process stands still or is gone, its machine perhaps too, and others wait for its lanes."""

QUEUE = 15
"""Seconds for which a lock is waited for at most, where waits are limited: longer than the locks of a transaction last
whose process is gone."""

_CONNECTIONS = 10
_WAIT = 30.0  # seconds for a connection that others use
_OLD = 1_800  # seconds after which a connection is made anew: firewalls forget idle ones


def preset(url: URL, **options: object) -> URL:
    """The URL with these options of the driver, but for those that it has itself."""
    return url.set(query={**{name: str(value) for name, value in options.items()}, **url.query})


def engine_of(url: URL, isolation_level: str, **options: int) -> Engine:
    """Connections to a server. A broken one is noticed when it is used; the pool forgets all of its time then.

    They have the driver's `options` too, but for those that the URL has itself. The first one raises Misconfigured when
    the server is too old.
    """
    made = create_engine(
        url,
        isolation_level=isolation_level,
        pool_size=_CONNECTIONS,
        max_overflow=_CONNECTIONS,
        pool_timeout=_WAIT,
        pool_recycle=_OLD,
        pool_use_lifo=True,
        connect_args={name: value for name, value in options.items() if name not in url.query},
    )
    return _checked(made)


def unlimited_engine_of(url: URL) -> Engine:
    """Connections for who takes long; none is kept."""
    return _checked(create_engine(url, isolation_level="READ COMMITTED", poolclass=NullPool))


def _checked(made: Engine) -> Engine:
    event.listen(made, "first_connect", versions.check, insert=True)  # before what an old one would stumble over
    return made
