"""An operator with a real browser moves users between engines, and sets two engines beside each other."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.conftest import shared_service
from tests.databases import Databases
from tests.page.conftest import Visit
from tests.page.test_operating import ODD, House
from tests.rollout.speaking import english_in, guard

from paperlane.ledger.sql import SqlLedger
from paperlane.model.documents import UPLOAD_VERSION
from paperlane.model.tasks import Completed, Ended, Failed, Progress, UserId, WorkerId
from paperlane.records.accounts import Role
from paperlane.rollout import guarded, place_of
from paperlane.rollout.flags import FLAGS
from paperlane.rollout.guards import State

CROWD = 24
TASKS = 5  # of each
PATH = "/admin/rollout"


@pytest.fixture(scope="module")
def shared(all_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service with a crowd, half of which was on an engine where two of five tasks fail."""
    folder = tmp_path_factory.mktemp("rolled")
    with (
        shared_service(folder, all_databases, workers=0, user_limit=TASKS) as service,
        closing(service.ledger()) as ledger,
    ):
        people = {"adam": service.user("adam", Role.ADMIN), "vera": service.user("vera", Role.VIEWER)}
        for n in range(CROWD):
            made = people["adam"].post("users", json={"name": f"user{n}", "group": "readers" if n < 5 else ""}).json()
            engine = {"engine": "pool" if n % 2 else "database", "force": True}
            assert people["adam"].patch(f"users/{made['id']}", json=engine).status_code == 200
            files = [("files", (f"{at}.md", b"Fine.")) for at in range(TASKS)]
            assert service.client(made["token"]).post("batches", files=files).status_code == 202
            ended(ledger)
            assert (
                people["adam"].patch(f"users/{made['id']}", json={"engine": "auto", "force": True}).status_code == 200
            )
        yield House(service, people, {})


def ended(ledger: SqlLedger) -> None:
    """What waits is done; of five tasks on `pool` two fail."""
    for engine in ("database", "pool"):
        worker, number = WorkerId(f"01{engine}"), 0
        ledger.register(worker, engine, "tools", 1, TASKS, UPLOAD_VERSION)
        while leases := ledger.step(engine, worker, [], TASKS):
            for lease in leases:
                number += 1
                ledger.begin(lease, worker)
                ledger.started(lease, worker, Progress("file_parsing", 0.0))
                outcome = Failed(ODD) if engine == "pool" and number % TASKS < 2 else Completed(1.0)
                ledger.finish(worker, [Ended(lease, outcome)])
        ledger.leave(worker)


@pytest.fixture
def house(shared: House) -> House:
    """The same for each test: nothing was rolled out, and all flags are on."""
    put(shared, flags=dict.fromkeys(FLAGS, True), force=True)
    while shared.people["adam"].get("rollout").json()["rules"]:
        put(shared, rollback=True, force=True)
    return shared


def put(house: House, **change: object) -> dict:
    answer = house.people["adam"].put("rollout", json=change)
    assert answer.status_code == 200, answer.text
    return answer.json()


def seen(house: House) -> dict:
    return house.people["vera"].get("rollout").json()


def carried(house: House, engine: str) -> int:
    return next((one["users"] for one in seen(house)["engines"] if one["engine"] == engine), 0)


def expected(house: House, percent: float) -> int:
    """How many of all accounts such a rule moves."""
    count = sum(one["users"] for one in seen(house)["engines"])
    return sum(place_of(UserId(number)) < percent for number in range(1, count + 1))


