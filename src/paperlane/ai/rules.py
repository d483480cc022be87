"""What a model may look for: defects that no rule of ours can find."""

from collections.abc import Mapping

CATEGORIES: Mapping[str, str] = {
    "ambiguous": "ambiguity",
    "contradiction": "consistency",
    "untestable": "verifiability",
    "missing-condition": "completeness",
    "missing-error-case": "completeness",
    "implementation-detail": "design",
    "inconsistent-term": "terminology",
}
"""The category of each rule that a model may name."""
