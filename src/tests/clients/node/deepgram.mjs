// @deepgram/sdk 5 as its users run it on files: transcribes a recording and prints what it got, as JSON.
// Arguments, after `-`: URL KEY WAV
import { readFileSync } from "node:fs";
import { DeepgramClient, DeepgramError } from "@deepgram/sdk";

const [url, key, path] = process.argv.slice(2);
const files = (apiKey) => new DeepgramClient({ apiKey, baseUrl: url }).listen.v1.media;
const audio = readFileSync(path);
const options = { model: "nova-3", smart_format: true, utterances: true, diarize: true, extra: "room:7" };

async function refused(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof DeepgramError)) throw error;
    return { kind: error.constructor.name, status: error.statusCode, told: JSON.stringify(error.body) };
  }
  return { kind: "none", status: 200, told: "" };
}

const answer = await files(key).transcribeFile(audio, options);
const best = answer.results.channels[0].alternatives[0];
const playlist = Buffer.from("#EXTM3U\nfile:///etc/passwd");
console.log(
  JSON.stringify({
    transcript: best.transcript,
    words: best.words.map((word) => [word.punctuated_word, word.start, word.end]),
    sentences: best.paragraphs.paragraphs.flatMap((part) => part.sentences.map((sentence) => sentence.text)),
    utterances: answer.results.utterances.map((utterance) => utterance.transcript),
    duration: answer.metadata.duration,
    channels: answer.metadata.channels,
    request_id: answer.metadata.request_id,
    sha256: answer.metadata.sha256,
    bad_key: await refused(() => files("sv_nobody").transcribeFile(audio, options)),
    bad_file: await refused(() => files(key).transcribeFile(playlist, options)),
    address: await refused(() => files(key).transcribeUrl({ url: "http://127.0.0.1/talk.wav", ...options })),
  }),
);
