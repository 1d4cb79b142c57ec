//! The engine on the real models. `make test` fetches them and says where they are.

#![expect(clippy::expect_used, reason = "tests")]

mod exact;

use exact::exact;
use sottovoce_actors::ports::engine::{Engine, EngineError, Hypothesis, TokenId, Unit, UnitKind};
use sottovoce_actors::segment::FRAME_SAMPLES;
use sottovoce_engine::convert::{MoonshineSources, WeightRange, prepare};
use sottovoce_engine::{EmbeddedEngine, EmbeddedModel, EngineOptions};
use sottovoce_media::{DecodeLimits, MonoReader};
use sottovoce_protocol::ids::ModelId;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

fn models_dir() -> PathBuf {
    match std::env::var_os("SOTTOVOCE_TEST_MODELS_DIR") {
        Some(dir) => dir.into(),
        None => {
            panic!("these tests need the models: run `make setup-test` and set SOTTOVOCE_TEST_MODELS_DIR")
        }
    }
}

/// One engine for all tests of the process.
fn engine() -> &'static EmbeddedEngine {
    static ENGINE: OnceLock<EmbeddedEngine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let options = EngineOptions { models: EmbeddedModel::ALL.to_vec(), cache_dir: None };
        EmbeddedEngine::load(&models_dir(), &options).expect("the models load")
    })
}

/// Returns the 10 s sample: "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
fn beckett() -> Arc<[f32]> {
    read(&models_dir().join("source/sample-speech/beckett.wav"))
}

fn read(path: &Path) -> Arc<[f32]> {
    let file = fs::File::open(path).expect("run `make setup-test`: the sample speech is missing");
    let mut reader = MonoReader::open(file, DecodeLimits { max_duration_s: 60 }).expect("it is a recording");
    let mut samples = Vec::new();
    while let Some(piece) = reader.next().expect("it decodes") {
        samples.extend(piece);
    }
    samples.into()
}

fn hear(audio: &Arc<[f32]>, kind: UnitKind, model: EmbeddedModel, draft: &[TokenId]) -> Hypothesis {
    let unit =
        Unit { audio: Arc::clone(audio), draft: draft.to_vec(), kind, model: ModelId::new(model.name()) };
    let heard = engine().recognise(&unit).expect("it is heard");
    check_contract(&heard, audio.len());
    heard
}

/// What the port promises of every hypothesis.
fn check_contract(heard: &Hypothesis, samples: usize) {
    let length_s = samples as f32 / 16_000.0;
    let words: Vec<&str> = heard.words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(words.join(" "), heard.text);
    assert!(heard.words.is_sorted_by(|a, b| a.start_s <= b.start_s), "{:?}", heard.words);
    for word in &heard.words {
        assert!(
            0.0 <= word.start_s && word.start_s <= word.end_s && word.end_s <= length_s,
            "{word:?} of {length_s}"
        );
        assert!((0.0..=1.0).contains(&word.confidence) && !word.text.is_empty(), "{word:?}");
    }
    assert!((0.0..=1.0).contains(&heard.confidence));
}

fn plain_words(text: &str) -> Vec<String> {
    let letters =
        |word: &str| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    text.split_whitespace().map(letters).collect()
}

const BECKETT: &str = "ever tried ever failed no matter try again fail again fail better";

#[test]
fn both_passes_hear_a_clear_sentence() {
    let audio = beckett();
    let interim = hear(&audio, UnitKind::Interim, EmbeddedModel::TwoPass, &[]);
    let settled = hear(&audio, UnitKind::Final, EmbeddedModel::TwoPass, &interim.tokens);
    for heard in [&interim, &settled] {
        let words = plain_words(&heard.text);
        let expected = plain_words(BECKETT);
        let same = words.iter().zip(&expected).filter(|(a, b)| a == b).count();
        assert!(words.len() == 12 && same >= 11, "heard {:?}", heard.text);
        assert!(heard.confidence > 0.6, "confidence {}", heard.confidence);
    }
    assert_ne!(interim.confidence, settled.confidence, "another model, another confidence");
}

#[test]
fn words_are_timed_where_they_are_said() {
    // Where the sound of these words begins in the recording, read from its loudness, to 0.05 s.
    let truth = [(0, 0.3), (4, 3.5), (8, 6.65)];
    for model in [EmbeddedModel::Tiny, EmbeddedModel::Base] {
        let heard = hear(&beckett(), UnitKind::Final, model, &[]);
        for (index, start_s) in truth {
            let word = &heard.words[index];
            assert!((word.start_s - start_s).abs() < 0.5, "{word:?} begins at {start_s}");
        }
        let fail = &heard.words[8];
        assert!((fail.start_s - 6.65).abs() < 0.15, "no word begins in the pause before it: {fail:?}");
    }
}

