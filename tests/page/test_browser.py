"""A person with a real browser: sign in, drop files, watch, read, dismiss."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import FloatRect, Locator, Page, WebSocket, WebSocketRoute, expect
from tests.conftest import Service, shared_service
from tests.databases import Databases
from tests.page.conftest import CONTRASTS, Visit, sign_in

from paperlane.records.accounts import Role

TEXT = "# Gate 😀\n\nThe gate shall be fast.\n\n| Id | Text |\n|---|---|\n| G-1 | 大门应尽快打开 TBD |\n"
LONG = "\n\n".join(
    "".join(f"Entry {number}.{at} of the log is kept. " for at in range(number * 7 % 29 + 1))
    + "TBD. " * (number % 90 == 45)
    for number in range(1800)
)
SLOW = "The gateway shall answer each request within 200 ms and log it.\n\n" * 8000
DROP = """(files) => {
    const transfer = new DataTransfer();
    for (const [name, content] of Object.entries(files)) {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name));
    }
    document.getElementById("drop").dispatchEvent(
        new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }));
}"""


TODAY = datetime.now(UTC).date()
MAY = TODAY.year + (
    date(TODAY.year, 5, 6) <= TODAY
)  # the year of the next 6 May: no task is put off for longer than one


@pytest.fixture(scope="module")
def shared(all_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on which each test has a user of its own."""
    with shared_service(tmp_path_factory.mktemp("shared"), all_databases, workers=1) as service:
        yield service


@pytest.fixture
def visit_as_new(visit: Visit, shared: Service, request: pytest.FixtureRequest) -> Visit:
    """Opens the page for a new user, signed in."""

    def opened(**options: Any) -> Page:
        page = visit(shared.url, **options)
        sign_in(page, shared.user(request.node.name))
        expect(page.get_by_text("Nothing was uploaded yet.")).to_be_visible()
        return page

    return opened


@pytest.fixture
def page(visit_as_new: Visit) -> Page:
    return visit_as_new()


@pytest.fixture
def cut_page(visit_as_new: Visit) -> Page:
    """For tests that cut the line."""
    return visit_as_new(cut=True)


def drop(page: Page, **files: str | bytes) -> None:
    expect(page.locator("#tasks li, #nothing:visible").first).to_be_visible()  # so the page's scripts have run
    raw = {name: content.encode() if isinstance(content, str) else content for name, content in files.items()}
    page.evaluate(DROP, {name: base64.b64encode(content).decode() for name, content in raw.items()})


def in_chinese(page: Page) -> None:
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_text("将文档拖到此处")).to_be_visible()


def waiting(page: Page, count: int) -> list[str]:
    """Upload batches of one task each that start on a day in May; the ids of their tasks."""
    tasks: list[str] = []
    for number in range(count):
        answer = page.request.post(
            f"{page.url}api/v1/batches",
            multipart={
                "files": {"name": f"later{number}.md", "mimeType": "text/markdown", "buffer": TEXT.encode()},
                "run_at": f"{MAY}-05-06T07:08:00Z",
            },
        )
        tasks.append(answer.json()["tasks"][0]["id"])
    page.reload()
    for task in tasks:
        expect(page.locator(f"#tasks a[href='/tasks/{task}']")).to_be_visible()
    return tasks


def cancel(page: Page, *tasks: str) -> None:
    for task in tasks:
        assert page.request.post(f"{page.url}api/v1/tasks/{task}/cancel").ok


