"""How many bytes of each user's files are kept: a counter, so that nobody sums up documents to upload one.

A file counts once, from its upload until no document and no schedule names it any more, however often it is tested.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, case, func, or_, select, union, update

from paperlane.ledger.schema import schedules
from paperlane.model.tasks import UserId
from paperlane.records.schema import documents, scheduled_files, users

MB = 1 << 20


def limit_of(storage_mb: int | None, usual_mb: int) -> int:
    """The bytes that a user may keep whose own quota this is, None for the usual one; 0 is no limit."""
    return (usual_mb if storage_mb is None else storage_mb) * MB


def take(connection: Connection, user: UserId, coming: int, usual_mb: int) -> bool:
    """So many bytes more are kept; False where that were more than the user may. Who comes at the same time waits."""
    most = func.coalesce(users.c.storage_mb, usual_mb) * MB
    fits = or_(most == 0, users.c.stored + coming <= most)
    taken = update(users).where(users.c.id == user, fits).values(stored=users.c.stored + coming)
    return connection.execute(taken).rowcount == 1


def hold(connection: Connection, of: Sequence[int]) -> None:
    """Nobody else changes what these users have stored until this transaction ends."""
    connection.execute(select(users.c.id).where(users.c.id.in_(of)).order_by(users.c.id).with_for_update())


def free(connection: Connection, freed: Mapping[int, int]) -> None:
    """These users have so many bytes less; never less than none, for what came by older programs is not counted yet."""
    for user, size in sorted(freed.items()):
        if size:
            left = case((users.c.stored > size, users.c.stored - size), else_=0)
            connection.execute(update(users).where(users.c.id == user).values(stored=left))


def drift(connection: Connection, user: UserId) -> int:
    """How many bytes more are kept than are counted, as one statement sees both: whatever else goes on, both agree.

    Programs of before this counter know nothing of it. It goes through all of a user's documents.
    """
    of_documents = select(documents.c.blob, documents.c.bytes).where(documents.c.user_id == user)
    of_schedules = select(scheduled_files.c.blob, scheduled_files.c.bytes).join(
        schedules, schedules.c.id == scheduled_files.c.schedule_id
    )
    files = union(of_documents, of_schedules.where(schedules.c.user_id == user)).subquery()
    kept = select(func.coalesce(func.sum(files.c.bytes), 0)).scalar_subquery()
    return int(connection.scalar(select(kept - users.c.stored).where(users.c.id == user)) or 0)


def mend(connection: Connection, user: UserId) -> int:
    """Put right what is counted; by how many bytes it was wrong. Who does so at the same time waits, and finds none."""
    hold(connection, [user])
    if by := drift(connection, user):
        connection.execute(update(users).where(users.c.id == user).values(stored=users.c.stored + by))
    return by


def next_users(connection: Connection, after: UserId, part: int, parts: int, most: int) -> Sequence[UserId]:
    """The next users after this one, by their numbers, of a part of them all."""
    of_part = (users.c.id > after, users.c.id % parts == part)
    return [
        UserId(user) for user in connection.scalars(select(users.c.id).where(*of_part).order_by(users.c.id).limit(most))
    ]
