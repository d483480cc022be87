"""A model's endpoint that does as a script says: slow, rate-limited, broken, lying; for tests and measurements."""
