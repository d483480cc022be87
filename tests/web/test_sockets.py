"""How many WebSockets one may have open, and on whose tasks."""

import asyncio

import pytest
from starlette.types import Message
from tests.web.conftest import House

from paperlane.records.accounts import Role
from paperlane.settings import Settings


class Socket:
    """A WebSocket that follows a task, as the application sees it."""

    def __init__(self, house: House, who: str, task: str) -> None:
        self.told: asyncio.Queue[Message] = asyncio.Queue()
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self.said.put_nowait({"type": "websocket.connect"})
        headers = [(b"authorization", f"Bearer {house.tokens[who]}".encode()), (b"host", b"test")]
        scope = {"type": "websocket", "path": "/api/v1/progress", "query_string": f"task={task}".encode()}
        scope |= {"headers": headers, "subprotocols": [], "scheme": "ws", "server": None, "client": None}
        self.served = asyncio.create_task(house.app(scope, self.said.get, self.told.put))

    async def answer(self) -> tuple[str, int | None]:
        """Whether it is accepted, or closed and with which code."""
        message = await self.told.get()
        return message["type"], message.get("code")

    async def leave(self) -> None:
        self.said.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await self.served


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_user_sockets": 1, "max_admin_sockets": 3})


@pytest.mark.parametrize(("who", "most"), [("ann", 1), ("adam", 3)])
async def test_users_and_admins_have_limits_of_their_own(house: House, who: str, most: int):
    (task,) = (await house.upload(who, "Fine."))["tasks"]
    sockets = [Socket(house, who, task["id"]) for _ in range(most)]
    for socket in sockets:
        assert await socket.answer() == ("websocket.accept", None)
    assert await Socket(house, who, task["id"]).answer() == ("websocket.close", 4429)
    await sockets.pop().leave()
    sockets.append(Socket(house, who, task["id"]))
    assert await sockets[-1].answer() == ("websocket.accept", None)
    for socket in sockets:
        await socket.leave()


async def test_a_viewer_follows_nobodys_tasks_but_its_own(house: House):
    vera = house.desk.accounts.user("vera")
    house.desk.accounts.change_user(None, vera, role=Role.USER)
    (own,) = (await house.upload("vera", "Fine."))["tasks"]
    house.desk.accounts.change_user(None, vera, role=Role.VIEWER)
    (other,) = (await house.upload("ann", "Fine."))["tasks"]
    assert await Socket(house, "vera", other["id"]).answer() == ("websocket.close", 4404)
    socket = Socket(house, "vera", own["id"])
    assert await socket.answer() == ("websocket.accept", None)
    assert await Socket(house, "vera", own["id"]).answer() == ("websocket.close", 4429)
    await socket.leave()
