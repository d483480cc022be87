"""Settings that would harm are refused before anything starts."""

import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import pytest
from starlette.requests import HTTPConnection
from tests.conftest import EVERY_KIND

import paperlane
from paperlane.assembly import host_of, open_desk, open_ledger, owns_files
from paperlane.cli.installation import settings_of
from paperlane.desk import Accounts, Order
from paperlane.errors import Misconfigured, Unreadable
from paperlane.model.documents import Upload
from paperlane.monitor.alerts import ALERTS
from paperlane.records.accounts import Account, Role
from paperlane.serving import listen, secret_of
from paperlane.settings import Settings
from paperlane.web.identity import is_own_origin


@pytest.mark.parametrize("given", [{"heartbeat_seconds": 10.1}, {"lease_seconds": 29.0}, {"lease_seconds": 0.1}])
def test_heartbeats_too_slow_for_the_lease_are_refused(given: dict[str, float]):
    with pytest.raises(Misconfigured, match=r"heartbeat_seconds makes no sense: .* a third of lease_seconds\.$"):
        settings_of(**given)


@pytest.mark.parametrize(
    ("given", "choices"), [({"engine": "kafka"}, "'celery' or 'rq'"), ({"stage": "gpu"}, "'cpu' or 'model'")]
)
def test_what_is_none_of_the_choices_is_refused_with_them(given: dict[str, str], choices: str):
    with pytest.raises(Misconfigured, match=rf"makes no sense: Input should be .*{choices}\.$"):
        settings_of(**given)


def test_a_third_of_the_lease_is_fast_enough():
    assert settings_of(lease_seconds=3, heartbeat_seconds=1).heartbeat_seconds == 1


def test_the_wait_for_a_database_may_be_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PAPERLANE_DATABASE_WAIT_SECONDS", "7")
    assert settings_of().database_wait_seconds == 7
    monkeypatch.setenv("PAPERLANE_DATABASE_WAIT_SECONDS", "")
    assert settings_of().database_wait_seconds is None


@pytest.mark.parametrize("given", ["s3://papers", "s3://papers/", "s3://papers/a/b_c/", ""])
def test_a_bucket_is_written_in_one_way(given: str):
    assert settings_of(blobs=given).blobs == given.rstrip("/")


def test_services_that_start_at_once_share_one_whole_secret(tmp_path: Path):
    settings = settings_of(data=tmp_path / "data")
    with ThreadPoolExecutor(8) as starting:
        secrets = set(starting.map(lambda _: secret_of(settings), range(8)))
    assert len(secrets) == 1
    assert len(secrets.pop()) == 64
    assert [path.name for path in settings.data.iterdir()] == ["secret.key"]
    (settings.data / "secret.key").write_text("")
    with pytest.raises(Misconfigured, match=r"secret\.key is empty"):
        secret_of(settings)


@EVERY_KIND
@pytest.mark.parametrize(("users", "admin"), [([], "admin"), (["admin", "admin-2"], "admin-3")])
def test_services_that_start_first_at_once_make_one_admin(
    tmp_path: Path, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch, users: list[str], admin: str
):
    settings = settings_of(data=tmp_path / "data", database=new_database())
    ledgers = [open_ledger(settings) for _ in range(3)]
    desks = [open_desk(settings, ledger) for ledger in ledgers]
    for name in users:
        desks[0].accounts.add_user(None, name, Role.USER, "", None, None)
    all_looked, looked, users_of = Barrier(3), set[int](), Accounts.users

    def look_together(accounts: Accounts) -> Sequence[Account]:
        found = users_of(accounts)
        if id(accounts) not in looked:
            looked.add(id(accounts))
            all_looked.wait(60)
        return found

    monkeypatch.setattr(Accounts, "users", look_together)
    with ThreadPoolExecutor(3) as starting:
        links = list(starting.map(Accounts.first_sign_in, [desk.accounts for desk in desks]))
    assert len(set(links) - {None}) == 3
    roles = {account.name: account.role for account in desks[0].accounts.users()}
    assert roles == {**dict.fromkeys(users, Role.USER), admin: Role.ADMIN}
    for ledger in ledgers:
        ledger.close()


