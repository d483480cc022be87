"""Finds text that speaks to a model instead of to the document's readers.

It changes nothing of what is asked: whoever reads the report is told that the document tries to.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

RULE = "speaks-to-a-model"
CATEGORY = "security"

_MOST = 20  # in one passage

_ALL = r"(?:all|any|the|your|every(?:thing)?)\s+"
_WHAT = r"(?:instructions?|(?:system\s+)?prompts?)"
_BEFORE = r"(?:previous|prior|above|earlier|preceding|foregoing|existing|initial|original)\s+"
_MODEL = r"(?:an?\s+|the\s+)?(?:helpful\s+|large\s+)?(?:AI|A\.I\.|assistant|chat\s?bot|language\s+model|LLM|GPT\S{0,8})"
_REPORT = r"(?:report|list|mention|flag|raise|return|output|find)"
_ANY = r"(?:any\s+|the\s+|these\s+)?"
_HERE = r"(?:document|section|passage|text|chapter|page)"
_FOUND = r"(?:issues?|defects?|findings?|problems?|errors?)"

_SPOKEN = re.compile(
    "|".join(
        (
            # to forget what was asked
            rf"\b(?:ignore|disregard|forget|override|bypass)\s+(?:{_ALL})?(?:of\s+)?(?:{_ALL})?{_BEFORE}(?:{_WHAT}|text)\b",
            rf"\b(?:ignore|disregard|forget|override)\s+(?:{_ALL})?(?:system\s+prompts?|your\s+(?:instructions?|rules?))\b",
            # to be somebody else
            rf"\byou\s+are\s+(?:now\s+)?{_MODEL}\b",
            rf"\b(?:act|behave|respond|answer)\s+as\s+(?:if\s+you\s+(?:are|were)\s+)?{_MODEL}\b",
            (
                r"\b(?:as|note\s+to|attention|dear|hey|hello),?\s+(?:an?\s+|the\s+)?(?:AI\s+(?:model|assistant|reviewer|language\s+model)"
                r"|language\s+model|LLM)\b(?=[,:;\s]+(?:you|please|do|must|should|ignore|report|respond))"
            ),
            # to be silent
            rf"\b(?:do\s+not|don['’]t|never)\s+{_REPORT}\s+{_ANY}{_FOUND}\s+(?:in|for|about)\s+(?:this|the\s+following)\s+{_HERE}\b",
            rf"(?:(?m:^)|(?<=[.!?:;]\s))(?:please\s+)?(?:do\s+not|don['’]t|never)\s+{_REPORT}\s+{_ANY}(?:issues|defects|findings)\b",
            rf"\b(?:respond|reply|answer)\s+(?:only\s+)?(?:with\s+)?(?:an?\s+)?(?:empty\s+issues|\"?no\s+{_FOUND})",
            r"\{\s*\"issues\"\s*:\s*\[\s*\]\s*\}",
            (
                r"\b(?:reveal|print|repeat|show|leak)\s+(?:me\s+)?(?:your|the)\s+"
                r"(?:system\s+prompt|(?:hidden\s+|initial\s+)?instructions)\b"
            ),
            # in Chinese
            (
                r"(?:请|務必|务必|你|您)?(?:忽略|无视|無視|忘记|忘記|不要理会|不要遵守)[^。！？\n]{0,8}?(?:以上|上述|上面|之前|先前|前面|此前)"
                r"[^。！？\n]{0,8}?(?:指令|指示|提示词?|提示詞|要求你|命令|系统消息|对话)"
            ),
            r"你(?:现在)?是(?:一个|一名|一位|个)?[^。，\n]{0,8}?(?:AI|人工智能|语言模型|大模型|聊天机器人|智能助手)(?:助手|模型)?",
            r"(?:作为|身为)(?:一个|一名)?(?:AI|人工智能|大?语言模型|大模型)[^。\n]{0,6}?[，,]\s*(?:你|请|不要|必须)",
            r"(?:不要|不得|请勿|禁止|无需|不必)(?:再)?(?:报告|列出|指出|提出)(?:任何|所有|本文|本节|以上)?的?(?:问题|缺陷|issues?)",
            r"(?:直接|只|仅)(?:回答|返回|输出|回复)[“\"'「]?(?:没有问题|无问题|无缺陷)",
            # marks of a conversation, and of our own data parts
            r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|end_header_id)\|>",
            r"\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>",
            (
                r"(?m:^[ \t]{0,8}#{0,6}[ \t]{0,4}(?:system|assistant)[ \t]{0,4}:[ \t]{0,4}"
                r"(?=you\b|ignore\b|your\b|do\s+not\b|please\b|你|请|忽略))"
            ),
            r"<<<\s?(?:BEGIN|END)\b[^>\n]{0,60}>>>",
        )
    ),
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """Words that speak to a model: `text[start:end]`, in characters of the text that was looked at."""

    start: int
    end: int


def spoken(text: str, start: int = 0, end: int | None = None) -> Iterator[Spoken]:
    """The first places of such words in `text[start:end]`, at most twenty."""
    for number, found in enumerate(_SPOKEN.finditer(text, start, len(text) if end is None else end)):
        if number >= _MOST:
            return
        begin = found.start() + len(found[0]) - len(found[0].lstrip())
        yield Spoken(begin, found.end())
