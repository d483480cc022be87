"""One thing that is spelled in two ways, or otherwise than a glossary says: e-mail and email, 登录 and 登陆."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from operator import add, attrgetter

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.checks.spellings import (
    CHINESE,
    OTHER_WORDS,
    PARTS,
    VERBS,
    american,
    british,
    chinese,
    forms,
    is_oxford,
    likely,
)
from paperlane.checks.subject import Prose
from paperlane.checks.vocabulary import Vocabulary, vocabulary
from paperlane.compiling import later
from paperlane.model.documents import BlockKind, Language, Severity

_NAME = later(r"(?=\w*[a-z])(?:[A-Z][a-z]+|[a-z]{1,2}|[A-Z]{2,})[A-Z]\w*")  # OpenChain, iPhone, JSONPath
_CAMEL = later(r"[a-z][A-Z]")
_CHINESE = later(r"[\u3400-\u9fff]+")
_PARTS = later(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_BEFORE_VERB = (
    r"(?:(?<!equal )(?<!similar )(?<!analogously )(?<!compared )(?<!due )(?<!set )(?<!prior )(?<!related )(?<!up )"
    r"\b(?:to|must|shall|should|can|may|will|cannot|could|would|not|never|always|users?|they|we|you|who)\s+)"
)
_NOUNS = (
    r"\s+(?:of|is|was|page|screen|form|dialog|button|name|attempts?|credentials|process|procedure|request|session|time|window|"
    r"failures?|token|id|data|menu|guide|script|file|panel|details|service|server|module|function|view|prompt|flow)\b"
)
_TERMS = later(r"\b(?:glossary|terms|terminology|definitions|vocabulary)\b|术语|名词|词汇|術語|名詞", re.IGNORECASE)
_DEFINED = later(r"\W*(?P<term>[^\W\d_][\w -]{2,40}?)\W{0,3}\s*(?:[:：]|\s[–—-]\s)\W*\w", re.ASCII)
_FORBIDDEN = later(
    r"(?:\b(?:not|avoid|instead\s+of|rather\s+than|never)\b:?\s*|(?:不(?:用|称|写作|写成|使用|叫)|勿用|避免使用|禁用|而非)[：:]?\s*)"
    r"[“\"'‘「]?(?P<word>[a-z][\w-]*(?:\s[a-z][\w-]*)?|[\u3400-\u9fff]{2,8})",
)
_CASED = (
    "JSON", "XML", "API", "URL", "URI", "HTTP", "HTTPS", "HTML", "CSS", "PDF", "SQL", "CSV", "SSL", "TLS", "SSH", "FTP",
    "CPU", "GPU", "USB", "SMS", "YAML",
)  # fmt: skip
_MOST = 3  # issues of one spelling: where it stands oftener, its first place says enough
_CLEARLY = 3  # times as many words of one spelling as of the other make the document one of that spelling
_FEW = 2
_COMMON = 5  # times a name stands before one in small letters, or in two words, is thought a slip
_SHORTEST = 5
_SHORTEST_PART = 3
_LOOSE_WORDS = frozenset({
    "ahead", "all", "any", "back", "behind", "can", "day", "down", "each", "every", "foo", "for", "how", "not", "off",
    "one", "out", "over", "some", "time", "times", "under", "what", "when", "where", "who", "with",
})  # fmt: skip
_PARTICLES = frozenset({
    "in", "on", "up", "out", "off", "down", "over", "back", "away", "through", "by", "to", "ever", "self", "one",
    "thing", "body", "where", "with", "fore", "less", "able", "ability", "like", "ward", "wise", "full", "ship", "man",
    "only", "along", "how", "what",
})  # fmt: skip
_LONG = 6
_LONGEST_TERM = 60
_OTHER_SCRIPT = 20  # times as many characters make it the document's script


@dataclass(frozen=True, slots=True)
class _Form:
    """A spelling that is not the document's; `instead` is, for the reason `said` in both languages."""

    instead: str
    said: Mapping[str, str]