def test_from_the_first_link_to_a_dismissed_issue(visit: Visit, new_service: Callable[..., Service]):
    page = visit(new_service(workers=1).first_link())
    expect(page.get_by_text("Nothing was uploaded yet.")).to_be_visible()
    page.evaluate("window.notReloaded = true")
    drop(page, **{"gate.md": TEXT, "slow.md": SLOW, "sheet.xls": b"\xd0\xcf", "locked.docx": b"\xd0\xcf\x11\xe0"})
    expect(page.get_by_text("Not accepted: sheet.xls")).to_be_visible()
    slow = page.locator("li", has_text="slow.md")
    expect(slow).to_have_attribute("data-status", "running")
    expect(slow.locator(".detail")).not_to_have_text("")
    expect(slow).to_have_attribute("data-status", "completed")
    expect(slow.locator(".detail")).to_contain_text("tested")
    failed = page.locator("li", has_text="locked.docx")
    expect(failed).to_have_attribute("data-status", "failed")
    expect(failed.get_by_role("button")).to_have_count(0)  # it would fail again
    assert page.evaluate("window.notReloaded") is True

    page.get_by_role("link", name="gate.md").click()
    issue = page.locator("li.issue", has_text="尽快")
    issue.locator(".issue-head").click()
    expect(page.locator("mark.chosen")).to_have_text("尽快")
    for card in page.locator("li.issue").all():
        quote = card.locator("blockquote").text_content()
        marked = page.locator(f"mark[data-issue='{card.get_attribute('data-issue')}']")
        assert "".join(marked.all_text_contents()) == quote
    issue.get_by_placeholder("Why?").fill("as agreed")
    issue.get_by_role("button", name="Dismiss").click()
    expect(issue.locator(".verdict")).to_have_text("dismissed: as agreed")
    counted = "done · 1 error, 1 warning, 1 dismissed · the one passage tested"
    expect(page.locator("#state")).to_have_text(counted)
    page.reload()
    expect(page.locator("#state")).to_have_text(counted)
    expect(page.locator("li.issue", has_text="尽快").locator(".verdict")).to_have_text("dismissed: as agreed")
    page.locator("[data-status='open']").first.click()
    expect(page.locator("li.issue").first).to_be_visible()
    expect(page.locator("li.issue", has_text="尽快")).to_have_count(0)

    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    found = json.loads(download.value.path().read_text())
    assert download.value.suggested_filename == "gate.md.report.json"
    assert found["documents"][0]["counts"]["error"] == 1

    page.get_by_role("link", name="Words").click()
    expect(page.get_by_text("There is no group yet.")).to_be_visible()
    api = page.url.replace("/words", "/api/v1")
    account = page.request.get(f"{api}/session").json()["id"]
    assert page.request.patch(f"{api}/users/{account}", data={"group": "gates"}).ok
    page.reload()
    page.get_by_label("Ignored words and phrases").fill("尽快")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").get_by_text("Saved.")).to_be_visible()


def test_it_speaks_chinese(page: Page):
    in_chinese(page)
    drop(page, **{"gate.md": TEXT})
    expect(page.locator("li", has_text="gate.md")).to_have_attribute("data-status", "completed")
    page.get_by_role("link", name="gate.md").click()
    expect(page.locator("li.issue", has_text="含义模糊").first).to_be_visible()


def test_what_went_wrong_is_said_in_chinese_with_what_to_do(page: Page):
    in_chinese(page)
    drop(page, **{"gate.md": TEXT, "old.rtf": b"{\\rtf1}", "empty.md": "", "locked.docx": b"\xd0\xcf\x11\xe0"})
    expect(page.locator("#said")).to_have_text(
        "未接受: old.rtf – 不支持此类文件，或文件内容与扩展名不符。请确认文件无误，或另存为受支持的格式后再试。"
    )
    failed = "文件已损坏，或不是其扩展名所示的类型。请用原来的软件打开，重新保存或导出后再试。"
    expect(page.locator("li", has_text="locked.docx").locator(".detail")).to_have_text(failed)
    empty = page.locator("li", has_text="empty.md").locator(".detail")
    expect(empty).to_have_text("没有可检测的内容 · 文件中没有文字，未能检测任何内容。")
    page.get_by_role("link", name="locked.docx").click()
    expect(page.locator("#state")).to_have_text(f"失败 · {failed}")


SAY = """async ([name, given]) => {
    const api = document.querySelector("script[src$='frame.js']").src.replace("frame.js", "api.js");
    return (await import(api))[name](given);
}"""


