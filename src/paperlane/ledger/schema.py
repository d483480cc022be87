"""The ledger's tables. Times are seconds since 1970 (UTC) as floats, 0 for never; flags are 0 or 1."""

from typing import Any, Self

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    case,
    literal_column,
    text,
)
from sqlalchemy.dialects.mysql import LONGBLOB, LONGTEXT
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.sql.visitors import InternalTraversal
from typing_extensions import override

from paperlane.model.tallies import BUCKETS

metadata = MetaData()


def key(length: int) -> String:
    """A short text that is compared byte by byte: as quick as it goes, in the same order on every database.

    PostgreSQL would compare by the rules of the server's language, and an index is wrong as soon as those change:
    https://www.postgresql.org/docs/current/collation.html. The others do it anyway.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


_ID = key(40)
_NAME = key(200)
LONGEST_CODE = 60
LARGE = LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")  # it has a type for each length
LONG = Text().with_variant(LONGTEXT(), "mysql", "mariadb")


class Condition(ColumnElement[bool]):
    """A condition that an index serves: to the letter where indexes are partial, by a generated column on MySQL.

    A partial index serves a query only when the query repeats its condition, so each stands once, here.
    """

    inherit_cache = True
    _traverse_internals = [("words", InternalTraversal.dp_string), ("column", InternalTraversal.dp_string)]  # noqa: RUF012  SQLAlchemy reads it of the class
    type = Boolean()

    def __init__(self, words: str, column: str = "") -> None:
        self.words = words
        self.column = column

    def __str__(self) -> str:
        return self.words

    @property
    def flagged(self) -> str:
        """The condition in MySQL's words."""
        return f"{self.column} = 1" if self.column else self.words

    @override
    def self_group(self, against: OperatorType | None = None) -> Self:
        """Itself among others: SQLite would be asked whether it equals 1, which no partial index answers."""
        return self


@compiles(Condition)
def _(condition: Condition, _compiler: SQLCompiler, **_more: object) -> str:
    return condition.words


@compiles(Condition, "mysql", "mariadb")
def _(condition: Condition, _compiler: SQLCompiler, **_more: object) -> str:
    return condition.flagged


RUNNABLE = Condition("ready > 0 AND running < max_running AND paused = 0", "runnable")
READY = Condition("state = 'ready'", "is_ready")
SUSPECT = Condition("state = 'ready' AND crashes > 0", "is_suspect")
WAITING = Condition("state = 'waiting'", "is_waiting")
RUNNING = Condition("state = 'running'")
UNDER_WAY = Condition("state IN ('leased', 'running')", "is_under_way")
BACKLOGGED = Condition("ready + waiting > 0", "backlogged")
ENDED = Condition("state IN ('completed', 'failed', 'cancelled')")
DEAD = Condition("dead = 1")
IN_A_FILE = Condition("file <> ''")


def _partial(condition: Condition) -> dict[str, Any]:
    return {"sqlite_where": text(condition.words), "postgresql_where": text(condition.words)}


def _kept_room(full: int) -> dict[str, Any]:
    """PostgreSQL fills pages by so many percent only: a row that changes stays on its page, beside its indexes."""
    return {"postgresql_with": {"fillfactor": full}}


batches = Table(
    "batches",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("key", _NAME),  # NULL for none, so that only real keys must be unique
    Column("content", key(64), nullable=False),
    Column("created_at", Double, nullable=False),
    # its tasks lie between these of its user's; an index by batch would be written anew at each change of each task.
    # Empty where an older process wrote it
    Column("first_task", _ID, nullable=False, server_default=""),
    Column("last_task", _ID, nullable=False, server_default=""),
    Index("batches_key", "user_id", "key", unique=True),
    Index("batches_user", "user_id", "id"),
)