class _Forms:
    """The spellings to look for: `loose` in small letters, `exact` as they are written, `verbs` where verbs stand."""

    def __init__(self) -> None:
        self.loose: dict[str, _Form] = {}
        self.exact: dict[str, _Form] = {}
        self.verbs: dict[str, _Form] = {}
        self.chinese: dict[str, _Form] = {}


def _elsewhere(times: int) -> Mapping[str, str]:
    return {"en": f"elsewhere ({times} times)" if times > 1 else "elsewhere", "zh": f"文中另有 {times} 处"}


_BY_GLOSSARY = {"en": "in the glossary", "zh": "见术语表"}


def _find(subject: Subject) -> Iterator[Finding]:
    """Every place of a rare spelling, the first one of a frequent one."""
    forms_ = _Forms()
    words = vocabulary(subject)
    _compounds(forms_, words)
    _joined(forms_, words)
    _englishes(forms_, words)
    _names(forms_, words, subject)
    _verbs(forms_, words)
    _chinese(forms_, subject)
    _glossaries(forms_, words, subject)
    found: defaultdict[str, list[Finding]] = defaultdict(list)
    for form, said, finding in _places(forms_, words, subject):
        severity = Severity.WARNING if form.said is _BY_GLOSSARY else None
        found[said].append(
            replace(finding, params={**finding.params, "instead": form.instead, **form.said}, severity=severity)
        )
    for word, form, finding in _scripts(subject):
        found[word].append(replace(finding, params={"word": word, "instead": form.instead, **form.said}))
    for findings in found.values():
        yield from findings if len(findings) <= _MOST else findings[:1]


def _places(found: _Forms, words: Vocabulary, subject: Subject) -> Iterator[tuple[_Form, str, Finding]]:
    """Where the spellings stand; each with what it is in small letters."""
    for forms_of, pattern, text_of in _patterns(found):
        for prose in words.saying(forms_of):
            for place in pattern.finditer(text_of(prose)):
                said = " ".join(prose.text[slice(*place.span("word"))].split())
                form = forms_of.get(said) or (forms_of.get(said.lower()) if not _CAMEL.search(said) else None)
                if form is not None:
                    yield (
                        form,
                        said.lower(),
                        prose.finding(*place.span("word"), {"word": prose.said(*place.span("word"))}),
                    )
    for word, form in found.chinese.items():
        pattern = chinese(word)
        for prose in subject.prose:
            for place in pattern.finditer(prose.text) if word in prose.text else ():
                yield form, word, prose.finding(*place.span(), {"word": word})


def _patterns(found: _Forms) -> Iterator[tuple[Mapping[str, _Form], re.Pattern[str], Callable[[Prose], str]]]:
    """Each with the text of a block that it reads."""
    for forms_of, before, after, text_of in (
        (found.loose, r"(?<![\w.@/#-])", "", attrgetter("low")),
        (found.exact, r"(?<![\w.@/#{<'\"=:-])", r"(?![}>'\"=])", attrgetter("text")),
        (found.verbs, _BEFORE_VERB, f"(?!{_NOUNS})", attrgetter("text")),
    ):
        if forms_of:
            anything = "|".join(
                re.escape(form).replace("\\ ", r"\s+") for form in sorted(forms_of, key=len, reverse=True)
            )
            pattern = rf"{before}(?P<word>{anything})(?![\w(@/-]|\.\w){after}"
            yield forms_of, re.compile(pattern, re.ASCII), text_of


