"""What programs of other makers load: each brings what arrives to the worker beside it, and knows nothing else."""