def test_the_page_never_says_no_issues_plainly_of_what_was_not_wholly_tested(page: Page):
    issues, dismissed = {"error": 0, "warning": 0, "info": 0}, {"error": 0, "warning": 0, "info": 0}

    def found(*warnings: str, **coverage: object) -> str:
        given = {"coverage": {"tested": 3, "failed": 0, "skipped": 0, **coverage}}
        given |= {"issues": issues, "dismissed": dismissed}
        return page.evaluate(SAY, ["sayFound", given | {"warnings": [{"code": code} for code in warnings]}])

    assert found("repaired") == "no issues · all 3 passages tested"
    assert found(skipped=1) == "no issues in what was tested · 3 of 4 passages tested"
    assert found(failed=1, tested=0) == "nothing could be tested"
    assert found("check_failed") == "no issues in what was tested · 3 of 3 passages tested"
    rules, judge = {"tested": 3, "failed": 0, "skipped": 0}, {"tested": 0, "failed": 2, "skipped": 1}
    by = {"by": {"rules": rules, "judge": judge}}
    told = "no issues in what was tested · rules: all 3 passages tested, judge: 0 of 3 passages tested"
    assert found("model_unanswered", tested=0, failed=2, skipped=1, **by) == told
    in_chinese(page)
    assert found(failed=1) == "已检测的部分未发现问题 · 已检测 3/4 个片段"
    issues |= {"error": 1, "info": 2}
    assert found(failed=1) == "1 个错误，2 个提示 · 已检测 3/4 个片段"
    dismissed |= {"error": 1, "info": 1}
    assert found() == "1 个提示，另有 2 个已忽略 · 全部 3 个片段均已检测"


def test_a_code_is_said_with_its_details_in_english_and_by_the_catalogue_in_chinese(page: Page):
    limited = {"code": "user_limit_exceeded", "detail": "9 wait already.", "hint": "Upload fewer."}
    pages = {"code": "pages_unread", "message": "Pages 3, 4 could not be read.", "params": {"pages": "3, 4"}}
    params = {"model": "judge", "count": "2", "why": "budget"}
    unanswered = {"code": "model_unanswered", "message": "Passages ...", "params": params}
    assert page.evaluate(SAY, ["sayFault", limited]) == "9 wait already. Upload fewer."
    assert page.evaluate(SAY, ["sayCode", {"code": "internal_error"}]) == "Something went wrong on our side."
    assert page.evaluate(SAY, ["sayCode", pages]) == "Pages 3, 4 could not be read."
    assert page.evaluate(SAY, ["sayProgress", "page 3 of 8"]) == "page 3 of 8"
    in_chinese(page)
    assert page.evaluate(SAY, ["sayCode", unanswered]) == "模型 judge 未能检测 2 个片段（本月预算已用完）。"
    assert page.evaluate(SAY, ["sayFault", limited]).startswith("您排队的任务已达上限。请等部分任务完成")
    assert page.evaluate(SAY, ["sayCode", pages]) == "第 3、4 页无法读取，未被检测。"
    assert page.evaluate(SAY, ["sayCode", pages | {"params": {"pages": ""}}]) == "部分页面无法读取，未被检测。"
    assert page.evaluate(SAY, ["sayProgress", "page 3 of 8"]) == "第 3/8 页"
    assert page.evaluate(SAY, ["sayProgress", "cancelling"]) == "正在取消"
    assert page.evaluate(SAY, ["sayProgress", "of tomorrow"]) == "of tomorrow"
    assert page.evaluate(SAY, ["sayFault", {"code": "of_tomorrow", "detail": "New."}]) == "New."
    params = {"remark": "off tbb", "line": "5", "check": "tbb", "meant": ""}
    warned = {"code": "unknown_check_in_remark", "params": params}
    said = "第 5 行的注释“off tbb”提到的 tbb 不是检查项。"
    assert page.evaluate(SAY, ["sayCode", warned]) == said
    params["meant"] = "tbd"
    assert page.evaluate(SAY, ["sayCode", warned]) == f"{said}是否想写 tbd？"


