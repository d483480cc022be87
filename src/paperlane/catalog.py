"""All words of the page, in English and Chinese."""

from collections.abc import Mapping

LANGUAGES = ("en", "zh")

WORDS: Mapping[str, tuple[str, str]] = {
    # the frame
    "documents": ("Documents", "文档"),
    "queue": ("Queue", "队列"),
    "sign in": ("Sign in", "登录"),
    "sign out": ("Sign out", "退出"),
    "token": ("Token", "令牌"),
    "token hint": (
        "Ask an admin for a token, or make one: paperlane user token NAME.",
        "请向管理员索取令牌，或运行：paperlane user token 用户名。",
    ),
    "link spent": (
        "This link was used before or is too old. Sign in with a token.",
        "此链接已使用或已过期，请使用令牌登录。",
    ),
    "other language": ("中文", "English"),
    "back": ("All documents", "全部文档"),
    # uploading
    "drop": ("Drop documents here", "将文档拖到此处"),
    "choose": ("or choose files", "或选择文件"),
    "formats": ("Markdown, HTML, text, PDF, DOCX", "支持 Markdown、HTML、纯文本、PDF、DOCX"),
    "uploading": ("Uploading…", "正在上传…"),
    "rejected": ("Not accepted", "未接受"),
    "try again in": ("Try again in {seconds} s.", "请在 {seconds} 秒后重试。"),
    "upload failed": ("The upload did not arrive. Try again.", "上传未成功，请重试。"),
    # tasks
    "nothing yet": ("Nothing was uploaded yet.", "还没有上传任何文档。"),
    "more": ("Show more", "显示更多"),
    "cancel": ("Cancel", "取消"),
    "retry": ("Start again", "重新开始"),
    "queued": ("waiting", "排队中"),
    "running": ("testing", "检测中"),
    "completed": ("done", "已完成"),
    "failed": ("failed", "失败"),
    "cancelled": ("cancelled", "已取消"),
    "waits for retry": ("tried {attempt} times, tries again", "已尝试 {attempt} 次，将重试"),
    "file_parsing": ("reading the file", "读取文件"),
    "document_processing": ("finding its structure", "分析结构"),
    "section_merge": ("joining sections", "合并章节"),
    "issue_detection": ("looking for issues", "检测问题"),
    "report": ("writing the report", "生成报告"),
    "tested": ("{tested} of {all} passages tested", "已检测 {tested}/{all} 个段落"),
    "nothing tested": ("nothing could be tested", "没有可检测的内容"),
    "error": ("error", "错误"),
    "warning": ("warning", "警告"),
    "info": ("info", "提示"),
    "errors": ("errors", "个错误"),
    "warnings": ("warnings", "个警告"),
    "infos": ("hints", "个提示"),
    "no issues": ("no issues", "未发现问题"),
    # one document
    "issues": ("Issues", "问题"),
    "download": ("Report", "报告"),
    "all": ("All", "全部"),
    "open": ("open", "未处理"),
    "accepted": ("accepted", "已采纳"),
    "dismissed": ("dismissed", "已忽略"),
    "accept": ("Accept", "采纳"),
    "dismiss": ("Dismiss", "忽略"),
    "reopen": ("Reopen", "重新打开"),
    "reason": ("Why? (optional)", "原因（可选）"),
    "page": ("page", "页"),
    "line": ("line", "行"),
    "no such": ("There is no such document.", "没有此文档。"),
    "not ready": ("The document is still being read.", "文档正在读取。"),
    # the queue
    "depth": ("waiting", "等待"),
    "now running": ("running", "运行"),
    "oldest": ("oldest wait", "最长等待"),
    "user": ("User", "用户"),
    "engine": ("Engine", "引擎"),
    "limit": ("Limit", "上限"),
    "weight": ("Share", "权重"),
    "workers": ("Workers", "工作进程"),
    "slots": ("Slots", "槽位"),
    "paused": ("paused", "已暂停"),
    "empty queue": ("Nobody waits.", "没有等待的任务。"),
    # codes of errors and warnings about files
    "code unsupported_type": ("This type of file cannot be tested.", "不支持此文件类型。"),
    "code needs_ocr": (
        "The pages are pictures; they need text recognition first.",
        "页面为图片，请先进行文字识别（OCR）。",
    ),
    "code password_required": ("The file asks for a password.", "文件需要密码。"),
    "code damaged_file": ("The file is damaged.", "文件已损坏。"),
    "code not_a_pdf": ("The file is no PDF.", "该文件不是 PDF。"),
    "code too_complex": ("The document needs too much memory or time.", "文档过于复杂，超出资源限制。"),
    "code unknown_encoding": ("The text is in an unknown encoding.", "无法识别文本编码。"),
    "code too_large": ("The file is too large.", "文件过大。"),
    "code no_files": ("The upload holds no file.", "上传中没有文件。"),
    "code user_limit_exceeded": ("Too many of your tasks are waiting.", "您排队的任务过多。"),
    "code system_busy": ("The system is busy.", "系统繁忙。"),
    "code poison": ("The document broke every worker that read it.", "该文档使工作进程反复崩溃。"),
    "code step_timeout": ("A step took too long.", "某个步骤超时。"),
    "code task_timeout": ("The task took too long.", "任务超时。"),
    "code step_crashed": ("The reader of the file crashed.", "读取文件的进程崩溃。"),
    "code step_failed": ("A step failed.", "某个步骤失败。"),
    "code internal_error": ("Something went wrong on our side.", "系统内部错误。"),
    "code no_text": ("The file holds no text: nothing could be tested.", "文件中没有文字，无法检测。"),
    "code low_text": ("Very little text was found; scanned pages need OCR.", "文字很少；扫描页需要先做 OCR。"),
    "code repaired": ("The file is damaged; parts may be missing.", "文件有损坏，部分内容可能缺失。"),
    "code unknown_token": ("This token is not known.", "令牌无效。"),
    "code not_allowed": ("You may not do this.", "您没有此权限。"),
    "code foreign_origin": ("The request came from another site.", "请求来自其他网站。"),
    "code already_ended": ("The task has ended already.", "任务已结束。"),
}


def words(language: str) -> Mapping[str, str]:
    """Every word of the page in a language."""
    at = LANGUAGES.index(language)
    return {key: said[at] for key, said in WORDS.items()}
