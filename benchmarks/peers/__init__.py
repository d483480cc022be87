"""Other task queues, each a program in an environment of its own that speaks `benchmarks.protocol`."""
