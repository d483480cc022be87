"""Benchmarks against the running service; each figure stands beside a limit or a peer of the same run."""
