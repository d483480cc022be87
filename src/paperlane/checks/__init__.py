"""Asking questions of documents: one check a file, each with its own examples."""
