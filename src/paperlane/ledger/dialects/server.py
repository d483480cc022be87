"""What database servers have in common: connections that are kept, and made anew when the server was away."""

from sqlalchemy import URL, Engine, create_engine

_CONNECTIONS = 10
_WAIT = 30.0  # seconds for a connection that others use
_REACH = 10  # seconds in which a server answers, or it counts as away
_OLD = 1_800  # seconds after which a connection is made anew: firewalls forget idle ones


def engine_of(url: URL, isolation_level: str) -> Engine:
    """Connections to a server. A broken one is noticed when it is used; the pool forgets all of its time then."""
    return create_engine(
        url,
        isolation_level=isolation_level,
        pool_size=_CONNECTIONS,
        max_overflow=_CONNECTIONS,
        pool_timeout=_WAIT,
        pool_recycle=_OLD,
        pool_use_lifo=True,
        connect_args={"connect_timeout": _REACH},
    )
