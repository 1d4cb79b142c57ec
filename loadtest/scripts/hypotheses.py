"""Reads hypotheses.tsv (see src/hypotheses.rs). Holds what the scoring scripts share; measures nothing itself."""

import csv
import json
import re
import sys
from dataclasses import dataclass

csv.field_size_limit(sys.maxsize)


@dataclass
class Word:
    """A word as the server gave it, with times in seconds from the start of the recording."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass
class Line:
    """One recording: what was said and what was heard."""

    file: str
    language: str
    tags: list[str]
    seconds: float
    reference: str
    hypothesis: str
    words: list[Word]
    cuts_s: list[float]


def read(path: str) -> list[Line]:
    """Returns the lines of a hypotheses.tsv."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Line(
                file=row["file"],
                language=row["language"],
                tags=[tag for tag in row["tags"].split(",") if tag],
                seconds=float(row["seconds"]),
                reference=row["reference"],
                hypothesis=row["hypothesis"],
                words=[Word(*word) for word in json.loads(row["words"])],
                cuts_s=json.loads(row["cuts"]),
            )
            for row in rows
        ]


def plain(word: str) -> str:
    """Returns a word in lower case without punctuation, for matching words with times one by one."""
    return re.sub(r"[^\w]", "", word.lower().replace("_", ""))
