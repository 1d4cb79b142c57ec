"""Words lost or doubled near a cut (the boundary of two consecutive finals), per cent of the words said.

    python3 loadtest/scripts/cuts.py live.tsv [--tag joined] [--within 0.5] [--show]

Standard library only. Reference and hypothesis are aligned word by word. A stretch that does not match is called
  lost     when it has fewer words than the reference and is not merely spelt otherwise,
  doubled  when it has more, and the extra words repeat a neighbour,
  made up  when it has more that do not.
A stretch with a digit or a number word on either side is left out (and counted): "1455" is not two words lost.
A lost word has no time of its own; it lies between the end of the word heard before and the start of the word heard
after. It counts when a cut is within the given distance of that span. The same rate away from cuts is shown beside it:
what the model loses anyway.
"""

import argparse
import difflib
import re

import hypotheses
from hypotheses import Line, Word, plain

NUMBER_WORDS = set(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million first second third fourth "
    "fifth sixth seventh eighth ninth tenth".split()
)
SPELT_ALIKE = 0.7


def pieces(text: str) -> list[str]:
    """Returns the words of a text; hyphens and dashes part words."""
    return [word for word in (plain(part) for part in re.split(r"[\s\-\u2013\u2014]+", text)) if word]


def timed(words: list[Word]) -> list[Word]:
    """Returns the heard words, those with hyphens parted, each part with the times of the whole."""
    return [Word(part, w.start_s, w.end_s, w.confidence) for w in words for part in pieces(w.text)]


def has_number(words: list[str]) -> bool:
    return any(word in NUMBER_WORDS or any(c.isdigit() for c in word) for word in words)


def faults(line: Line, within_s: float) -> dict[str, list]:
    """Returns lost, doubled and made-up words near cuts and away from them, and stretches left out."""
    said, heard = pieces(line.reference), timed(line.words)
    texts = [word.text for word in heard]
    found = {"lost": [], "doubled": [], "made up": [], "lost elsewhere": [], "doubled elsewhere": [], "numbers": []}
    matcher = difflib.SequenceMatcher(None, said, texts, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            continue
        before_s = heard[c - 1].end_s if c > 0 else 0.0
        after_s = heard[d].start_s if d < len(heard) else line.seconds
        near = any(before_s - within_s <= cut <= after_s + within_s for cut in line.cuts_s)
        gone, extra = said[a:b], texts[c:d]
        if has_number(gone) or has_number(extra):
            found["numbers"].append((gone, extra))
            continue
        alike = difflib.SequenceMatcher(None, "".join(gone), "".join(extra)).ratio() >= SPELT_ALIKE
        missing, surplus = len(gone) - len(extra), len(extra) - len(gone)
        place = f"{before_s:.2f}-{after_s:.2f}"
        if missing > 0 and not alike:
            found["lost" if near else "lost elsewhere"].extend([(place, gone, extra)] * missing)
        elif surplus > 0 and not alike:
            around = said[max(0, a - 3) : a] + said[b : b + 3] + gone
            repeated = [word for word in extra if word in around]
            doubled = min(surplus, len(repeated))
            found["doubled" if near else "doubled elsewhere"].extend([(place, gone, extra)] * doubled)
            found["made up"].extend([(place, gone, extra)] * (surplus - doubled if near else 0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tsv", nargs="+")
    parser.add_argument("--tag", default="joined", help="only recordings with this tag ('' for all)")
    parser.add_argument("--within", type=float, default=0.5, help="seconds around a cut")
    parser.add_argument("--show", action="store_true", help="print each fault")
    arguments = parser.parse_args()
    names = ["lost", "doubled", "made up", "lost elsewhere", "doubled elsewhere", "numbers"]
    for path in arguments.tsv:
        total, words, cuts = dict.fromkeys(names, 0), 0, 0
        print(f"\n{path}\n{'recording':34}{'words':>6}{'cuts':>6}" + "".join(f"{name:>19}" for name in names))
        for line in hypotheses.read(path):
            if arguments.tag and arguments.tag not in line.tags:
                continue
            found = faults(line, arguments.within)
            count = len(pieces(line.reference))
            words, cuts = words + count, cuts + len(line.cuts_s)
            print(f"{line.file.split('/')[-1]:34}{count:6}{len(line.cuts_s):6}" + "".join(f"{len(found[n]):19}" for n in names))
            for name in names:
                total[name] += len(found[name])
                for fault in found[name] if arguments.show and name != "numbers" else []:
                    print(f"    {name}: {fault}")
        if words:
            share = 100 * (total["lost"] + total["doubled"]) / words
            print(f"lost or doubled within {arguments.within} s of {cuts} cuts: {share:.2f} % of {words} words")


if __name__ == "__main__":
    main()