def test_files_beside_those_of_another_ledger_are_not_removed(tmp_path: Path):
    """Who moves to a server, or tries one, keeps the data folder: each ledger knows only its own files."""

    def owns(**given: object) -> bool:
        settings = settings_of(data=tmp_path, **given)
        ledger = open_ledger(settings)
        open_desk(settings, ledger).accounts.first_sign_in()
        try:
            return owns_files(settings, ledger)
        finally:
            ledger.close()

    other = {"database": f"sqlite:///{tmp_path}/other.db"}
    assert owns(**other)
    assert owns(**other)
    assert not owns()
    assert not owns(**other)
    for mark in (tmp_path / "blobs").iterdir():
        mark.unlink()
    assert not owns(**other)  # beside an embedded database, which an earlier version never marked


@EVERY_KIND
async def test_a_file_is_not_lost_while_the_data_folders_disk_is_not_mounted(
    tmp_path: Path, new_database: Callable[[], str]
):
    """The mount point is there, and empty; a service that starts or runs on it does not take it for its folder."""
    settings = settings_of(data=tmp_path / "data", database=new_database())
    with closing(open_ledger(settings)) as ledger:
        async with host_of(settings, ledger) as host:
            desk = open_desk(settings, ledger)
            desk.accounts.first_sign_in()
            assert owns_files(settings, ledger)
            files = kept, _, lost = [desk.blobs.create() for _ in range(3)]
            uploads = [Upload("a.md", "text/markdown", 0, "0" * 64, file.reference) for file in files]
            for file in files:
                file.close()
            desk.tasks.submit(desk.accounts.user("admin"), Order(uploads))
            lost.discard()
            settings.data.rename(tmp_path / "elsewhere")
            for make in (lambda: None, settings.data.mkdir, (settings.data / "blobs").mkdir):
                make()
                assert not owns_files(settings, ledger)
                for file in (kept, lost):
                    with pytest.raises(Unreadable, match="the data folder is not the one that it was stored in"):
                        host.open_file(file.reference)
            fresh = desk.blobs.create()
            fresh.close()
            upload = Upload("b.md", "text/markdown", 0, "0" * 64, fresh.reference)
            desk.tasks.submit(desk.accounts.user("admin"), Order([upload]))
            assert not owns_files(settings, ledger)  # for what came since
            desk.blobs.mark("another")  # the folder of another ledger
            with pytest.raises(Unreadable):
                host.open_file(lost.reference)
            shutil.rmtree(settings.data)
            (tmp_path / "elsewhere").rename(settings.data)
            host.open_file(kept.reference).close()
            with pytest.raises(FileNotFoundError):
                host.open_file(lost.reference)
            for mark in (settings.data / "blobs").glob("ledger-*"):  # an earlier version made none
                mark.unlink()
            assert owns_files(settings, ledger)


@pytest.mark.parametrize(
    "given",
    [
        *({"lease_seconds": seconds} for seconds in (float("inf"), float("nan"), -1.0, 0.0)),
        *({"user_limit": limit} for limit in (0, -1, 10**30)),
        {"system_limit": 0},
        {"slots": 0},
        {"workers": -1},
        {"max_retries": -1},
        {"database_wait_seconds": float("inf")},
        {"database_wait_seconds": -1},
    ],
    ids=str,
)
def test_numbers_that_make_no_sense_are_refused(given: dict[str, float]):
    with pytest.raises(Misconfigured, match=f"{next(iter(given))} makes no sense"):
        settings_of(**given)


def test_what_is_no_name_of_a_host_is_refused():
    with pytest.raises(Misconfigured, match=r"Cannot listen on a\.\.b:0: this is no name of a host\."):
        listen(settings_of(host="a..b", port=0))


def test_pages_of_other_origins_are_believed_where_they_are_named():
    house = SimpleNamespace(settings=settings_of(allowed_origins=["https://papers.example"]))
    app = SimpleNamespace(state=SimpleNamespace(house=house))

    def is_believed(origin: str) -> bool:
        headers = [(b"host", b"here.example"), (b"origin", origin.encode())]
        return is_own_origin(HTTPConnection({"type": "http", "app": app, "headers": headers}))

    asked = ("https://here.example", "https://papers.example", "http://papers.example", "https://more.example")
    assert [is_believed(origin) for origin in asked] == [True, True, False, False]


def test_each_setting_is_read_somewhere():
    code = "\n".join(path.read_text() for path in Path(paperlane.__file__).parent.rglob("*.py"))
    read = set(re.findall(r"settings\.(\w+)", code))
    read |= {alert.setting for alert in ALERTS.values()}
    assert Settings.model_fields.keys() - read == {"database_url"}  # which settings.database resolves
