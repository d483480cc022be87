"""What users spend at models in this process: held before it is spent, and written down soon after."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple, Protocol

import structlog

from paperlane.ai import Usage
from paperlane.ai.budget import Budget, Spent
from paperlane.errors import Unavailable
from paperlane.model.tasks import TaskId, UserId
from paperlane.patience import patiently
from paperlane.settings import ModelTerms
from paperlane.threads import Threads

log = structlog.get_logger(__name__)

_EVERY = 5.0  # seconds after which what was spent is written down, and what others spent is seen
_SHARE = 1 / 20  # of what was left at the last look: who took more looks again before taking any
_PATIENCE = 10.0  # seconds for which an attempt's end waits for the ledger


class Payer(NamedTuple):
    """One attempt at a task: nobody else writes down what it spends."""

    task: TaskId
    fence: int


Spendings = Mapping[Payer, Mapping[str, Spent]]
"""What each attempt spent from its beginning on, by model."""


class Books(Protocol):
    """Where it is written down what models cost, and who waits for them; on threads, may raise Unavailable."""

    def terms(self, user: UserId) -> tuple[Budget, float]:
        """A user's budget, and their lane's weight."""
        ...

    def settle(self, user: UserId, spendings: Spendings) -> Spent:
        """A user's attempts spent this; what the user spent this month then. What is told twice counts once."""
        ...

    def stands(self, payer: Payer) -> Mapping[str, Spent]:
        """What is known that this attempt spent, by model."""
        ...

    def before(self, payer: Payer) -> Mapping[str, Spent]:
        """What the other attempts at its task spent, by model."""
        ...

    def waits(self, task: TaskId, model: str, *, answered: bool) -> float:
        """A task found a model away. For how many seconds it has done so; anew where it was `answered` meanwhile."""
        ...


@dataclass(slots=True, eq=False)
class Account:
    """What one attempt spends, out of its user's purse: `Spend`.

    `used` is, by model, in requests that were answered, or may have to be paid all the same; `stood` is what was known
    before that it had spent, for a lease may be given to its worker again, and another run of it have come before.
    """

    payer: Payer
    purse: "Purse"
    used: dict[str, Usage] = field(default_factory=dict)
    told: Mapping[str, Usage] = field(default_factory=dict)
    stood: Mapping[str, Spent] = field(default_factory=dict)
    _beginning: asyncio.Lock = field(default_factory=asyncio.Lock)
    _has_begun: bool = False

    async def begin(self, stands: Callable[[], Awaitable[Mapping[str, Spent]]]) -> None:
        """Before a run spends: ask what `stands`, once for all runs in this process that share the account."""
        async with self._beginning:
            if not self._has_begun:
                self.stood, self._has_begun = await stands(), True

    @property
    def task(self) -> str:
        return self.payer.task

    async def hold(self, model: str, expected: Usage) -> bool:
        return await self.purse.hold(model, expected)

    def add(self, model: str, expected: Usage, used: Usage) -> None:
        if used.requests:
            self.used[model] = self.used.get(model, Usage()) + used
        self.purse.settle(model, expected, used)


