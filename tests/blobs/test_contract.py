"""Files by reference, in whatever place: whole, nowhere else, and found again until they are removed."""

import os
import time
from collections.abc import Sequence

import pytest

from paperlane.blobs import Store
from paperlane.blobs.whole import Whole

LARGE = os.urandom(3 << 20)  # more than is kept in memory on its way in


def stored(store: Store, *contents: bytes) -> Sequence[str]:
    """The references of an upload's files."""
    references: list[str] = []
    for content in contents:
        writing = store.create(beside=references[0] if references else "")
        writing.write(content)
        writing.close()
        references.append(writing.reference)
    store.keep(references)
    return references


@pytest.mark.parametrize("count", [1, 20])
def test_what_was_written_can_be_read(store: Store, count: int):
    references: list[str] = []
    for number in range(count):
        writing = store.create(beside=references[0] if references else "")
        writing.write(b"one ")
        writing.write(str(number).encode())
        writing.close()
        assert writing.size == 4 + len(str(number))
        references.append(writing.reference)
    store.keep(references)
    assert len({reference[:2] for reference in references}) == 1
    assert len(set(references)) == count
    for number, reference in enumerate(references):
        with store.open(reference) as file:
            assert file.read() == f"one {number}".encode()


@pytest.mark.parametrize("content", [b"", b"x", LARGE], ids=len)
def test_a_file_comes_with_a_descriptor_from_which_another_process_can_read_it(store: Store, content: bytes):
    (reference,) = stored(store, content)
    with store.open(reference) as file:
        assert os.pread(file.fileno(), len(content) + 1, 0) == content
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 0
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(file.fileno(), b"x")


def test_what_is_discarded_or_removed_is_gone(store: Store):
    kept, given_up, discarded = store.create(), store.create(), store.create()
    for writing in (kept, given_up):
        writing.write(b"x")
        writing.close()
    discarded.write(b"x")
    discarded.discard()
    given_up.discard()
    assert store.holds(kept.reference)
    assert not store.holds(given_up.reference)
    assert list(store.written(0, 1e12)) == [kept.reference]
    store.remove(kept.reference)
    store.remove(kept.reference)
    assert list(store.written(0, 1e12)) == []
    for writing in (kept, given_up, discarded):
        with pytest.raises(FileNotFoundError):
            store.open(writing.reference)


@pytest.mark.parametrize("reference", ["", "../../etc/passwd", "0" * 31, "0" * 31 + "/", "G" * 32])
def test_a_reference_leads_nowhere_else(store: Store, reference: str):
    for ask in (store.open, store.remove, store.holds):
        with pytest.raises(FileNotFoundError):
            ask(reference)


def test_files_are_found_by_when_they_were_written(store: Store):
    assert list(store.written(0, 1e12)) == []
    before = time.time() - 2  # a store counts whole seconds
    references = stored(store, b"one", b"other")
    after = time.time() + 2
    assert set(store.written(before, after)) == set(references)
    assert list(store.written(0, before)) == list(store.written(after, 1e12)) == []


def test_a_store_knows_whether_one_ledger_only_ever_used_it(store: Store):
    store.check()
    assert not store.is_marked("one")
    assert store.mark("one")
    assert store.mark("one")
    assert store.is_marked("one")
    assert not store.is_marked("two")
    assert not store.mark("two")
    assert not store.mark("one")
    assert list(store.written(0, 1e12)) == []
    assert str(store.mark_of("one")).endswith("/blobs/ledger-one")


def test_whole_contents_are_there_until_they_are_removed(store: Store):
    whole = Whole(store)
    one, other = whole.write(LARGE), whole.write(b"")
    assert (whole.read(one), whole.read(other)) == (LARGE, b"")
    whole.remove(one)
    whole.remove(one)
    with pytest.raises(FileNotFoundError):
        whole.read(one)
    assert list(store.written(0, 1e12)) == [other]