def _compounds(found: _Forms, words: Vocabulary) -> None:
    """Words with a hyphen that also stand without one, and some that also stand as two."""
    styles: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for word in words.small:
        if word.count("-") == 1:
            closed = word.replace("-", "")
            if len(closed) >= _SHORTEST and closed not in OTHER_WORDS:
                styles[_singular(closed)].update({_singular(word): words.small[word]})
    for closed in PARTS:
        if words.small[closed] or words.small[f"{closed}s"]:
            styles[closed].update()
    for closed, style in styles.items():
        style.update({closed: words.small[closed] + words.small[f"{closed}s"]})
    wanted = {" ".join(PARTS[closed]) for closed in styles if closed in PARTS}
    if wanted:
        apart = re.compile(rf"(?<![\w-])({'|'.join(wanted)})s?(?![\w-])", re.ASCII)
        for prose in words.saying([*wanted, *(f"{one}s" for one in wanted)]):
            for place in apart.finditer(prose.low):
                styles[place[1].replace(" ", "")][place[1]] += 1
    for style in styles.values():
        _minority(found.loose, {form: times for form, times in style.items() if times}, words)


def _joined(found: _Forms, words: Vocabulary) -> None:
    """Two words that stand often, and rarely as one; or the other way round."""
    apart: Counter[tuple[str, str]] = Counter()
    parts = dict.fromkeys(_halves(words))
    for own in words.beside((first.lower(), second) for first, second in parts):
        for first, second in pairwise(own):
            if (first, second.lower()) in parts:
                apart[first.lower(), second.lower()] += 1
    for (first, second), times in apart.items():
        closed, phrase = first + second, f"{first} {second}"
        if first in _LOOSE_WORDS or second in _LOOSE_WORDS or closed in PARTS:
            continue
        joined = words.small[closed]
        if 0 < min(times, joined) <= _FEW and len(closed) >= _LONG and not _is_phrase(first, second):
            rare, usual = (closed, phrase) if times > joined else (phrase, closed)
            found.loose.setdefault(rare, _Form(usual, _elsewhere(max(times, joined))))
            continue
        if times >= _COMMON and 0 < joined <= _FEW:
            found.loose.setdefault(closed, _Form(phrase, _elsewhere(times)))
        elif joined >= _COMMON and times <= _FEW:
            found.loose.setdefault(phrase, _Form(closed, _elsewhere(joined)))
    _titled(found, words)


def _halves(words: Vocabulary) -> Iterator[tuple[str, str]]:
    """Two words that also stand as one: the first as it is written, the second in small letters."""
    for word in words.written:
        for at in range(_SHORTEST_PART, min(len(word), _LONGEST_TERM) - _SHORTEST_PART + 1):
            if (first := word[:at]) in words.written and (second := word[at:]) in words.forms:
                yield first, second


def _is_phrase(first: str, second: str) -> bool:
    """Do the two words often stand side by side with another meaning, as in back up and some time?"""
    return second in _PARTICLES or first in _PARTICLES or first in VERBS or f"{first}{second}" in VERBS


def _titled(found: _Forms, words: Vocabulary) -> None:
    """A name of two words that stands once with a hyphen, or as one."""
    rare = {
        tuple(parts): word
        for word, times in words.written.items()
        if times <= _FEW
        and not word[1:].islower()
        and (parts := re.findall(r"[A-Z][a-z]{2,}", word))
        and word in {"".join(parts), "-".join(parts)}
        if len(parts) == _FEW
    }
    often: Counter[tuple[str, ...]] = Counter()
    for own in words.beside((first.lower(), second.lower()) for first, second in rare):
        often.update(pair for pair in pairwise(own) if pair in rare)
    for pair, times in often.items():
        if times >= _COMMON:
            found.exact.setdefault(rare[pair], _Form(" ".join(pair), _elsewhere(times)))


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _minority(forms_of: dict[str, _Form], times: Mapping[str, int], words: Vocabulary) -> None:
    """All but the most frequent form, or the first of those; each in the plural too."""
    if len(times) > 1:
        best = max(times, key=lambda form: (times[form], -words.first.get(form, 0)))
        for form in times:
            if form != best:
                forms_of[form] = _Form(best, _elsewhere(times[best]))
                forms_of[f"{form}s"] = _Form(f"{best}s", _elsewhere(times[best]))


