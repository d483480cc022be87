"""Accounts: who may come in, with what, and what they may do."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Row, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from paperlane.clock import new_secret
from paperlane.errors import BadRequest, Conflict, NotAllowed, NotFound
from paperlane.ledger.schema import lanes
from paperlane.ledger.sense import clean
from paperlane.model.tasks import UserId
from paperlane.records.schema import tokens, users

_HOLDER = select(users).join(tokens, tokens.c.user_id == users.c.id)
_NAME = re.compile(r"[\w.@+-]{1,100}")
LONGEST_GROUP = 100  # characters
LARGEST_QUOTA = 10**12  # of MB an exabyte; what every database's columns hold, also in bytes


class Role(StrEnum):
    """What an account may do: a viewer looks, also at how the service does, and changes nothing; an admin runs it."""

    USER = "user"
    VIEWER = "viewer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Quotas:
    """What an account may use beside its lane: None is as the settings say, 0 without a limit."""

    storage_mb: int | None = None
    requests_a_minute: int | None = None
    model_tokens: int | None = None  # in a calendar month


_AS_SET = Quotas()


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may come in. Who has used up more, or may, is the same account still."""

    id: UserId
    name: str
    role: Role
    group: str
    created_at: float
    pinned: str = ""  # the engine that was chosen for this account alone
    quotas: Quotas = field(default=_AS_SET, compare=False)
    stored: int = field(default=0, compare=False)  # bytes of its kept files

    @property
    def operates(self) -> bool:
        """May this account look at all lanes and tasks, stop and restart these? What they hold stays their owners'."""
        return self.role is Role.ADMIN

    @property
    def looks(self) -> bool:
        """May this account look at everybody's figures: who waits, what failed, which workers live, who changed what?

        Not at documents, nor at what they are called, nor at sentences that may quote from them.
        """
        return self.role in {Role.ADMIN, Role.VIEWER}


@dataclass(frozen=True, slots=True)
class Terms:
    """What an account's lane may: tasks at once, share of the turns, the engine that carries them."""

    limit: int
    weight: float
    engine: str
    paused: bool


def _account(row: Row[*tuple[object, ...]]) -> Account:
    quotas = Quotas(row.storage_mb, row.requests_a_minute, row.model_tokens)
    user, role = UserId(row.id), Role(row.role)
    return Account(user, row.name, role, row.group_name, row.created_at, row.pinned, quotas, row.stored)


def add(connection: Connection, name: str, role: Role, group: str, now: float, quotas: Quotas = _AS_SET) -> Account:
    """A new account. BadRequest for what makes no sense, Conflict for a name that is taken."""
    if _NAME.fullmatch(name) is None:
        raise BadRequest(
            f"{name[:100]!r} is no user name.", hint="Use letters, digits and . _ @ + - only, at most 100 of them."
        )
    group, own = _group(group), _checked(asdict(quotas))
    try:
        made = connection.execute(
            insert(users), {"name": name, "role": role.value, "group_name": group, "created_at": now, **own}
        )
    except IntegrityError as error:
        raise Conflict(f"There is a user {name} already.", code="name_taken") from error
    assert made.inserted_primary_key is not None
    return Account(UserId(made.inserted_primary_key[0]), name, role, group, now, quotas=quotas)


def _checked(quotas: Mapping[str, int | None]) -> Mapping[str, int | None]:
    """The same. BadRequest for a number that makes no sense."""
    for name, value in quotas.items():
        if value is not None and not 0 <= value <= LARGEST_QUOTA:
            raise BadRequest(
                f"There is no quota {name} of {value}.", hint=f"Give 1 to {LARGEST_QUOTA}, or 0 for no limit."
            )
    return quotas


def _group(said: str) -> str:
    """The group, as it is kept. BadRequest for one that is too long."""
    if len(said) > LONGEST_GROUP:
        raise BadRequest("The name of the group is too long.", hint=f"Use at most {LONGEST_GROUP} characters.")
    return clean(said)


def everyone(connection: Connection) -> Sequence[Account]:
    """All accounts, oldest first."""
    return [_account(row) for row in connection.execute(select(users).order_by(users.c.id))]


def has_group(connection: Connection, group: str) -> bool:
    """Is anybody in this group?"""
    asked = select(users.c.id).where(users.c.group_name == clean(group)).limit(1)
    return connection.execute(asked).first() is not None


