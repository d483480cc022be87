"""The benchmark's model as the worker's own client meets it."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from statistics import median

import pytest

from paperlane.ai.chat import Message, Reply
from paperlane.ai.client import OpenAIChat
from paperlane.ai.reading import SCHEMA, read
from paperlane.bench.load import _hurry
from paperlane.bench.slow_model import SlowModel
from paperlane.settings import ModelTerms

PASSAGE = "The gateway shall answer quickly.\nIt stores all values."
QUESTION = f"<<<BEGIN passage 0123456789abcdef>>>\n{PASSAGE}\n<<<END passage 0123456789abcdef>>>"


@asynccontextmanager
async def served(model: SlowModel) -> AsyncIterator[str]:
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()


@asynccontextmanager
async def client(address: str) -> AsyncIterator[Callable[[], asyncio.Task[Reply]]]:
    chat = OpenAIChat(ModelTerms(model="slow", base_url=f"{address}/v1"), "")
    yield lambda: asyncio.ensure_future(chat.say([Message("user", QUESTION)], 500, SCHEMA))
    await chat.close()


async def test_answers_have_the_form_that_a_worker_reads_and_one_in_three_finds_something():
    async with served(SlowModel(0.0)) as address, client(address) as ask:
        replies = [await ask() for _ in range(6)]
    found = [read(reply.text)[0] for reply in replies]
    assert [len(said) for said in found] == [0, 0, 1, 0, 0, 1]
    assert all(one.quote in PASSAGE and one.quote for said in found for one in said)
    assert all(reply.tokens_in > 0 and reply.tokens_out > 0 and not reply.cut_off for reply in replies)


async def test_answers_that_are_waited_for_come_at_once_when_the_model_is_told_to_hurry():
    model = SlowModel(3_600.0)
    async with served(model) as address, client(address) as ask:
        asked = [ask() for _ in range(5)]
        while model.asked < 5:
            await asyncio.sleep(0)
        assert not any(one.done() for one in asked)
        await _hurry(address)
        assert len(await asyncio.gather(*asked, ask())) == 6


def test_its_latencies_are_log_normal_around_the_median_and_the_same_for_a_seed():
    model, again = SlowModel(60.0, 0.5, seed=7), SlowModel(60.0, 0.5, seed=7)
    took = [model.latency() for _ in range(4_000)]
    assert took[:10] == [again.latency() for _ in range(10)]
    assert median(took) == pytest.approx(60.0, rel=0.05)
    spread = [math.log(one / 60.0) for one in took]
    assert math.fsum(one * one for one in spread) / len(spread) == pytest.approx(0.25, rel=0.1)