def test_a_keyboard_is_enough(page: Page):
    with page.expect_file_chooser() as chooser:
        page.locator("#drop").focus()  # inside: its answer tells that the browser watches for choosers by now
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "gate.md", "mimeType": "text/markdown", "buffer": TEXT.encode()})
    expect(page.locator("li", has_text="gate.md")).to_have_attribute("data-status", "completed")
    page.get_by_role("button", name="Drop documents here").focus()
    listed = ("All", "waiting", "testing", "done", "failed", "cancelled", "gate.md")  # nothing unseen stands between
    for name in listed:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("li.issue .issue-head").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("mark.chosen").first).to_be_visible()
    card = page.locator("li.issue").first
    for press, then in (("Accept", "Reopen"), ("Reopen", "Accept"), ("Dismiss", "Reopen")):
        card.get_by_role("button", name=press).focus()
        page.keyboard.press("Enter")
        expect(card.get_by_role("button", name=then)).to_be_focused()
    page.locator("#sign-out").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Token")).to_be_focused()


def test_nothing_is_wider_than_a_narrow_screen(page: Page):
    page.set_viewport_size({"width": 360, "height": 740})
    drop(page, **{"gate.md": TEXT + "x" * 300})
    expect(page.locator("li", has_text="gate.md")).to_have_attribute("data-status", "completed")
    width = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(width)
    page.get_by_role("link", name="gate.md").click()
    expect(page.locator("mark").first).to_be_visible()
    assert page.evaluate(width)
    page.get_by_role("link", name="Queue").click()
    expect(page.locator("table").first).to_be_visible()
    assert page.evaluate(width)
    page.get_by_role("link", name="中文").click()
    expect(page.locator("th").first).to_be_visible()
    assert all(is_one_line(heading) for heading in page.locator("th").all())


def is_one_line(text: Locator) -> bool:
    return text.evaluate("""(node) => {
        const range = document.createRange();
        range.selectNodeContents(node);
        return new Set([...range.getClientRects()].map((box) => box.top)).size === 1;
    }""")


def test_a_click_on_an_issue_shows_its_quote_wherever_it_stands(page: Page):
    drop(page, **{"long.md": LONG})
    page.get_by_role("link", name="long.md").click()
    expect(page.locator("mark")).to_have_count(20)
    for number in (19, 4, 12, 0, 9):
        card = page.locator("li.issue").nth(number)
        card.locator(".issue-head").click()
        mark = page.locator(f"mark[data-issue='{card.get_attribute('data-issue')}']")
        expect(mark).to_have_class("error chosen")
        expect(mark).to_be_in_viewport()


def test_a_table_keeps_its_cells_also_where_a_cell_has_paragraphs(page: Page):
    row = "<tr><td><p>one</p><p>the gate</p><td>TBD"
    drop(page, **{"gate.html": f"<table><tr><th>A<th>B{row}</table><p>After it."})
    page.get_by_role("link", name="gate.html").click()
    expect(page.locator("td mark")).to_have_text("TBD")
    assert [cell.inner_text().split() for cell in page.locator("#paper td").all()] == [
        ["A"],
        ["B"],
        ["one", "the", "gate"],
        ["TBD"],
    ]


def test_what_is_started_again_is_followed_again(page: Page):
    drop(page, **{"slow.md": SLOW})
    slow = page.locator("li", has_text="slow.md")
    slow.get_by_role("button", name="Cancel").click()
    expect(slow).to_have_attribute("data-status", "cancelled")
    slow.get_by_role("button", name="Start again").click()
    expect(slow).to_have_attribute("data-status", "completed")
    expect(slow.locator(".detail")).to_contain_text("tested")


def test_more_batches_than_sockets_are_all_followed(page: Page):
    sockets: list[WebSocket] = []
    open_at_once: list[int] = []

    def opened(socket: WebSocket) -> None:
        sockets.append(socket)
        open_at_once.append(sum(not one.is_closed() for one in sockets))

    page.on("websocket", opened)
    tasks = waiting(page, 10)
    cancel(page, tasks[0])
    expect(page.locator("#tasks [data-status='cancelled']")).to_have_count(1)
    cancel(page, *tasks[1:])
    expect(page.locator("#tasks [data-status='cancelled']")).to_have_count(10)
    assert max(open_at_once) <= 4