def asked(page: Page, engine: str, percent: float, group: str = "") -> Locator:
    """The dialog about a rule that was filled in."""
    page.locator("#rule [name=engine]").select_option(engine)
    page.locator("#rule [name=group]").select_option(group)
    page.get_by_label("Percent of the users").fill(f"{percent:g}")
    page.get_by_role("button", name="Set", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def done(page: Page) -> Locator:
    return page.locator("#done")


def test_a_quarter_of_the_users_is_moved_by_the_slider_once_it_is_confirmed(visit: Visit, house: House):
    page = house.page(visit, "adam", PATH)
    expect(page.get_by_text("Nothing was rolled out")).to_be_visible()
    page.locator("#rule [name=engine]").select_option("inline")
    slider, number = page.get_by_role("slider", name="Share of the users"), page.get_by_label("Percent of the users")
    slider.focus()
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    expect(number).to_have_value("25")
    number.fill("60")
    expect(slider).to_have_value("60")
    slider.fill("25")
    expect(number).to_have_value("25")
    page.get_by_role("button", name="Set", exact=True).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Is that meant?")
    for words in (
        "inline is to carry the tasks of 25 % of all users.",
        "It has no rule for them until now.",
        "Where it does worse, the guardrail takes it back by itself.",
    ):
        expect(dialog.get_by_text(words)).to_be_visible()
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    assert seen(house)["rules"] == []
    dialog.get_by_role("button", name="Yes, do it").click()
    moved = expected(house, 25)
    assert moved
    expect(done(page)).to_contain_text(f"inline carries 25 % of all users from now on. Users who were moved: {moved}.")
    expect(dialog).to_be_hidden()
    engines = page.get_by_role("region", name="Engines").locator("tbody tr", has_text="inline")
    expect(engines.locator("td").first).to_have_text(str(moved))
    rule = page.get_by_role("region", name="Rules in force").locator("tbody tr")
    for words in ("25 %", "everybody", "adam", "takes it back by itself"):
        expect(rule).to_contain_text(words)
    assert carried(house, "inline") == moved
    dialog = asked(page, "inline", 30, "")
    expect(dialog.get_by_text("Its rule says 25 % until now.")).to_be_visible()


def test_what_is_not_confirmed_moves_nobody(visit: Visit, house: House):
    page = house.page(visit, "adam", PATH)
    asked(page, "inline", 100).get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    asked(page, "inline", 100, "readers")
    expect(page.get_by_text("inline is to carry the tasks of 100 % of the users in readers.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Set", exact=True)).to_be_focused()
    assert (seen(house)["rules"], carried(house, "inline")) == ([], 0)
    page.get_by_label("Percent of the users").fill("101")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_an_engine_that_nobody_serves_is_refused_first_and_then_taken_all_the_same(visit: Visit, house: House):
    page = house.page(visit, "adam", PATH, cut=True)
    dialog = asked(page, "rq", 100, "readers")
    anyway = dialog.get_by_role("button", name="Do it all the same")
    expect(anyway).to_be_hidden()
    dialog.get_by_role("button", name="Yes, do it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("No worker of rq is running, so their tasks would wait.")
    expect(dialog.get_by_role("button", name="Yes, do it")).to_be_hidden()
    assert seen(house)["rules"] == []
    anyway.click()
    expect(done(page)).to_contain_text("rq carries 100 % of the users in readers from now on. Users who were moved: 5.")
    expect(done(page)).to_contain_text("rq carries users, and no worker of it lives")
    assert carried(house, "rq") == 5


def test_a_flag_is_a_switch_that_says_what_it_means(visit: Visit, house: House):
    page = house.page(visit, "adam", PATH)
    switch = page.get_by_role("switch", name="use_user_semaphore")
    expect(switch).to_have_accessible_description(re.compile("^Off: only the whole system's limit bounds users"))
    for to, words in (("false", "use_user_semaphore is switched off."), ("true", "use_user_semaphore is switched on.")):
        switch.focus()
        page.keyboard.press("Space")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(words)
        dialog.get_by_role("button", name="Yes, do it").click()
        expect(switch).to_have_attribute("aria-checked", to)
        assert seen(house)["flags"]["use_user_semaphore"] is (to == "true")
    page.get_by_role("switch", name="use_database_queue").click()
    page.get_by_role("dialog").get_by_role("button", name="Yes, do it").click()
    expect(done(page)).to_contain_text("use_database_queue is off.")
    expect(page.get_by_text("use_database_queue is off: all tasks run on inline, whatever rules say.")).to_be_visible()
    expect(asked(page, "inline", 10)).to_contain_text("all tasks run on inline, whatever rules say.")


def test_the_newest_rule_is_taken_back_and_no_other(visit: Visit, house: House):
    put(house, engine="inline", percent=10)
    put(house, engine="inline", percent=100, group="readers")
    page = house.page(visit, "adam", PATH)
    back = page.get_by_role("button", name=re.compile("^Take back rule"))
    expect(back).to_have_count(1)
    back.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile(r"Rule \d+ is taken back: inline, 100 % of the users in readers\."))
    dialog.get_by_role("button", name="Yes, do it").click()
    expect(done(page)).to_contain_text(re.compile(r"Rule \d+ was taken back\. Users who were moved: \d"))
    rules = page.get_by_role("region", name="Rules in force").locator("tbody tr")
    expect(rules).to_have_count(1)
    expect(rules).to_contain_text("10 %")
    assert [rule["percent"] for rule in seen(house)["rules"]] == [10]
    expect(page.locator("#now")).to_be_visible()
    expect(done(page)).to_be_focused()  # its button is no more


def test_all_of_an_engine_is_taken_back_once_it_is_confirmed(visit: Visit, house: House):
    for rule in ({"percent": 10}, {"percent": 50}, {"percent": 100, "group": "readers"}):
        put(house, engine="inline", **rule)
    put(house, engine="rq", percent=1, force=True)
    page = house.page(visit, "adam", PATH)
    back = page.get_by_role("button", name="Take all of inline back")
    back.click()
    dialog = page.get_by_role("dialog")
    for words in (
        "All that was rolled out of inline is taken back. Rules in force that go, and what they replaced: 2.",
        re.compile(r"Rule \d+: 100 % of the users in readers\."),
        re.compile(r"Rule \d+: 50 % of all users\."),
    ):
        expect(dialog.get_by_text(words)).to_be_visible()
    assert len(seen(house)["rules"]) == 3
    dialog.get_by_role("button", name="Yes, do it").click()
    expect(done(page)).to_contain_text("inline is rolled out no more. Users who were moved:")
    expect(page.get_by_role("region", name="Rules in force").locator("tbody tr")).to_have_count(1)
    expect(back).to_have_count(0)
    assert ([rule["engine"] for rule in seen(house)["rules"]], carried(house, "inline")) == (["rq"], 0)


def test_users_go_back_to_what_a_guardrail_holds_only_where_one_insists(visit: Visit, house: House):
    held(house)
    put(house, engine="rq", percent=100, force=True)
    page = house.page(visit, "adam", PATH, cut=True)
    page.get_by_role("button", name=re.compile("^Take back rule")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Yes, do it").click()
    alert = dialog.get_by_role("alert")
    expect(alert).to_contain_text("That would give users to inline again, which a guardrail holds")
    expect(alert).to_contain_text("Take all of that engine back, or do it all the same")
    assert len(seen(house)["rules"]) == 2
    dialog.get_by_role("button", name="Do it all the same").click()
    expect(done(page)).to_contain_text("was taken back.")
    assert [rule["engine"] for rule in seen(house)["rules"]] == ["inline"]


def test_what_another_admin_has_set_meanwhile_is_shown_and_not_overwritten(visit: Visit, house: House):
    put(house, engine="inline", percent=10)
    page = house.page(visit, "adam", PATH, cut=True)
    dialog = asked(page, "inline", 25)
    expect(dialog.get_by_text("Its rule says 10 % until now.")).to_be_visible()
    put(house, engine="inline", percent=50)
    dialog.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("alert").filter(has_text="Another roll-out is the newest one by now.")).to_be_visible()
    expect(dialog).to_be_hidden()
    expect(page.locator("#now")).to_have_text("Its rule says 50 % until now.")
    assert [rule["percent"] for rule in seen(house)["rules"]] == [50]
    dialog = asked(page, "inline", 60)
    expect(dialog.get_by_text("Its rule says 50 % until now.")).to_be_visible()
    dialog.get_by_role("button", name="Yes, do it").click()
    expect(done(page)).to_contain_text("inline carries 60 %")


def test_a_guard_that_holds_an_engine_is_acknowledged_and_then_it_may_grow(visit: Visit, house: House):
    held(house)
    page = house.page(visit, "adam", PATH, cut=True)
    rule = page.get_by_role("region", name="Rules in force").locator("tbody tr")
    expect(rule).to_contain_text("found worse, grows no more")
    expect(rule).to_contain_text("Of inline's tasks 20.0% failed, of database's 1.0%, surely 5.0 points more")
    asked(page, "inline", 60).get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("alert").filter(has_text="A guardrail holds inline at 50 %")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Acknowledge rule")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("You know that inline does worse, at 50 % of all users.")
    dialog.get_by_role("button", name="Yes, do it").click()
    expect(done(page)).to_contain_text("is known to be worse")
    expect(rule).to_contain_text("acknowledged, not guarded")
    expect(page.get_by_role("button", name=re.compile("^Acknowledge rule"))).to_have_count(0)
    asked(page, "inline", 60).get_by_role("button", name="Yes, do it").click()
    expect(rule).to_contain_text("60 %")


def held(house: House) -> None:
    """Half of the users were moved, and that engine was found worse."""
    rule = put(house, engine="inline", percent=50, guard="stop")["rules"][0]["id"]
    judgement = guard(State.HELD, "failures").judgement
    with closing(house.service.ledger()) as ledger:
        ledger.write(lambda connection: guarded.keep(connection, rule, State.HELD, judgement, 5.0))


def test_a_move_that_takes_long_is_seen_to_go_on(visit: Visit, house: House):
    page = house.page(visit, "adam", PATH)
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "PUT":
            waiting.append(route)
        else:
            route.fallback()

    page.route("**/api/v1/rollout", hold)
    dialog = asked(page, "inline", 100)
    with page.expect_request(lambda request: request.method == "PUT"):
        dialog.get_by_role("button", name="Yes, do it").click()
    expect(dialog.get_by_role("status").get_by_text("Users are being moved…")).to_be_visible()
    expect(dialog.get_by_role("button", name="Cancel")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    (route,) = waiting
    route.continue_()
    expect(done(page)).to_contain_text("inline carries 100 %")
    expect(dialog).to_be_hidden()


def test_what_others_change_is_seen_while_somebody_fills_in_a_rule(visit: Visit, house: House):
    page = house.page(visit, "adam", PATH)
    page.get_by_label("Percent of the users").fill("33")
    put(house, engine="inline", percent=40)
    rule = page.get_by_role("region", name="Rules in force").locator("tbody tr")
    expect(rule).to_contain_text("40 %")
    expect(page.get_by_label("Percent of the users")).to_have_value("33")
    expect(page.get_by_label("Percent of the users")).to_be_focused()
    page.locator("#rule [name=engine]").select_option("inline")
    expect(page.get_by_role("slider")).to_have_value("40")


def test_a_viewer_sees_rules_and_flags_and_no_control(visit: Visit, house: House):
    held(house)
    page = house.page(visit, "vera", PATH)
    expect(page.get_by_text("found worse, grows no more")).to_be_visible()
    expect(page.get_by_text("Off: serve has no worker processes")).to_be_visible()
    for role in ("switch", "slider", "dialog", "combobox"):
        expect(page.get_by_role(role)).to_have_count(0)  # type: ignore[arg-type]
    assert [button.inner_text() for button in page.get_by_role("button").all()] == ["Sign out"]


def test_two_engines_are_set_beside_each_other_and_the_wait_is_seen(visit: Visit, house: House):
    page = house.page(visit, "vera", "/admin/comparisons")
    waiting: list[Route] = []
    page.route("**/admin/comparisons/told?*", lambda route: waiting.append(route) or None)
    page.locator("[name=a]").select_option("database")
    page.locator("[name=b]").select_option("pool")
    with page.expect_request("**/admin/comparisons/told?*"):
        page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("status").filter(has_text="Comparing… it may take ten seconds.")).to_be_visible()
    expect(page.locator("[name=b]")).to_have_value("pool")
    (route,) = waiting
    route.continue_()
    heading = page.get_by_role("heading", name="pool does worse than database")
    expect(heading).to_be_visible()
    expect(heading).to_contain_text("worse in failures")
    expect(page.get_by_text("Comparing…")).to_have_count(0)
    expect(page.get_by_role("img", name="left of the line less on pool, right of it more")).to_be_visible()
    expect(page.get_by_text("tasks of pool fail more often than those of database")).to_be_visible()
    figures = page.get_by_role("region", name="Figures, in brackets their 95 % intervals")
    expect(figures.locator("tr", has_text="Failures")).to_contain_text("40.0 %")
    assert "a=database&b=pool" in page.url
    link = page.get_by_role("link", name="JSON").get_attribute("href") or ""
    told = house.people["vera"].get(f"{house.service.url}{link}").json()
    assert (told["verdict"], told["a"]["tasks"]) == ("worse", CROWD // 2 * TASKS)
    with page.expect_download() as download:
        page.get_by_role("link", name="Markdown").click()
    assert download.value.suggested_filename == "database-pool.md"
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_cannot_be_compared_or_is_too_little_is_told_in_words(visit: Visit, house: House):
    page = house.page(visit, "vera", "/admin/comparisons?a=database&b=database", cut=True)
    expect(page.get_by_role("alert").filter(has_text="database cannot be compared with itself.")).to_be_visible()
    page.locator("[name=b]").select_option("rq")
    page.locator("[name=group]").select_option("readers")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="There is nothing to compare database and rq by.")).to_be_visible()
    expect(page.get_by_text("rq was given no task in this time.")).to_be_visible()
    page.route("**/admin/comparisons/told?*", lambda route: route.abort())
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("status").filter(has_text="The service cannot be reached.")).to_be_visible()


def test_both_pages_are_read_in_chinese(visit: Visit, house: House):
    held(house)
    page = house.page(visit, "adam", PATH)
    page.goto(f"{house.service.url}/language/zh?back={PATH}")
    expect(page.get_by_text("inline 的任务失败率为 20.0%，database 为 1.0%")).to_be_visible()
    page.locator("#rule [name=engine]").select_option("inline")
    page.get_by_role("button", name="设置", exact=True).click()
    dialog = page.get_by_role("dialog", name="确认更改？")
    expect(dialog).to_contain_text("全部用户的 50% 将使用 inline。")
    assert not english_in(page.locator("body").inner_text(), "adam", "readers")
    dialog.get_by_role("button", name="取消").click()
    page.goto(f"{house.service.url}/admin/comparisons?a=database&b=pool")
    expect(page.get_by_role("heading", name="pool 的表现不如 database")).to_be_visible()
    expect(page.get_by_role("img", name="在虚线左侧表示 pool 更少，右侧表示更多")).to_be_visible()
    assert not english_in(page.locator("body").inner_text(), "adam", "readers")
