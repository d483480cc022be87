"""The application over a real ledger, with two users, a viewer and an admin."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update
from tests.databases import new_file
from tests.reading import results_of

from paperlane import assembly
from paperlane.desk import Desk
from paperlane.ledger import Doubt, Kept
from paperlane.ledger.schema import chores
from paperlane.ledger.sql import SqlLedger
from paperlane.model.documents import UPLOAD_VERSION
from paperlane.model.steps import Saved
from paperlane.model.tasks import Checkpoint, Completed, Ended, Progress, TaskId, WorkerId
from paperlane.records.accounts import Role
from paperlane.retention import Places, Removed, clean
from paperlane.settings import Settings
from paperlane.threads import Threads
from paperlane.web.app import create_app

Run = Callable[..., Coroutine[None, None, Removed | None]]


@dataclass
class House:
    """The service without workers: tests do their work where they need it done."""

    app: FastAPI
    desk: Desk
    ledger: SqlLedger
    settings: Settings
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    rung: int = 0
    """How often it was told that an engine has something to run."""

    def __getitem__(self, name: str) -> httpx.AsyncClient:
        return self.clients[name]

    async def upload(self, who: str, *contents: str, **fields: str) -> dict:
        files = [("files", (f"{n}.md", text.encode())) for n, text in enumerate(contents)]
        answer = await self[who].post("/batches", files=files, data=fields)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def work(self) -> None:
        """Run everything that waits, through the real steps."""
        worker = WorkerId("tester")
        self.ledger.register(worker, "database", "host", 1, 50, UPLOAD_VERSION)
        while leases := self.ledger.step("database", worker, [], 50):
            for lease in leases:
                attempt = self.ledger.begin(lease, worker)
                chain = assembly.document_chain()
                results = results_of(attempt.payload, self.desk.blobs)
                for number, (step, result) in enumerate(results.items(), start=1):
                    also = chain.also(TaskId(lease.task), step, result)
                    self.ledger.started(lease, worker, Progress(step, number * 15.0))
                    self.ledger.save(lease, worker, Checkpoint(step, step, result), Progress(step, number * 20.0), also)
                summary = chain.summary(Saved(results["report"]).content)
                self.ledger.finish(worker, [Ended(lease, Completed(0.1, summary))])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", user_backlog=20, max_file_mb=1, max_batch_mb=4, max_batch_files=30)


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    if settings.database.startswith("sqlite"):
        settings.data.mkdir(exist_ok=True)
        new_file(settings.data / "paperlane.db")
    ledger = assembly.open_ledger(settings)
    desk = assembly.open_desk(settings, ledger)
    made: list[House] = []

    def heard(_engine: str) -> None:
        made[0].rung += 1

    app = create_app(desk, settings, "secret")
    made.append(House(app, desk, ledger, settings))
    ledger.listen(heard)
    async with app.router.lifespan_context(app):
        for looks in (app.state.scrapes.looks, app.state.house.looks):
            await looks.begin()  # or its questions would come among those that a test counts
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        for name, role in (("ann", Role.USER), ("bob", Role.USER), ("vera", Role.VIEWER), ("adam", Role.ADMIN)):
            token = desk.accounts.new_token(None, desk.accounts.add_user(None, name, role, "", None, None))
            made[0].tokens[name] = token
            made[0].clients[name] = httpx.AsyncClient(
                transport=transport, base_url="http://test/api/v1", headers={"Authorization": f"Bearer {token}"}
            )
        assembly.owns_files(settings, ledger)  # marks them, as at each start
        made[0].clients["nobody"] = httpx.AsyncClient(transport=transport, base_url="http://test/api/v1")
        yield made[0]
        for client in made[0].clients.values():
            await client.aclose()
    ledger.close()


@pytest.fixture
async def run(house: House) -> AsyncIterator[Run]:
    """One run of this process, whose turn it always is."""
    threads = Threads("retention")

    async def run_now(kept: Kept | None = None, *, orphans: bool | Callable[[], bool] = True) -> Removed | None:
        house.ledger.write(lambda c: c.execute(update(chores).values(next_at=0.0)) and None)
        chosen = kept or assembly.kept_of(Settings())
        asked = (lambda: orphans) if isinstance(orphans, bool) else orphans
        done = await clean(house.ledger, places_of(house), chosen, threads, asyncio.Event(), asked)
        assert not isinstance(done, Doubt), done.why
        return done

    yield run_now
    threads.close()


def places_of(house: House) -> Places:
    return Places(house.desk.blobs, assembly.open_results(house.settings))
