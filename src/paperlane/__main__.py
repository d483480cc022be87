"""`python -m paperlane` is the command line."""

from paperlane.cli import main

main()
