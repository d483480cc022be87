"""What an S3 store's trouble means, in errors of ours that tell neither its address nor what it was asked."""

import re
from errno import ENOENT

from paperlane.errors import StorageFull, StoreAway, StoreRefuses

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_METADATA = re.compile(r"/latest/(?:api/token|meta-data)\b")  # where a machine of AWS is told its role
_GONE = "NoSuchKey"
_FULL = frozenset({"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded"})  # MinIO's and Ceph's
_FULL_STATUS = 507
_MAY_PASS = frozenset({408, 409, 429})  # a slow line, a change under way, too many calls
_CODES_THAT_MAY_PASS = frozenset({"RequestTimeout"})  # which S3 says with 400
_SERVERS_OWN = 500  # from this status on it is the store's own trouble
_WHYS = {
    "dns error": "its name is not known",
    "ConnectionRefused": "it refuses connections",
    "kind: Timeout": "it does not answer in time",
    "certificate": "its certificate is not trusted",
}
_HINTS = {
    404: "Make the bucket, or see to PAPERLANE_BLOBS and AWS_ENDPOINT_URL.",
    403: "See to AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and to what they may do in the bucket.",
}
_SEE = "See to PAPERLANE_BLOBS, AWS_ENDPOINT_URL and AWS_REGION."


def meant_by(error: Exception) -> Exception:
    """FileNotFoundError, StorageFull, StoreRefuses or StoreAway for what the library raised.

    A file is lost only where the store itself says that it has none of this name: whatever stands before a store, or
    in its place, says 404 too, and so does a store without the bucket.
    """
    said = str(error)
    status, code = _first(_STATUS, said), _first(_CODE, said)
    answered = " ".join(filter(None, (status, code)))
    number = int(status or 0)
    if code == _GONE:
        return FileNotFoundError(ENOENT, "there is no such file in the store")
    if number == _FULL_STATUS or code in _FULL:
        return StorageFull(f"There is no room to write a file: {answered}.", hint="Free some space in the store.")
    if _METADATA.search(said):
        why = "AWS_ACCESS_KEY_ID is not set, and this machine has no role"
        return StoreRefuses(f"The store of files needs credentials: {why}.", hint=_HINTS[403])
    if 0 < number < _SERVERS_OWN and number not in _MAY_PASS and code not in _CODES_THAT_MAY_PASS:
        return StoreRefuses(f"The store of files refuses: {answered}.", hint=_HINTS.get(number, _SEE))
    why = f"it answers {answered}" if answered else next((w for sign, w in _WHYS.items() if sign in said), "no answer")
    return StoreAway(f"The store of files cannot be used now: {why}.", hint=_SEE)


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