def test_where_no_socket_opens_the_page_asks_until_the_session_is_over(cut_page: Page):
    page = cut_page
    attempts: list[WebSocketRoute] = []

    def refuse(socket: WebSocketRoute) -> None:
        attempts.append(socket)
        socket.close()

    page.route_web_socket("**/progress?*", refuse)
    tasks = waiting(page, 6)
    cancel(page, tasks[3])
    expect(page.locator("#tasks [data-status='cancelled']")).to_have_count(1)
    assert len(attempts) < 40
    page.context.clear_cookies()
    expect(page.get_by_label("Token")).to_be_visible()


def test_a_lost_connection_is_told_until_it_is_back(cut_page: Page):
    page = cut_page
    (task,) = waiting(page, 1)
    page.context.set_offline(True)
    expect(page.get_by_text("The connection is lost")).to_be_visible()
    row = page.locator("#tasks li")
    row.get_by_role("button", name="Cancel").click()
    expect(row.get_by_role("alert")).to_have_text("The service cannot be reached. Try again.")
    page.context.set_offline(False)
    expect(page.get_by_text("The connection is lost")).to_be_hidden()
    cancel(page, task)
    expect(row).to_have_attribute("data-status", "cancelled")


def test_a_document_that_is_being_tested_shows_itself_when_it_is_done(page: Page):
    drop(page, **{"slow.md": f"TBD\n\n{SLOW}"})
    page.get_by_role("link", name="slow.md").click()
    expect(page.locator("#state")).to_have_attribute("data-status", "running")
    expect(page.locator("#beside")).to_be_hidden()
    page.evaluate("window.notReloaded = true")
    expect(page.locator("mark", has_text="TBD")).to_be_visible()
    expect(page.locator("#told")).to_contain_text("tested")
    assert page.evaluate("window.notReloaded") is True


def test_what_fails_says_why_where_it_was_asked_for(cut_page: Page):
    page = cut_page
    unreachable = "The service cannot be reached. Try again."
    drop(page, **{"gate.md": TEXT})
    expect(page.locator("li", has_text="gate.md")).to_have_attribute("data-status", "completed")
    page.route("**/api/v1/tasks?*", lambda route: route.abort())
    page.reload()
    expect(page.locator("#unlisted")).to_have_text(unreachable)
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("link", name="gate.md").click()
    expect(page.locator("mark").first).to_be_visible()

    page.route("**/api/v1/**", lambda route: route.abort())
    card = page.locator("li.issue").first
    card.get_by_role("button", name="Accept").click()
    expect(card.get_by_role("alert")).to_have_text(unreachable)
    page.reload()
    expect(page.locator("#problem")).to_contain_text(unreachable)
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("mark").first).to_be_visible()


def test_a_viewer_is_offered_nothing_to_change(visit: Visit, shared: Service):
    adam, eve = shared.user(role=Role.ADMIN), shared.user()
    viewer = visit(f"{shared.url}/queue")
    sign_in(viewer, eve)
    expect(viewer.get_by_role("heading", name="Queue")).to_be_visible()  # where one was going
    viewer.get_by_role("link", name="Documents").click()
    drop(viewer, **{"gate.md": TEXT, "locked.docx": b"\xd0\xcf\x11\xe0"})
    expect(viewer.locator("li", has_text="gate.md")).to_have_attribute("data-status", "completed")
    waiting(viewer, 1)
    assert adam.patch(f"users/{eve.get('session').json()['id']}", json={"role": "viewer"}).is_success
    viewer.reload()
    expect(viewer.locator("#tasks li")).to_have_count(3)
    expect(viewer.locator("#tasks button:visible, #drop")).to_have_count(0)
    viewer.get_by_role("link", name="gate.md").click()
    expect(viewer.locator("li.issue").first).to_be_visible()
    expect(viewer.locator(".actions *")).to_have_count(0)


