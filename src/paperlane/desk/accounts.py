"""Accounts, by whatever they are known: a name, a token, a session, a link."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from paperlane.ai.budget import Spent
from paperlane.clock import Clock
from paperlane.desk.choices import check_engine, check_served
from paperlane.desk.rights import check_looks, only_own
from paperlane.desk.trail import Trail
from paperlane.errors import BadRequest, Conflict
from paperlane.ledger import Ledger
from paperlane.ledger.sense import clean
from paperlane.model.tasks import LaneUse, UserId
from paperlane.records import accounts, usage
from paperlane.records.accounts import Account, Quotas, Role, Terms
from paperlane.rollout import RollOut
from paperlane.settings import Settings

_AUTO = "auto"
"""What stands for an engine where roll-outs are to say which."""

_AS_SET = Quotas()
_FIRST_ADMIN = "admin"
_LINK_SECONDS = 3_600.0
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Used:
    """What a user's documents used up at one model."""

    user: UserId
    name: str
    model: str
    spent: Spent


@dataclass(frozen=True, slots=True)
class Spending:
    """What a user's tasks came to, and what they used up at models."""

    use: LaneUse
    name: str
    spent: Spent


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts with their lanes, and what they sign in with."""

    ledger: Ledger
    settings: Settings
    clock: Clock
    rollout: RollOut
    trail: Trail

    def add_user(
        self,
        by: Account | None,
        name: str,
        role: Role,
        group: str,
        limit: int | None,
        weight: float | None,
        quotas: Quotas = _AS_SET,
    ) -> Account:
        """A new account with its lane; limits by role where none is given, quotas as the settings say."""
        made: list[Account] = []
        now = self.clock.now()

        def write(connection: Connection) -> UserId:
            made.append(accounts.add(connection, name, role, group, now, quotas))
            own = {word: value for word, value in asdict(quotas).items() if value is not None}
            self.trail.note(connection, by, now, "user added", {"name": name, "role": role, **own})
            return made[-1].id

        self.ledger.lane(
            write,
            max_running=self._usual_limit(role) if limit is None else limit,
            weight=weight,
            engine=lambda connection, user: self.rollout.engine_for(connection, user, made[-1].group, ""),
        )
        return made[-1]

    def _usual_limit(self, role: Role) -> int:
        return self.settings.admin_limit if role is Role.ADMIN else self.settings.user_limit

    def spent(self, by: Account | None, after: int, limit: int) -> Sequence[Spending]:
        """What all tasks of each user came to, by the users' numbers: a page of those after one.

        One's own only, and everybody's for who sees all.
        """
        if (own := only_own(by)) is None:
            used = self.ledger.uses(UserId(after), limit)
        else:
            used = [use for use in self.ledger.uses(UserId(own - 1), 1) if use.user == own > after][:limit]
        users = [use.user for use in used]
        names, spent = self.names(users), self.ledger.read(lambda connection: usage.of_users(connection, users))
        return [Spending(use, names.get(use.user, ""), spent.get(use.user, Spent())) for use in used]

    def users(self) -> Sequence[Account]:
        """All accounts."""
        return self.ledger.read(accounts.everyone)

    def page(self, by: Account | None, after: int, limit: int) -> Sequence[tuple[Account, Terms | None]]:
        """A page of all accounts after one, the oldest first, with what their lanes may, for who sees all."""
        check_looks(by)
        return self.ledger.read(lambda connection: accounts.with_terms(connection, after, limit))

    def one(self, by: Account | None, user: UserId) -> tuple[Account, Terms | None]:
        """The account of this id with what its lane may, for who sees all; or NotFound."""
        check_looks(by)
        return self.ledger.read(lambda c: (accounts.of_id(c, user), accounts.terms(c, user)))

    def names(self, users: Sequence[UserId]) -> Mapping[int, str]:
        """What these accounts are called; those that there are not are left out."""
        return self.ledger.read(lambda connection: accounts.names(connection, users))

    def used(self, by: Account | None, days: int | None, most: int) -> Sequence[Used]:
        """What documents used up at models in the last so many days, None for this month: the dearest first.

        One's own, and everybody's for who sees all.
        """
        now = self.clock.now()
        begin = usage.month_of(now) if days is None else now - (days - 1) * _DAY
        found = self.ledger.read(lambda connection: usage.by_user(connection, begin, only_own(by)))
        spent = [(UserId(user), model, one) for user, models in found.items() for model, one in models.items()]
        spent.sort(key=lambda one: (-one[2].money, -one[2].usage.tokens, one[0], one[1]))
        names = self.names(list({user for user, _, _ in spent[:most]}))
        return [Used(user, names.get(user, ""), model, one) for user, model, one in spent[:most]]

    def user(self, name: str) -> Account:
        """The account of this name, or NotFound."""
        return self.ledger.read(lambda connection: accounts.named(connection, name))

    def user_of(self, user: UserId) -> Account:
        """The account of this id, or NotFound."""
        return self.ledger.read(lambda connection: accounts.of_id(connection, user))

    def change_user(
        self,
        by: Account | None,
        account: Account,
        *,
        role: Role | None = None,
        group: str | None = None,
        limit: int | None = None,
        weight: float | None = None,
        engine: str | None = None,
        paused: bool | None = None,
        quotas: Mapping[str, int | None] | None = None,
        force: bool = False,
    ) -> Account:
        """Change an account and its lane while everything runs; a lowered limit kills nothing.

        Another role brings its usual limit with it, where none is given and the lane had that of the role before. A
        named `engine` carries this account's tasks whatever roll-outs say, until it is `auto`. Of its `quotas`, by the
        names of `records.accounts.Quotas`, those that are None are as the settings say again. BadRequest where nothing
        is named; Conflict where another engine would carry it, by whatever is changed, that no worker serves, unless
        by `force`.
        """
        now = self.clock.now()
        asked = {"role": role, "group": group, "limit": limit, "weight": weight, "engine": engine, "paused": paused}
        changes = {name: value for name, value in asked.items() if value is not None} | dict(quotas or {})
        if not changes:
            may_be = ", ".join((*asked, *asdict(_AS_SET)))
            raise BadRequest(f"Nothing of {account.name} was named to change.", hint=f"Name some of: {may_be}.")
        pinned = None if engine is None else "" if engine == _AUTO else engine
        if pinned:
            check_engine(pinned)
        moves = (engine, group) != (None, None)
        if moves and not force:
            check_served(self.ledger, self.ledger.read(lambda c: self._gaining(c, account.id, group, pinned)))
        usual = None
        if role is not None and limit is None:
            limit, usual = self._usual_limit(role), self._usual_limit(account.role)

        def also(connection: Connection) -> None:
            if role not in {None, Role.ADMIN} and accounts.holders(connection, Role.ADMIN) == [account.id]:
                raise Conflict(
                    f"{account.name} is the last admin.", code="last_admin", hint="Make somebody else an admin first."
                )
            accounts.change(connection, account.id, role, group, pinned, quotas)
            if usual is not None and (terms := accounts.terms(connection, account.id)) is not None:
                changes["limit"] = terms.limit
            self.trail.note(connection, by, now, "user changed", {"name": account.name, **changes})

        def to(connection: Connection, user: UserId) -> str:
            self.rollout.hold(connection)  # or somebody else may be changing this account
            return self._engine(connection, user, group, pinned)

        self.ledger.lane(
            account.id, max_running=limit, weight=weight, engine=to if moves else None, paused=paused,
            instead_of=usual, also=also,
        )  # fmt: skip
        return self.user_of(account.id)

    def _engine(self, connection: Connection, user: UserId, group: str | None, pinned: str | None) -> str:
        """The engine for an account that gets another group or engine of its own; None: it keeps what it has."""
        found = accounts.of_id(connection, user)
        own = found.pinned if pinned is None else pinned
        plan = self.rollout.plan(connection)
        return plan.engine_of(user, found.group if group is None else clean(group), own)

    def _gaining(self, connection: Connection, user: UserId, group: str | None, pinned: str | None) -> set[str]:
        """That engine, unless it carries the account already."""
        lane = accounts.terms(connection, user)
        return {self._engine(connection, user, group, pinned)} - {lane.engine if lane else ""}

    def new_token(self, by: Account | None, account: Account) -> str:
        """A fresh token; it is shown this once."""
        now = self.clock.now()

        def write(connection: Connection) -> str:
            self.trail.note(connection, by, now, "token made", {"name": account.name})
            return accounts.new_token(connection, account.id, now)

        return self.ledger.write(write)

    def revoke(self, by: Account | None, account: Account) -> int:
        """Make all tokens of an account useless."""
        now = self.clock.now()

        def write(connection: Connection) -> int:
            count = accounts.revoke(connection, account.id, now)
            self.trail.note(connection, by, now, "tokens revoked", {"name": account.name, "count": count})
            return count

        return self.ledger.write(write)

    def of_token(self, token: str) -> tuple[Account, str] | None:
        """Who holds this token, and the token's hash."""
        return self.ledger.read(lambda connection: accounts.of_token(connection, token))

    def of_session(self, session: str) -> Account | None:
        """Whose session of the page this is, while it lasts."""
        return self.ledger.read(lambda connection: accounts.of_session(connection, session))

    def begin_session(self, account: Account, token: str) -> str:
        """A session of the page, on the token of this hash."""
        now, seconds = self.clock.now(), self.settings.session_hours * 3600.0
        return self.ledger.write(lambda c: accounts.begin_session(c, account.id, token, now, seconds))

    def end_session(self, session: str) -> None:
        """Sign out."""
        self.ledger.write(lambda c: accounts.end_session(c, session))

    def use_link(self, secret: str) -> str | None:
        """Spend a one-time link: the session that it begins; None for a void one, for which nothing is written."""
        now = self.clock.now()
        if not self.ledger.read(lambda connection: accounts.is_link(connection, secret, now)):
            return None
        return self.ledger.write(lambda connection: accounts.use_link(connection, secret, now))

    def first_sign_in(self) -> str | None:
        """The path of a link that signs an admin in once; None as soon as one holds a token or has signed in.

        Several services may start, each with its link: all are good until one is used.
        """
        now = self.clock.now()
        if self.ledger.read(lambda connection: accounts.can_sign_in(connection, Role.ADMIN)):
            return None
        account = self._first_admin()
        link = self.ledger.write(lambda c: accounts.new_link(c, account.id, now, _LINK_SECONDS))
        return f"/sign-in?once={link}"

    def _first_admin(self, number: int = 1) -> Account:
        """The oldest admin; one is made where there is none, by the first name that nobody has."""
        for account in self.users():
            if account.role is Role.ADMIN:
                return account
        name = _FIRST_ADMIN if number == 1 else f"{_FIRST_ADMIN}-{number}"
        try:
            return self.add_user(None, name, Role.ADMIN, "", None, None)
        except Conflict:  # a user is called so; or another service starts too, and was first
            return self._first_admin(number + 1)