lanes = Table(
    "lanes",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("engine", key(40), nullable=False),
    Column("band", Integer, nullable=False, server_default="0"),
    Column("weight", Double, nullable=False, server_default="1"),
    Column("max_running", Integer, nullable=False),  # what bounds its turns
    # the user's own limit, while the flag `use_user_semaphore` is off and `max_running` bounds nobody; else 0
    Column("own_limit", Integer, nullable=False, server_default="0"),
    Column("running", Integer, nullable=False, server_default="0"),  # leased and running tasks
    Column("ready", Integer, nullable=False, server_default="0"),
    Column("waiting", Integer, nullable=False, server_default="0"),
    Column("vtime", Double, nullable=False, server_default="0"),  # served, and what its turns were charged
    Column("served", Double, nullable=False, server_default="0"),  # virtual time of the turns that ended
    Column("ratio", Double, nullable=False, server_default="1"),  # used / estimated, as its last turns were
    Column("paused", Integer, nullable=False, server_default="0"),
    # of all runs of its tasks that ended since migration 0022, also of tasks that were deleted since
    Column("completed", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),
    Column("cancelled", BigInteger, nullable=False, server_default="0"),
    Column("cpu", Double, nullable=False, server_default="0"),  # seconds of processor time, as attempts told
    Index("lanes_turn", "engine", "band", "vtime", "user_id", **_partial(RUNNABLE)),
    Index("lanes_backlog", "user_id", "ready", "waiting", **_partial(BACKLOGGED)),
    **_kept_room(50),
)

clocks = Table(  # one for each shard of an engine's users
    "clocks",
    metadata,
    Column("engine", key(40), primary_key=True),
    Column("band", Integer, primary_key=True, autoincrement=False),  # the shard
    Column("shards", Integer, nullable=False, server_default="1"),  # how many there are, at the first of them
    Column("vtime", Double, nullable=False),
    **_kept_room(50),
)

system = Table(  # one row: what holds for the whole system, and where those take turns who share it
    "system",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("max_running", Integer),  # NULL: as the settings say
    Column("repairs", BigInteger, nullable=False, server_default="0"),  # of lanes whose counters had drifted
    # the engine that carries whom nothing else takes in, when it was named, how often one was, and after how many of
    # these all lanes were as it says; "": nobody has named one, and each process goes by its settings
    Column("usual", key(40), nullable=False, server_default=""),
    Column("usual_at", Double, nullable=False, server_default="0"),
    Column("usual_named", Integer, nullable=False, server_default="0"),
    Column("usual_settled", Integer, nullable=False, server_default="0"),
)

backlog = Table(  # one row: who submits shares it until its commit, or has it alone to be promised more
    "backlog",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("counts", BigInteger, nullable=False),  # how often all lanes were summed up
    Column("promised", BigInteger, nullable=False),  # what waited then, and what was promised since
    **_kept_room(50),
)

tallies = Table(  # what all processes counted; the buckets are those of `model.tallies.BOUNDS`
    "tallies",
    metadata,
    Column("name", key(40), primary_key=True),
    Column("label", key(100), primary_key=True),
    Column("total", Double, nullable=False, server_default="0"),
    *(Column(f"bucket_{at}", BigInteger, nullable=False, server_default="0") for at in range(BUCKETS)),
)

