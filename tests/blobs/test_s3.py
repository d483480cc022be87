"""What holds of files in a bucket only: what its store's trouble means, that none is lost for it, and what is asked."""

import builtins
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.blobs.test_contract import LARGE, stored
from tests.buckets import SECRET, Answer, Buckets, answering, said
from tests.faults.forwarding import way_to

from paperlane.blobs import s3
from paperlane.blobs.refusals import meant_by
from paperlane.blobs.s3 import Bucket, open_bucket
from paperlane.blobs.whole import Whole
from paperlane.errors import Misconfigured, PaperlaneError, StorageFull, StoreAway, StoreRefuses

Open = Callable[..., Bucket]
SOME = "ab" * 16


def everything(bucket: Bucket) -> dict[str, Callable[[], object]]:
    """All that can be asked of a store."""
    return {
        "write": lambda: Whole(bucket).write(b"x"),
        "open": lambda: bucket.open(SOME),
        "remove": lambda: bucket.remove(SOME),
        "written": lambda: list(bucket.written(0, 1e12)),
        "check": bucket.check,
        "mark": lambda: bucket.mark("one"),
        "is_marked": lambda: bucket.is_marked("one"),
        "holds": lambda: bucket.holds(SOME),
    }


def assert_all_raise(bucket: Bucket, error: type[PaperlaneError], message: str) -> None:
    """Of whatever is asked, and without a word that is not ours."""
    for what, ask in everything(bucket).items():
        with pytest.raises(PaperlaneError, match=message) as raised:
            ask()
        assert type(raised.value) is error, what
        assert raised.value.__cause__ is None, what
        for secret in ("127.0.0.1", SECRET, "paperlane-", bucket.name):
            assert secret not in raised.value.message + raised.value.hint, what


def test_a_store_that_cannot_be_reached_is_away_and_heals(open_it: Open, buckets: Buckets):
    with way_to(buckets.server.port) as way:
        bucket = open_it(port=way.port)
        (reference,) = stored(bucket, b"here")
        way.cut()
        assert_all_raise(bucket, StoreAway, r"^The store of files cannot be used now: it refuses connections\.$")
        way.mend()
        with bucket.open(reference) as file:
            assert file.read() == b"here"
        assert list(bucket.written(0, 1e12)) == [reference]


@pytest.mark.parametrize(
    ("sign", "why"),
    [
        ('ConnectError("dns error", Custom { kind: Uncategorized })', "its name is not known"),
        ("kind: Connect, source: invalid peer certificate: UnknownIssuer", "its certificate is not trusted"),
        ("kind: Decode", "no answer"),
    ],
)
def test_why_a_store_is_away_is_told_in_a_few_words(sign: str, why: str):
    """Of what only other networks do."""
    meant = meant_by(Exception(f"Generic S3 error: Error performing GET https://{SECRET}/x in 1s - HTTP error {sign}"))
    assert type(meant) is StoreAway
    assert str(meant) == f"The store of files cannot be used now: {why}."


def test_a_bucket_that_is_not_there_loses_no_file(open_it: Open):
    """Nor does its store's loss of everything."""
    assert_all_raise(open_it("s3://no-such-bucket"), StoreRefuses, r"^The store of files refuses: 404 NoSuchBucket\.$")


def test_credentials_that_are_refused_lose_no_file(open_it: Open, buckets: Buckets):
    bucket = open_it()
    (reference,) = stored(bucket, b"here")
    with buckets.denying():
        assert_all_raise(bucket, StoreRefuses, r"^The store of files refuses: 403 InvalidAccessKeyId\.$")
    assert bucket.holds(reference)


@pytest.mark.parametrize("body", ["", "<html>There is nothing here.</html>"])
def test_a_404_of_what_stands_before_the_store_loses_no_file(open_it: Open, body: str):
    with answering(Answer(404, body)) as port:
        assert_all_raise(open_it(port=port), StoreRefuses, r"^The store of files refuses: 404\.$")


def test_a_file_is_gone_where_the_store_says_that_it_has_none_of_that_name(open_it: Open):
    """Some stores say so of one to be removed too."""
    with answering(Answer(404, said("NoSuchKey"))) as port:
        bucket = open_it(port=port)
        with pytest.raises(FileNotFoundError):
            bucket.open(SOME)
        assert not bucket.holds(SOME)
        bucket.remove(SOME)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(503, said("SlowDown")), "it answers 503 SlowDown"),
        (Answer(500), "it answers 500"),
        (Answer(429), "it answers 429"),
        (Answer(400, said("RequestTimeout")), "it answers 400 RequestTimeout"),
    ],
)
def test_trouble_of_the_stores_own_may_pass(open_it: Open, answer: Answer, message: str):
    with answering(answer) as port:
        assert_all_raise(open_it(port=port), StoreAway, rf": {message}\.$")


@pytest.mark.parametrize(
    "answer", [Answer(507, said("XMinioStorageFull")), Answer(403, said("QuotaExceeded")), Answer(507)], ids=str
)
def test_a_full_store_is_said_to_be_full(open_it: Open, answer: Answer):
    """As MinIO and Ceph say it."""
    with answering(answer) as port:
        bucket = open_it(port=port)
        with pytest.raises(StorageFull, match=f"There is no room to write a file: {answer.status}"):
            Whole(bucket).write(b"x")


