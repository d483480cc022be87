"""A program that speaks the benchmarks' protocol."""

import sys

from benchmarks.protocol import speak


class Echo:
    def say(self, word: str) -> str:
        sys.stdout.write("to the log, and no part of the answer")
        return word

    def refuse(self) -> None:
        raise ValueError("no")


speak(Echo())
