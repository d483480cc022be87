"""What every engine that others carry promises, seen from outside: their real programs, brokers and databases."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from tests.databases import Databases
from tests.engines.carried import ENGINES, Carried, carried
from tools.servers import CERTIFICATE

from paperlane.model.tasks import Lease, Stage, State, TaskId

ALL = ["one", "two", "three"]
AWAY = {False: 3.0, True: 120.0}  # seconds without a broker, in the short and in the long form


@pytest.fixture(scope="module", params=ENGINES)
def house(
    request: pytest.FixtureRequest, all_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Carried]:
    """One engine after the other."""
    with carried(request.param, all_databases, tmp_path_factory.mktemp("carried")) as made:
        yield made


@pytest.fixture
def service(house: Carried) -> Carried:
    """At work; each test has users of its own there."""
    house.running()
    return house


def steps_of(service: Carried, name: TaskId) -> list[str]:
    """Which steps a task told of, in their order."""
    return [event.step for event in service.ledger.events(name) if event.step]


class TestWork:
    def test_every_task_ends_once_and_tells_who_carried_it(self, service: Carried):
        log = service.file()
        names = [name for _ in range(3) for name in service.submit(service.user(), 5, log=str(log))]
        service.completed(names)
        assert {service.ledger.task(name).engine for name in names} == {service.engine}
        assert sorted(log.read_text().split()) == sorted(ALL * len(names))

    def test_what_comes_while_it_is_idle_is_run(self, service: Carried):
        user = service.user()
        for _ in range(3):
            service.completed(service.submit(user))

    def test_progress_is_told_without_a_gap_and_never_falls(self, service: Carried):
        (name,) = service.submit(service.user())
        service.completed([name])
        events = list(service.ledger.events(name))
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        percents = [event.percent for event in events]
        assert (percents, percents[-1]) == (sorted(percents), 100)

    def test_what_may_pass_is_tried_again_from_where_it_was_and_then_fails(self, service: Carried):
        log = service.file()
        (name,) = service.submit(service.user(), log=str(log), **{"fault in two": "passing"})
        (task,) = service.ended([name])
        assert (task.state, task.attempt) == (State.FAILED, 4)
        assert [past.outcome for past in service.ledger.attempts(name)] == ["retry", "retry", "retry", "failed"]
        assert log.read_text().split() == ["one"]

    def test_what_takes_longer_than_it_may_is_tried_again_and_then_fails(self, house: Carried):
        """And leaves nothing in the one slot there is."""
        house.stop()
        house.start(1, "--task-seconds", "0.5")
        log = house.file()
        (task,) = house.ended(house.submit(house.user(), log=str(log), **{"wait in two": str(house.file())}))
        assert (task.state, task.attempt, task.fault and task.fault.code) == (State.FAILED, 4, "task_timeout")
        assert [past.outcome for past in house.ledger.attempts(task.id)] == ["retry", "retry", "retry", "failed"]
        assert set(log.read_text().split()) == {"one"}
        assert [quick.state for quick in house.ended(house.submit(house.user()))] == [State.COMPLETED]
        house.stop()

    def test_what_cannot_pass_fails_at_once_with_its_cause(self, service: Carried):
        (task,) = service.ended(service.submit(service.user(), **{"fault in one": "document"}))
        assert (task.state, task.attempt) == (State.FAILED, 1)
        assert task.fault is not None
        assert task.fault.code == "damaged_file"

    def test_a_task_for_later_waits_for_its_time(self, service: Carried):
        user, at = service.user(), time.time() + 1.5
        (name,) = service.submit(user, run_at=at)
        (task,) = service.ended([name])
        assert task.started_at >= at


class TestTurns:
    def test_no_user_runs_more_than_the_limit(self, service: Carried):
        path = service.file()
        user = service.user(max_running=2)
        names = service.submit(user, 6, **{"wait in one": str(path)})
        service.at(path)

        def running() -> int:
            return sum(lane.running + lane.leased for lane in service.ledger.queue().lanes if lane.user == user)

        most = running()
        path.touch()
        while not all(service.ledger.task(name).state.ended for name in names):
            most = max(most, running())
        assert 1 <= most <= 2
        service.completed(names)

    def test_a_light_user_does_not_wait_for_a_heavy_ones_backlog(self, service: Carried):
        heavy = service.submit(service.user(), 60)
        light = service.submit(service.user(), 4)
        service.completed(light)
        last = max(service.ledger.task(name).started_at for name in light)
        service.completed(heavy)
        before = [name for name in heavy if service.ledger.task(name).started_at < last]
        assert len(before) <= len(light) + 4 * 4  # turn for turn, and what was out or under way before

    def test_a_users_own_tasks_go_by_priority(self, service: Carried):
        path = service.file()
        user = service.user(max_running=1)
        first = service.submit(user, **{"wait in one": str(path)})
        service.at(path)
        low, high = service.submit(user, priority=1), service.submit(user, priority=9)
        path.touch()
        service.completed([*first, *low, *high])
        assert service.ledger.task(high[0]).started_at < service.ledger.task(low[0]).started_at

    def test_a_paused_engine_begins_nothing_until_it_is_resumed(self, service: Carried):
        user = service.user()
        service.ledger.pause(service.engine, paused=True)
        names = service.submit(user, 2)
        before = {member.id: member.seen_at for member in service.ledger.members()}
        service.until(lambda: all(m.seen_at > before.get(m.id, 0.0) for m in service.ledger.members()), "a heartbeat")
        assert {service.ledger.task(name).status for name in names} == {"queued"}
        service.ledger.pause(service.engine, paused=False)
        service.completed(names)

    def test_a_queued_and_a_running_task_are_cancelled(self, service: Carried):
        path = service.file()
        running, queued = service.submit(service.user(max_running=1), 2, **{"wait in two": str(path)})
        service.at(path)
        assert service.ledger.cancel(queued).state is State.CANCELLED
        service.ledger.cancel(running)
        assert [task.state for task in service.ended([running])] == [State.CANCELLED]

    def test_a_backlog_and_what_is_under_way_move_to_another_engine_and_back(self, service: Carried):
        path = service.file()
        user = service.user(max_running=2)
        names = service.submit(user, 6, **{"wait in two": str(path)})
        service.at(path)
        service.ledger.lane(user, engine="elsewhere")
        path.touch()
        service.until(lambda: sum(service.ledger.task(name).state.ended for name in names) == 2, "what was under way")
        assert {service.ledger.task(name).status for name in names} == {"queued", "completed"}
        service.ledger.lane(user, engine=service.engine)
        service.completed(names)


class TestDeliveries:
    def test_one_that_comes_ten_times_runs_once(self, service: Carried):
        path, log = service.file(), service.file()
        (name,) = service.submit(service.user(), log=str(log), **{"wait in two": str(path)})
        service.at(path)
        task = service.ledger.task(name)
        service.deliver([Lease(name, 1, Stage.CPU, task.user)], times=10)
        path.touch()
        service.completed([name])
        assert log.read_text().split() == ALL

    def test_one_that_comes_after_the_end_changes_nothing(self, service: Carried):
        log = service.file()
        (name,) = service.submit(service.user(), log=str(log))
        service.completed([name])
        before = list(service.ledger.events(name))
        service.deliver([Lease(name, 1, Stage.CPU, service.ledger.task(name).user)], times=3)
        service.completed(service.submit(service.user()))
        assert list(service.ledger.events(name)) == before
        assert log.read_text().split() == ALL

    def test_one_of_no_task_at_all_is_passed_over(self, service: Carried):
        service.deliver([Lease(TaskId("nobody's"), 1)])
        service.completed(service.submit(service.user()))

    def test_one_that_is_lost_is_handed_out_again_without_a_try(self, service: Carried):
        service.ledger.pause(service.engine, paused=True)
        (name,) = service.submit(service.user())
        service.ledger.pause(service.engine, paused=False)
        service.ledger.lease(service.engine, 1)  # handed to nobody, unless a dispatcher was quicker
        service.completed([name])


class TestFaults:
    def test_a_drain_hands_back_and_the_next_program_goes_on(self, service: Carried):
        path, log = service.file(), service.file()
        (name,) = service.submit(service.user(), log=str(log), **{"wait in two": str(path)})
        service.at(path)
        service.stop()
        task = service.ledger.task(name)
        assert (task.status, task.attempt) == ("queued", 0)
        path.touch()
        service.running()
        service.completed([name])
        assert log.read_text().split() == ALL

    def test_the_worker_beside_is_killed_and_its_tasks_go_on(self, service: Carried):
        log, user = service.file(), service.user()
        paths = [service.file(), service.file()]
        names = [name for path in paths for name in service.submit(user, log=str(log), **{"wait in two": str(path)})]
        for path in paths:
            service.at(path)  # both of them: what was run and not saved yet would run again
        for pid in service.workers():
            os.kill(pid, signal.SIGKILL)
        for path in paths:
            path.touch()
        service.completed(names)
        assert sorted(log.read_text().split()) == sorted(ALL * 2)

    def test_the_program_is_killed_and_its_worker_ends_with_it(self, service: Carried):
        path = service.file()
        (name,) = service.submit(service.user(), **{"wait in two": str(path)})
        service.at(path)
        for program in service.programs:
            program.kill()
            program.wait()
        service.until(lambda: not service.ledger.members(), "the end of the worker beside")
        assert (service.ledger.task(name).status, service.ledger.task(name).attempt) == ("queued", 0)
        path.touch()
        service.running()
        service.completed([name])

    def test_a_worker_that_sleeps_past_its_lease_finishes_nothing(self, service: Carried):
        path, log = service.file(), service.file()
        (name,) = service.submit(service.user(), log=str(log), **{"wait in two": str(path)})
        service.at(path)
        asleep = service.workers()
        for pid in asleep:
            os.kill(pid, signal.SIGSTOP)
        try:
            service.start()
            service.until(lambda: bool(service.ledger.attempts(name)), "the loss of the first lease")
            path.touch()
            service.completed([name])
        finally:
            for pid in asleep:
                os.kill(pid, signal.SIGCONT)
        service.completed(service.submit(service.user(), 4))
        assert [past.outcome for past in service.ledger.attempts(name)][-1] == "completed"
        assert steps_of(service, name)[-1] == "three"

    def test_what_kills_its_worker_three_times_is_poison(self, service: Carried):
        (name,) = service.submit(service.user(), **{"dies in": "two"})
        (task,) = service.ended([name])
        assert (task.state, task.fault and task.fault.code) == (State.FAILED, "poison")
        service.completed(service.submit(service.user(), 2))

    @pytest.mark.parametrize("how", ["is killed", "comes back empty"])
    def test_the_broker(self, service: Carried, how: str):
        path = service.file()
        user = service.user(max_running=8)
        names = service.submit(user, 8, **{"wait in two": str(path)})  # half of them wait at the broker, or soon will
        service.at(path)
        service.broker.kill()
        later = service.submit(user, 4)  # is accepted meanwhile
        path.touch()
        if how == "comes back empty":
            service.forget_all()
        service.broker.start()
        service.completed([*names, *later])

    def test_the_broker_is_away_while_tasks_go_on_to_come(self, service: Carried, whole: bool):  # noqa: FBT001
        """The one place where time itself must pass: after some, programs give up, or ask the more rarely."""
        path = service.file()
        user = service.user(max_running=8)
        names = service.submit(user, 8, **{"wait in two": str(path)})
        service.at(path)
        before = [program.poll() for program in service.programs]
        service.broker.kill()
        path.touch()
        back = time.monotonic() + AWAY[whole]
        while time.monotonic() < back:
            names += service.submit(user)
            time.sleep(0.5)
        service.until(lambda: any(service.ledger.task(name).state.ended for name in names), "what was running")
        service.broker.start()
        service.completed(names)
        assert [program.poll() for program in service.programs] == before


class TestEncrypted:
    def test_a_broker_is_used_whose_certificate_is_trusted(self, house: Carried, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(house.broker.folder / CERTIFICATE))
        house.stop()
        house.start(2, broker=house.broker.secure_url)
        house.completed(house.submit(house.user(), 2))
        house.stop()

    @pytest.mark.parametrize("why", ["is for another host", "nobody trusts"])
    def test_a_broker_is_refused_whose_certificate(self, house: Carried, monkeypatch: pytest.MonkeyPatch, why: str):
        url = house.broker.secure_url
        if why == "is for another host":
            monkeypatch.setenv("SSL_CERT_FILE", str(house.broker.folder / CERTIFICATE))
            url = url.replace("localhost", "127.0.0.1")
        monkeypatch.setenv("PAPERLANE_AMQP_URL" if url.startswith("amqp") else "PAPERLANE_REDIS_URL", url)
        where = ("--engine", house.engine, "--data", str(house.folder), "--database", house.url)
        command = [house.python, "-m", "paperlane", "worker", *where]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (ran.returncode, ran.stderr.count("\n")) == (2, 1), ran.stderr
        assert "certificate verify failed" in ran.stderr