def _englishes(found: _Forms, words: Vocabulary) -> None:
    """A word that stands in British and American spelling, and those of the spelling that is rare in the document."""
    plain = {word: times for word, times in words.written.items() if word.islower()}
    spelled = [*likely(plain)]
    pairs = {word: other for word in spelled if (other := american(word))}
    for word, other in pairs.items():
        if other in plain:
            rare, usual = sorted((word, other), key=lambda form: (plain[form], -words.first[form]))
            found.loose[rare] = _Form(usual, _elsewhere(plain[usual]))
    backs = {word: other for word in spelled if word not in pairs and (other := british(word))}
    for shared in (True, False):
        mine = {word: other for word, other in pairs.items() if is_oxford(other) or not shared}
        theirs = {word: other for word, other in backs.items() if is_oxford(word) is shared}
        _rare(found, plain, mine, theirs)
        _rare(found, plain, theirs, mine)


def _rare(found: _Forms, plain: Mapping[str, int], some: Mapping[str, str], others: Mapping[str, str]) -> None:
    usual = sum(plain[word] for word in others)
    if usual >= max(_CLEARLY, _CLEARLY * sum(plain[word] for word in some)):
        example = max(others, key=lambda word: plain[word])
        for word, other in some.items():
            said = {"en": f"in the spelling of “{example}”", "zh": f"与“{example}”的拼写习惯一致"}
            found.loose.setdefault(word, _Form(other, said))


def _names(found: _Forms, words: Vocabulary, subject: Subject) -> None:
    """Names with capitals inside, and some acronyms, that also stand with others."""
    titles = " ".join(one.title for one in subject.document.sections if one.level <= _FEW and "(" not in one.title)
    for small, written in words.forms.items():
        if len(small) < _SHORTEST or written == [small]:
            continue
        names = [word for word in written if _NAME.fullmatch(word) and (len(written) > 1 or words.written[word] > 1)]
        if names:
            name = max(names, key=lambda word: words.written[word])
            titled = name in titles and words.written[name] >= _COMMON
            _rare_names(found, words, name, [word for word in written if word != name], titled=titled)
    for name in _CASED:
        title = name.capitalize()
        if words.written[title] and words.written[name] >= words.written[title]:
            found.exact[title] = _Form(name, _elsewhere(words.written[name]))
    if subject.document.language is Language.ZH:
        apps = {form: words.written[form] for form in ("APP", "App", "app") if words.written[form]}
        best = max(apps, key=lambda form: apps[form], default="")
        found.exact.update({form: _Form(best, _elsewhere(apps[best])) for form in apps if form != best})


def _rare_names(found: _Forms, words: Vocabulary, name: str, written: Sequence[str], *, titled: bool) -> None:
    """Other capitals; and, of a name in the titles, small letters or two words: others may be names in code."""
    times, small = words.written[name], name.lower()
    for word in written:
        others = words.written[word]
        if word == small:
            slip = others <= _FEW and titled
        else:
            slip = word[1:] != name[1:] and not words.written[small] and not word.isupper()
        if slip and (others < times or (others == times and word != small and not _beside(words, name, word))):
            found.exact[word] = _Form(name, _elsewhere(times))
    parts = _PARTS.findall(name)
    if len(parts) == _FEW and all(words.written[part] and len(part) > _FEW for part in parts) and titled:
        found.exact[" ".join(parts)] = _Form(name, _elsewhere(times))


def _beside(words: Vocabulary, one: str, other: str) -> bool:
    """Do the two stand in one block, where they may be compared?"""
    return any(one in own and other in own for _, own in words.blocks)


def _verbs(found: _Forms, words: Vocabulary) -> None:
    """To login, where the document logs in elsewhere."""
    used = {closed: apart.split() for closed, apart in VERBS.items() if words.small[closed]}
    for closed, (verb, particle) in used.items():
        inflected = [f"{verb}{end}" for end in ("", "s", "ed", "ing", f"{verb[-1]}ed", f"{verb[-1]}ing")]
        apart = re.compile(rf"\b(?:{'|'.join(inflected)})\s+{particle}\b")
        times = sum(len(apart.findall(prose.low)) for prose in words.prose(inflected, [particle]))
        if times:
            found.verbs[closed] = _Form(f"{verb} {particle}", _elsewhere(times))


