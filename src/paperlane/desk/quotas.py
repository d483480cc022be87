"""Quotas: what one user may use up, of their own or as the settings say, and how much of it they do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from sqlalchemy import Connection

from paperlane.ai.budget import Budget, Spent
from paperlane.desk.rights import check_may_see_use
from paperlane.errors import TooMany
from paperlane.ledger import Kept, Ledger
from paperlane.ledger.retention import first_expiry
from paperlane.model.documents import Upload
from paperlane.model.tasks import UserId
from paperlane.records import accounts, storage, usage
from paperlane.records.accounts import Account, Role
from paperlane.records.books import own_budget
from paperlane.records.portable import now
from paperlane.settings import Settings

_SOONEST, _LATEST = 60, 86_400  # seconds after which a refused upload may be worth another try


@dataclass(frozen=True, slots=True)
class Limits:
    """What a user may use at most, by their own quotas or the settings; 0 is no limit."""

    stored: int  # bytes
    requests: int  # a minute
    budget: Budget  # at models, in a month


@dataclass(frozen=True, slots=True)
class Use:
    """What a user uses, and may use at most; 0 is no limit."""

    account: Account
    running: int
    running_limit: int
    waiting: int
    waiting_limit: int
    stored: int  # bytes
    spent: Spent  # at models, this month
    limits: Limits
    sockets_limit: int


@dataclass(frozen=True, slots=True)
class Quotas:
    """Tells what is left of a user's quotas, and refuses what is beyond them; `kept` is how long documents stay."""

    ledger: Ledger
    settings: Settings
    kept: Kept

    def requests(self, account: Account) -> int:
        """How many requests a minute this account may make; 0: no limit."""
        own = account.quotas.requests_a_minute
        return self.settings.user_requests_a_minute if own is None else own

    def limits(self, account: Account) -> Limits:
        """What this account may use at most."""
        return Limits(
            storage.limit_of(account.quotas.storage_mb, self.settings.user_storage_mb),
            self.requests(account),
            own_budget(account.quotas.model_tokens, Budget.of(self.settings)),
        )

    def sockets(self, account: Account) -> int:
        """How many WebSockets this account may have open."""
        is_admin = account.role is Role.ADMIN
        return self.settings.max_admin_sockets if is_admin else self.settings.max_user_sockets

    def check_storage(self, account: Account) -> None:
        """TooMany where no byte more may be kept."""
        most = storage.limit_of(account.quotas.storage_mb, self.settings.user_storage_mb)
        if most and account.stored >= most:
            raise self.ledger.read(lambda connection: self._full(connection, account.id, 0))

    def take(self, connection: Connection, user: UserId, uploads: Iterable[Upload]) -> None:
        """These new uploads are kept and tested; TooMany where the user has no room, or no tokens, left for them."""
        uploads = tuple(uploads)
        if any(upload.brief.models for upload in uploads):
            self._check_budget(connection, user)
        coming = sum(upload.bytes for upload in uploads)
        if not storage.take(connection, user, coming, self.settings.user_storage_mb):
            raise self._full(connection, user, coming)

    def _full(self, connection: Connection, user: UserId, coming: int) -> TooMany:
        account = accounts.of_id(connection, user)
        most = storage.limit_of(account.quotas.storage_mb, self.settings.user_storage_mb)
        expiry = first_expiry(connection, user, self.kept)
        after = _LATEST if expiry is None else ceil(expiry - now(connection))
        came = f", and {_in_mb(coming)} MB came" if coming else ""
        return TooMany(
            f"{_in_mb(account.stored)} MB of your documents are kept{came}; at most {most // storage.MB} MB may be.",
            hint="Old documents go by themselves. Remove schedules that keep some, upload less, or ask an admin.",
            code="user_storage_full",
            retry_after=min(max(after, _SOONEST), _LATEST),
        )

    def _check_budget(self, connection: Connection, user: UserId) -> None:
        budget = own_budget(accounts.model_tokens(connection, user), Budget.of(self.settings))
        if not budget.limits:
            return
        at = now(connection)
        spent = sum(usage.since(connection, user, usage.month_of(at)).values(), start=Spent())
        if not budget.allows(spent):
            raise TooMany(
                "What your documents may use up at models in a month is used up.",
                hint="Upload them with rules only (model=none), or wait until the month has ended (UTC).",
                code="model_budget_spent",
                retry_after=min(ceil(_next_month(at) - at), _LATEST),
            )

    def use(self, by: Account | None, user: UserId) -> Use:
        """What one uses, or anybody for who may see it. NotAllowed for others, NotFound where there is no such user."""
        check_may_see_use(by, user)
        queue = self.ledger.queue(user, 1)

        def look(connection: Connection) -> Use:
            account = accounts.of_id(connection, user)
            terms = accounts.terms(connection, user)
            return Use(
                account,
                queue.running,
                terms.limit if terms else self.ledger.rules.user_limit,
                queue.queued,
                self.ledger.rules.user_backlog,
                account.stored,
                sum(usage.since(connection, user, usage.month_of(now(connection))).values(), start=Spent()),
                self.limits(account),
                self.sockets(account),
            )

        return self.ledger.read(look)


def _in_mb(size: int) -> str:
    """To a hundredth, rounded up: what does not fit must not look as if it did."""
    return f"{ceil(size * 100 / storage.MB) / 100:g}"


def _next_month(at: float) -> float:
    begun = datetime.fromtimestamp(usage.month_of(at), UTC)
    return (begun + timedelta(days=32)).replace(day=1).timestamp()
