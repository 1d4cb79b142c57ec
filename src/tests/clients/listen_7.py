"""deepgram-sdk 7.x as its users run it: streams a recording as it plays and prints what its callbacks got, as JSON.

listen_7.py URL KEY WAV
"""

import json
import sys
import threading
import time
import wave

from deepgram import DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment

PATIENCE_S = 60

url, key, path = sys.argv[1:]
socket_url = url.replace("http://", "ws://")
heard = {"interims": [], "finals": [], "metadata": None, "errors": []}
finalized, said_goodbye = threading.Event(), threading.Event()


def on_message(message):
    if message.type == "Results":
        best = message.channel.alternatives[0]
        heard["finals" if message.is_final else "interims"].append(
            {
                "start": message.start,
                "duration": message.duration,
                "text": best.transcript,
                "words": [[word.word, word.start, word.end] for word in best.words],
            }
        )
        if message.from_finalize:
            finalized.set()
    elif message.type == "Metadata":
        heard["metadata"] = {
            "request_id": message.request_id,
            "duration": message.duration,
            "channels": message.channels,
        }
        said_goodbye.set()


environment = DeepgramClientEnvironment(base=url, production=socket_url, agent=socket_url, agent_rest=url)
client = DeepgramClient(api_key=key, environment=environment)

with wave.open(path) as recording:
    with client.listen.v1.connect(
        model="nova-3",
        encoding="linear16",
        sample_rate=recording.getframerate(),
        channels=recording.getnchannels(),
        interim_results=True,
        punctuate=True,
    ) as connection:
        connection.on(EventType.MESSAGE, on_message)
        connection.on(EventType.ERROR, lambda error: heard["errors"].append(str(error)))
        listener = threading.Thread(target=connection.start_listening)
        listener.start()
        piece, begun, sent = recording.getframerate() // 10, time.monotonic(), 0
        while frames := recording.readframes(piece):
            connection.send_media(frames)
            sent += 1
            time.sleep(max(0.0, begun + sent * 0.1 - time.monotonic()))
        connection.send_finalize()
        if not finalized.wait(PATIENCE_S):
            heard["errors"].append("Finalize was not answered")
        connection.send_close_stream()
        if not said_goodbye.wait(PATIENCE_S):
            heard["errors"].append("CloseStream was not answered")
        # The server closes with 1000, which ends the listener by itself.
        listener.join(PATIENCE_S)
        if listener.is_alive():
            heard["errors"].append("the server did not close")
print(json.dumps(heard))
