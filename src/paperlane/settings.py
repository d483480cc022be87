"""Every setting, with its default: from `PAPERLANE_*` in the environment, or from `paperlane.toml`."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)
from typing_extensions import override

from paperlane.errors import BadRequest, Misconfigured

_FILE = Path("paperlane.toml")
_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"  # begins with no dot, so none leads out of the others
_BUCKET = re.compile(rf"s3://{_SEGMENT}(/{_SEGMENT})*/?")

_KEY_ENV = "PAPERLANE_MODEL_API_KEY"
_PREFIX = "PAPERLANE_"
_BESIDE = {"PAPERLANE_DOOR", "PAPERLANE_CORPUS"}  # what workers hand their children, the tests' own
_BENCHMARKS = "PAPERLANE_BENCH_"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHARES = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_OPENAI = "https://api.openai.com/v1"


_CURRENCY = "USD"

NO_MODEL = "none"
"""What somebody chooses who wants rules only."""

OF_RULES = "rules"
"""What reports call the judge that is no model."""

_MOST_NAMED, _MOST_SHOWN = 20, 60  # models in a hint, characters of an unknown name


class ModelTerms(BaseModel):
    """One model that may be asked: where it is, how much it may be asked, and what that costs.

    `name` is what people call it, `model` what its provider does. Its key stands in the environment's variable
    `key_env` and nowhere else. Prices are of a million tokens, in `currency`. 0 requests or tokens a minute are no
    limit. `context` is how many tokens a question and its answer may have together; `in_flight` how many questions one
    worker has under way at once; `seconds` how long one answer may take.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    name: str = ""
    model: str
    base_url: str = _OPENAI
    key_env: str = _KEY_ENV
    price_in: float = Field(default=0.0, ge=0)
    price_out: float = Field(default=0.0, ge=0)
    currency: str = Field(default=_CURRENCY, pattern="^[A-Z]{3}$")
    requests_a_minute: int = Field(default=0, ge=0, le=1_000_000)
    tokens_a_minute: int = Field(default=0, ge=0, le=1_000_000_000)
    context: int = Field(default=16_000, ge=4_000, le=100_000_000)
    in_flight: int = Field(default=200, ge=1, le=10_000)
    seconds: float = Field(default=120.0, gt=0, le=3_600)

    @field_validator("model", "name")
    @classmethod
    def _a_name(cls, name: str, info: ValidationInfo) -> str:
        if _SHARES.fullmatch(name) is None and (name or info.field_name == "model"):
            raise PydanticCustomError("no_name", "Input should be a name of at most 200 characters on one line")
        return name

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, address: str) -> str:
        """With no name, password or question in it: it stands in logs."""
        try:
            parts = urlsplit(address)
            parts.port  # noqa: B018  whether it is a number is looked at only here
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise PydanticCustomError("no_address", "Input should be http://HOST/PATH or https://HOST/PATH")
        if parts.query or parts.fragment:
            raise PydanticCustomError("no_address", "Input should be an address that ends with its path")
        return address.rstrip("/")

    @field_validator("key_env")
    @classmethod
    def _a_variable(cls, name: str) -> str:
        """Somebody may write the key itself here: it must not be shown."""
        if _VARIABLE.fullmatch(name) is None:
            raise PydanticCustomError("no_variable", "Input should name a variable of the environment, not hold a key")
        return name

    @model_validator(mode="after")
    def _can_be_chosen(self) -> Self:
        """By what it is called: commas part several, and who else judges a document has another name."""
        if "," in self.called or self.called != self.called.strip() or self.called in {NO_MODEL, OF_RULES}:
            said = "Give it a name without commas, not in spaces, and neither {none} nor {rules}"
            raise PydanticCustomError("no_choice", said, {"none": NO_MODEL, "rules": OF_RULES})
        return self

    @property
    def called(self) -> str:
        """What people call it, and choose it by."""
        return self.name or self.model

    @property
    def lacks_key(self) -> bool:
        """Would OpenAI be asked, which refuses whoever has no key, after it got the text?"""
        return self.base_url == _OPENAI and not self.key()

    def key(self) -> str:
        """What its provider knows us by; "" where nothing is set, as for a model in one's own house."""
        return os.environ.get(self.key_env, "").strip()

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """What these tokens cost, in `currency`."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1_000_000


class Settings(BaseSettings):
    """How this installation behaves. Arguments win over the environment, which wins over `paperlane.toml`."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="forbid", frozen=True, allow_inf_nan=False)

    data: Path = Field(
        Path("paperlane-data"),
        description="Folder for the embedded database and the page's key, and for files that are in no bucket.",
    )
    blobs: str = Field(
        "",
        description="Where the uploads and large results of steps are; empty: in the data folder. "
        "`s3://BUCKET` or `s3://BUCKET/PREFIX`: in a bucket that all hosts share.",
    )
    database_url: str = Field("", description="Where the ledger is; empty: an SQLite file in the data folder.")
    database_wait_seconds: float | None = Field(
        None,
        ge=0,
        description="How long `serve` and `worker` wait at their start for a database, or a bucket, that cannot be "
        "reached; empty: for ever, 0: not at all.",
    )
    host: str = Field("127.0.0.1", description="Address that `paperlane serve` listens on.")
    port: int = Field(8400, ge=0, le=65535, description="Port that `paperlane serve` listens on; 0 picks a free one.")
    workers: int = Field(2, ge=0, description="Worker processes that `paperlane serve` starts.")
    slots: int = Field(
        10, ge=1, le=1_000_000, description="Tasks that one worker process runs at once, where nothing is overloaded."
    )
    slots_min: int = Field(
        2,
        ge=1,
        le=1_000_000,
        description="To how few of them it goes down while its machine is overloaded, or a model is asked too often; "
        "as many as `slots`, or more: it keeps all of them.",
    )
    slots_max: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="To how many a worker of the engine `database` goes up while its machine has room and more than 10 "
        "tasks wait; empty: no more than `slots`.",
    )
    inline_slots: int = Field(
        4, ge=1, le=1_000_000, description="Tasks that the web process runs at once for the engine `inline`."
    )
    pool_slots: int | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description="Tasks that the web process runs at once for the engine `pool`; empty: 10 where that is the "
        "default engine, else none.",
    )
    profiles: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Which profiles of checks are asked where nobody chooses, with commas between them."
    )
    words: str = Field(
        "", description="A file with the team's glossary and words to ignore, for `paperlane check` without `--words`."
    )
    pool_backlog: int = Field(100, ge=1, description="Tasks that may wait for the engine `pool`.")
    sandboxes: int = Field(0, ge=0, description="Child processes for CPU-bound steps, a worker; 0: one a core.")
    engine: Literal["database", "inline", "pool", "arq", "celery", "rq"] = Field(
        "database",
        description="The engine of users without one. `serve` writes it into the database when it starts, and what "
        "stands there holds for all commands and processes.",
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        description="The Redis of the engines `arq`, `rq` and `celery`; a database of its own for each installation.",
    )
    amqp_url: str = Field("", description="The RabbitMQ of the engine `celery`; empty: it goes through Redis.")
    stage: Literal["", "cpu", "model"] = Field(
        "",
        description="What a worker of `celery` runs: `cpu` (reading documents), `model` (asking a model); empty: both.",
    )
    rq_spawn: bool = Field(
        False, description="Whether a worker of `rq` starts a process for each task instead of forking one (macOS)."
    )
    shards: int = Field(1, ge=1, le=1_000, description="Into how many queues the engine `arq` divides the users.")
    shard: int = Field(0, ge=0, description="Which of them a worker of `arq` serves: users whose id leaves it as rest.")

    system_limit: int = Field(100, ge=1, le=1_000_000, description="Tasks that run at once in the whole system.")
    user_limit: int = Field(
        10,
        ge=1,
        le=1_000_000,
        description="Tasks that a new user or viewer may have running at once, and one who gets this role.",
    )
    admin_limit: int = Field(
        50,
        ge=1,
        le=1_000_000,
        description="Tasks that a new admin may have running at once, and one who gets this role.",
    )
    user_backlog: int = Field(1_000, ge=1, description="Tasks that a user may have waiting.")
    system_backlog: int = Field(10_000, ge=1, description="Tasks that may wait in the whole system.")
    user_storage_mb: int = Field(
        0, ge=0, le=10**12, description="Megabytes of a user's documents that may be kept; 0: no limit."
    )
    user_requests_a_minute: int = Field(
        0, ge=0, le=10**12, description="Requests that a user may make in a minute of each web process; 0: no limit."
    )

    lease_seconds: float = Field(30.0, gt=0, description="A task of a silent worker is taken back after this long.")
    heartbeat_seconds: float = Field(
        10.0, gt=0, description="How often a worker says that it lives; at most a third of a lease."
    )
    sweep_seconds: float = Field(10.0, gt=0, description="How often lost tasks are looked for.")
    undelivered_seconds: float = Field(60.0, gt=0, description="A lease that no worker began is taken back after this.")
    grace_seconds: float = Field(20.0, ge=0, description="How long a drain waits for running steps.")
    max_retries: int = Field(3, ge=0, description="Further tries after a first one that failed in a way that may pass.")
    retry_seconds: float = Field(5.0, gt=0, description="Wait before the first retry; it doubles each time.")
    max_crashes: int = Field(3, ge=1, description="A task whose worker died this often fails as `poison`.")
    step_seconds: float = Field(600.0, gt=0, description="Longest time that one step may take.")
    task_seconds: float = Field(
        3_600.0, gt=0, description="Longest time that one attempt may take, apart from waiting for a sandbox."
    )

    step_memory_mb: int = Field(1_024, ge=128, description="Memory that a step's child process may use.")
    step_cpu_seconds: int = Field(300, ge=1, description="CPU time that a step may use.")
    step_output_mb: int = Field(256, ge=1, description="Largest result of a step.")

    max_file_mb: int = Field(50, ge=1, description="Largest file of an upload.")
    max_batch_mb: int = Field(1_024, ge=1, description="Largest upload.")
    max_batch_files: int = Field(1_000, ge=1, description="Most files in an upload.")
    upload_idle_seconds: float = Field(
        30.0, gt=0, description="A body that sends nothing, or a head that is not whole, is dropped after this."
    )
    max_user_sockets: int = Field(10, ge=1, description="WebSockets that a user may have open.")
    max_admin_sockets: int = Field(50, ge=1, description="WebSockets that an admin may have open.")
    session_hours: int = Field(12, ge=1, description="How long a sign-in on the page lasts.")
    allowed_origins: tuple[str, ...] = Field(
        (),
        description="Other origins whose pages may sign in, write with the session's cookie and open a WebSocket; "
        'the service\'s own where a proxy changes the `Host` header. As JSON: `["https://papers.example"]`.',
    )

    keep_days: int = Field(
        90, ge=0, description="Days that completed and cancelled tasks are kept, with report and file; 0: for ever."
    )
    keep_failed_days: int = Field(
        365, ge=0, description="Days that failed tasks can be looked at and started again; 0: for ever."
    )
    keep_tasks: int = Field(
        100_000, ge=0, description="Ended tasks that are kept of each user and outcome, the newest; 0: all."
    )
    keep_steps_days: int = Field(
        14, ge=0, description="Days that each step of a completed task is kept; the report stays longer. 0: as long."
    )

    model: str = Field(
        "", description="The model that looks for issues, by its provider's name; empty: none, only rules."
    )
    model_rates: Literal["database", "redis"] = Field(
        "database",
        description="Where all workers keep what is left of the models' rates: in the ledger's database, or on "
        "`redis_url`, where all of them reach it and have its library.",
    )
    model_base_url: str = Field(_OPENAI, description="Where it is asked: any endpoint that speaks as OpenAI's does.")
    model_requests_a_minute: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="How often it may be asked in a minute, by all workers together; 0: no limit.",
    )
    model_tokens_a_minute: int = Field(
        0, ge=0, le=1_000_000_000, description="How many tokens that may be in a minute; 0: no limit."
    )
    model_price_in: float = Field(0.0, ge=0, description="What a million tokens of questions cost.")
    model_price_out: float = Field(0.0, ge=0, description="What a million tokens of answers cost.")
    model_patience_hours: float = Field(
        24.0,
        ge=0,
        description="How long a document waits for a model that is away, or refuses the key; then its report says what "
        "that model did not test. 0: not at all.",
    )
    models: Annotated[tuple[ModelTerms, ...], Field(max_length=100)] = Field(
        (), description="Several models, in `paperlane.toml` as `[[models]]`, or here as JSON: a list of objects."
    )
    user_model_tokens: int = Field(
        0,
        ge=0,
        le=10**12,
        description="Tokens that one user's documents may use up at models in a calendar month; 0: no limit.",
    )
    user_model_money: float = Field(
        0.0, ge=0, description="Money that they may cost in a month, in the models' currency; 0: no limit."
    )
    keep_answers_days: int = Field(
        90,
        ge=0,
        description="Days that a model's answers are kept, so that the same passage is not asked twice; 0: for ever.",
    )

    alert_seconds: float = Field(
        10.0, ge=0.1, le=10, description="How often the figures are looked at, kept for plots and judged by alerts."
    )
    alert_webhook: str = Field(
        "",
        description="Where incidents are told as JSON when they open and when they close, http:// or https://; empty: "
        "on the page and in the log only.",
    )
    alert_webhook_key_env: str = Field(
        "PAPERLANE_ALERT_WEBHOOK_KEY",
        description="The variable of the environment that holds the key by which what the webhook is told is signed; "
        "nothing is signed where it is not set.",
    )
    alert_webhook_seconds: float = Field(
        10.0, gt=0, le=60, description="How long the webhook may take to answer, all in all."
    )
    alert_queue: float = Field(100, ge=0, description="`queue`: tasks that may wait in the whole system.")
    alert_user_backlog: float = Field(20, ge=0, description="`user-backlog`: tasks of one user that may wait.")
    alert_oldest_seconds: float = Field(
        300.0, ge=0, description="`oldest-wait`: how long a task that could run may wait."
    )
    alert_dead_letters: float = Field(
        0, ge=0, description="`dead-letters`: tasks that may fail for good within an hour."
    )
    alert_connections: float = Field(
        0.8, ge=0, le=1, description="`database-connections`: the share of its connections that may be in use."
    )
    alert_memory: float = Field(
        0.85, ge=0, le=1, description="`memory`: the share of a machine's memory that may be in use."
    )
    alert_silent_seconds: float = Field(
        15.0, ge=0, description="`engine-silent`: how long no task may begin though there is room, by whole looks."
    )
    alert_bottleneck_seconds: float = Field(
        60.0, ge=0, description="`bottleneck`: how long a task may wait before it is told what is scarce."
    )
    alert_batch_seconds: float = Field(
        0.5, ge=0, description="`batch-creation`: in what time 95 % of the uploads are answered."
    )
    alert_api_seconds: float = Field(
        1.0, ge=0, description="`api-response`: in what time 95 % of the interface's answers are given."
    )
    alert_page_seconds: float = Field(
        2.0, ge=0, description="`page-response`: in what time 95 % of the pages are answered."
    )
    alert_progress_seconds: float = Field(
        5.0, ge=0, description="`progress-delay`: in what time 99 % of the progress is sent to those that follow it."
    )
    alert_completion_seconds: float = Field(
        300.0, ge=0, description="`mean-completion`: how long tasks may take on average, from upload to report."
    )
    alert_recovery_seconds: float = Field(
        300.0, ge=0, description="`recovery`: how long what a dead worker held may wait to be taken back."
    )
    alert_failed_answers: float = Field(
        0.005, ge=0, le=1, description="`availability`: the share of answers that may be failures of ours."
    )
    alert_failed_uploads: float = Field(
        0.01, ge=0, le=1, description="`creation-success`: the share of uploads that may fail by a fault of ours."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    log_format: Literal["text", "json"] = Field("text", description="Log lines for people, or for programs.")

    @field_validator("database_wait_seconds", "pool_slots", "slots_max", mode="before")
    @classmethod
    def _without_a_number(cls, given: object) -> object:
        """An environment has no other way to say so."""
        return None if given == "" else given

    @field_validator("profiles", mode="before")
    @classmethod
    def _by_commas(cls, given: object) -> object:
        """In the environment a list is written as people write it."""
        return tuple(filter(None, map(str.strip, given.split(",")))) if isinstance(given, str) else given

    @field_validator("slots_max")
    @classmethod
    def _no_less_than_slots(cls, most: int | None, info: ValidationInfo) -> int | None:
        """It begins with `slots`."""
        if most is not None and most < (slots := info.data.get("slots", most)):
            said = "Input should be at least {slots}, the number that PAPERLANE_SLOTS says"
            raise PydanticCustomError("few_slots", said, {"slots": slots})
        return most

    @field_validator("shard")
    @classmethod
    def _of_the_shards(cls, shard: int, info: ValidationInfo) -> int:
        """Nobody's tasks would come to this worker."""
        if shard >= (shards := info.data.get("shards", shard + 1)):
            said = "Input should be less than {shards}, the number that PAPERLANE_SHARDS says"
            raise PydanticCustomError("no_such_shard", said, {"shards": shards})
        return shard

    @field_validator("models")
    @classmethod
    def _each_by_its_name(cls, models: tuple[ModelTerms, ...]) -> tuple[ModelTerms, ...]:
        """One is chosen by it, and keeps its rate under it; budgets add up what all of them cost."""
        names = [terms.called for terms in models]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise PydanticCustomError("two_models", "Two models are called {name}: give each a name", {"name": twice})
        if len({terms.currency for terms in models}) > 1:
            raise PydanticCustomError("two_currencies", "Prices should all be in the same currency")
        return models

    @field_validator("blobs")
    @classmethod
    def _a_bucket(cls, address: str) -> str:
        """Written in one way only, for who asks whether two are the same."""
        if address and _BUCKET.fullmatch(address) is None:
            raise PydanticCustomError("no_bucket", "Input should be s3://BUCKET or s3://BUCKET/PREFIX")
        return address.rstrip("/")

    @field_validator("alert_webhook")
    @classmethod
    def _a_receiver(cls, address: str) -> str:
        """With no name and no password in it: it stands in logs. Its path may be a secret, which is never shown."""
        try:
            parts = urlsplit(address)
            parts.port  # noqa: B018  whether it is a number is looked at only here
        except ValueError:
            parts = urlsplit("")
        if address and (parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc):
            raise PydanticCustomError("no_address", "Input should be http://HOST/PATH or https://HOST/PATH")
        return address

    @field_validator("alert_webhook_key_env")
    @classmethod
    def _names_a_variable(cls, name: str) -> str:
        """Somebody may write the key itself here: it must not be shown."""
        if _VARIABLE.fullmatch(name) is None:
            raise PydanticCustomError("no_variable", "Input should name a variable of the environment, not hold a key")
        return name

    @field_validator("heartbeat_seconds")
    @classmethod
    def _before_the_lease_ends(cls, seconds: float, info: ValidationInfo) -> float:
        """Two heartbeats may be late, or healthy workers would lose their tasks, and documents end as `poison`."""
        longest = info.data.get("lease_seconds", seconds * 3) / 3
        if seconds > longest:
            said = "Input should be at most {longest}, a third of lease_seconds"
            raise PydanticCustomError("heartbeat_too_slow", said, {"longest": f"{longest:g}"})
        return seconds

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, InitSettingsSource(settings_cls, _in_file())

    def chosen_models(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The models that somebody means: no name is the usual one, if there is one, `none` alone none.

        BadRequest for one that there is not, with those there are.
        """
        there = [terms.called for terms in models_of(self)]
        if not names:
            return tuple(there[:1])
        if names == (NO_MODEL,):
            return ()
        if NO_MODEL in names:
            what = f"Rules only ({NO_MODEL}) and a model cannot be chosen together."
            raise BadRequest(what, code="unknown_model", hint=f"Name models, or {NO_MODEL} alone.")
        for name in names:
            if name not in there:
                known = ", ".join([*there[:_MOST_NAMED], NO_MODEL])
                what = f"There is no model {name[:_MOST_SHOWN]!r}."
                near = _near(name, [*there, NO_MODEL])
                meant = f"Did you mean {near}? " if near else ""
                raise BadRequest(what, code="unknown_model", hint=f"{meant}Choose one of {known}.")
        return names

    @cached_property
    def database(self) -> str:
        """The ledger's address, the embedded default resolved."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'paperlane.db'}"


def currency_of(models: Sequence[ModelTerms]) -> str:
    """The currency of these models' prices: they share one."""
    return next((terms.currency for terms in models), _CURRENCY)


def models_of(settings: Settings) -> tuple[ModelTerms, ...]:
    """Every model that may be asked, the usual one first; () for none. Misconfigured where one makes no sense."""
    if not settings.model:
        return settings.models
    if settings.model in {terms.called for terms in settings.models}:  # it chooses among them
        return tuple(sorted(settings.models, key=lambda terms: terms.called != settings.model))
    try:
        one = ModelTerms(
            model=settings.model,
            base_url=settings.model_base_url,
            price_in=settings.model_price_in,
            price_out=settings.model_price_out,
            requests_a_minute=settings.model_requests_a_minute,
            tokens_a_minute=settings.model_tokens_a_minute,
            currency=currency_of(settings.models),
        )
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = "model_base_url" if first["loc"] == ("base_url",) else "model"
        raise Misconfigured(
            f"The setting {name} makes no sense: {first['msg']}.",
            hint=f"See PAPERLANE_{name.upper()} or paperlane.toml.",
        ) from error
    return (one, *settings.models)


def no_settings(settings: Settings) -> Mapping[str, str]:
    """Variables of the environment that look like settings and are none, each with one that may be meant, or ""."""
    known = {name.upper() for name in Settings.model_fields} | {_KEY_ENV.removeprefix(_PREFIX)}
    keys = {settings.alert_webhook_key_env.upper(), *(terms.key_env.upper() for terms in settings.models)}
    used = {*(_PREFIX + name for name in known), *_BESIDE, *keys}
    unknown = sorted(name for name in os.environ if name.startswith(_PREFIX) and name.upper() not in used)
    near = {name: _near(name.removeprefix(_PREFIX).upper(), known) for name in unknown}
    return {name: f"{_PREFIX}{one}" if one else "" for name, one in near.items() if not name.startswith(_BENCHMARKS)}


def _near(name: str, known: Iterable[str]) -> str:
    """The one of these that somebody may mean who wrote this name; "" where none is like it."""
    return next(iter(get_close_matches(name[:_MOST_SHOWN], sorted(known), 1)), "")


def settings_of(**given: Any) -> Settings:
    """The settings, with the options that were given; Misconfigured names what makes no sense."""
    if (url := given.pop("database", None)) is not None:
        given["database_url"] = url
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except SettingsError as error:
        raise Misconfigured(f"A setting cannot be read: {error}.", hint='Lists are written as JSON: ["a"].') from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            raise _no_setting(name) from error
        setting = str(first["loc"][0]) if first["loc"] else ""
        where = f"the option --{name}" if name in given else f"PAPERLANE_{setting.upper()} or paperlane.toml"
        raise Misconfigured(f"The setting {name} makes no sense: {first['msg']}.", hint=f"See {where}.") from error


def _no_setting(name: str) -> Misconfigured:
    """What is told of a key of the file that is none."""
    what = f"There is no setting {name[:_MOST_SHOWN]}."
    if name.upper() == _KEY_ENV.removeprefix(_PREFIX):
        return Misconfigured(what, hint=f"A key stands in the environment only, as {_KEY_ENV}; see {_FILE}.")
    near = _near(name, Settings.model_fields)
    return Misconfigured(what, hint=f"Did you mean {near}? See {_FILE}." if near else f"See {_FILE}.")


def _in_file() -> dict[str, Any]:
    """What the file says, if there is one. Misconfigured where it cannot be read."""
    try:
        return tomllib.loads(_FILE.read_text("utf-8-sig"))  # some editors put a mark before UTF-8
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Misconfigured(
            f"{_FILE} cannot be read: {error.strerror}.", hint="Start from another folder, or mend its rights."
        ) from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{_FILE} cannot be read: it is no UTF-8.", hint="Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{_FILE} cannot be read: {error}.", hint="Texts stand in quotes.") from error
