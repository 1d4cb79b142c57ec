"""WER by language and tag with OpenAI's normalisers, words heard where nobody speaks, confidence on noisy and clean.

    python3 -m venv .venv && .venv/bin/pip install whisper-normalizer==0.1.15 jiwer==4.0.0
    .venv/bin/python loadtest/scripts/score.py batch.tsv [live.tsv ...]

English uses Whisper's English normaliser, other languages the basic one. WER is total errors over total words.
"""

import statistics
import sys
from collections import defaultdict

import jiwer
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

import hypotheses

ENGLISH, BASIC = EnglishTextNormalizer(), BasicTextNormalizer()


def errors(line: hypotheses.Line) -> tuple[int, int, int, int]:
    """Returns reference words, substitutions, deletions, insertions."""
    normalise = ENGLISH if line.language in ("en", "") else BASIC
    reference, heard = normalise(line.reference).strip(), normalise(line.hypothesis).strip()
    if not reference:
        return 0, 0, 0, len(heard.split())
    counts = jiwer.process_words(reference, heard or "")
    return len(reference.split()), counts.substitutions, counts.deletions, counts.insertions


def wer_table(lines: list[hypotheses.Line], worst: int) -> None:
    groups = defaultdict(lambda: [0, 0, 0, 0, 0])
    single = []
    for line in lines:
        counted = errors(line)
        language = line.language or "?"
        for group in {language, *(f"{language} {tag}" for tag in line.tags)}:
            groups[group][0] += 1
            for i, count in enumerate(counted):
                groups[group][i + 1] += count
        single.append((sum(counted[1:]), counted[0], line.file))
    print(f"{'group':28}{'clips':>6}{'words':>7}{'WER %':>8}{'changed':>8}{'lost':>6}{'made up':>8}")
    for group, (clips, words, substituted, deleted, inserted) in sorted(groups.items()):
        rate = 100 * (substituted + deleted + inserted) / words if words else float("nan")
        print(f"{group:28}{clips:6}{words:7}{rate:8.2f}{substituted:8}{deleted:6}{inserted:8}")
    print("most errors: " + ", ".join(f"{name} {wrong}/{words}" for wrong, words, name in sorted(single)[: -worst - 1 : -1]))


def confidence(lines: list[hypotheses.Line]) -> None:
    def mean(wanted) -> str:
        clips = [statistics.fmean(w.confidence for w in line.words) for line in lines if line.words and wanted(line)]
        return f"{statistics.fmean(clips):.3f} ({len(clips)} clips)" if clips else "no clip"

    english = [line for line in lines if line.language in ("en", "")]
    lines = english or lines
    print(
        f"mean word confidence: noisy {mean(lambda l: 'noisy' in l.tags)}, clean {mean(lambda l: 'clean' in l.tags)}, "
        f"not noisy {mean(lambda l: 'noisy' not in l.tags)}"
    )


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for path in sys.argv[1:]:
        lines = hypotheses.read(path)
        print(f"\n{path}")
        wer_table([line for line in lines if line.language != "none"], worst=5)
        silent = [line for line in lines if line.language == "none"]
        heard = sum(len(line.hypothesis.split()) for line in silent)
        print(f"words heard where nobody speaks: {heard} in {len(silent)} clips")
        confidence([line for line in lines if line.language != "none"])


if __name__ == "__main__":
    main()
