"""Reading files: bytes of a known format become text with structure, or an error that says what to do."""