def test_a_machine_without_credentials_is_told_which(open_it: Open, monkeypatch: pytest.MonkeyPatch):
    with answering(Answer(404)) as port:
        open_it(AWS_METADATA_ENDPOINT=f"http://127.0.0.1:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        with pytest.raises(StoreRefuses, match="needs credentials: AWS_ACCESS_KEY_ID is not set"):
            open_bucket("s3://bucket", "blobs").check()


class Told:
    """Keeps what the library raised."""

    def __init__(self, meant_by: Callable[[Exception], Exception]) -> None:
        self.errors: list[Exception] = []
        self._meant_by = meant_by

    def __call__(self, error: Exception) -> Exception:
        self.errors.append(error)
        return self._meant_by(error)


def test_a_silent_store_is_given_up_and_then_those_that_follow_do_not_wait(
    open_it: Open, monkeypatch: pytest.MonkeyPatch
):
    now, told = [0.0], Told(s3.meant_by)

    def long_in_vain(error: Exception) -> Exception:
        now[0] += 10
        return told(error)

    monkeypatch.setattr(s3, "_ANSWER", timedelta(seconds=0.05))
    monkeypatch.setattr(s3, "monotonic", lambda: now[0])
    monkeypatch.setattr(s3, "meant_by", long_in_vain)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bucket = open_it(port=silent.getsockname()[1])
        for asked in (1, 1, 1, 2, 2):  # the others find out at once, until it is time to look again
            with pytest.raises(StoreAway, match=r": it does not answer in time\.$"):
                bucket.check()
            assert len(told.errors) == asked
            now[0] += s3._REST / 2.5


def test_a_download_leaves_nothing_on_this_machine_also_when_it_breaks_off(
    open_it: Open, buckets: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with way_to(buckets.server.port) as way:
        bucket = open_it(port=way.port)
        content = os.urandom(48 << 20)  # more than all buffers on the way hold, or nothing would be left to break off
        (reference,) = stored(bucket, content)
        with bucket.open(reference) as file:
            assert list(tmp_path.iterdir()) == []
            assert file.read() == content
        pieces = bucket._pieces(bucket._key(reference))

        def broken_off(_bucket: Bucket, _key: str) -> Iterator[bytes]:
            yield next(pieces)
            way.cut()
            yield from pieces

        monkeypatch.setattr(Bucket, "_pieces", broken_off)
        monkeypatch.setattr(s3, "_PIECE", 1 << 10)
        with pytest.raises(StoreAway):
            bucket.open(reference)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_larger_than_what_is_sent_at_once_comes_in_parts(open_it: Open, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(s3, "_WHOLE", 1 << 20)
    monkeypatch.setattr(s3, "_PART", 5 << 20)
    bucket, content = open_it(), LARGE * 4
    with bucket.open(Whole(bucket).write(content)) as file:
        assert file.read() == content


def test_uploads_and_results_lie_apart_and_among_what_is_not_ours(open_it: Open, buckets: Buckets):
    address = buckets.new()
    uploads, results = open_it(f"{address}/here"), open_it(f"{address}/here", room="results")
    others = [open_it(f"{address}/{place}") for place in ("here/blobs", "her", "here2")]
    own, result, *_ = [stored(store, b"x")[0] for store in (uploads, results, *others)]
    for name in (f"here/blobs/{own[:2]}/notes.txt", f"here/blobs/{'0' * 32}", "here/notes.txt"):
        assert buckets.ask("PUT", f"/{uploads.name}/{name}", "not ours") == 200
    assert (list(uploads.written(0, 1e12)), list(results.written(0, 1e12))) == ([own], [result])
    assert uploads.mark("one")
    assert not results.is_marked("one")
    assert uploads.mark_of("one") == f"{address}/here/blobs/ledger-one"
    assert bytes(uploads._way.asked.get(f"here/blobs/{own[:2]}/{own}").bytes()) == b"x"


def test_a_disk_without_room_for_what_is_on_its_way_is_said_to_be_full(open_it: Open, monkeypatch: pytest.MonkeyPatch):
    def full(*_given: Any, **_more: Any) -> Any:
        return Path("/dev/full").open("r+b", buffering=0)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    bucket = open_it()
    writing = bucket.create()
    with pytest.raises(StorageFull, match="no room to write a file: No space left on device"):
        writing.write(LARGE)
    writing.discard()
    assert list(bucket.written(0, 1e12)) == []


def test_without_the_library_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    really = builtins.__import__

    def missing(name: str, *given: Any) -> Any:
        if name.startswith("obstore"):
            raise ModuleNotFoundError(name)
        return really(name, *given)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(Misconfigured, match="need the library obstore") as raised:
        open_bucket("s3://bucket", "blobs")
    assert "paperlane[s3]" in raised.value.hint


def test_a_variable_that_makes_no_sense_is_no_secret_told(open_it: Open):
    with pytest.raises(Misconfigured, match=r"one of the AWS_\.\.\. variables makes no sense") as raised:
        open_it(AWS_CHECKSUM_ALGORITHM=SECRET)
    assert SECRET not in raised.value.message + raised.value.hint
