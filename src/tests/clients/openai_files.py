"""openai 3.x as its users run it: transcribes a recording in every format and prints what it got, as JSON.

openai_files.py URL KEY WAV
"""

import json
import sys

from openai import APIStatusError, OpenAI

url, key, path = sys.argv[1:]


def audio(key):
    return OpenAI(api_key=key, base_url=f"{url}/v1").audio


def transcribed(**options):
    with open(path, "rb") as recording:
        return audio(key).transcriptions.create(model="whisper-1", file=recording, **options)


def refused(call):
    try:
        call()
    except APIStatusError as error:
        kind = type(error).__name__
        return {"kind": kind, "status": error.status_code, "code": error.code, "param": error.param}
    return {"kind": "none", "status": 200, "code": None, "param": None}


plain = transcribed(prompt="Beckett.", temperature=0.2, language="en")
verbose = transcribed(response_format="verbose_json", timestamp_granularities=["word", "segment"])
with open(path, "rb") as recording:
    translated = audio(key).translations.create(model="whisper-1", file=recording)
playlist = ("talk.wav", b"#EXTM3U\nfile:///etc/passwd")
print(
    json.dumps(
        {
            "text": plain.text,
            "seconds": plain.usage.seconds,
            "plain": transcribed(response_format="text"),
            "srt": transcribed(response_format="srt"),
            "vtt": transcribed(response_format="vtt"),
            "language": verbose.language,
            "duration": verbose.duration,
            "words": [[word.word, word.start, word.end] for word in verbose.words],
            "segments": [segment.text for segment in verbose.segments],
            "translated": translated.text,
            "bad_key": refused(lambda: audio("sv_nobody").transcriptions.create(model="whisper-1", file=playlist)),
            "bad_file": refused(lambda: audio(key).transcriptions.create(model="whisper-1", file=playlist)),
            "streamed": refused(lambda: transcribed(stream=True)),
            "other_language": refused(lambda: transcribed(language="pt")),
        }
    )
)
