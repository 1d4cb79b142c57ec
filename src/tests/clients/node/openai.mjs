// openai for Node as its users run it: transcribes a recording in every format and prints what it got, as JSON.
// Arguments, after `-`: URL KEY WAV
import { createReadStream } from "node:fs";
import OpenAI, { APIError, toFile } from "openai";

const [url, key, path] = process.argv.slice(2);
const audio = (apiKey) => new OpenAI({ apiKey, baseURL: `${url}/v1` }).audio;
const transcribed = (options) =>
  audio(key).transcriptions.create({ file: createReadStream(path), model: "whisper-1", ...options });

async function refused(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    return { kind: error.constructor.name, status: error.status, code: error.code ?? null, param: error.param ?? null };
  }
  return { kind: "none", status: 200, code: null, param: null };
}

const plain = await transcribed({ prompt: "Beckett.", temperature: 0.2, language: "en" });
const verbose = await transcribed({
  response_format: "verbose_json",
  timestamp_granularities: ["word", "segment"],
});
const translated = await audio(key).translations.create({ file: createReadStream(path), model: "whisper-1" });
const playlist = await toFile(Buffer.from("#EXTM3U\nfile:///etc/passwd"), "talk.wav");
console.log(
  JSON.stringify({
    text: plain.text,
    seconds: plain.usage.seconds,
    plain: await transcribed({ response_format: "text" }),
    srt: await transcribed({ response_format: "srt" }),
    vtt: await transcribed({ response_format: "vtt" }),
    language: verbose.language,
    duration: verbose.duration,
    words: verbose.words.map((word) => [word.word, word.start, word.end]),
    segments: verbose.segments.map((segment) => segment.text),
    translated: translated.text,
    bad_key: await refused(() => audio("sv_nobody").transcriptions.create({ file: playlist, model: "whisper-1" })),
    bad_file: await refused(() => audio(key).transcriptions.create({ file: playlist, model: "whisper-1" })),
    streamed: await refused(() => transcribed({ stream: true })),
    other_language: await refused(() => transcribed({ language: "pt" })),
  }),
);