class Purse:
    """What one user may spend, for all of their attempts in this process. Belongs to one event loop.

    It knows what these hold and spend at once, and what other processes spend as soon as it looks; each look writes
    down what was spent here. It looks after five seconds, before it takes more than a twentieth of what was left at the
    last look, and before the requests of a model that it held then, or took since, are more than `in_flight`. So what
    the books do not say of a process is never more than it may hold at once, and that is how far each of the others may
    go past a budget; one alone does so by its last request.
    """

    def __init__(
        self,
        user: UserId,
        budget: Budget,
        terms: Mapping[str, ModelTerms],
        settle: Callable[[UserId, Spendings], Spent],
        threads: Threads,
    ) -> None:
        self.user = user
        self._accounts: list[Account] = []  # that are open, or have something that is not written down
        self._open: Counter[Account] = Counter()  # how many runs spend from each
        self._budget = budget
        self._terms = terms
        self._settle = settle
        self._threads = threads
        self._looking = asyncio.Lock()
        self._changed = asyncio.Event()
        self._looked = -inf
        self._seen = Spent()  # at the last look, of all processes
        self._since = Spent()  # spent here, and not in what was seen
        self._taken = Spent()  # held since, or settled
        self._held = Spent()
        self._places = {name: asyncio.Semaphore(one.in_flight) for name, one in terms.items()}
        self._placed: Counter[str] = Counter()
        self._under_way: Counter[str] = Counter()
        self._settled: Counter[str] = Counter()  # requests, since

    def be_given(self, budget: Budget) -> None:
        """From now on this is what the user may spend; who waits for room looks again."""
        if budget != self._budget:
            self._budget, self._looked = budget, -inf
            self._tell()

    def account(self, payer: Payer) -> Account:
        """An account that is paid from it, until it is `closed` as often; the one of this payer that it has already."""
        account = next((one for one in self._accounts if one.payer == payer), None)
        if account is None:
            account = Account(payer, self)
            self._accounts.append(account)
        self._open[account] += 1
        return account

    def closed(self, account: Account) -> None:
        """A run spends no more."""
        self._open[account] -= 1
        self._open += Counter()  # without those of which none is left
        self._leave_out()

    @property
    def is_open(self) -> bool:
        """Is there an account that may spend?"""
        return bool(self._open)

    async def hold(self, model: str, expected: Usage) -> bool:
        """As `Spend.hold`; with a budget no more of a model at once than may be under way, the first come first."""
        if not self._budget.limits:
            self._hold(model, self._cost(model, expected))
            return True
        place, held = self._places[model], False
        await place.acquire()  # in line: of thousands that wait each settled request wakes one
        try:
            held = await self._is_paid(model, self._cost(model, expected))
        finally:
            if held:
                self._placed[model] += 1
            else:
                place.release()
        return held

    async def _is_paid(self, model: str, one: Spent) -> bool:
        looked = False
        while True:
            gone, changed = self._seen + self._since, self._changed
            if self._budget.allows(gone) and not self._budget.allows(gone + self._held):
                await changed.wait()
                looked = False
            elif not looked and self._is_stale(model, one):
                await self.look(self._now())
                looked = True
            elif self._budget.allows(gone):
                self._hold(model, one)
                return True
            else:
                return False

    def _hold(self, model: str, one: Spent) -> None:
        self._held, self._taken = self._held + one, self._taken + one
        self._under_way[model] += 1

    def settle(self, model: str, expected: Usage, used: Usage) -> None:
        """As `Spend.add`."""
        self._since += self._cost(model, used)
        self._under_way[model] -= 1
        self._settled[model] += 1
        # what is left of fractions would be waited for in vain
        self._held = self._held - self._cost(model, expected) if self._under_way.total() else Spent()
        if self._placed[model]:  # there may have been no budget, or be none any more
            self._placed[model] -= 1
            self._places[model].release()
        self._tell()

    def _tell(self) -> None:
        """Whoever waits for what others hold looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def has_news(self) -> bool:
        """Is there something to write down?"""
        return any(account.used != account.told for account in self._accounts)

    async def look(self, asked: float = inf) -> None:
        """Write down what was spent here, and see what was spent in all; not where somebody has since it was `asked`.

        Raises Unavailable where the books are away: all of it is for the next time then.
        """
        async with self._looking:
            if self._looked >= asked:
                return
            began, since, taken, settled = self._now(), self._since, self._taken, self._settled.copy()
            used = {account: dict(account.used) for account in self._accounts if account.used != account.told}
            spendings = {
                account.payer: {
                    model: account.stood.get(model, Spent()) + self._cost(model, one) for model, one in spent.items()
                }
                for account, spent in used.items()
            }
            self._seen = await self._threads(self._settle, self.user, spendings)
            self._looked, self._since, self._taken = began, self._since - since, self._taken - taken
            self._settled -= settled
            for account, spent in used.items():
                account.told = spent
            self._leave_out()

    def _leave_out(self) -> None:
        """Forget the accounts that spend no more, and of which all is written down."""
        self._accounts = [one for one in self._accounts if one in self._open or one.used != one.told]

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _is_stale(self, model: str, one: Spent) -> bool:
        unseen = self._settled[model] and self._under_way[model] + self._settled[model]
        if self._now() - self._looked > _EVERY or unseen >= self._terms[model].in_flight:
            return True
        return max(self._budget.share(part + one, self._seen) for part in (self._since, self._taken)) > _SHARE

    def _cost(self, model: str, usage: Usage) -> Spent:
        return Spent(usage, self._terms[model].cost(usage.tokens_in, usage.tokens_out))


class Purses:
    """Every user's purse, for as long as attempts of theirs run here.

    The end of an attempt waits `patience` seconds for books that are away.
    """

    def __init__(
        self, books: Books, terms: Mapping[str, ModelTerms], threads: Threads, patience: float = _PATIENCE
    ) -> None:
        self._books = books
        self._terms = terms
        self._threads = threads
        self._patience = patience
        self._purses: dict[UserId, Purse] = {}

    @asynccontextmanager
    async def account(self, user: UserId, payer: Payer) -> AsyncGenerator[tuple[Account, float]]:
        """An attempt's account and its lane's weight. At its end, however that comes, it is written down.

        Where the books are away then, that is tried again as long as this process lives.
        """
        budget, weight = await self._threads(self._books.terms, user)
        new = Purse(user, budget, self._terms, self._books.settle, self._threads)
        purse = self._purses.setdefault(user, new)
        purse.be_given(budget)
        account = purse.account(payer)
        try:
            await account.begin(lambda: self._threads(self._books.stands, payer))
            yield account, weight
        finally:
            purse.closed(account)
            await asyncio.shield(asyncio.create_task(self._write(purse, self._patience)))

    async def keep(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            for purse in tuple(self._purses.values()):
                await self._write(purse, 0.0)

    async def close(self) -> None:
        """Write down what is not."""
        await asyncio.gather(*(self._write(purse, self._patience) for purse in self._purses.values()))

    async def _write(self, purse: Purse, patience: float) -> None:
        try:
            if purse.has_news:
                await patiently(purse.look, "what models cost", lambda _: patience)
        except Unavailable as error:  # what the models said must not be lost for it
            log.warning("what models cost is not written down", user=purse.user, why=error.message)
            return
        except Exception:  # nor what others spend go unwritten
            log.exception("what models cost is not written down", user=purse.user)
            return
        is_kept = self._purses.get(purse.user) is purse  # else it went meanwhile, and its user may have another
        if is_kept and not purse.is_open and not purse.has_news:
            del self._purses[purse.user]
