"""What models cost is told by user: one's own, and everybody's for admins and viewers."""

import pytest
from tests.web.conftest import House

from paperlane.ai import Usage
from paperlane.ai.budget import Spent
from paperlane.ai.purses import Payer
from paperlane.model.tasks import TaskId
from paperlane.records import usage


def spend(house: House, name: str, tokens: int, money: float) -> None:
    user, now = house.desk.accounts.user(name).id, house.desk.clock.now()
    spent = {"judge": Spent(Usage(1, tokens, tokens), money)}
    spendings = {Payer(TaskId("t"), user): spent}
    house.ledger.write(lambda connection: usage.settle(connection, user, now, spendings))


async def test_everybody_sees_what_their_own_documents_cost_and_who_looks_what_all_did(house: House):
    spend(house, "ann", 100, 0.5)
    spend(house, "bob", 10, 2.0)
    own = (await house["ann"].get("usage")).json()["items"]
    assert [(one["name"], one["requests"], one["tokens_in"], one["money"]) for one in own] == [("ann", 1, 100, 0.5)]
    everybody = (await house["adam"].get("usage?days=1")).json()["items"]
    assert (await house["vera"].get("usage?days=1")).json()["items"] == everybody
    assert [(one["name"], one["money"]) for one in everybody] == [("bob", 2.0), ("ann", 0.5)]
    assert {one["currency"] for one in everybody} == {"USD"}
    assert len((await house["adam"].get("usage?limit=1")).json()["items"]) == 1


@pytest.mark.parametrize("asked", ["days=0", "days=367", "limit=0", "days=x"])
async def test_what_makes_no_sense_is_refused(house: House, asked: str):
    assert (await house["ann"].get(f"usage?{asked}")).status_code == 422
