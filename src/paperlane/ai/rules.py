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

OF_MODELS = "model/"
"""What stands before such a name in issues, and in comments that speak of them."""
