"""How good Paperlane reads and judges documents, measured on given data beside other programs."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "quality"
"""Where the figures of a run are kept, a JSON file a part."""