def _chinese(found: _Forms, subject: Subject) -> None:
    written = (prose.written for prose in subject.prose if not prose.written.isascii())
    text = " ".join(chain.from_iterable(map(_CHINESE.findall, written)))
    pairs = {*map(add, text, text[1:])}
    for group in CHINESE:
        likely = [form for form in group if form[:2] in pairs and form in text]
        times = {form: count for form in likely if (count := len(chinese(form).findall(text)))}
        if len(times) > 1:
            best = max(times, key=lambda form: (times[form], -text.find(form)))
            found.chinese.update({form: _Form(best, _elsewhere(times[best])) for form in times if form != best})


def _scripts(subject: Subject) -> Iterator[tuple[str, _Form, Finding]]:
    """Words with a traditional character, in a document of simplified ones that has the same word in these."""
    places = [(prose, at) for prose in subject.prose if prose.chinese for at in _traditional(prose)]
    if not places:
        return
    blocks = [prose.written for prose in subject.prose if prose.chinese]
    if _OTHER_SCRIPT * len(places) > sum(map(len, blocks)):
        return
    runs = (block[max(0, run.start() - 1) : run.end() + 1] for block in blocks for run in _CHINESE.finditer(block))
    pairs = {pair for run in runs for pair in map(add, run, run[1:])}
    for prose, at in places:
        begins = [begin for begin in (at - 1, at) if begin >= 0 and prose.text[begin : begin + 2] in pairs]
        if begins:
            start, end = begins[0], begins[-1] + 2
            word = prose.written[start:end]
            yield word, _Form(prose.text[start:end], _elsewhere(1)), prose.finding(start, end)


def _traditional(prose: Prose) -> Iterator[int]:
    """Where a character is read as another one."""
    for run in _CHINESE.finditer(prose.written) if prose.text is not prose.written else ():
        start, end = run.span()
        if prose.text[start:end] != run[0]:
            for at in range(start, end):
                if prose.text[at] != prose.written[at] and _CHINESE.match(prose.text, at):
                    yield at


def _glossaries(found: _Forms, words: Vocabulary, subject: Subject) -> None:
    """The team's terms, which are binding, and the document's own."""
    for term, meaning in subject.document.brief.terms.items():
        for other in _spellings(term, words):
            cased = other.lower() == term.lower() or _CAMEL.search(other) is not None
            (found.exact if cased else found.loose)[other] = _Form(term, _BY_GLOSSARY)
        for group in CHINESE:
            for form in group:
                if form in term:
                    others = (term.replace(form, other) for other in group if other != form)
                    found.chinese.update({other: _Form(term, _BY_GLOSSARY) for other in others})
        for forbidden in _FORBIDDEN.finditer(meaning.lower()):
            word = forbidden["word"]
            (found.loose if word.isascii() else found.chinese)[word] = _Form(term, _BY_GLOSSARY)
    for term in _own_terms(subject):
        closed = re.sub(r"[\s-]", "", term).lower()
        if closed != term.lower() and words.small[closed]:
            found.loose.pop(term.lower(), None)
            found.loose[closed] = _Form(term, _BY_GLOSSARY)


def _spellings(term: str, words: Vocabulary) -> Iterator[str]:
    """Other ways to write a term: joined, with a hyphen, as two words, with other capitals inside."""
    closed = re.sub(r"[\s-]", "", term).lower()
    parts = re.split(r"[\s-]", term) if re.search(r"[\s-]", term) else _PARTS.findall(term)
    joined = (
        {sign.join(parts).lower() for sign in ("", "-", " ")} if len(parts) > 1 and "".join(parts).isascii() else set()
    )
    yield from (joined | set(forms(closed))) - {term.lower()}
    for word in words.written:
        same = word.replace("-", "").lower() == closed
        if same and word.lower() != term.lower():
            yield word if _CAMEL.search(word) else word.lower()
        elif same and word != term and _NAME.fullmatch(term):
            yield word


