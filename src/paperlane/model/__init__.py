"""The shared words: frozen dataclasses that every room may use, and that use no room."""
