"""Words that are spelled in two ways: British and American ones, compounds, and Chinese words."""

import re
from collections.abc import Collection, Iterator, Sequence

from paperlane.compiling import later

_OUR = "arm|behavi|col|endeav|fav|flav|harb|hon|hum|lab|neighb|od|rum|sav|tum|val|vap|vig"
_ISE = (
    "anonym|apolog|author|capital|categor|central|character|critic|crystall|custom|digit|digital|emphas|equal|final|formal|"
    "general|harmon|ideal|individual|industrial|initial|ital|item|legal|local|marginal|material|maxim|mechan|memor|minim|"
    "mobil|modern|modular|monet|neutral|normal|optim|organ|parallel|parameter|parametr|penal|personal|polar|popular|priorit|"
    "pseudonym|random|rational|real|recogn|sanit|scrutin|serial|special|stabil|standard|steril|subsid|summar|symbol|"
    "sympath|synchron|synthes|theor|token|trivial|util|vandal|vector|virtual|visual"
)
_DOUBLED = (
    "cancel|channel|counsel|dial|equal|fuel|initial|label|level|marshal|model|"
    "panel|pencil|quarrel|refuel|relabel|remodel|signal|spiral|total|travel|tunnel"
)
_BRITISH = later(
    rf"(?P<before>un|re|de|dis|mis|non|pre|co|over|multi)?(?:(?P<our>(?:{_OUR})our)(?P<end>\w*)|"
    rf"(?P<ise>(?:{_ISE})is)(?P<form>e|ed|es|ing|er|ers|ation|ations|able)|(?P<yse>(?:anal|catal|paral)ys)(?P<tail>e|ed|es|er|ers|ing)|"
    rf"(?P<double>(?:{_DOUBLED})l)(?P<past>ed|ing|er|ers))"
)
_PAIRS = {
    "centre": "center", "centres": "centers", "centred": "centered", "fibre": "fiber", "fibres": "fibers",
    "theatre": "theater", "litre": "liter", "litres": "liters", "catalogue": "catalog", "catalogues": "catalogs",
    "defence": "defense", "offence": "offense", "grey": "gray", "greyed": "grayed", "artefact": "artifact",
    "artefacts": "artifacts", "judgement": "judgment", "judgements": "judgments", "ageing": "aging",
    "acknowledgement": "acknowledgment", "acknowledgements": "acknowledgments", "fulfil": "fulfill",
    "fulfils": "fulfills", "fulfilment": "fulfillment", "enrol": "enroll", "enrols": "enrolls",
    "enrolment": "enrollment", "aluminium": "aluminum", "sceptical": "skeptical", "mould": "mold", "cosy": "cozy",
    "manoeuvre": "maneuver", "manoeuvres": "maneuvers", "skilful": "skillful", "tyre": "tire", "tyres": "tires",
}  # fmt: skip


_TO_PAIRS = {american: british for british, american in _PAIRS.items()}
_TO_BRITISH = [
    (later(pattern), instead)
    for pattern, instead in (
        (r"or", "our"), (r"iz(?=e|ing|a)", "is"), (r"yz", "ys"), (r"(?=(?:ed|ing|ers?)$)", "l"),
    )
]  # fmt: skip


_LIKELY = later(r"ou?r|[iy][sz][aei]|l(?:ed|ing|ers?)\n")


def likely(words: Collection[str]) -> Iterator[str]:
    """Those of the words, in small letters, that may have an American and a British spelling; few have."""
    text = "\n".join(["", *words, ""])
    found = {
        text[text.rfind("\n", 0, place.start()) + 1 : text.find("\n", place.end() - 1)]
        for place in _LIKELY.finditer(text)
    }
    return (word for word in words if word in found or word in _PAIRS or word in _TO_PAIRS)


def american(word: str) -> str:
    """A British word, in small letters, as Americans spell it; "" for any other."""
    if word in _PAIRS:
        return _PAIRS[word]
    found = _BRITISH.fullmatch(word)
    if found is None:
        return ""
    before = found["before"] or ""
    if found["our"]:
        return f"{before}{found['our'][:-3]}or{found['end']}"
    if found["ise"]:
        return f"{before}{found['ise'][:-1]}z{found['form']}"
    if found["yse"]:
        return f"{before}{found['yse'][:-1]}z{found['tail']}"
    return f"{before}{found['double'][:-1]}{found['past']}"


