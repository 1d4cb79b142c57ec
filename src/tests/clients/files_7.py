"""deepgram-sdk 7.x as its users run it on files: transcribes a recording and prints what it got, as JSON.

files_7.py URL KEY WAV
"""

import json
import sys

from deepgram import DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

url, key, path = sys.argv[1:]
socket_url = url.replace("http://", "ws://")
environment = DeepgramClientEnvironment(base=url, production=socket_url, agent=socket_url, agent_rest=url)
with open(path, "rb") as recording:
    audio = recording.read()


def files(key):
    return DeepgramClient(api_key=key, environment=environment).listen.v1.media


def refused(call):
    try:
        call()
    except ApiError as error:
        return {"kind": type(error).__name__, "status": error.status_code, "told": str(error.body)}
    return {"kind": "none", "status": 200, "told": ""}


options = {"model": "nova-3", "smart_format": True, "utterances": True, "diarize": True, "extra": "room:7"}
answer = files(key).transcribe_file(request=audio, **options)
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
            "bad_key": refused(lambda: files("sv_nobody").transcribe_file(request=audio, **options)),
            "bad_file": refused(lambda: files(key).transcribe_file(request=b"#EXTM3U\nfile:///etc/passwd", **options)),
            "address": refused(lambda: files(key).transcribe_url(url="http://127.0.0.1/talk.wav", **options)),
        }
    )
)
