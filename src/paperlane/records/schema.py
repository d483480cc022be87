"""The tables of the records. Times are seconds since 1970 (UTC)."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text

from paperlane.ledger.schema import LONG, key

metadata = MetaData()

_ID = key(40)

users = Table(
    "users",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("name", key(100), nullable=False, unique=True),
    Column("role", key(10), nullable=False),
    Column("group_name", key(100), nullable=False),
    Column("created_at", Double, nullable=False),
    # the engine that was chosen for this user alone; "": as roll-outs say
    Column("pinned", key(40), nullable=False, server_default=""),
    # quotas of this user's own; NULL: as the settings say, 0: no limit
    Column("storage_mb", BigInteger),
    Column("requests_a_minute", BigInteger),
    Column("model_tokens", BigInteger),  # in a calendar month
    Column("stored", BigInteger, nullable=False, server_default="0"),  # bytes of kept files, each file once
)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", key(64), primary_key=True),  # SHA-256: the token itself is a long random secret
    Column("user_id", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double, nullable=False, server_default="0"),
    Column("once_until", Double, nullable=False, server_default="0"),  # a link that signs in once, until this time
    # the token that a session of the page stands on, itself where it began by a link; "" for what is no session
    Column("session_of", key(64), nullable=False, server_default=""),
    Index("tokens_user", "user_id"),
)

documents = Table(
    "documents",
    metadata,
    Column("task_id", _ID, primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("media_type", key(120), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", key(64), nullable=False),
    Column("blob", key(200), nullable=False),
    Column("created_at", Double, nullable=False),
    # of a tested one: SHA-256 of its name, by which the version before is found; "" until then
    Column("document", key(64), nullable=False, server_default=""),
    Column("compared_with", _ID, nullable=False, server_default=""),  # the task of the version before
    Column("new_issues", Integer, nullable=False, server_default="0"),
    Column("unchanged_issues", Integer, nullable=False, server_default="0"),
    Column("fixed_issues", LONG),  # JSON: their positions among those of the version before
    Index("documents_user", "user_id", "task_id"),
    Index("documents_blob", "blob"),
    Index("documents_versions", "user_id", "document", "task_id"),
)

scheduled_files = Table(  # what a schedule will test again, however long ago it was uploaded
    "scheduled_files",
    metadata,
    Column("schedule_id", _ID, primary_key=True),
    Column("blob", key(200), primary_key=True),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Index("scheduled_files_blob", "blob"),
)

issues = Table(
    "issues",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("task_id", _ID, nullable=False),
    Column("position", Integer, nullable=False),
    Column("severity", key(10), nullable=False),
    Column("fingerprint", key(16), nullable=False),
    Column("status", key(10), nullable=False),
    Column("reason", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("reviewed_by", BigInteger),
    Column("reviewed_at", Double, nullable=False, server_default="0"),
    Column("content", LONG, nullable=False),  # JSON of model.documents.Issue
    Column("change", key(10), nullable=False, server_default=""),  # since the version before; "": there was none
    Index("issues_task", "task_id", "position"),
)

reviews = Table(  # the last word on each issue of a user's documents of one name, for when these are tested again
    "reviews",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("document", key(64), primary_key=True),  # SHA-256 of its name, which may be too long for a key
    Column("fingerprint", key(16), primary_key=True),
    Column("status", key(10), nullable=False),
    Column("reason", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("reviewed_by", BigInteger),
    Column("reviewed_at", Double, nullable=False),
)

group_words = Table(  # what the documents of a group's members are tested with
    "group_words",
    metadata,
    Column("group_name", key(100), primary_key=True),
    Column("content", LONG, nullable=False),  # JSON of checks.words.Words
    Column("changed_at", Double, nullable=False),
    Column("changed_by", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("at", Double, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("what", key(60), nullable=False),
    Column("details", LONG, nullable=False),
    Index("audit_at", "at"),
)

answers = Table(  # what models said, by what they were asked
    "answers",
    metadata,
    Column("key", key(64), primary_key=True),
    Column("model", Text, nullable=False),
    Column("prompt", key(40), nullable=False),
    Column("content", LONG, nullable=False),  # JSON of ai.Answer
    Column("at", Double, nullable=False),
    Index("answers_at", "at"),
)

usage = Table(  # what each user's questions cost at each model, by the day
    "usage_by_day",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("day", Integer, primary_key=True, autoincrement=False),  # since 1970, UTC
    Column("model", key(200), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("tokens_in", BigInteger, nullable=False),
    Column("tokens_out", BigInteger, nullable=False),
    Column("money", Double, nullable=False),
)

attempt_usage = Table(  # what the questions of each attempt at a task cost at each model
    "usage_by_attempt",
    metadata,
    Column("task_id", _ID, primary_key=True),
    Column("fence", BigInteger, primary_key=True, autoincrement=False),
    Column("model", key(200), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("tokens_in", BigInteger, nullable=False),
    Column("tokens_out", BigInteger, nullable=False),
    Column("money", Double, nullable=False),
)

task_usage = Table(  # the same by task, as workers of before migration 0021 write it, and nobody reads it any more
    "usage_by_task",
    metadata,
    Column("task_id", _ID, primary_key=True),
    Column("model", key(200), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("tokens_in", BigInteger, nullable=False),
    Column("tokens_out", BigInteger, nullable=False),
    Column("money", Double, nullable=False),
)

waits = Table(  # for which models tasks wait
    "waits_for_models",
    metadata,
    Column("task_id", _ID, primary_key=True),
    Column("model", key(200), primary_key=True),
    Column("since", Double, nullable=False),
    Column("seen", Double, nullable=False),  # when it was found away for the last time
)

rates = Table(  # what all workers know of each model's rate
    "rates",
    metadata,
    Column("model", key(200), primary_key=True),
    Column("standing", LONG, nullable=False),  # JSON of ai.rate.Standing
)

samples = Table(  # what looks found: one each 10 s for a day, and one a minute for a month
    "samples",
    metadata,
    Column("step", Integer, primary_key=True, autoincrement=False),  # seconds
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("content", LONG, nullable=False),  # JSON of model.figures.Series
)

incidents = Table(  # what alerts found, from its opening on
    "incidents",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("alert", key(60), nullable=False),
    Column("subject", key(200), nullable=False),  # as its alert says: an engine, a user; "": the whole
    Column("severity", key(10), nullable=False),
    Column("value", Double, nullable=False),  # at the opening
    Column("threshold", Double, nullable=False),
    Column("params", LONG, nullable=False),  # JSON: what fills its sentence
    Column("opened_at", Double, nullable=False),
    Column("closed_at", Double, nullable=False, server_default="0"),
    Column("acknowledged_by", BigInteger),
    Column("acknowledged_at", Double, nullable=False, server_default="0"),
    # records.incidents.Telling: what the webhook is still to be told
    Column("opening", Integer, nullable=False, server_default="0"),
    Column("closing", Integer, nullable=False, server_default="0"),
    # one open at a time of each trouble and subject
    Index("incidents_once", "closed_at", "alert", "subject", unique=True),
    Index("incidents_opening", "opening", "id"),
    Index("incidents_closing", "closing", "id"),
)

silences = Table(  # of what nobody is told until a time
    "silences",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("alert", key(60), nullable=False),
    Column("subject", key(200), nullable=False),  # "": all
    Column("created_at", Double, nullable=False),
    Column("until", Double, nullable=False),
    Column("made_by", BigInteger, nullable=False),
    Index("silences_until", "until"),
)

watch = Table(  # one row: which process looks at the figures, and when it last did
    "watch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("watcher", key(60), nullable=False),
    Column("at", Double, nullable=False),
)
