"""The ledger's own benchmarks: what is measured, on which database, beside whom."""
