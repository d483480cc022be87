"""The file that a task tests."""

from pydantic import TypeAdapter, ValidationError

from paperlane.model.documents import UPLOAD_VERSION, Brief, Upload
from paperlane.model.tasks import NewTask, Task, TaskId

_UPLOAD = TypeAdapter(Upload)
# Rough: `paperlane check` on one core took up to 1.5 s a MB for PDFs and up to 3 for Markdown, on a faster machine a
# third of that, and next to nothing for 20 MB of photos in a DOCX, hence the bound. The ledger learns from turns.
_SLOT_SECONDS_PER_MB = {"application/pdf": 1.5}
_SLOT_SECONDS = 0.2
_MOST_SLOT_SECONDS = 60.0
_BEFORE_BRIEFS = 1  # the version of uploads without one


def upload_of(task: Task) -> Upload:
    """The file that a task tests."""
    return _UPLOAD.validate_json(task.payload)


def name_of(task: Task) -> str:
    """The name of the file that a task tests; "" for a task of another application's pipeline."""
    try:
        return upload_of(task).name
    except ValidationError:
        return ""


def estimated_cost(upload: Upload) -> float:
    """Slot-seconds that testing an upload will take, about: a fixed part and one by its size, a minute at most."""
    growing = _SLOT_SECONDS_PER_MB.get(upload.media_type, 3.0) * upload.bytes / 2**20
    return min(_SLOT_SECONDS + growing, _MOST_SLOT_SECONDS)


def to_test(task: TaskId, upload: Upload) -> NewTask:
    """The task of testing a file; without a brief also for workers that know of none."""
    version = _BEFORE_BRIEFS if upload.brief == Brief() else UPLOAD_VERSION
    return NewTask(task, _UPLOAD.dump_json(upload), estimated_cost(upload), version=version)


def to_test_again(task: Task) -> NewTask:
    """The same once more, as a schedule keeps it: under the id of the task that it repeats."""
    return NewTask(task.id, task.payload, estimated_cost(upload_of(task)), version=task.version)
