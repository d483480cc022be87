"""Users are moved between engines while a real service runs."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from tests.conftest import EVERY_KIND, Service, until
from tests.ledger.invariants import check_invariants
from tests.service.test_service import ended, upload

from paperlane.assembly import open_desk, open_ledger
from paperlane.desk import Desk
from paperlane.records.accounts import terms
from paperlane.settings import Settings


@contextmanager
def desk_of(service: Service) -> Iterator[Desk]:
    settings = Settings(data=service.data, database_url=service.database)
    with closing(open_ledger(settings)) as ledger:
        yield open_desk(settings, ledger)


@EVERY_KIND
def test_a_batch_is_moved_to_another_engine_while_it_runs_and_back(new_service: Callable[..., Service]):
    service = new_service(workers=1)
    client = service.user("ann", limit=2)
    most = 0

    def runs_on(desk: Desk, engine: str, tasks: int) -> bool:
        """Have so many of the tasks run there? Looks how many hold a turn, by the way."""
        nonlocal most
        most = max([most, *(lane.running for lane in desk.ledger.queue().lanes)])
        return sum(task.engine == engine and task.state.ended for task in desk.ledger.tasks(limit=100)) >= tasks

    batch = upload(client, *["The gateway answers. " * 200] * 40)
    with desk_of(service) as desk:
        until(lambda: runs_on(desk, "database", 3))
        desk.operating.roll_out(None, "inline", 100)
        assert sum(desk.rollout.settle()) == 2  # with the first admin
        until(lambda: runs_on(desk, "inline", 3))
        desk.operating.roll_back(None)
        before = sum(task.engine == "database" for task in desk.ledger.tasks(limit=100))
        assert sum(desk.rollout.settle()) == 2  # with the first admin
        until(lambda: runs_on(desk, "database", before + 3))
        assert {task["status"] for task in ended(client, batch)} == {"completed"}
        for task in desk.ledger.tasks(limit=100):
            kinds = [event.kind for event in desk.ledger.events(task.id)]
            assert (kinds.count("completed"), kinds.count("begun")) == (1, 1)
        assert most == 2
        check_invariants(desk.ledger)  # type: ignore[arg-type]


def test_a_service_carries_on_a_roll_out_that_was_cut_off(new_service: Callable[..., Service]):
    service = new_service(workers=0)
    service.user("ann")
    service.stop()
    with desk_of(service) as desk:
        desk.operating.roll_out(None, "inline", 100, force=True)  # and whoever did so died before anybody was moved
        service.start()
        until(lambda: not desk.rollout.is_unsettled())
        ann = desk.accounts.user("ann").id
        found = desk.ledger.read(lambda connection: terms(connection, ann))
    assert found is not None
    assert found.engine == "inline"