def _own_terms(subject: Subject) -> Iterator[str]:
    blocks = subject.document.parsed.blocks
    for section in subject.document.sections:
        if _TERMS.search(section.title) is None:
            continue
        for block in blocks[section.first : section.last]:
            text = subject.document.text[block.start : block.end]
            if block.kind is BlockKind.TABLE_CELL:
                if block.column == 1 and len(text) <= _LONGEST_TERM:
                    yield text.strip(" *_`")
            elif (defined := _DEFINED.match(text)) is not None:
                yield defined["term"].strip()


CHECK = Check(
    name="inconsistent-term",
    title={"en": "Inconsistent term", "zh": "用词不一致"},
    why="One thing of two names looks like two things, and a search for one finds half.",
    category="terminology",
    severity=Severity.INFO,
    worse="a warning where a glossary says otherwise",
    confidence=0.7,
    scope=Scope.DOCUMENT,
    find=_find,
    profiles=SOUND,
    messages={
        "en": "“{word}” is written “{instead}” {en}.",
        "zh": "“{word}”与“{instead}”的写法不一致（{zh}）。",
    },
    suggestions={"en": "Write it the same way throughout.", "zh": "请全文统一写法。"},
    flags=(
        "The tool is built with MakeIt.\n\nA copy of Makeit is kept.",
        "门锁可以连接到值班室的控制台，值班员可以随时查看门锁的状态，并在夜间锁定全部的门。\n\n门锁断开后不再連接。",
        "The set point lies at 18 °C.\n\nThe operator changes the setpoint.",
        "模板有三个字段。\n\n模版由管理员维护。",
        "Send an email. The email is read. An e-mail is lost.",
        "The web site is up. Our website is fast. The website is new.",
        "The colour of the door and the color of the gate.",
        "The color and the behavior of the center are known. The colour is not, nor the favor. The harbour is.",
        "OpenChain is a project. OpenChain has a site. Openchain grows.",
        "# OpenChain\n\nOpenChain is here, OpenChain grows. OpenChain is up. OpenChain, too. Open Chain: Open, Chain.",
        "A Wallet Unit is one. The Wallet Unit, a Wallet Unit, no Wallet Unit. Each Wallet Unit. A Wallet-Unit.",
        "An access point. The access point, each access point, no access point, this access point. One accesspoint.",
        "Users log in first. The user must login again.",
        "The login page is the log-in page. The login is logged.",
        "The time-out is short. A timeout of 3 s. The timeout ends.",
        "We organise it, we organize it, we organize all.",
        "The file is JSON. A Json file.",
        "用户登录系统。登录后可以查看。登陆失败三次则锁定。",
        "请输入账号。账号唯一。帐号不可修改。",
        "其他要求见下文，其他内容略，其它不变。",
        "阈值为 5，超过阀值则告警，阈值可配置。",
        "用户打开APP，APP提示更新，App退出。",
    ),
    passes=(
        "A name is UserDo, not UserDO.",
        "Back up the data. The backup is kept.",
        "It runs every where and everywhere.",
        "Send an email. The email is read.",
        "The colour of the door. The behaviour of the gate is organized.",
        "Users log in on the login page. They set up the setup.",
        "OpenChain is a project. The package openchain is its tool. OPENCHAIN is a title. OpenChain, OpenChain.",
        "The lock out works, the lockout does. Any one of anyone.",
        "They resign. They re-sign the file.",
        "A real-time system answers in real time, an open-source program is open source.",
        "用户登录系统，登录后可以查看账户，对账户收费。",
        "文字元素与字符；局域网路由器与网络。",
        "Run `e-mail` and `login`. Your email is sent.",
    ),
)