#[test]
fn a_draft_changes_little_and_a_wrong_draft_does_no_harm() {
    let audio = beckett();
    let alone = hear(&audio, UnitKind::Batch, EmbeddedModel::Base, &[]);
    let helped = hear(&audio, UnitKind::Batch, EmbeddedModel::Base, &alone.tokens);
    assert_eq!(plain_words(&helped.text), plain_words(&alone.text));
    let nonsense: Vec<TokenId> = (0..400).map(|index| TokenId(index * 977 % 40_000)).collect();
    let misled = hear(&audio, UnitKind::Batch, EmbeddedModel::Base, &nonsense);
    assert_eq!(plain_words(&misled.text), plain_words(&alone.text));
}

#[test]
fn the_model_of_the_pass_is_the_one_asked_for() {
    let audio = beckett();
    let tiny = hear(&audio, UnitKind::Interim, EmbeddedModel::Tiny, &[]);
    assert_eq!(hear(&audio, UnitKind::Interim, EmbeddedModel::TwoPass, &[]), tiny);
    let base = hear(&audio, UnitKind::Batch, EmbeddedModel::Base, &[]);
    assert_eq!(hear(&audio, UnitKind::Batch, EmbeddedModel::TwoPass, &[]), base);
    assert_eq!(hear(&audio, UnitKind::Final, EmbeddedModel::TwoPass, &[]), base);
    assert_ne!(tiny.tokens, base.tokens, "the clip tells the models apart");
}

#[test]
fn threads_share_the_model_and_hear_the_same() {
    let audio = beckett();
    let expected = hear(&audio, UnitKind::Interim, EmbeddedModel::Tiny, &[]);
    std::thread::scope(|scope| {
        let listeners: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| hear(&audio, UnitKind::Interim, EmbeddedModel::Tiny, &[])))
            .collect();
        for listener in listeners {
            assert_eq!(listener.join().expect("no panic"), expected);
        }
    });
}

#[test]
fn nothing_said_is_nothing_heard() {
    for seconds in [1, 5, 30] {
        let silence: Arc<[f32]> = vec![0.0; seconds * 16_000].into();
        for model in [EmbeddedModel::Tiny, EmbeddedModel::Base] {
            assert_eq!(hear(&silence, UnitKind::Final, model, &[]).words, []);
        }
    }
}

#[test]
fn odd_audio_is_answered_without_panic() {
    let speech = beckett();
    for samples in [0, 1, 100, 894, 895, 1_599, 1_600, 1_601, 4_000] {
        hear(&speech[..samples].into(), UnitKind::Final, EmbeddedModel::TwoPass, &[]);
    }
    let broken = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, f32::MIN_POSITIVE];
    let noise: Vec<f32> = (0..16_000).map(|index| broken[index % broken.len()]).collect();
    hear(&noise.into(), UnitKind::Interim, EmbeddedModel::TwoPass, &[]);
    let mut holes = speech.to_vec();
    holes.iter_mut().step_by(1_000).for_each(|sample| *sample = f32::NAN);
    let heard = hear(&holes.into(), UnitKind::Final, EmbeddedModel::TwoPass, &[]);
    assert!(plain_words(&heard.text).len() >= 10, "a few lost samples cost few words: {:?}", heard.text);
}

#[test]
fn a_longer_unit_and_an_unknown_model_are_refused() {
    let unit = |samples: usize, model: &str| Unit {
        audio: vec![0.0; samples].into(),
        draft: vec![],
        kind: UnitKind::Batch,
        model: ModelId::new(model),
    };
    assert!(matches!(engine().recognise(&unit(480_001, "moonshine")), Err(EngineError::BadUnit(_))));
    assert!(matches!(engine().recognise(&unit(16_000, "whisper")), Err(EngineError::UnknownModel(_))));
}

#[test]
fn the_voice_detector_tells_speech_from_silence() {
    let mut detector = engine().voice_detector();
    let mut probabilities = Vec::new();
    for frame in beckett().as_chunks::<FRAME_SAMPLES>().0 {
        probabilities.push(detector.probability(frame).expect("it answers"));
    }
    let voiced = probabilities.iter().filter(|p| **p > 0.5).count();
    assert!((100..280).contains(&voiced), "{voiced} of {} frames", probabilities.len());
    let again = beckett().as_chunks::<FRAME_SAMPLES>().0[20..60].to_vec();
    let mut other = engine().voice_detector();
    let mut same = engine().voice_detector();
    for frame in &again {
        let p = other.probability(frame).expect("it answers");
        assert!(
            (p - same.probability(frame).expect("it answers")).abs() < f32::EPSILON,
            "detectors do not mix"
        );
    }
    let mut silent = engine().voice_detector();
    for _ in 0..50 {
        assert!(silent.probability(&[0.0; FRAME_SAMPLES]).expect("it answers") < 0.3);
    }
    assert!(silent.probability(&[f32::NAN; FRAME_SAMPLES]).expect("it answers").is_finite());
}