engines = Table(
    "engines",
    metadata,
    Column("name", key(40), primary_key=True),
    Column("paused", Integer, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("batch_id", _ID, nullable=False),
    Column("position", Integer, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("state", key(12), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("sort_key", Double, nullable=False),
    Column("stage", key(12), nullable=False),  # of the part that it is in
    Column("parted", Integer, nullable=False, server_default="0"),  # the fence of a part that waits to be handed over
    Column("version", Integer, nullable=False, server_default="1"),  # of its payload: workers must know it
    Column("cost", Double, nullable=False),  # slot-seconds, as estimated
    Column("used", Double, nullable=False, server_default="0"),  # slot-seconds, by the parts before this one
    Column("took", Double, nullable=False, server_default="0"),  # of them, of the attempt's own time
    Column("charged", Double, nullable=False, server_default="0"),  # to its lane for its turn, in virtual time
    Column("run", Integer, nullable=False, server_default="1"),  # rises when a person starts an ended task again
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("cancel", Integer, nullable=False, server_default="0"),
    Column("engine", key(40), nullable=False, server_default=""),
    Column("worker_id", _ID, nullable=False, server_default=""),
    Column("lease_until", Double, nullable=False, server_default="0"),
    Column("run_at", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double, nullable=False, server_default="0"),
    Column("begun_at", Double, nullable=False, server_default="0"),  # of its last attempt
    Column("finished_at", Double, nullable=False, server_default="0"),
    Column("seq", Integer, nullable=False),
    Column("step", key(60), nullable=False, server_default=""),
    Column("percent", Double, nullable=False, server_default="0"),
    Column("message", Text, nullable=False),
    Column("fault", Text),  # JSON {code, message, hint}
    Column("cause", key(LONGEST_CODE), nullable=False, server_default=""),  # the fault's code, of a task that failed
    Column("dead", Integer, nullable=False, server_default="0"),  # it failed, and nobody started or discarded it since
    Column("summary", LONG),  # JSON, given with the completion
    Column("payload", LARGE, nullable=False),
    Index("tasks_ready", "user_id", "sort_key", "id", **_partial(READY)),
    Index("tasks_suspect", "crashes", **_partial(SUSPECT)),
    Index("tasks_waiting", "run_at", **_partial(WAITING)),
    Index("tasks_late", "user_id", **_partial(WAITING)),
    Index("tasks_worker", "worker_id", "engine", "user_id", **_partial(UNDER_WAY)),
    Index("tasks_ended", "user_id", "state", "finished_at", "id", **_partial(ENDED)),
    # `dead` stands in them for databases that have no partial indexes
    Index("tasks_dead", "dead", "finished_at", "id", "cause", **_partial(DEAD)),
    Index("tasks_dead_user", "user_id", "dead", "finished_at", "id", "cause", **_partial(DEAD)),
    Index("tasks_user", "user_id", "id"),
)

IS_BETWEEN = tasks.c.parted == tasks.c.fence
"""Two parts, of a task that is leased. Whoever leases it anew makes that void, also a process that knows no parts."""

_LAST_OF_ALL = literal_column("'~'", String())  # ids are of digits and letters, which come before it
_last_task = case((batches.c.last_task == literal_column("''"), _LAST_OF_ALL), else_=batches.c.last_task)

OF_BATCH = (
    tasks.c.user_id == batches.c.user_id,
    tasks.c.id.between(batches.c.first_task, _last_task),
    tasks.c.batch_id == batches.c.id,  # uploads of a user at the same time may lie between each other's tasks
)
"""The tasks of a batch, beside its row: found among its user's.

A process of an older version does not say where they lie, and goes on after the migration: then they are among all.
"""

attempts = Table(  # that are over: what runs stands in its task's row
    "attempts",
    metadata,
    Column("task_id", _ID, primary_key=True),
    Column("fence", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("engine", key(40), nullable=False),
    Column("worker_id", _ID, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double, nullable=False, server_default="0"),
    Column("outcome", key(20), nullable=False, server_default=""),
    Column("fault", Text),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("task_id", _ID, primary_key=True),
    Column("step", key(60), primary_key=True),
    Column("key", key(64), primary_key=True),
    Column("fence", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("result", LARGE, nullable=False),  # of one that lies in a file: nothing
    Column("file", key(200), nullable=False, server_default=""),  # where a large one lies; its hash and size
    Column("sha256", key(64), nullable=False, server_default=""),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Index("checkpoints_file", "file", **_partial(IN_A_FILE)),
)

events = Table(
    "events",
    metadata,
    Column("task_id", _ID, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("fence", Integer, nullable=False),
    Column("kind", key(20), nullable=False),
    Column("status", key(12), nullable=False),
    Column("step", key(60), nullable=False),
    Column("percent", Double, nullable=False),
    Column("message", Text, nullable=False),
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)

workers = Table(
    "workers",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("engine", key(40), nullable=False),
    Column("host", _NAME, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("slots", Integer, nullable=False),  # that it was granted
    Column("asked", Integer, nullable=False, server_default="0"),  # the most that it may want; 0: it did not say
    Column("least", Integer, nullable=False, server_default="0"),
    Column("starts", Integer, nullable=False, server_default="0"),  # with so many it began; 0: it did not say
    Column("wants", Integer, nullable=False, server_default="0"),  # now
    Column("cpu", Double, nullable=False, server_default="-1"),  # in use, as a share of its machine; -1: not known
    Column("memory", Double, nullable=False, server_default="-1"),
    Column("version", Integer, nullable=False, server_default="1"),  # the newest payloads that it reads
    Column("stages", key(40), nullable=False, server_default=""),  # that it serves, with commas between; "": all
    Column("shard", Integer, nullable=False, server_default="0"),  # of users
    Column("shards", Integer, nullable=False, server_default="1"),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    **_kept_room(50),
)

rollouts = Table(  # which engine carries how many percent of the users
    "rollouts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("engine", key(40), nullable=False),
    Column("percent", Double, nullable=False),
    Column("group_name", key(100), nullable=False),  # "": of all users
    Column("set_at", Double, nullable=False),
    Column("set_by", BigInteger, nullable=False),
    Column("undone_at", Double, nullable=False, server_default="0"),
    Column("undone_by", BigInteger, nullable=False, server_default="0"),
    Column("settled", Integer, nullable=False, server_default="0"),  # 1 once all lanes are as it says
)

guards = Table(  # what compares a roll-out with what it replaces
    "guards",
    metadata,
    Column("rule", Integer, primary_key=True, autoincrement=False),
    Column("mode", key(8), nullable=False),
    Column("state", key(16), nullable=False),
    Column("found", LONG),  # JSON: what the last look found
    Column("looked_at", Double, nullable=False, server_default="0"),
    Column("changed_at", Double, nullable=False, server_default="0"),
    Column("since", Double, nullable=False, server_default="0"),  # what came before, somebody knew of
)

flags = Table(  # what of the machinery is in use
    "flags",
    metadata,
    Column("name", key(40), primary_key=True),
    Column("is_on", Integer, nullable=False),
    Column("set_at", Double, nullable=False, server_default="0"),
    Column("set_by", BigInteger, nullable=False, server_default="0"),
    Column("changes", Integer, nullable=False, server_default="0"),  # how often it was switched
    Column("settled", Integer, nullable=False, server_default="0"),  # after so many of these all lanes were as it says
)

schedules = Table(
    "schedules",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("cron", key(100), nullable=False),
    Column("timezone", key(60), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tasks", Integer, nullable=False),  # of each batch
    Column("paused", Integer, nullable=False, server_default="0"),
    Column("created_at", Double, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("last_at", Double, nullable=False, server_default="0"),
    Column("last_batch", _ID, nullable=False, server_default=""),
    Column("refusal", Text),  # JSON {code, message, hint}: why it is due and could not submit
    Column("refused_at", Double, nullable=False, server_default="0"),
    Index("schedules_name", "user_id", "name", unique=True),
    Index("schedules_due", "paused", "next_at"),
)

schedule_tasks = Table(
    "schedule_tasks",
    metadata,
    Column("schedule_id", _ID, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("stage", key(12), nullable=False),  # read only by processes that know no channels
    Column("version", Integer, nullable=False, server_default="1"),
    Column("cost", Double, nullable=False),
    Column("payload", LARGE, nullable=False),
)

chores = Table(  # what some process does now and then, once over all
    "chores",
    metadata,
    Column("name", key(40), primary_key=True),
    Column("next_at", Double, nullable=False),
    Column("done_until", Double, nullable=False, server_default="0"),  # it was done for what happened before this time
)