def is_oxford(word: str) -> bool:
    """Is it an American spelling that some British writers share: organize, but not color?"""
    return re.search(r"iz(?:e|ed|es|ing|er|ers|ation|ations|able)$", word) is not None


# nouns that are written as one word, with a hyphen or as two
_COMPOUNDS = (
    "back-end", "band-width", "bit-map", "bit-rate", "check-box", "check-list", "check-point", "code-base",
    "cyber-security", "data-base", "data-set", "drop-down", "e-commerce", "e-mail", "end-point", "fire-wall",
    "file-name", "front-end", "hand-book", "home-page", "host-name", "key-board", "key-word", "life-cycle",
    "log-file", "mark-down", "meta-data", "micro-service", "multi-media", "name-space", "off-line", "on-line",
    "pass-code", "pass-phrase", "pass-word", "road-map", "sand-box", "screen-shot", "smart-phone",
    "sub-directory", "sub-set", "sub-system", "through-put", "time-line", "time-stamp", "time-zone",
    "tool-bar", "tool-chain", "tool-kit", "touch-screen", "user-name", "web-page", "web-site", "wild-card",
    "work-flow", "work-space", "work-station",
)  # fmt: skip
PARTS = {compound.replace("-", ""): tuple(compound.split("-")) for compound in _COMPOUNDS}
"""The two parts of a compound, by its form in one word."""

OTHER_WORDS = frozenset({
    "coop", "inform", "multiply", "react", "recollect", "recover", "recreation", "reform", "relay", "release", "remark",
    "represent", "repress", "resent", "reserve", "resign", "resolve", "resort", "return", "union",
})  # fmt: skip
"""Words that a hyphen makes others of: to resign, to re-sign."""

_VERBS = (
    "log-in", "log-out", "log-on", "log-off", "sign-in", "sign-up", "sign-out", "set-up", "back-up",
    "shut-down", "start-up", "roll-back", "look-up", "clean-up", "check-in", "check-out", "time-out",
    "plug-in", "fall-back", "break-down", "work-around",
)  # fmt: skip
VERBS = {verb.replace("-", ""): verb.replace("-", " ") for verb in _VERBS}
"""Nouns of one word whose verbs are two: a login, to log in."""

_ACCOUNTS = "账帐"
_WITHIN = {
    "对像": r"(?<!面)对像", "字元": r"(?<!文)字元(?!素)", "网路": r"网路(?![由线径])", "列印": r"(?<!系)列印",
    "快取": r"(?<!尽)快取(?![消得出回])", "定单": r"(?<![指确固特一决规限])定单(?![位元独个一])",
    "定购": r"(?<![指确固特一决规限])定购(?!买)", "软体": r"(?<!柔)软体(?![操动])", "部份": r"部份(?!额)",
    "通讯": r"通讯(?![录员社稿费])",
    "域值": r"(?<![定值领区地])域值", "变数": r"变数(?!据)",
}  # fmt: skip

