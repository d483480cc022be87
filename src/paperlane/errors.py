"""Every error that Paperlane raises on purpose, as a tree.

PaperlaneError            code, message, hint
|- Refused                the request cannot be served as it is (HTTP status)
|  |- NotFound, NotAllowed, SignInNeeded, Conflict, BadRequest, TookTooLong, TooLarge, TooMany
|- Unavailable            the database cannot be reached now (HTTP 503); it may pass
|  |- StorageFull         there is no room to write (HTTP 507)
|  |- Busy                others hold what is asked for (HTTP 503)
|  |- Unreadable          a file is there and cannot be read now
|  |- Unmounted           files cannot be stored where the others are (HTTP 503)
|  |- StoreAway           the store of files cannot be used now (HTTP 503)
|  |  |- StoreRefuses     it answers, and lets us do nothing until somebody mends that
|  |- ServiceAway          a service that a step asks cannot be asked now
|  |  |- ModelAway         a model, or all that knows of its rate: it is down, refuses our key, is not known here
|- DocumentError          a file cannot be read; another attempt would not help
|- StaleLease             another attempt owns the task now
|- CancelRequested        somebody cancelled the task
|- StepFault              a step broke its limits or its process died; another attempt may help
|- Misconfigured          the installation must be mended first
"""

from paperlane.model.tasks import Fault


class PaperlaneError(Exception):
    """An error with a stable `code`, a sentence for people and a hint at what to do."""

    code = "internal_error"

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code

    @property
    def fault(self) -> Fault:
        """The same, as a value."""
        return Fault(self.code, self.message, self.hint)


class Refused(PaperlaneError):
    """The request cannot be served as it is; `status` is the HTTP status that says so."""

    code = "bad_request"
    status = 400


class BadRequest(Refused):
    """Something in the request makes no sense."""

    code = "invalid_request"
    status = 422


class SignInNeeded(Refused):
    """Nobody is signed in, or the token is unknown or revoked."""

    code = "sign_in_needed"
    status = 401


class NotAllowed(Refused):
    """The user's role does not allow this."""

    code = "not_allowed"
    status = 403


class NotFound(Refused):
    """There is no such thing, or it belongs to somebody else: the two look the same on purpose."""

    code = "not_found"
    status = 404


class Conflict(Refused):
    """The thing is in a state that does not allow this."""

    code = "conflict"
    status = 409


class TookTooLong(Refused):
    """The rest of a request did not come, or not soon enough."""

    code = "request_timeout"
    status = 408


class TooLarge(Refused):
    """A file or a batch is larger than the limit."""

    code = "too_large"
    status = 413


class TooMany(Refused):
    """A limit is reached; `retry_after` seconds from now it may be worth another try."""

    code = "user_limit_exceeded"
    status = 429

    def __init__(self, message: str, *, hint: str = "", code: str = "", retry_after: int = 30) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after = retry_after


class Unavailable(PaperlaneError):
    """The database cannot be reached now; `retry_after` seconds from now it may be worth another try.

    What was asked for is not at fault. Whether a write took place is not known: look before it is done again.
    """

    code = "database_unavailable"
    status = 503
    retry_after = 5


class StorageFull(Unavailable):
    """There is no room to write: a disk or the database is full. Nothing of the write took place."""

    code = "storage_full"
    status = 507
    retry_after = 60


class Busy(Unavailable):
    """The database answers, but others hold for too long what is asked for. Nothing of the write took place."""

    code = "database_busy"


class Unreadable(Unavailable):
    """A file is there and cannot be read now: it is not lost."""

    code = "file_unavailable"


class Unmounted(Unavailable):
    """The folder of files is not there, or not the one that the others were stored in. Nothing was stored."""

    code = "folder_unavailable"


class StoreAway(Unavailable):
    """The store of files does not answer, or says that it cannot now. No file is lost, and none is half there.

    Whether a file was written or removed is not known.
    """

    code = "store_unavailable"


class StoreRefuses(StoreAway):
    """The store answers, and refuses: by our rights, or for a bucket that is not there. Somebody must mend that."""


class ServiceAway(Unavailable):
    """A service that a step asks cannot be asked now; `retry_after` seconds from now it may be worth another try."""

    code = "service_unavailable"

    def __init__(self, message: str, *, hint: str = "", code: str = "", retry_after: int = 60) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after = retry_after


class ModelAway(ServiceAway):
    """A model cannot be asked now: it is down, refuses our key, told us to wait, or is none that this worker knows.

    What it answered is stored.
    """

    code = "model_away"


class DocumentError(PaperlaneError):
    """A file cannot be read, and another attempt would not help."""

    code = "damaged_file"


class StaleLease(PaperlaneError):
    """Another attempt owns the task now; whatever this one did is thrown away."""

    code = "stale_lease"


class CancelRequested(PaperlaneError):
    """Somebody cancelled the task while it ran."""

    code = "cancelled"


class StepFault(PaperlaneError):
    """A step broke its limits or its process died; another attempt may help."""

    code = "step_failed"


class Misconfigured(PaperlaneError):
    """The installation must be mended before this can work."""

    code = "misconfigured"


OF_FILES = (StorageFull, Unreadable, Unmounted, StoreAway)
"""A disk, a file or the store of files cannot be used, not the ledger itself."""
