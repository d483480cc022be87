"""Speaks to one endpoint that speaks as OpenAI's does: the only file that knows its client library."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

import openai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.chat import ChatCompletion

from paperlane.ai.chat import Broke, Message, NotAccepted, Pushed, Refuses, Reply, TooSlow
from paperlane.settings import ModelTerms

_CONNECT = 10.0  # seconds
_LONGEST_WAIT = 3_600.0  # seconds that a provider may have us wait
_BUSY = 503
_PUSHING = 429
_REFUSING = (401, 402, 403, 404)
_USED_UP = "insufficient_quota"  # OpenAI's word, beside a 429 that no pause mends
_NOT_ACCEPTED = (400, 413, 422)
_UNSENT = ("ConnectTimeout", "PoolTimeout")  # of httpx, or of the like of it that the library brings along


@dataclass(slots=True)
class _Form:
    """How this endpoint wants to be asked, as far as it told us: what it does not know is left out from then on."""

    structure: str = "json_schema"  # then "json_object", then ""
    length: str = "max_tokens"  # or "max_completion_tokens"
    temperature: bool = True

    def learn(self, said: str) -> bool:
        """Does this complaint tell of something that can be asked in another way?"""
        if self.structure and ("response_format" in said or "json_schema" in said or "json_object" in said):
            self.structure = "json_object" if self.structure == "json_schema" else ""
        elif self.length == "max_tokens" and "max_tokens" in said and "max_completion_tokens" in said:
            self.length = "max_completion_tokens"
        elif self.temperature and "temperature" in said:
            self.temperature = False
        else:
            return False
        return True


class OpenAIChat:
    """One model at one endpoint, and its connections: at most as many as questions may be under way."""

    def __init__(self, terms: ModelTerms, key: str) -> None:
        self._terms = terms
        self._form = _Form()
        many = terms.in_flight
        limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=many, max_keepalive_connections=many)
        timeout = openai.Timeout(terms.seconds, connect=min(_CONNECT, terms.seconds))
        self._client = AsyncOpenAI(
            api_key=key or "none",
            base_url=terms.base_url,
            max_retries=0,
            timeout=timeout,
            http_client=DefaultAsyncHttpxClient(limits=limits, timeout=timeout),
        )

    async def say(self, messages: Sequence[Message], most: int, schema: Mapping[str, Any]) -> Reply:
        """One request. It is sent anew, at once, where the endpoint does not know a form that it was asked in."""
        while True:
            form = _Form(self._form.structure, self._form.length, self._form.temperature)
            try:
                return _reply(await self._send(messages, most, schema, form))
            except openai.APIStatusError as error:
                if error.status_code not in _NOT_ACCEPTED:
                    raise _told(error) from error
                said = str(error.body or error.message)
                if not (form != self._form or self._form.learn(said)):  # others may have learnt it meanwhile
                    raise NotAccepted(_short(error)) from error
            except openai.APITimeoutError as error:
                if type(error.__cause__).__name__ in _UNSENT:
                    raise Broke(_cause(error)) from error
                raise TooSlow("it did not answer in time") from error
            except openai.APIConnectionError as error:
                raise Broke(_cause(error)) from error
            except openai.OpenAIError as error:
                raise Broke(f"its answer cannot be read ({type(error).__name__})") from error
            except ValueError as error:  # a body that is no JSON, or of another shape than the library expects
                raise Broke("its answer cannot be read") from error

    async def _send(
        self, messages: Sequence[Message], most: int, schema: Mapping[str, Any], form: _Form
    ) -> ChatCompletion:
        asked: dict[str, Any] = {form.length: most}
        if form.temperature:
            asked["temperature"] = 0
        if form.structure == "json_schema":
            wanted = {"name": "issues", "strict": True, "schema": schema}
            asked["response_format"] = {"type": "json_schema", "json_schema": wanted}
        elif form.structure:
            asked["response_format"] = {"type": form.structure}
        written: list[Any] = [{"role": message.role, "content": message.content} for message in messages]
        return await self._client.chat.completions.create(model=self._terms.model, messages=written, **asked)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()


def _reply(completion: ChatCompletion) -> Reply:
    """ValueError for what is none: the library passes on whatever came."""
    try:
        choice = completion.choices[0]
        text = choice.message.content
        usage = completion.usage
        return Reply(
            text if isinstance(text, str) else "",
            cut_off=choice.finish_reason == "length",
            declined=bool(choice.message.refusal) or choice.finish_reason == "content_filter",
            tokens_in=_count(usage and usage.prompt_tokens),
            tokens_out=_count(usage and usage.completion_tokens),
        )
    except (AttributeError, IndexError, TypeError) as error:
        raise ValueError("no completion") from error


def _count(tokens: Any) -> int:
    return tokens if isinstance(tokens, int) and 0 <= tokens < 10**9 else 0


def _told(error: openai.APIStatusError) -> Exception:
    """What another status than of success means."""
    status, wait = error.status_code, _wait(error.response.headers)
    if status == _PUSHING and _USED_UP in str(error.body):
        return Refuses("what was paid for is used up (HTTP 429)")
    if status == _PUSHING or (status == _BUSY and wait):
        return Pushed(_short(error), wait)
    if status in _REFUSING:
        return Refuses(_short(error))
    return Broke(_short(error))


def _short(error: openai.APIStatusError) -> str:
    """For people: nothing that was sent, and no key, which some providers repeat in part."""
    meant = {
        401: "the key is refused",
        402: "what was paid for is used up",
        403: "the key may not ask it",
        404: "there is no such model or address",
    }
    meant |= {429: "asked too often", 413: "the question is too long"}
    return f"{meant.get(error.status_code, 'it failed')} (HTTP {error.status_code})"


def _cause(error: openai.APIConnectionError) -> str:
    cause = error.__cause__
    return f"it cannot be reached ({type(cause).__name__})" if cause is not None else "it cannot be reached"


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds, or a date (RFC 9110, 10.2.3), by the provider's own clock where it tells that; 0 where it says none."""
    seconds = 0.0
    with suppress(ValueError):
        seconds = float(headers.get("retry-after-ms", "")) / 1_000
    said = headers.get("retry-after", "").strip()
    if not seconds and said:
        try:
            seconds = float(said)
        except ValueError:
            until = _moment(said)
            seconds = until - (_moment(headers.get("date", "")) or time.time()) if until else 0.0
    return min(max(seconds, 0.0), _LONGEST_WAIT) if isfinite(seconds) else 0.0


def _moment(said: str) -> float:
    try:
        found = parsedate_to_datetime(said)
    except (ValueError, TypeError):
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