_GROUPS = (
    "登录/登陆/登入", "账号/帐号", "账户/帐户", "賬號/帳號", "賬戶/帳戶", "账单/帐单", "账目/帐目",
    "记账/记帐", "对账/对帐", "入账/入帐", "其他/其它", "阈值/阀值", "閾值/閥值", "图像/图象", "圖像/圖象",
    "想象/想像", "部分/部份", "唯一/惟一", "身份/身分", "界面/介面", "服务器/伺服器", "网络/网路",
    "数据库/资料库", "软件/软体", "硬件/硬体", "字符/字元", "鼠标/滑鼠", "打印/列印", "缓存/快取", "默认/缺省",
    "兼容/相容", "撤销/撤消", "订单/定单", "订购/定购", "签订/签定", "对象/对像", "计划/计画",
    "人工智能/人工智慧", "互联网/网际网路", "文件夹/资料夹", "备份/备分", "伺服器/服務器", "網路/網絡",
    "資料庫/數據庫", "軟體/軟件", "硬體/硬件", "滑鼠/鼠標", "列印/打印", "二维码/二維碼", "重叠/重迭",
    "迭代/叠代", "粘贴/黏贴", "账务/帐务", "转账/转帐", "挂账/挂帐", "账本/帐本", "报账/报帐", "公账/公帐",
    "报警/告警", "模板/模版", "启动/起动", "用户/使用者", "登记/登计", "零部件/另部件", "零件/另件", "按钮/按纽",
    "连接/联接", "部署/布署", "安装/按装", "复制/付制", "副本/付本", "覆盖/复盖", "辐射/幅射", "像素/象素",
    "摄像/摄象", "录像/录象", "荧光/萤光", "荧幕/萤幕", "校验/效验", "型号/形号", "规范/规犯", "重复/重覆", "反复/反覆",
    "回复/回覆", "答复/答覆", "预订/预定", "订货/定货", "交代/交待", "倒计时/到计时", "精简/精减",
      "光标/游标", "屏幕/萤幕", "屏幕/荧幕", "内存/记忆体",  "存贮/存储", "图标/图示",
    "客户端/用户端", "服务端/服务器端", "注销/登出",  "链接/连结",   "振动/震动",
      "检测/检侧", "触摸屏/触控屏", "二极管/二级管", "接线/结线", "螺丝/罗丝", "橡胶/象胶",
    "传感器/感应器", "传感器/感测器", "计算机/电脑", "计算机/微机", "供应商/供货商", "承包商/承包方", "电子邮件/电邮",
    "移动电源/充电宝", "互联网/因特网", "手机/移动电话", "交换机/交换器", "硬盘/硬碟", "局域网/区域网", "采样/取样",
    "短信/短消息",
    "打印机/印表机", "视频/视讯", "音频/音讯", "控制台/操作台", "显示屏/显示幕", "螺丝/螺钉", "发包方/发包人",
    "应答器/回答器",
    "蓄电池/电瓶", "摄像机/摄影机", "遥控器/遥控机", "读卡器/读卡机", "路由器/路由机", "扫描仪/扫描器", "充电器/充电机",
    "开关/开闭器", "报文/电文",
    "详情/祥情", "权限/权线", "验证码/校验码", "通信/通讯", "截止日期/截至日期", "截止时间/截至时间",
    "应用程序/应用程式",
    "磁盘/磁碟", "光盘/光碟", "优化/最佳化", "导出/汇出", "导入/汇入", "线程/执行绪", "变量/变数", "函数/函式",
    "菜单/选单", "短信/简讯",
    "操作系统/作业系统", "配置文件/组态档", "扫描/扫瞄", "频率/频律", "反馈/反溃", "附件/付件", "统计/统记",
    "令牌/权杖", "分辨率/解析度", "宽带/宽频", "带宽/频宽", "激光/雷射",
    "邮政编码/邮递区号", "移动端/行动端", "时间戳/时戳", "控制器/控制噐",
    "协议/协义", "接口/介口", "经理/经里", "报文/抱文", "模块/模快", "阈值/域值", "冗余/荣余", "调试/调式",
)  # fmt: skip
CHINESE: Sequence[tuple[str, ...]] = [tuple(group.split("/")) for group in _GROUPS]
"""Words of one meaning; of each group a document should use one."""


def chinese(form: str) -> re.Pattern[str]:
    """What finds a word of these groups where it is no part of other words."""
    return re.compile(_WITHIN.get(form, f"{form}(?![户号])" if form[-1] in _ACCOUNTS else form))


def british(word: str) -> str:
    """An American word, in small letters, as the British spell it; "" for any other."""
    for pattern, instead in _TO_BRITISH:
        other = pattern.sub(instead, word, count=1)
        if other != word and american(other) == word:
            return other
    return _TO_PAIRS.get(word, "")


def forms(word: str) -> Iterator[str]:
    """The forms of a compound in one word: with a hyphen, and as two words."""
    if word in PARTS:
        yield "-".join(PARTS[word])
        yield " ".join(PARTS[word])