def groups(connection: Connection) -> Sequence[str]:
    """The groups that anybody is in, by name."""
    asked = select(users.c.group_name).where(users.c.group_name != "").distinct().order_by(users.c.group_name)
    return connection.scalars(asked).all()


def names(connection: Connection, of: Sequence[UserId]) -> dict[int, str]:
    """The names of these accounts, a thousand or so at once."""
    asked = select(users.c.id, users.c.name).where(users.c.id.in_(of))
    return {row.id: row.name for row in connection.execute(asked)}


def with_terms(
    connection: Connection, after: int = 0, limit: int | None = None
) -> Sequence[tuple[Account, Terms | None]]:
    """All accounts, or a page of those after one, oldest first, each with what its lane may; one question."""
    asked = select(users, lanes).outerjoin(lanes, lanes.c.user_id == users.c.id).where(users.c.id > after)
    asked = asked.order_by(users.c.id).limit(limit)
    return [(_account(row), _terms(row)) for row in connection.execute(asked)]


def by_engine(connection: Connection) -> dict[str, tuple[int, int]]:
    """How many accounts each engine carries, and of how many of these it was chosen for them alone."""
    chosen = func.sum(case((users.c.pinned != "", 1), else_=0))
    asked = select(lanes.c.engine, func.count(), chosen).join(users, users.c.id == lanes.c.user_id)
    return {engine: (count, int(own)) for engine, count, own in connection.execute(asked.group_by(lanes.c.engine))}


def chosen_engines(connection: Connection) -> set[str]:
    """The engines that were chosen for some account alone."""
    return set(connection.scalars(select(users.c.pinned).where(users.c.pinned != "").distinct()))


def terms(connection: Connection, user: UserId) -> Terms | None:
    """What the lane of one account may; None for an account without a lane."""
    row = connection.execute(select(lanes).where(lanes.c.user_id == user)).first()
    return None if row is None else _terms(row)


def model_tokens(connection: Connection, user: UserId) -> int | None:
    """The tokens that an account may use up at models in a month; None: as the settings say."""
    return connection.scalar(select(users.c.model_tokens).where(users.c.id == user))


def _terms(row: Row[*tuple[object, ...]]) -> Terms | None:
    if row.user_id is None:
        return None
    return Terms(row.own_limit or row.max_running, row.weight, row.engine, bool(row.paused))


def first_at(connection: Connection) -> float | None:
    """When the first account was made, which is how old the records are; None while there is none."""
    return connection.scalar(select(func.min(users.c.created_at)))


def named(connection: Connection, name: str) -> Account:
    """The account of this name, or NotFound."""
    # no account has another name, and some databases would not even look for it
    row = connection.execute(select(users).where(users.c.name == name)).first() if _NAME.fullmatch(name) else None
    if row is None:
        raise NotFound(f"There is no user {name}.", hint="See: paperlane user list.")
    return _account(row)


def of_id(connection: Connection, user: UserId) -> Account:
    """The account of this id, or NotFound."""
    row = connection.execute(select(users).where(users.c.id == user)).first()
    if row is None:
        raise NotFound("There is no such user.")
    return _account(row)


def change(
    connection: Connection,
    user: UserId,
    role: Role | None,
    group: str | None,
    pinned: str | None = None,
    quotas: Mapping[str, int | None] | None = None,
) -> None:
    """Give an account another role, group or engine of its own, or other ones of its quotas, by their names.

    BadRequest for a group or a quota that makes no sense.
    """
    own = dict(_checked(quotas or {}))
    group = None if group is None else _group(group)
    new = {"role": role.value if role else None, "group_name": group, "pinned": pinned}
    if given := {name: value for name, value in new.items() if value is not None} | own:
        connection.execute(update(users).where(users.c.id == user).values(given))


def new_token(connection: Connection, user: UserId, now: float) -> str:
    """A fresh token; only its hash is kept."""
    token = new_secret("pl")
    connection.execute(insert(tokens), {"hash": _hash(token), "user_id": user, "created_at": now})
    return token


def new_link(connection: Connection, user: UserId, now: float, seconds: float) -> str:
    """A secret that signs in once, within so many seconds. Links of the account that are too old are forgotten."""
    old = delete(tokens).where(tokens.c.user_id == user, tokens.c.once_until > 0, tokens.c.once_until <= now)
    connection.execute(old)
    secret = new_secret("once")
    row = {"hash": _hash(secret), "user_id": user, "created_at": now, "once_until": now + seconds}
    connection.execute(insert(tokens), row)
    return secret


