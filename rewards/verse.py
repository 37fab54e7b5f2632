"""Poems to a form: syllables, rhyme scheme, meter, acrostic, words; judged by how the words sound.

The reward reads these keys of the target, all plain JSON:

    syllables  a [lowest, highest] pair for each line; it also says how many lines there are
    rhymes     optional scheme, a letter a line, "-" for a line that is free: "AABBA", "-A-A"
    meter      optional "iambic" or "trochaic"
    acrostic   optional word that the first letters of the lines spell
    words      optional words that have to be used
    forbidden  optional words that must not be

Where a word has several pronunciations any listed one counts. A line with a word that the dictionary lacks can't be
verified, and so is not met. Of language the rules judge what they can (`_unlike_language`): repetition, lines that say
the same, lists of words, pairs of small words that no sentence has. Order and sense beyond that go unjudged: for these
put a judge or a learned reward beside it.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from rewards.constraint_types import Finding
from rewards.pronunciation import pronunciations, rhyme, stresses
from rewards.score import Part, Score, Status, failure
from rewards.text import count_phrase, folded, visible, words
from rewards.transcript import Transcript

MAX_LINES = 60
MAX_LINE_WORDS = 30
LEAST_WORDS = 2  # a line of one long word is no verse
OVERLAP = 0.6  # of the words of the shorter line: two lines that share as many say the same
MOST_OF_ONE = 1 / 3  # of all words may be one and the same
DISTINCT = 0.5  # of all words have to differ
FUNCTION_SHARE = (0.15, 0.7)  # of all words: fewer is a list, more says nothing
_ARTICLES = frozenset(("a", "an", "the"))
_BEFORE_NOUNS = _ARTICLES | {"my", "our", "your", "their", "its", "every"}
_PREPOSITIONS = "of to from with at by for into onto beside beneath upon against among without toward"
_SMALL = (
    "in on and or but if because when while than as he she it we they i him them us me you is are was were am be has "
    "have had does did this that these those each his her another across along around towards during"
)
_OTHERS = (
    "all some no not one so yet then there here where who what which how over under near behind beyond above below "
    "between before after until through past within will shall would could should may might can must do been being "
    "like up down out off again still now never ever just only too very"
)
_STRANDED = "of with at by and or but is are was were he she we they i"
_NEVER_AFTER_THEM = _BEFORE_NOUNS | {*_PREPOSITIONS.split(), *_SMALL.split()}
FUNCTION_WORDS = _NEVER_AFTER_THEM | set(_OTHERS.split())
_NEVER_AFTER = {  # what never follows a word within a line
    **dict.fromkeys(("each", "another", "his"), _BEFORE_NOUNS | {"his", "each", "another"}),
    **dict.fromkeys(_PREPOSITIONS.split(), frozenset(_STRANDED.split())),
}
_BESIDES_LETTERS = re.compile(r"[\s.,;:!?'’‘\"“”()\-–—…]*")
_STRONG = {"iambic": 1, "trochaic": 0}  # the remainder by two of a strong position, from 0


def keeps_form(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the closing text is a poem of the target's form and nothing else, else 0; a part for each demand."""
    if fault := _fault(target):
        return failure(Status.TASK_ERROR, fault)
    lines = poem_lines(transcript.answer)
    wanted = len(target["syllables"])
    if not lines or len(lines) > MAX_LINES:
        return Score(0.0, f"{len(lines)} lines are no poem", status=Status.INVALID_OUTPUT)
    if len(lines) != wanted:
        return Score(0.0, f"{len(lines)} lines where {wanted} are asked for")
    said = [spoken(line) for line in lines]
    for line, found in zip(lines, said, strict=True):
        if found is None or not LEAST_WORDS <= len(found) <= MAX_LINE_WORDS:
            return Score(0.0, f"no words that can be verified, or too few: {line[:60]!r}")
    spoken_lines = [found for found in said if found is not None]
    if unlike := _unlike_language(spoken_lines):
        return Score(0.0, unlike)
    findings = _findings(spoken_lines, "\n".join(lines), target)
    parts = tuple(Part(name, float(f.met), 1.0, f.reason) for name, f in findings.items())
    unmet = "; ".join(f"{p.name}: {p.reason}" for p in parts if not p.value)
    return Score(float(not unmet), unmet or f"{len(lines)} lines as asked", parts)


def poem_lines(text: str) -> list[str]:
    """The lines of a poem, without the blank ones between its stanzas."""
    return [line.strip() for line in visible(text).splitlines() if line.strip()]


def spoken(line: str) -> list[str] | None:
    """The words of a line as the dictionary spells them; None where one isn't listed or a sign is none of verse's."""
    found: list[str] = []
    for written in words(line):
        word = written.lower().replace("’", "'")
        found += [word] if pronunciations(word) else word.split("-")
    signs = _BESIDES_LETTERS.fullmatch("".join(re.split(r"[A-Za-z]", line)))
    return found if signs and all(pronunciations(word) for word in found) else None


def line_lengths(line: Sequence[str], meter: str = "") -> set[int]:
    """The numbers of syllables that a line of listed words can have; with a meter, those at which it keeps to it.

    In meter the main stress of a longer word falls on a strong position; words of one syllable may stand
    anywhere, but an article never on a strong one (the monosyllable rule of Kiparsky 1977, simplified).
    """
    reached = {0}
    for word in line:
        reached = {at + len(s) for at in reached for s in stresses(word) if not meter or fits(word, s, at, meter)}
    return reached


