"""Checks cuts.py on made-up recordings: python3 -m unittest discover -s loadtest/scripts"""

import unittest

import cuts
from hypotheses import Line, Word


def line(said: str, heard: str, cuts_s: list[float]) -> Line:
    """Every heard word takes half a second, one after another from 0."""
    words = [Word(text, i * 0.5, i * 0.5 + 0.4, 0.9) for i, text in enumerate(heard.split())]
    return Line("a.wav", "en", ["joined"], 10.0, said, heard, words, cuts_s)


def counts(found: dict[str, list]) -> dict[str, int]:
    return {name: len(faults) for name, faults in found.items() if faults}


class Cuts(unittest.TestCase):
    said = "it was the best of times it was the worst of times"

    def test_a_word_lost_at_a_cut_and_one_elsewhere(self):
        heard = "it was the of times it was the worst of times"
        self.assertEqual(counts(cuts.faults(line(self.said, heard, [1.45]), 0.5)), {"lost": 1})
        self.assertEqual(counts(cuts.faults(line(self.said, heard, [4.5]), 0.5)), {"lost elsewhere": 1})

    def test_a_doubled_word_at_a_cut(self):
        heard = "it was the best best of times it was the worst of times"
        self.assertEqual(counts(cuts.faults(line(self.said, heard, [2.0]), 0.5)), {"doubled": 1})
        heard = "it was the best indeed of times it was the worst of times"
        self.assertEqual(counts(cuts.faults(line(self.said, heard, [2.0]), 0.5)), {"made up": 1})

    def test_misheard_words_other_spellings_and_numbers_are_not_lost(self):
        heard = "it was the beast of times it was the worst of times"
        self.assertEqual(counts(cuts.faults(line(self.said, heard, [1.5]), 0.5)), {})
        self.assertEqual(counts(cuts.faults(line("is every day well-spent here", "is everyday well spent here", [0.5]), 0.5)), {})
        found = cuts.faults(line("in fourteen fifty five he", "in 1455 he", [0.5]), 0.5)
        self.assertEqual(counts(found), {"numbers": 1})


if __name__ == "__main__":
    unittest.main()