#[test]
fn the_live_cost_is_measured_and_larger_for_the_larger_model() {
    let cost = |model: EmbeddedModel| engine().live_cost(&ModelId::new(model.name()));
    let (two_pass, tiny, base) =
        (cost(EmbeddedModel::TwoPass), cost(EmbeddedModel::Tiny), cost(EmbeddedModel::Base));
    assert!(0.0 < tiny && tiny < base && two_pass < base, "tiny {tiny}, two-pass {two_pass}, base {base}");
    assert_eq!(engine().models().len(), 3);
}

/// A folder of its own, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sottovoce-engine-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder is writable");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tiny_sources() -> MoonshineSources {
    let folder = models_dir().join("source/moonshine-tiny");
    MoonshineSources {
        encoder: folder.join("encoder_model.onnx"),
        decoder: folder.join("decoder_model_merged.onnx"),
    }
}

#[test]
fn a_damaged_conversion_is_made_again_and_a_whole_one_is_kept() {
    let cache = Scratch::new("damaged");
    let first = prepare(&tiny_sources(), &cache.0, WeightRange::Full).expect("it converts");
    let whole = fs::read(&first.decoder).expect("it was written");
    let written = fs::metadata(&first.decoder).and_then(|file| file.modified()).expect("it has a date");
    prepare(&tiny_sources(), &cache.0, WeightRange::Full).expect("it is there");
    let kept = fs::metadata(&first.decoder).and_then(|file| file.modified()).expect("it has a date");
    assert_eq!(kept, written, "nothing is converted twice");

    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&first.decoder, damaged).expect("writable");
    prepare(&tiny_sources(), &cache.0, WeightRange::Full).expect("it converts again");
    assert!(fs::read(&first.decoder).expect("it is there") == whole, "the damage is repaired");

    fs::write(first.decoder.with_file_name("manifest.json"), b"{").expect("writable");
    prepare(&tiny_sources(), &cache.0, WeightRange::Full).expect("it converts again");
    fs::remove_file(&first.encoder).expect("it is there");
    prepare(&tiny_sources(), &cache.0, WeightRange::Full).expect("it converts again");
    let names = fs::read_dir(first.decoder.parent().expect("in a folder")).expect("readable").count();
    assert_eq!(names, 3, "no unfinished files stay behind");
}

#[test]
fn two_conversions_at_once_agree() {
    let cache = Scratch::new("at-once");
    std::thread::scope(|scope| {
        let converters: Vec<_> =
            (0..2).map(|_| scope.spawn(|| prepare(&tiny_sources(), &cache.0, WeightRange::Full))).collect();
        for converter in converters {
            converter.join().expect("no panic").expect("it converts");
        }
    });
    prepare(&tiny_sources(), &cache.0, WeightRange::Full).expect("the result is whole");
}

#[test]
fn a_missing_model_is_named_with_what_to_do() {
    let cache = Scratch::new("missing");
    let error =
        EmbeddedEngine::load(&cache.0, &EngineOptions::default()).err().expect("there is nothing to load");
    let text = error.to_string();
    assert!(text.contains("encoder_model.onnx") && text.contains("models pull"), "{text}");
}

