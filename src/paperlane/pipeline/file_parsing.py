"""The first step: a stored file becomes text with structure."""

from paperlane.formats import read
from paperlane.model.documents import Parsed, Upload
from paperlane.model.steps import Job, Step


def _parse(upload: Upload, job: Job) -> Parsed:
    return read(upload, job.attachment(), job.progress)


FILE_PARSING = Step("file_parsing", 5, Upload, Parsed, _parse, share=35, file=lambda upload: upload.blob)