def fits(word: str, stress: str, at: int, meter: str) -> bool:
    """Whether a word with that stress pattern may begin at syllable `at`, from 0, of a line in that meter."""
    strong = _STRONG[meter]
    if len(stress) == 1:
        return word not in _ARTICLES or at % 2 != strong
    return all((at + i) % 2 == strong for i, mark in enumerate(stress) if mark == "1")


def _findings(lines: Sequence[Sequence[str]], text: str, target: Mapping[str, Any]) -> dict[str, Finding]:
    meter = target.get("meter", "")
    findings = {"meter" if meter else "syllables": _lengths(lines, target["syllables"], meter)}
    if target.get("rhymes"):
        findings["rhymes"] = _scheme([line[-1] for line in lines], target["rhymes"])
    if target.get("acrostic"):
        spelled = "".join(line[0][0] for line in lines)
        findings["acrostic"] = Finding(spelled == folded(target["acrostic"]), f"the lines spell {spelled!r}")
    if target.get("words"):
        missing = [w for w in target["words"] if not count_phrase(w, text)]
        findings["words"] = Finding(not missing, f"missing: {', '.join(missing)}" if missing else "all are there")
    if target.get("forbidden"):
        used = [w for w in target["forbidden"] if count_phrase(w, text)]
        findings["forbidden"] = Finding(not used, f"used: {', '.join(used)}" if used else "none is used")
    return findings


def _lengths(lines: Sequence[Sequence[str]], wanted: Sequence[Sequence[int]], meter: str) -> Finding:
    for number, (line, (low, high)) in enumerate(zip(lines, wanted, strict=True), 1):
        if not any(low <= n <= high for n in line_lengths(line, meter)):
            counts = " or ".join(str(n) for n in sorted(line_lengths(line)))
            kind = f" {meter}" if meter else ""
            return Finding(False, f"line {number} has {counts} syllables where {low} to {high}{kind} are asked for")
    return Finding(True, "every line")


def _scheme(ends: Sequence[str], scheme: str) -> Finding:
    for (i, a), (j, b) in combinations(enumerate(scheme), 2):
        if a == b != "-" and not rhyme(ends[i], ends[j]):
            return Finding(False, f"{ends[i]!r} and {ends[j]!r} don't rhyme")
        if a != b and "-" not in (a, b) and (ends[i] == ends[j] or rhyme(ends[i], ends[j])):
            return Finding(False, f"{ends[i]!r} and {ends[j]!r} rhyme where the scheme parts them")
    return Finding(True, scheme)


def _unlike_language(lines: Sequence[Sequence[str]]) -> str:
    """What shows that this is no language: the same again, a list of words, articles in a row; or nothing."""
    said = [word for line in lines for word in line]
    counts = Counter(said)
    commonest, most = counts.most_common(1)[0]
    if most > MOST_OF_ONE * len(said) or len(counts) < DISTINCT * len(said):
        return f"the same words again and again ({commonest!r} {most} times in {len(said)})"
    for a, b in combinations(lines, 2):
        common = sum((Counter(a) & Counter(b)).values())
        if common > max(1, OVERLAP * min(len(a), len(b))):
            return f"two lines say the same: {' '.join(a)[:40]!r} and {' '.join(b)[:40]!r}"
    share = sum(counts[word] for word in FUNCTION_WORDS) / len(said)
    if not FUNCTION_SHARE[0] <= share <= FUNCTION_SHARE[1]:
        return f"no sentences: {share:.0%} of the words are function words"
    barred = [(a, b) for a, b in pairwise([*said, "of"]) if a in _BEFORE_NOUNS and b in _NEVER_AFTER_THEM]
    barred += [(a, b) for line in lines for a, b in pairwise(line) if b in _NEVER_AFTER.get(a, ())]
    return f"no sentences: {' '.join(barred[0])!r}" if barred else ""


def _fault(target: Mapping[str, Any]) -> str:
    """What is wrong with the target, or nothing."""
    lengths = target.get("syllables")
    if not isinstance(lengths, list | tuple) or not 0 < len(lengths) <= MAX_LINES or not all(map(_is_range, lengths)):
        return f"target syllables {lengths!r:.80} is no list of [lowest, highest] pairs, one a line"
    for name in ("rhymes", "acrostic"):
        value = target.get(name, "")
        if value and (not isinstance(value, str) or len(value) != len(lengths)):
            return f"target {name} {value!r:.80} must be a text of {len(lengths)} letters, one a line"
    if target.get("meter", "") not in ("", *_STRONG):
        return f"target meter {target['meter']!r:.80} is not known; use one of {list(_STRONG)}"
    for name in ("words", "forbidden"):
        value = target.get(name, [])
        if not isinstance(value, list | tuple) or not all(isinstance(w, str) and words(w) for w in value):
            return f"target {name} {value!r:.80} is no list of words"
    return ""


def _is_range(pair: Any) -> bool:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in pair)
    return whole and 1 <= pair[0] <= pair[1] <= 100
