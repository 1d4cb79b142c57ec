"""deepgram-sdk 4.x as its users run it: streams a recording as it plays and prints what its callbacks got, as JSON.

listen_4.py URL KEY WAV
"""

import json
import sys
import threading
import time
import wave

from deepgram import DeepgramClient, DeepgramClientOptions, LiveOptions, LiveTranscriptionEvents

PATIENCE_S = 60

url, key, path = sys.argv[1:]
heard = {"interims": [], "finals": [], "metadata": None, "errors": []}
finalized, said_goodbye = threading.Event(), threading.Event()


def on_transcript(_client, result, **_):
    text = result.channel.alternatives[0].transcript
    words = [[word.word, word.start, word.end] for word in result.channel.alternatives[0].words]
    heard["finals" if result.is_final else "interims"].append(
        {"start": result.start, "duration": result.duration, "text": text, "words": words}
    )
    if result.from_finalize:
        finalized.set()


def on_metadata(_client, metadata, **_):
    heard["metadata"] = {"request_id": metadata.request_id, "duration": metadata.duration, "channels": metadata.channels}
    said_goodbye.set()


def on_error(_client, error, **_):
    heard["errors"].append(str(error))


connection = DeepgramClient(key, DeepgramClientOptions(url=url, options={"keepalive": "true"})).listen.websocket.v("1")
connection.on(LiveTranscriptionEvents.Transcript, on_transcript)
connection.on(LiveTranscriptionEvents.Metadata, on_metadata)
connection.on(LiveTranscriptionEvents.Error, on_error)

with wave.open(path) as recording:
    options = LiveOptions(
        model="nova-2",
        encoding="linear16",
        sample_rate=recording.getframerate(),
        channels=recording.getnchannels(),
        interim_results=True,
        punctuate=True,
    )
    if not connection.start(options):
        sys.exit("the connection was not opened")
    piece, begun, sent = recording.getframerate() // 10, time.monotonic(), 0
    while frames := recording.readframes(piece):
        connection.send(frames)
        sent += 1
        time.sleep(max(0.0, begun + sent * 0.1 - time.monotonic()))

connection.finalize()
if not finalized.wait(PATIENCE_S):
    heard["errors"].append("Finalize was not answered")
connection.send(json.dumps({"type": "CloseStream"}))
if not said_goodbye.wait(PATIENCE_S):
    heard["errors"].append("CloseStream was not answered")
connection.finish()
print(json.dumps(heard))
