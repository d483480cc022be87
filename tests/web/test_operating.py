"""The operators' pages and calls: who sees what of whom."""

from tests.web.conftest import House

PAGES = ("", "/queue", "/tasks", "/errors", "/dead", "/workers", "/users", "/users/1", "/audit")


async def test_admins_and_viewers_look_and_users_do_not(house: House):
    (task,) = (await house.upload("ann", "Fine."))["tasks"]
    pages = [f"http://test/admin{path}" for path in (*PAGES, f"/tasks/{task['id']}")]
    for path in pages:
        for name, status in (("adam", 200), ("vera", 200), ("ann", 403), ("nobody", 303)):
            answer = await house[name].get(path)
            assert answer.status_code == status, (path, name, answer.text[-300:])
