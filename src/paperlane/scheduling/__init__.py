"""Scheduling turns free room into leases: waking up, taking turns, dispatching, and sweeping up what was lost."""
