"""Measures a whole service from outside, as the people who use it would: figures, promises and plots."""
