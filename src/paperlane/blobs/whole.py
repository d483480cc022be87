"""Files that are written and read as a whole: large results of steps, which are in memory anyway."""

from dataclasses import dataclass

from paperlane.blobs import Blobs


@dataclass(frozen=True, slots=True)
class Whole:
    """The ledger's `Files`, in a place of their own."""

    blobs: Blobs

    def write(self, content: bytes) -> str:
        writing = self.blobs.create()
        try:
            writing.write(content)
            writing.close()
            self.blobs.keep([writing.reference])
        except BaseException:
            writing.discard()
            raise
        return writing.reference

    def read(self, reference: str) -> bytes:
        with self.blobs.open(reference) as file:
            return file.read()

    def remove(self, reference: str) -> None:
        self.blobs.remove(reference)
