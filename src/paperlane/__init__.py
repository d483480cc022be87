"""Paperlane tests documents and schedules that work fairly."""

__version__ = "0.1.0"
