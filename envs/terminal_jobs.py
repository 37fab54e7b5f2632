"""Jobs on files: what is asked, what the files are to be afterwards, and a shell command that does it.

The last two are found independently: in Python here, by `sh` in the sandbox.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

Files = dict[str, str]  # path -> text, lines ending in a newline
_WORDS = (
    *(
        "apple",
        "river",
        "stone",
        "green",
        "candle",
        "window",
        "mirror",
        "silver",
        "garden",
        "winter",
        "letter",
        "button",
    ),
    *("copper", "desert", "engine", "forest", "harbor", "island", "jacket", "kettle", "ladder", "marble", "needle"),
)
_NAMES = ("notes", "draft", "list", "report", "diary", "plan", "memo", "index", "log", "summary", "agenda", "table")
_FOLDERS = ("docs", "work", "old", "data", "archive")
_KINDS = ("txt", "md", "log")


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to be done: in words, the files afterwards, and the command."""

    words: str
    after: Files
    command: str


def make_files(rng: random.Random, difficulty: float) -> Files:
    """5 files in 2 folders at difficulty 0, 11 in 4 at 1, where some names hold a blank; and one table."""
    folders = rng.sample(_FOLDERS, 2 + round(2 * difficulty))
    names = rng.sample(_NAMES, 5 + round(6 * difficulty))
    files = {}
    for i, name in enumerate(names):
        spaced = f"my {name}" if rng.random() < difficulty - 0.5 else name
        lines = [" ".join(rng.choice(_WORDS) for _ in range(rng.randint(1, 4))) for _ in range(rng.randint(2, 6))]
        files[f"{folders[i % len(folders)]}/{spaced}.{rng.choice(_KINDS)}"] = "\n".join(lines) + "\n"
    people = rng.sample(("ada", "ben", "cleo", "dan", "eva", "finn", "gus", "hana"), rng.randint(3, 6))
    rows = [f"{name},{rng.choice(_WORDS)},{rng.randint(1, 99)}" for name in people]
    files["people.csv"] = "\n".join(["name,thing,count", *rows]) + "\n"
    return files


def quoted(path: str) -> str:
    """The path as the shell reads it whole."""
    return path if re.fullmatch(r"[\w./-]+", path) else f"'{path}'"


def _texts(files: Files) -> list[str]:
    return [path for path in files if not path.endswith(".csv")] or [*files]


def _folder(rng: random.Random, files: Files) -> str:
    return rng.choice([path.rpartition("/")[0] for path in files if "/" in path] or ["docs"])


def _lines(text: str) -> list[str]:
    return text.splitlines()


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _write(rng: random.Random, files: Files) -> Job:
    path, words = f"{rng.choice(_FOLDERS)}/new.txt", " ".join(rng.sample(_WORDS, 3))
    folder = path.partition("/")[0]
    return Job(
        f"Make the file {path} with the one line: {words}",
        {**files, path: f"{words}\n"},
        f"mkdir -p {folder}\necho '{words}' > {path}",
    )


def _replace(rng: random.Random, files: Files) -> Job:
    old, new = rng.choice(_WORDS), rng.choice(("amber", "velvet", "orbit", "puzzle"))
    return Job(
        f"Replace every {old} by {new} in all files.",
        {path: text.replace(old, new) for path, text in files.items()},
        f"find . -type f -exec sed -i 's/{old}/{new}/g' {{}} +",
    )


def _rename(rng: random.Random, files: Files) -> Job:
    old, new = rng.choice(_KINDS), rng.choice(("bak", "old", "copy"))
    renamed = {re.sub(rf"\.{old}$", f".{new}", path): text for path, text in files.items()}
    return Job(
        f"Rename all files that end in .{old} so that they end in .{new} instead, in every folder.",
        renamed,
        f'find . -name "*.{old}" | while IFS= read -r f; do mv "$f" "${{f%.{old}}}.{new}"; done',
    )


def _delete(rng: random.Random, files: Files) -> Job:
    word = rng.choice(_WORDS)
    return Job(
        f"Delete every file that holds the word {word}.",
        {path: text for path, text in files.items() if word not in text},
        f"grep -rlZ {word} . | xargs -0 -r rm",
    )


def _sort(rng: random.Random, files: Files) -> Job:
    path = rng.choice(_texts(files))
    return Job(
        f"Sort the words of {path} alphabetically, one on a line, each only once, and write them back to it.",
        {**files, path: _joined(sorted(set(files[path].split())))},
        f"tr ' ' '\\n' < {quoted(path)} | sort -u > tmp.part\nmv tmp.part {quoted(path)}",
    )


