"""Opens what a worker asks its models with; the client's library, which takes a second to load, is loaded only here."""

from paperlane.ai import Answers, Rates
from paperlane.ai.asking import Asker, Troubled, unheard
from paperlane.ai.chat import Chat
from paperlane.ai.permits import Permits
from paperlane.ai.rate import Limits
from paperlane.settings import ModelTerms
from paperlane.threads import Threads


async def open_asker(
    terms: ModelTerms,
    rates: Rates,
    answers: Answers,
    threads: Threads,
    looking: Threads,
    worker: str,
    troubled: Troubled = unheard,
) -> Asker:
    """One model for one worker, on the running event loop; to be closed. `worker` is a name that no other one has.

    `threads` run what the store of answers does, `looking` what that of rates does: were these the same, a permit would
    be late where many answers come.
    """
    chat = await threads(_chat, terms)
    limits = Limits(terms.requests_a_minute, terms.tokens_a_minute)
    permits = Permits(terms.called, limits, rates, looking, worker, terms.in_flight)
    return Asker(terms, chat, permits, answers, threads, troubled=troubled)


def _chat(terms: ModelTerms) -> Chat:
    """On a thread: meanwhile the loop of the worker must go on, or its other attempts lost their leases."""
    from paperlane.ai.client import OpenAIChat  # noqa: PLC0415

    return OpenAIChat(terms, terms.key())
