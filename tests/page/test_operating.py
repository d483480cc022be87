"""An operator with a real browser: looks, finds what is wrong, and changes it."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Connection, insert
from tests.conftest import Service, shared_service
from tests.databases import Databases
from tests.page.conftest import CONTRASTS, Visit, sign_in

from paperlane.ledger.sql import SqlLedger
from paperlane.model.documents import UPLOAD_VERSION
from paperlane.model.tasks import (
    Checkpoint,
    Completed,
    Ended,
    Failed,
    Fault,
    Lease,
    Outcome,
    Progress,
    Retry,
    TaskId,
    WorkerId,
)
from paperlane.records import portable, schema
from paperlane.records.accounts import Role
from paperlane.records.samples import COARSE, FINE

ODD = Fault("odd_table", "The table 'A' has 3 rows too many.", "Take some out.")
SLOW = Fault("step_timeout", "A step took too long.", "Split the document.")
BUSY = Fault("model_busy", "The model is busy.")
WORKER = WorkerId("01toolsworker0000000000000")


@dataclass
class House:
    """A service that runs nothing by itself: what its tasks came to is written by hand, and stays so."""

    service: Service
    people: dict[str, httpx.Client]
    tasks: dict[str, TaskId]

    def page(self, visit: Visit, who: str, path: str = "/admin", **options: object) -> Page:
        """The page, for this person."""
        opened = visit(f"{self.service.url}{path}", **options)
        sign_in(opened, self.people[who])
        expect(opened.locator("#sign-in")).to_have_count(0)  # or its reload would meet the next visit
        opened.wait_for_load_state()
        expect(opened.locator("#live, h1").first).to_be_visible()
        return opened


def upload(user: httpx.Client, name: str, **fields: str) -> TaskId:
    answer = user.post("batches", files=[("files", (name, b"Fine."))], data=fields)
    return TaskId(answer.json()["tasks"][0]["id"])


def begin(ledger: SqlLedger) -> Lease:
    """The next task is tried."""
    (lease,) = ledger.step("database", WORKER, [], 1)
    return lease


def end(ledger: SqlLedger, lease: Lease, outcome: Outcome) -> None:
    ledger.started(lease, WORKER, Progress("file_parsing", 0.0))
    ledger.save(lease, WORKER, Checkpoint("file_parsing", "k", b"x"), Progress("file_parsing", 20.0))
    ledger.started(lease, WORKER, Progress("issue_detection", 40.0))
    ledger.finish(WORKER, [Ended(lease, outcome)])


@pytest.fixture(scope="module")
def house(all_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("operated")
    with (
        shared_service(folder, all_databases, workers=0, alert_seconds=1, alert_queue=0) as service,
        closing(service.ledger()) as ledger,
    ):
        roles = {"ann": Role.USER, "bob": Role.USER, "vera": Role.VIEWER, "adam": Role.ADMIN}
        people = {name: service.user(name, role) for name, role in roles.items()}
        ledger.register(WORKER, "database", "tools", 1, 4, UPLOAD_VERSION)
        made = {}
        for name, outcome in (("odd", Failed(ODD)), ("slow", Failed(SLOW)), ("slow too", Failed(SLOW))):
            made[name] = upload(people["ann"], f"{name}.md")
            end(ledger, begin(ledger), outcome)
        made["done"] = upload(people["bob"], "done.md")
        end(ledger, begin(ledger), Retry(BUSY))
        service.change("UPDATE tasks SET run_at = 1 WHERE state = 'waiting'")
        ledger.recover()
        end(ledger, begin(ledger), Completed(1.0))
        made |= {name: upload(people[who], f"{name}.md") for name, who in (("first", "ann"), ("second", "bob"))}
        ledger.write(written_down)
        yield House(service, people, made)


def written_down(connection: Connection) -> None:
    """Six hours of samples before the service began to look at itself."""
    now = portable.now(connection)
    names = (
        "queued",
        "running",
        "slots",
        "completed_per_minute",
        "cpu",
        "api_p95",
        "oldest",
        "slots.w",
        "slots.arq",
        "queued.arq",
    )
    content = json.dumps(dict.fromkeys(names, 0.5))
    places = ((step, int(now // step - n) * step) for step in (FINE, COARSE) for n in range(6, 21_600 // step))
    connection.execute(insert(schema.samples), [{"step": step, "at": at, "content": content} for step, at in places])


ROOMS = (
    "", "/alerts", "/queue", "/tasks", "/errors", "/dead", "/workers", "/rollout", "/comparisons", "/users", "/audit",
)  # fmt: skip


def test_every_page_can_be_read_in_light_and_in_dark_and_on_a_narrow_screen(visit: Visit, house: House):
    page = house.page(visit, "adam")
    rooms = [*ROOMS, f"/tasks/{house.tasks['done']}", "/users/2"]
    titles = set()
    for room in rooms:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(f"{house.service.url}/admin{room}")
        expect(page.locator("h1")).to_have_count(1)
        titles.add(page.title())
        if room == "":
            expect(page.locator(".plots canvas")).to_have_count(7)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            poor = [(text, ratio) for text, ratio in page.locator("body").evaluate(CONTRASTS) if ratio < 4.5]
            assert poor == [], (room, scheme)
        page.set_viewport_size({"width": 360, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, room
    assert len(titles) == len(rooms)


def test_plots_are_drawn_for_the_time_that_is_chosen_and_told_by_the_arrow_keys(visit: Visit, house: House):
    page = house.page(visit, "vera")
    page.get_by_role("link", name="6 h").click()
    with page.expect_response(lambda answer: "samples?hours=6" in answer.url):
        page.reload()
    plot = page.locator("figure", has_text="Tasks")
    expect(plot.locator("figcaption")).to_contain_text(re.compile(r"waiting \d"))
    plot.locator(".canvas").focus()
    for _ in range(3):
        page.keyboard.press("PageUp")
    expect(plot.locator(".canvas")).to_have_attribute("aria-label", re.compile(r"^Tasks: waiting 0.5, running 0.5"))
    before = plot.bounding_box()
    page.emulate_media(color_scheme="dark")
    expect(plot.locator("canvas")).to_have_count(1)
    assert plot.bounding_box() == before


def test_an_alert_is_acknowledged_and_silenced_where_it_is_told_and_its_silence_ended(visit: Visit, house: House):
    page = house.page(visit, "adam")
    alert = page.locator("#alerts li", has_text=re.compile(r"tasks? waits?"))
    alert.get_by_role("button", name="Acknowledge").click()
    expect(alert).to_contain_text("acknowledged by adam")
    alert.get_by_role("button", name="Silence for 1 h").click()
    expect(alert).to_contain_text("silent until")
    expect(alert.get_by_role("button")).to_have_count(0)
    page.get_by_role("link", name="All alerts and silences").click()
    silences = page.get_by_role("region", name="Silences").locator("tbody tr")
    expect(silences).to_have_count(1)
    silences.get_by_role("button", name="End").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is silenced.")).to_be_visible()
    expect(page.get_by_role("button", name="Silence for 1 h").first).to_be_visible()
    page.goto(f"{house.service.url}/admin/audit")
    for what in ("silence ended", "alert silenced", "alert acknowledged"):
        expect(page.locator("tbody tr", has_text=what)).to_have_count(1)


def test_an_engine_is_paused_and_goes_on_by_keyboard_and_both_are_written_down(visit: Visit, house: House):
    page = house.page(visit, "adam", "/admin/workers")
    page.get_by_role("button", name="Pause database").focus()
    page.keyboard.press("Enter")
    resume = page.get_by_role("button", name="Resume database")
    expect(resume).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="Done.")).to_be_visible()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_text("Paused, so their tasks wait: database.")).to_be_visible()
    page.get_by_role("link", name="Workers").click()
    resume.click()
    expect(page.get_by_role("button", name="Pause database")).to_be_visible()
    page.get_by_role("link", name="Audit log").click()
    rows = page.locator("tbody tr")
    expect(rows.first).to_contain_text("engine resumed")
    rows.first.get_by_role("link", name="engine resumed").click()
    expect(rows).to_have_count(1)
    page.locator("#filters").get_by_role("link", name="All").click()
    expect(rows.nth(1)).to_contain_text("engine paused")


def test_a_look_that_is_taken_again_moves_nothing_and_nobodys_focus(visit: Visit, house: House):
    page = house.page(visit, "vera", "/admin/queue")
    row = page.locator("tbody tr", has_text="ann")
    waiting = int(row.locator("td").nth(1).inner_text())
    row.get_by_role("link").focus()
    before = [each.bounding_box() for each in page.locator("main *").all()]
    upload(house.people["ann"], "more.md")
    expect(row.locator("td").nth(1)).to_have_text(str(waiting + 1))
    expect(row.get_by_role("link")).to_be_focused()
    assert [each.bounding_box() for each in page.locator("main *").all()] == before


def test_a_user_gets_another_limit_and_a_token_that_is_shown_once(visit: Visit, house: House):
    page = house.page(visit, "adam", "/admin/users")
    page.get_by_role("link", name="bob", exact=True).click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing is other than it was.")).to_be_visible()
    page.get_by_label("Tasks at once").fill("7")
    page.get_by_label("Documents kept (MB)").fill("5")
    page.get_by_label("Paused").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Done.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Tasks at once")).to_have_value("7")
    expect(page.get_by_label("Paused")).to_be_checked()
    expect(page.get_by_text("0.0 of 5 used")).to_be_visible()
    page.get_by_label("Paused").uncheck()
    page.get_by_label("Documents kept (MB)").fill("")  # as the settings say
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Done.")).to_be_visible()
    expect(page.get_by_text("0.0 used, no limit")).to_be_visible()
    page.get_by_role("button", name="New token").click()
    token = page.get_by_role("textbox", name="Token")
    expect(token).to_be_focused()
    assert house.service.client(token.input_value()).get("session").json()["name"] == "bob"
    page.get_by_role("link", name="All users").click()
    page.get_by_label("Name").fill("zoe")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("The token of zoe, shown this once:")).to_be_visible()
    expect(page.get_by_role("link", name="zoe")).to_be_visible()


def test_what_cannot_be_done_says_why_beside_the_form(visit: Visit, house: House):
    page = house.page(visit, "adam", "/admin/users", cut=True)
    page.get_by_label("Name").fill("ann")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("alert")).to_have_text("There is a user ann already.")


def test_dead_letters_of_a_filter_start_again_and_no_others(visit: Visit, house: House):
    page = house.page(visit, "adam", "/admin/dead")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.locator("#filters").get_by_role("link", name="step_timeout (2)").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    page.get_by_role("button", name="Start all 2 again").click()
    expect(page.get_by_role("status").filter(has_text="2 start again.")).to_be_visible()
    assert asked == ["Start 2 tasks again?"]
    expect(page.get_by_text("There are no such dead letters.")).to_be_visible()
    page.locator("#filters").get_by_role("link", name="All").nth(1).click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("odd_table")
    statuses = {
        name: house.people["ann"].get(f"tasks/{house.tasks[name]}").json()["status"] for name in ("odd", "slow")
    }
    assert statuses == {"odd": "failed", "slow": "queued"}


def test_a_task_is_found_by_links_and_its_attempts_are_drawn(visit: Visit, house: House):
    page = house.page(visit, "vera", "/admin/tasks")
    page.locator("#filters").get_by_role("link", name="done", exact=True).click()
    page.get_by_role("row").get_by_role("link", name="bob").click()
    expect(page.locator("#filters a[aria-current]")).to_have_text(["done", "All", "bob"])
    page.locator("tbody th a").click()
    tries = page.locator(".timeline > li")
    expect(tries).to_have_count(2)
    expect(tries.first).to_contain_text("failed, to be tried again")
    expect(tries.nth(1)).to_contain_text("reading the file")
    expect(page.get_by_text("done.md")).to_have_count(0)
    assert tries.first.locator(".line .piece").count() >= 1
    page.get_by_role("link", name="Errors").click()
    expect(page.locator("tbody tr", has_text="odd_table")).to_have_count(1)


def test_who_may_not_operate_is_led_away(visit: Visit, house: House):
    page = house.page(visit, "ann", "/admin/users", cut=True)
    expect(page.get_by_text("Only admins and viewers see how the service does.")).to_be_visible()
    expect(page.get_by_role("link", name="Operating")).to_have_count(0)
    page.get_by_role("link", name="All documents").click()
    expect(page).to_have_title("Documents · Paperlane")


def test_a_viewer_sees_the_pages_and_no_button_but_to_sign_out(visit: Visit, house: House):
    page = house.page(visit, "vera")
    for room in (*ROOMS, "/users/3"):
        page.goto(f"{house.service.url}/admin{room}")
        expect(page.get_by_text("You look on as a viewer")).to_be_visible()
        names = [button.inner_text() for button in page.get_by_role("button").all()]
        own = {"/tasks": ["Only theirs"], "/comparisons": ["Compare"]}  # which only look
        assert names == ["Sign out", *own.get(room, [])], room
        assert page.locator("form[data-call] :is(input, select):enabled").count() == 0


def test_from_a_document_an_operator_comes_to_its_attempts(visit: Visit, house: House):
    own = upload(house.people["adam"], "own.md")
    page = house.page(visit, "adam", f"/tasks/{own}")
    page.get_by_role("link", name="Attempts").click()
    expect(page.get_by_text("It was not tried yet.")).to_be_visible()
    expect(page.get_by_text("own.md")).to_be_visible()
    page.wait_for_load_state()  # what is clicked before is nobody's yet
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("[data-status='cancelled']")).to_be_visible()