def holders(connection: Connection, role: Role) -> Sequence[int]:
    """The accounts of this role, locked: none of them is given another one before this transaction has ended."""
    return connection.scalars(
        select(users.c.id).where(users.c.role == role.value).order_by(users.c.id).with_for_update()
    ).all()


def can_sign_in(connection: Connection, role: Role) -> bool:
    """Does anybody of this role hold a token or a session? A link that was not used is none."""
    held = (
        select(tokens.c.hash)
        .join(users, tokens.c.user_id == users.c.id)
        .where(users.c.role == role.value, tokens.c.revoked_at == 0, tokens.c.once_until == 0)
    )
    return connection.execute(held.limit(1)).first() is not None


def revoke(connection: Connection, user: UserId, now: float) -> int:
    """Make all tokens, links and sessions of an account useless; how many tokens there were."""
    held = update(tokens).where(tokens.c.user_id == user, tokens.c.revoked_at == 0).values(revoked_at=now)
    count = connection.execute(held.where(tokens.c.session_of == "", tokens.c.once_until == 0)).rowcount
    connection.execute(held)
    return count


def check_may_submit(connection: Connection, user: UserId) -> None:
    """NotAllowed for an account that may upload nothing: a viewer's, and one of which everything is revoked.

    Whoever never had a token is not revoked; a sign-out leaves nothing behind.
    """
    hint = "Ask an admin, who can let it go on or remove it."
    if of_id(connection, user).role is Role.VIEWER:
        raise NotAllowed("Its owner is a viewer by now, who uploads nothing.", code="owner_barred", hint=hint)
    held = connection.scalars(
        select(tokens.c.revoked_at).where(tokens.c.user_id == user, tokens.c.once_until == 0)
    ).all()
    if held and all(held):
        raise NotAllowed("All tokens of its owner are revoked.", code="owner_barred", hint=hint)


def of_token(connection: Connection, token: str) -> tuple[Account, str] | None:
    """Who holds this token, with the token's hash; None when it is unknown or revoked, or no token."""
    row = connection.execute(
        _HOLDER.where(
            tokens.c.hash == (digest := _hash(token)),
            tokens.c.revoked_at == 0,
            tokens.c.once_until == 0,
            tokens.c.session_of == "",
        )
    ).first()
    return None if row is None else (_account(row), digest)


def of_session(connection: Connection, session: str) -> Account | None:
    """Whose session of the page this is; None when it has ended, or the token that it stands on is revoked."""
    parent = tokens.alias("parent")
    row = connection.execute(
        _HOLDER.join(parent, parent.c.hash == tokens.c.session_of).where(
            tokens.c.hash == session, tokens.c.revoked_at == 0, parent.c.revoked_at == 0
        )
    ).first()
    return None if row is None else _account(row)


def begin_session(connection: Connection, user: UserId, token: str, now: float, seconds: float) -> str:
    """A session of the page on the token of this hash; sessions of the account that are so old are forgotten."""
    old = delete(tokens).where(tokens.c.user_id == user, tokens.c.session_of != "", tokens.c.created_at < now - seconds)
    connection.execute(old)
    session = _hash(new_secret("session"))
    row = {"hash": session, "user_id": user, "created_at": now, "session_of": token}
    connection.execute(insert(tokens), row)
    return session


def end_session(connection: Connection, session: str) -> None:
    """This sign-in is over; the token that it stands on goes on."""
    connection.execute(delete(tokens).where(tokens.c.hash == session, tokens.c.session_of != ""))


def is_link(connection: Connection, secret: str, now: float) -> bool:
    """Is it one that is good still?"""
    return connection.execute(select(tokens.c.hash).where(_is_link(secret, now))).first() is not None


def _is_link(secret: str, now: float) -> ColumnElement[bool]:
    return (tokens.c.hash == _hash(secret)) & (tokens.c.once_until > now) & (tokens.c.revoked_at == 0)


def use_link(connection: Connection, secret: str, now: float) -> str | None:
    """Spend a link, and with it all others of its account: the session that it begins; None when it is void."""
    session = _hash(new_secret("session"))
    spent = connection.execute(
        update(tokens)
        .where(_is_link(secret, now))
        .values(once_until=0.0, created_at=now, hash=session, session_of=session)
    )
    if not spent.rowcount:
        return None
    user = connection.scalar(select(tokens.c.user_id).where(tokens.c.hash == session))
    connection.execute(delete(tokens).where(tokens.c.user_id == user, tokens.c.once_until > 0))
    return session


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
