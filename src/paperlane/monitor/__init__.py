"""Figures of the ledger and the machine are looked at again and again, kept for plots, and judged by alerts."""
