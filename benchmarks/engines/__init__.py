"""Tasks through Paperlane on other makers' programs, beside the same programs without it."""
