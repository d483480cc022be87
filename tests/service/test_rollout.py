"""Users are moved between engines while a real service runs."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from tests.conftest import EVERY_KIND, Service, until
from tests.ledger.invariants import check_invariants
from tests.service.test_service import SLOW, ended, upload

from paperlane.assembly import open_desk, open_ledger
from paperlane.desk import Desk
from paperlane.records.accounts import Role, by_engine, terms
from paperlane.rollout import NewRule
from paperlane.settings import Settings


@contextmanager
def desk_of(service: Service) -> Iterator[Desk]:
    settings = Settings(data=service.data, database_url=service.database)
    with closing(open_ledger(settings)) as ledger:
        yield open_desk(settings, ledger)


def settled(desk: Desk) -> dict[str, tuple[int, int]]:
    """How many users each engine carries once all are moved, by us or by the service, which looks once a second."""
    for _ in desk.rollout.settle():
        pass
    return desk.ledger.read(by_engine)


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
        assert settled(desk) == {"inline": (2, 0)}  # with the first admin
        until(lambda: runs_on(desk, "inline", 3))
        desk.operating.roll_back(None)
        before = sum(task.engine == "database" for task in desk.ledger.tasks(limit=100))
        assert settled(desk) == {"database": (2, 0)}
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


def test_who_is_restarted_with_another_default_engine_moves_whom_nothing_else_takes_in(
    new_service: Callable[..., Service],
):
    service = new_service(workers=0)
    service.user("ann")
    with desk_of(service) as desk:
        for name, engine in (("pia", "rq"), ("rob", "arq")):
            service.user(name)
            desk.accounts.change_user(None, desk.accounts.user(name), engine=engine, force=True)
        desk.accounts.change_user(None, desk.accounts.user("rob"), group="readers", engine="auto", force=True)
        desk.operating.roll_out(None, "arq", 100, "readers", force=True)
        assert settled(desk) == {"database": (2, 0), "rq": (1, 1), "arq": (1, 0)}  # with the first admin
        service.stop()
        service.environment["PAPERLANE_ENGINE"] = "inline"
        service.start()
        until(lambda: desk.ledger.read(by_engine) == {"inline": (2, 0), "rq": (1, 1), "arq": (1, 0)})
        assert "the default engine is another one" in service.log()
        assert "before=database engine=inline" in service.log()
        assert desk.operating.rolled_out(None).usual == "inline"  # this desk's settings say: database
        desk.operating.roll_out(None, "arq", 0, "readers")
        assert settled(desk) == {"inline": (3, 0), "rq": (1, 1)}


def test_two_services_with_different_settings_go_by_the_one_that_was_started_last(new_service: Callable[..., Service]):
    first = new_service(workers=0)
    ann, admin = first.user("ann"), first.user("ada", Role.ADMIN)
    second = new_service(beside=first, workers=0, engine="inline")
    with desk_of(first) as desk:
        until(lambda: desk.ledger.read(by_engine) == {"inline": (3, 0)})
        assert admin.post("users", json={"name": "new"}).status_code == 201
        assert admin.get("rollout").json()["usual"] == "inline"
        batch = upload(ann, "One.", "Two.")
        assert {task["engine"] for task in ended(ann, batch)} == {"inline"}
        rule = admin.put("rollout", json={"engine": "arq", "percent": 0}).json()
        assert (rule["usual"], rule["moved"]) == ("inline", 0)
        assert desk.ledger.read(by_engine) == {"inline": (4, 0)}
    assert second.stop() == 0


def live(desk: Desk, engine: str) -> int:
    return sum(member.live and member.engine == engine for member in desk.ledger.members())


@EVERY_KIND
def test_flags_are_followed_while_it_runs(new_service: Callable[..., Service]):
    """Uploads go inline and back, workers end and start again, and no task is lost or run twice."""
    service = new_service(workers=1)
    ann, admin = service.user("ann", limit=2), service.user("ada", Role.ADMIN)

    def switch(**flags: bool) -> dict:
        answer = admin.put("rollout", json={"flags": flags})
        assert answer.status_code == 200, answer.text
        assert answer.json()["flags"].items() >= flags.items()
        return answer.json()

    with desk_of(service) as desk:
        until(lambda: live(desk, "database") == 1)
        batches = [upload(ann, *["The gateway answers. " * 200] * 20)]
        until(lambda: any(task.engine == "database" for task in desk.ledger.tasks(limit=100)))
        assert switch(use_database_queue=False)["moved"] == 3  # with the first admin
        until(lambda: any(task.engine == "inline" and task.state.ended for task in desk.ledger.tasks(limit=100)))
        assert switch(use_worker_pool=False)["unserved"] == []
        until(lambda: not service.workers() and live(desk, "database") == 0)
        batches.append(upload(ann, "One.", "Two."))
        assert {task["engine"] for task in ended(ann, batches[-1])} == {"inline"}
        refused = admin.put("rollout", json={"flags": {"use_database_queue": True}})
        assert (refused.status_code, refused.json()["code"]) == (409, "engine_unserved")
        switch(use_worker_pool=True)
        until(lambda: len(service.workers()) == 1 and live(desk, "database") == 1)
        assert switch(use_database_queue=True)["moved"] == 3
        batches.append(upload(ann, "One.", "Two."))
        assert {task["engine"] for task in ended(ann, batches[-1])} == {"database"}
        assert {task["status"] for batch in batches for task in ended(ann, batch)} == {"completed"}
        for task in desk.ledger.tasks(limit=100):
            assert [event.kind for event in desk.ledger.events(task.id)].count("completed") == 1
        check_invariants(desk.ledger)  # type: ignore[arg-type]


@EVERY_KIND
def test_what_workers_ran_that_were_switched_off_goes_on_once_they_are_on_again(new_service: Callable[..., Service]):
    """They hand back what they cannot end in time, and that uses up no try."""
    service = new_service(workers=1, grace_seconds=0.5, slots=4)
    ann, admin = service.user("ann"), service.user("ada", Role.ADMIN)
    with desk_of(service) as desk:
        batch = upload(ann, *[SLOW] * 12)
        until(lambda: any(task.state == "running" for task in desk.ledger.tasks(limit=100)))
        answer = admin.put("rollout", json={"flags": {"use_worker_pool": False}}).json()
        assert answer["unserved"] == ["database"]
        until(lambda: not service.workers())
        left = [task for task in desk.ledger.tasks(limit=100) if not task.state.ended]
        assert left
        assert all(task.state in {"ready", "waiting"} for task in left)
        assert admin.put("rollout", json={"flags": {"use_worker_pool": True}}).status_code == 200
        assert {task["status"] for task in ended(ann, batch)} == {"completed"}
        for task in desk.ledger.tasks(limit=100):
            assert task.attempt == 1
            assert [event.kind for event in desk.ledger.events(task.id)].count("completed") == 1
        check_invariants(desk.ledger)  # type: ignore[arg-type]


def test_without_the_pool_it_starts_no_workers_until_that_is_switched_on(new_service: Callable[..., Service]):
    service = new_service(workers=1)
    service.user("ann")
    service.stop()
    with desk_of(service) as desk:
        rule = NewRule("inline", 100)
        desk.operating.change(None, rule, {"use_worker_pool": False}, force=True)  # and nobody is moved yet
        service.start()
        until(lambda: not desk.rollout.is_unsettled())  # which it does after it has looked at flags
        assert service.workers() == []
        desk.operating.change(None, to={"use_worker_pool": True})
        until(lambda: len(service.workers()) == 1)


def test_users_are_bounded_by_the_system_only_while_their_limits_are_switched_off(new_service: Callable[..., Service]):
    service = new_service(workers=1)
    ann, admin = service.user("ann", limit=1), service.user("ada", Role.ADMIN)

    def most_running() -> int:
        return max([lane.running for lane in desk.ledger.queue().lanes], default=0)

    with desk_of(service) as desk:
        until(lambda: live(desk, "database") == 1)
        assert admin.put("rollout", json={"flags": {"use_user_semaphore": False}}).status_code == 200
        batch = upload(ann, *["The gateway answers. " * 2_000] * 12)
        until(lambda: most_running() > 1)
        assert admin.put("rollout", json={"flags": {"use_user_semaphore": True}}).status_code == 200
        until(lambda: most_running() <= 1)  # those that ran end, and none starts beside another
        while not all(task.state.ended for task in desk.ledger.tasks(limit=100)):
            assert most_running() <= 1
        assert {task["status"] for task in ended(ann, batch)} == {"completed"}