def test_each_page_has_its_heading_and_its_title(page: Page):
    drop(page, **{"gate.md": TEXT})
    expect(page).to_have_title("Documents · Paperlane")
    expect(page.get_by_role("heading", level=1, name="Documents")).to_have_count(1)
    expect(page.locator("#told")).to_have_text("gate.md: done")
    page.get_by_role("link", name="gate.md").click()
    expect(page).to_have_title("gate.md · Paperlane")
    expect(page.get_by_role("heading", level=1, name="gate.md")).to_have_count(1)
    page.get_by_role("link", name="Queue").click()
    expect(page).to_have_title("Queue · Paperlane")
    expect(page.get_by_role("heading", level=1, name="Queue")).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · Paperlane")
    expect(page.get_by_role("heading", level=1, name="Sign in")).to_have_count(1)


def test_a_wrong_token_is_told_beside_one_advice(visit: Visit, shared: Service):
    page = visit(shared.url, cut=True)
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This token is not known.")
    expect(page.get_by_text("paperlane user token NAME. The first admin is named admin.")).to_have_count(1)


def test_every_text_can_be_read_in_light_and_in_dark(page: Page):
    drop(page, **{"gate.md": f"{TEXT}\n\nIt is fast, fast and fast.", "locked.docx": b"\xd0\xcf\x11\xe0"})
    expect(page.locator("#tasks [data-status='failed'], #tasks [data-status='completed']")).to_have_count(2)
    document = page.get_by_role("link", name="gate.md").get_attribute("href")
    for path in ("/", document, "/queue"):
        page.goto(f"{page.url.rpartition('/')[0].removesuffix('/tasks')}{path}")
        expect(page.locator("#tasks li, li.issue, td").first).to_be_visible()
        for card, verb in ((0, "Dismiss"), (1, "Accept")) if path == document else ():
            page.locator("li.issue").nth(card).get_by_role("button", name=verb).click()
            expect(page.locator("li.issue").nth(card).locator(".verdict")).to_be_visible()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.locator("body").evaluate(CONTRASTS)
            assert len(found) > 5
            assert [(text, ratio) for text, ratio in found if ratio < 4.5] == []


def test_words_in_cells_stay_whole_and_a_wide_table_scrolls(page: Page):
    words = ["Section", "Operational", "Requirement", "Responsibilities", "Verification", "Change"]
    drop(page, **{"wide.md": f"|{'|'.join(words)}|\n{'|---' * 6}|\n|{'the gate opens |' * 6}\n"})
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("link", name="wide.md").click()
    expect(page.locator("#paper td").first).to_be_visible()
    assert all(is_one_line(page.get_by_role("cell", name=word, exact=True)) for word in words)
    assert page.locator("#paper .wide").evaluate("(box) => box.scrollWidth > box.clientWidth")


def test_a_task_that_waits_says_when_it_starts(visit_as_new: Visit):
    page = visit_as_new(timezone_id="Europe/Berlin")
    (task,) = waiting(page, 1)
    expect(page.locator("#tasks .detail")).to_have_text(f"starts at 6 May {MAY}, 09:08")
    page.goto(f"{page.url}tasks/{task}")
    expect(page.locator("#state")).to_have_text(f"waiting · starts at 6 May {MAY}, 09:08")
    page.get_by_role("link", name="中文").click()
    expect(page.locator("#state")).to_have_text(f"排队中 · 将于 {MAY}年5月6日 09:08 开始")


def test_what_is_looked_for_is_chosen_and_a_later_version_shows_what_is_new(page: Page):
    page.get_by_label("Requirements").uncheck()
    page.get_by_label("Technical documents").check()
    drop(page, **{"gate.md": "The gate shall be fast.\n\nIt is TBD.\n\nIt is the the gate."})
    expect(page.locator("li .detail").first).to_contain_text("1 error, 1 warning · the one passage tested")
    drop(page, **{"gate.md": "The gate shall be fast.\n\nIt is TBD.\n\nIt is TODO."})
    newest = page.locator("li .detail").first
    expect(newest).to_contain_text("2 errors · 1 new, 1 fixed since the version before · the one passage tested")
    page.get_by_role("link", name="gate.md").first.click()
    expect(page.locator("#issues .issue")).to_have_count(2)
    captions = page.locator("#filters dt")
    expect(captions).to_have_text(["Severity", "Change", "Status"])
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        boxes = [page.locator("#filters dd").nth(group).bounding_box() for group in range(3)]
        assert len({box["x"] for box in boxes if box}) == 1
        assert all(is_one_line(caption) for caption in captions.all())
    page.set_viewport_size({"width": 1280, "height": 800})
    page.get_by_role("link", name="new", exact=True).click()
    expect(page.locator("#issues .issue")).to_have_count(1)
    expect(page.locator("#issues .issue")).to_contain_text("TODO")
    page.get_by_role("link", name="1 fixed", exact=True).click()
    expect(page.locator("#issues blockquote")).to_have_text(["the the"])
    expect(page.locator("#issues .actions *, mark")).to_have_count(0)
    expect(page.locator("#paper")).to_contain_text("TODO")


