"""Documents to be tested, written by chance: English and Chinese by turns, no two alike, as long as one wants."""

import random

_SUBJECTS = (
    ("The gateway", "网关"), ("The operator's console", "操作台"), ("The billing service", "计费服务"),
    ("Each sensor", "每个传感器"), ("The export job", "导出任务"), ("The pump controller", "水泵控制器"),
    ("The mail relay", "邮件中继"), ("The badge reader", "门禁读卡器"),
)  # fmt: skip
_VERBS = (
    ("shall store", "应保存"), ("shall report", "应上报"), ("may refuse", "可以拒绝"), ("shall encrypt", "应加密"),
    ("should forward", "宜转发"), ("shall delete", "应删除"), ("must sign", "必须签名"),
)  # fmt: skip
_OBJECTS = (
    ("every measured value", "每个测量值"), ("the audit record", "审计记录"), ("an incomplete order", "不完整的订单"),
    ("the list of open doors", "未关门列表"), ("requests of unknown senders", "未知发送者的请求"),
    ("the pressure of the boiler", "锅炉压力"), ("a copy of the contract", "合同副本"),
)  # fmt: skip
_BOUNDS = (
    ("within {} ms", "，用时不超过 {} ms"), ("at least {} times a day", "，每天至少 {} 次"),
    ("for {} days", "，保留 {} 天"), ("quickly, etc.", "，速度要快，等等"),
    ("if the level is above {} %", "，当液位高于 {} % 时"),
    ("in a user-friendly way", "，方式应友好"),
)  # fmt: skip
_A_SECTION = 6  # sentences


class Writer:
    """Writes documents one after the other; the same seed writes the same ones."""

    def __init__(self, seed: int, sentences: int = 20) -> None:
        self._chance = random.Random(seed)  # noqa: S311  spreads words, keeps no secret
        self._seed, self._sentences, self._number = seed, sentences, 0

    def next(self) -> tuple[str, bytes]:
        """A name and a document in Markdown, in UTF-8."""
        self._number += 1
        chinese = self._number % 2 == 0
        named = f"{self._seed}-{self._number}"
        lines = [f"# {'规格说明' if chinese else 'Specification'} {named}", ""]
        for number in range(self._sentences):
            if number % _A_SECTION == 0:
                section = number // _A_SECTION + 1
                lines += [f"## {section} {'要求' if chinese else 'Requirements'} {section}", ""]
            lines += [f"R-{named}-{number + 1} {self._sentence(chinese=chinese)}", ""]
        return f"specification-{named}.md", "\n".join(lines).encode()

    def _sentence(self, *, chinese: bool) -> str:
        pick = self._chance.choice
        subject, verb, what, bound = (pick(words)[chinese] for words in (_SUBJECTS, _VERBS, _OBJECTS, _BOUNDS))
        bound = bound.format(self._chance.randint(2, 900))
        return f"{subject}{verb}{what}{bound}。" if chinese else f"{subject} {verb} {what} {bound}."
