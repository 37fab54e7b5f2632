"""Constraints on the language of a reply. What can't be decided is not met."""

from rewards.constraint_types import Constraint, Finding, Parameter
from rewards.language import LANGUAGES, detect_language


def _language(text: str, language: str) -> Finding:
    found = detect_language(text)
    name = LANGUAGES[found] if found else "no one language that can be told"
    return Finding(found == language, f"written in {name}")


LANGUAGE = (
    Constraint(
        "language",
        {"language": Parameter(f"one of {sorted(LANGUAGES)}", lambda v: isinstance(v, str) and v in LANGUAGES)},
        lambda language: f"Write the whole reply in {LANGUAGES[language]}.",
        _language,
        {"language": "fr"},
    ),
)