def test_the_list_tells_when_and_shows_one_status_or_what_was_uploaded_together(page: Page):
    drop(page, **{"gate.md": TEXT})
    drop(page, **{"first.md": "One.", "second.md": "Two.", "broken.pdf": b"%PDF-1.7\n"})
    expect(page.locator("#tasks li[data-status='completed']")).to_have_count(3)
    expect(page.locator("#tasks li[data-status='failed']")).to_have_count(1)
    assert all(re.search(r"\d:\d\d", when.inner_text()) for when in page.locator("#tasks .when").all())
    page.get_by_role("link", name="failed", exact=True).click()
    expect(page.locator("#tasks .name")).to_have_text(["broken.pdf"])
    expect(page.locator("#filters a[aria-current]")).to_have_text(["failed"])
    page.locator("#tasks .when").click()
    expect(page.locator("#tasks .name")).to_have_text(["first.md", "second.md", "broken.pdf"])
    expect(page.locator("#filters dt")).to_have_text(["Status", "Uploaded"])
    expect(page.locator("#batch")).to_have_text(page.locator("#tasks .when").first.inner_text())
    page.get_by_role("link", name="waiting", exact=True).click()
    expect(page.get_by_text("No document here has this status.")).to_be_visible()
    page.locator("#filters [data-status='']").click()
    expect(page.locator("#tasks .name")).to_have_count(3)
    page.locator("#filters [data-batch='']").click()
    expect(page.locator("#tasks .name")).to_have_count(4)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        row = page.locator("#tasks li").first
        boxes = [row.locator(each).bounding_box() for each in (".name", ".when", ".status", ".detail")]
        assert not any(overlap(one, other) for one, other in combinations(boxes, 2))


def overlap(one: FloatRect | None, other: FloatRect | None) -> bool:
    assert one is not None
    assert other is not None
    return all(
        max(one[a], other[a]) < min(one[a] + one[size], other[a] + other[size])
        for a, size in (("x", "width"), ("y", "height"))
    )


def test_an_address_that_asks_for_what_there_is_not_leads_back(cut_page: Page):
    home = cut_page.url
    cut_page.goto(f"{home}?status=lost")
    expect(cut_page.get_by_role("alert").filter(has_text="There is no status 'lost'.")).to_be_visible()
    cut_page.get_by_role("link", name="All", exact=True).click()
    expect(cut_page.locator("#tasks li, #nothing:visible").first).to_be_visible()


def test_a_page_that_asks_too_often_says_so_waits_and_goes_on(
    cut_page: Page, shared: Service, request: pytest.FixtureRequest
):
    page, name = cut_page, request.node.name
    ask = f"{page.url}api/v1/tasks"
    shared.change(f"UPDATE users SET requests_a_minute = 20 WHERE name = '{name}'")
    while page.request.get(ask).ok:
        pass
    drop(page, **{"gate.md": TEXT})
    expect(page.locator("#lost")).to_contain_text("the page goes on in")
    expect(page.locator("#tasks li")).to_have_attribute("data-status", "completed")
    expect(page.locator("#lost")).to_be_hidden()
    while page.request.get(ask).ok:
        pass
    page.reload()
    expect(page.get_by_text("the page goes on in")).to_be_visible()
    expect(page.locator("#tasks li")).to_have_attribute("data-status", "completed")
