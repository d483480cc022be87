"""Where the steps of the document chain run; apart from `assembly`, for a file is tested without a ledger."""

from paperlane.settings import Settings
from paperlane.work.sandbox import Limits, Sandbox

_STEPS = "paperlane.pipeline:STEPS"


def open_sandbox(settings: Settings) -> Sandbox:
    """Child processes for the steps of the document chain."""
    limits = Limits(
        memory_bytes=settings.step_memory_mb << 20,
        cpu_seconds=settings.step_cpu_seconds,
        wall_seconds=settings.step_seconds,
        output_bytes=settings.step_output_mb << 20,
    )
    return Sandbox(_STEPS, limits, children=settings.sandboxes)
