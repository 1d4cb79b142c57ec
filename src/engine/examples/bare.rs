//! The bare engine on recordings, without server: texts, word times and CPU seconds per second of audio.
//!
//! `bare MODELS_DIR MODE MODEL FILE...` with FILE any supported recording, or `-` for a list on standard input.
//! Modes: `batch` (whole files), `final` (whole files, the interim of the whole file as draft), `live` (utterances of
//! at most 8 s, an interim each 0.5 s up to 3 s and then each second, and a final), `finals` (the same utterances,
//! finals alone), `vad` (voice activity alone), `words` (as `batch`, one word a line with its times).

use sottovoce_actors::ports::engine::{Engine, Hypothesis, TokenId, Unit, UnitKind};
use sottovoce_actors::segment::FRAME_SAMPLES;
use sottovoce_engine::{EmbeddedEngine, EmbeddedModel, EngineOptions};
use sottovoce_media::{DecodeLimits, MonoReader};
use sottovoce_protocol::ids::ModelId;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const RATE: usize = 16_000;
const UTTERANCE: usize = 8 * RATE;

#[expect(clippy::disallowed_methods, reason = "measures wall time, and has no runtime")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [models_dir, mode, model, files @ ..] = &arguments[..] else {
        return Err("usage: bare MODELS_DIR batch|final|live|finals|vad|words MODEL FILE...".into());
    };
    let known = EmbeddedModel::named(model).ok_or("MODEL is moonshine, moonshine-tiny or moonshine-base")?;
    let started = (Instant::now(), cpu_seconds());
    let engine = EmbeddedEngine::load(
        Path::new(models_dir),
        &EngineOptions { models: vec![known], ..EngineOptions::default() },
    )?;
    let bare = Bare { engine, model: ModelId::new(model) };
    eprintln!(
        "loaded in {:.2} s ({:.2} CPU-s), {} MB resident, live cost {:.3}",
        started.0.elapsed().as_secs_f64(),
        cpu_seconds() - started.1,
        resident_mb(),
        bare.engine.live_cost(&bare.model)
    );
    let files: Vec<String> = match files {
        [dash] if dash == "-" => std::io::stdin().lines().collect::<Result<_, _>>()?,
        files => files.to_vec(),
    };
    let before = cpu_seconds();
    let mut seconds = 0.0;
    for file in &files {
        let audio: Arc<[f32]> = read(Path::new(file))?.into();
        seconds += audio.len() as f64 / RATE as f64;
        bare.run(mode, file, &audio)?;
    }
    let per_second = (cpu_seconds() - before) / seconds;
    eprintln!(
        "{mode} {model}: {per_second:.4} CPU-s per audio-s, {seconds:.1} s of audio, {} MB resident",
        resident_mb()
    );
    Ok(())
}

struct Bare {
    engine: EmbeddedEngine,
    model: ModelId,
}

impl Bare {
    fn run(&self, mode: &str, file: &str, audio: &Arc<[f32]>) -> Result<(), Box<dyn Error>> {
        let whole = |kind, draft| self.hear(audio, 0..audio.len(), kind, draft);
        match mode {
            "batch" => println!("{file}\t{}", whole(UnitKind::Batch, vec![])?.text),
            "final" => {
                let interim = whole(UnitKind::Interim, vec![])?;
                println!("{file}\t{}", whole(UnitKind::Final, interim.tokens)?.text);
            }
            "words" => {
                for word in whole(UnitKind::Batch, vec![])?.words {
                    println!(
                        "{file}\t{:.2}\t{:.2}\t{:.3}\t{}",
                        word.start_s, word.end_s, word.confidence, word.text
                    );
                }
            }
            "live" | "finals" => {
                let starts = (0..audio.len()).step_by(UTTERANCE);
                let texts: Result<Vec<String>, _> =
                    starts.map(|start| self.utterance(mode == "live", audio, start)).collect();
                println!("{file}\t{}", texts?.join(" | "));
            }
            "vad" => {
                let mut detector = self.engine.voice_detector();
                let (mut voiced, mut frames) = (0, 0);
                for frame in audio.as_chunks::<FRAME_SAMPLES>().0 {
                    frames += 1;
                    voiced += usize::from(detector.probability(frame)? > 0.5);
                }
                println!("{file}\t{voiced} of {frames} frames are speech");
            }
            _ => return Err(format!("there is no mode {mode}").into()),
        }
        Ok(())
    }

    fn utterance(&self, interims: bool, audio: &Arc<[f32]>, start: usize) -> Result<String, Box<dyn Error>> {
        let end = (start + UTTERANCE).min(audio.len());
        let mut draft = vec![];
        let mut heard = start;
        while interims && heard < end {
            let step = if heard - start < 3 * RATE { RATE / 2 } else { RATE };
            heard = (heard + step).min(end);
            draft = self.hear(audio, start..heard, UnitKind::Interim, draft)?.tokens;
        }
        Ok(self.hear(audio, start..end, UnitKind::Final, draft)?.text)
    }

    fn hear(
        &self,
        audio: &Arc<[f32]>,
        range: std::ops::Range<usize>,
        kind: UnitKind,
        draft: Vec<TokenId>,
    ) -> Result<Hypothesis, Box<dyn Error>> {
        let audio = if range.len() == audio.len() { Arc::clone(audio) } else { audio[range].into() };
        Ok(self.engine.recognise(&Unit { audio, draft, kind, model: self.model.clone() })?)
    }
}

/// Reads any supported recording as 16 kHz mono.
fn read(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let mut reader = MonoReader::open(std::fs::File::open(path)?, DecodeLimits { max_duration_s: 4 * 3600 })?;
    let mut samples = Vec::new();
    while let Some(piece) = reader.next()? {
        samples.extend(piece);
    }
    Ok(samples)
}

/// Returns the CPU time of this process, user and system, in seconds (fields 14 and 15 of `stat`, in 1/100 s).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Returns the resident memory of this process, in MB.
fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().split(' ').next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() / 1024
}