def _find(rng: random.Random, files: Files) -> Job:
    word = rng.choice(_WORDS)
    found = sorted(path for path, text in files.items() if word in text)
    return Job(
        f"Write the paths of all files that hold the word {word} to found.txt, sorted, one on a line, like docs/x.txt.",
        {**files, "found.txt": _joined(found)},
        f"grep -rl {word} . | sed 's|^./||' | LC_ALL=C sort > found.part\nmv found.part found.txt",
    )


def _count(rng: random.Random, files: Files) -> Job:
    folder = _folder(rng, files)
    inside = sorted(p for p in files if p.startswith(f"{folder}/"))
    lines = [f"{len(_lines(files[p]))} {p.rpartition('/')[2]}" for p in inside]
    return Job(
        f"Write to counts.txt, for every file in {folder} in the order of their names, a line with the number of its "
        "lines, a blank and its name.",
        {**files, "counts.txt": _joined(lines)},
        f'cd {folder}\nfor f in *; do echo "$(wc -l < "$f" | tr -d " ") $f"; done > ../counts.txt\ncd ..',
    )


def _column(rng: random.Random, files: Files) -> Job:
    rows = [line.split(",") for line in _lines(files["people.csv"])[1:]]
    return Job(
        "Write the names in people.csv, without the head, sorted from the largest count to the smallest, to names.txt; "
        "of equal counts the name that comes first in the alphabet stands first.",
        {**files, "names.txt": _joined([r[0] for r in sorted(rows, key=lambda r: (-int(r[2]), r[0]))])},
        "tail -n +2 people.csv | LC_ALL=C sort -t, -k3,3nr -k1,1 | cut -d, -f1 > names.txt",
    )


def _total(rng: random.Random, files: Files) -> Job:
    least = rng.randint(10, 60)
    counts = [int(line.split(",")[2]) for line in _lines(files["people.csv"])[1:]]
    return Job(
        f"Add up those counts in people.csv that are above {least} and write the sum to total.txt.",
        {**files, "total.txt": f"{sum(c for c in counts if c > least)}\n"},
        f"tail -n +2 people.csv | awk -F, '$3 > {least} {{ s += $3 }} END {{ print s + 0 }}' > total.txt",
    )


def _by_kind(rng: random.Random, files: Files) -> Job:
    after = {f"{p.rpartition('.')[2]}/{p.rpartition('/')[2]}": text for p, text in files.items()}
    return Job(
        "Move every file into a folder at the top named after its ending (a.txt to txt/a.txt).",
        after,
        'find . -type f | while IFS= read -r f; do k=${f##*.}; mkdir -p "$k"; '
        '[ "$f" = "./$k/${f##*/}" ] || mv "$f" "$k/"; done',
    )


def _join(rng: random.Random, files: Files) -> Job:
    folder = _folder(rng, files)
    inside = sorted(p for p in files if p.startswith(f"{folder}/"))
    rest = {p: t for p, t in files.items() if p not in inside}
    return Job(
        f"Join all files of the folder {folder} in the order of their names into {folder}.txt at the top, then delete "
        "them.",
        {**rest, f"{folder}.txt": "".join(files[p] for p in inside)},
        f"cat {folder}/* > {folder}.part\nrm -r {folder}\nmv {folder}.part {folder}.txt",
    )


def _numbered(rng: random.Random, files: Files) -> Job:
    path = rng.choice(_texts(files))
    lines = [f"{i}: {line}" for i, line in enumerate(reversed(_lines(files[path])), 1)]
    return Job(
        f"Turn the order of the lines of {path} round, then put before each its number from 1, a colon and a blank.",
        {**files, path: _joined(lines)},
        f"tac {quoted(path)} | awk '{{ print NR \": \" $0 }}' > tmp.part\nmv tmp.part {quoted(path)}",
    )


JOBS: tuple[tuple[float, Callable[[random.Random, Files], Job]], ...] = (
    (0.0, _write),
    (0.0, _replace),
    (0.1, _sort),
    (0.2, _rename),
    (0.3, _find),
    (0.35, _delete),
    (0.4, _total),
    (0.5, _column),
    (0.55, _numbered),
    (0.6, _join),
    (0.7, _count),
    (0.8, _by_kind),
)