/// The rewritten graphs must compute what the published ones mean.
#[test]
fn the_rewritten_graphs_compute_what_the_published_ones_do() {
    use rten::{ModelOptions, NodeId, ValueOrView};
    use rten_tensor::Tensor;
    use rten_tensor::prelude::*;

    let cache = Scratch::new("published");
    let sources = tiny_sources();
    let prepared = prepare(&sources, &cache.0, WeightRange::for_this_cpu()).expect("it converts");
    let audio = Tensor::from_data(&[1, 64_000], beckett()[..64_000].to_vec());
    let load = |bytes: Vec<u8>| ModelOptions::with_all_ops().load(bytes).expect("rten loads it");
    let written = |path: &Path| load(fs::read(path).expect("it was converted"));
    // Begin, then what is said there, so that most choices are clear ones.
    let said = hear(&beckett()[..64_000].into(), UnitKind::Batch, EmbeddedModel::Tiny, &[]);
    let mut tokens = vec![1_i32];
    tokens.extend(said.tokens.iter().map(|token| token.0.cast_signed()));
    let count = tokens.len();

    let (encoder, decoder) = (load(exact(&sources.encoder)), load(exact(&sources.decoder)));
    let hidden = encoder.run_one(audio.view().into(), None).expect("it runs");
    let ids = Tensor::from_data(&[1, count], tokens.clone());
    let empty = Tensor::<f32>::zeros(&[1, 8, 0, 36]);
    let node = |name: &str| decoder.node_id(name).expect("it has this value");
    let mut inputs: Vec<(NodeId, ValueOrView)> = vec![
        (node("input_ids"), ids.view().into()),
        (node("encoder_hidden_states"), hidden.as_view().into()),
    ];
    for layer in 0..prepared.geometry.decoder_layers {
        for part in ["decoder.key", "decoder.value", "encoder.key", "encoder.value"] {
            inputs.push((node(&format!("past_key_values.{layer}.{part}")), empty.view().into()));
        }
    }
    let first = Tensor::from_vec(vec![0_i32]);
    inputs.push((node("use_cache_branch"), first.view().into()));
    let [expected] = decoder.run_n(inputs, [node("logits")], None).expect("it runs");
    let expected: Tensor<f32> = expected.into_tensor().expect("f32");

    let (encoder, decoder) = (written(&prepared.encoder), written(&prepared.decoder));
    let memory = encoder.run(vec![(encoder.input_ids()[0], audio.view().into())], encoder.output_ids(), None);
    let memory = memory.expect("it runs");
    let node = |name: &str| decoder.node_id(name).expect("it has this value");
    let ids = Tensor::from_vec(tokens.clone());
    let positions = Tensor::from_data(&[1, count], (0..count as i32).collect::<Vec<_>>());
    let mut inputs: Vec<(NodeId, ValueOrView)> =
        vec![(node("tokens"), ids.view().into()), (node("positions"), positions.view().into())];
    for layer in 0..prepared.geometry.decoder_layers {
        inputs.push((node(&format!("memory_key.{layer}")), memory[2 * layer].as_view().into()));
        inputs.push((node(&format!("memory_value.{layer}")), memory[2 * layer + 1].as_view().into()));
        inputs.push((node(&format!("past_key.{layer}")), empty.view().into()));
        inputs.push((node(&format!("past_value.{layer}")), empty.view().into()));
    }
    let [found] = decoder.run_n(inputs, [node("logits")], None).expect("it runs");
    let found: Tensor<f32> = found.into_tensor().expect("f32");

    assert_eq!(found.shape(), expected.shape());
    let best = |logits: &Tensor<f32>| -> Vec<usize> {
        let logits = logits.to_vec();
        let rows = logits.chunks(prepared.geometry.vocabulary);
        rows.filter_map(|row| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]))).collect()
    };
    let same = best(&found).iter().zip(&best(&expected)).filter(|(a, b)| a == b).count();
    assert!(same + 1 >= count && count > 6, "{same} of {count} tokens are the same");
    let (found, expected) = (found.to_vec(), expected.to_vec());
    let difference: f32 = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).sum();
    let magnitude: f32 = expected.iter().map(|value| value.abs()).sum();
    // Both round to 8 bits, differently; another computation would differ by about 1.
    assert!(difference / magnitude < 0.1, "logits differ by {} of their size", difference / magnitude);
}

#[test]
fn the_rewritten_voice_detector_computes_what_the_published_one_does() {
    use rten::ModelOptions;
    use rten_tensor::Tensor;
    use rten_tensor::prelude::*;

    let path = models_dir().join("source/silero-vad/silero_vad.onnx");
    let published = ModelOptions::with_all_ops().load_file(path).expect("rten loads it");
    let node = |name: &str| published.node_id(name).expect("it has this value");
    let mut state = Tensor::<f32>::zeros(&[2, 1, 128]);
    let rate = Tensor::from(16_000_i32);
    let mut heard = vec![0.0; 64];
    let mut detector = engine().voice_detector();
    for (index, frame) in beckett().as_chunks::<FRAME_SAMPLES>().0.iter().enumerate() {
        heard.extend_from_slice(frame);
        let audio = Tensor::from_data(&[1, heard.len()], heard.clone());
        heard.drain(..FRAME_SAMPLES);
        let inputs = vec![
            (node("input"), audio.view().into()),
            (node("state"), state.view().into()),
            (node("sr"), rate.view().into()),
        ];
        let [expected, next] =
            published.run_n(inputs, [node("output"), node("stateN")], None).expect("it runs");
        state = next.into_tensor().expect("f32");
        let expected: Tensor<f32> = expected.into_tensor().expect("f32");
        let expected = *expected.iter().next().expect("a probability");
        let found = detector.probability(frame).expect("it answers");
        assert!((found - expected).abs() < 1e-3, "frame {index}: {found} instead of {expected}");
    }
}
