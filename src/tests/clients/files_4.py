"""deepgram-sdk 4.x as its users run it on files: transcribes a recording and prints what it got, as JSON.

files_4.py URL KEY WAV
"""

import json
import sys

from deepgram import DeepgramApiError, DeepgramClient, DeepgramClientOptions, PrerecordedOptions

url, key, path = sys.argv[1:]
with open(path, "rb") as recording:
    audio = recording.read()


def files(key):
    return DeepgramClient(key, DeepgramClientOptions(url=url)).listen.rest.v("1")


def refused(call):
    try:
        call()
    except DeepgramApiError as error:
        return {"kind": type(error).__name__, "status": int(error.status), "told": str(error)}
    return {"kind": "none", "status": 200, "told": ""}


options = PrerecordedOptions(model="nova-2", smart_format=True, utterances=True, diarize=True, extra="room:7")
answer = files(key).transcribe_file({"buffer": audio}, options)
best = answer.results.channels[0].alternatives[0]
print(
    json.dumps(
        {
            "transcript": best.transcript,
            "words": [[word.punctuated_word, word.start, word.end] for word in best.words],
            "sentences": [sentence.text for part in best.paragraphs.paragraphs for sentence in part.sentences],
            "utterances": [utterance.transcript for utterance in answer.results.utterances],
            "duration": answer.metadata.duration,
            "channels": answer.metadata.channels,
            "request_id": answer.metadata.request_id,
            "sha256": answer.metadata.sha256,
            "bad_key": refused(lambda: files("sv_nobody").transcribe_file({"buffer": audio}, options)),
            "bad_file": refused(lambda: files(key).transcribe_file({"buffer": b"#EXTM3U\nfile:///etc/passwd"}, options)),
            "address": refused(lambda: files(key).transcribe_url({"url": "http://127.0.0.1/talk.wav"}, options)),
        }
    )
)
