//! Translation by the real models. `make test` fetches them and says where they are.

#![expect(clippy::expect_used, reason = "tests")]

use sottovoce_actors::ports::translator::{LanguagePair, Translator};
use sottovoce_translate::{EmbeddedTranslator, ModelFolder};
use std::path::PathBuf;

fn translator() -> EmbeddedTranslator {
    let dir = std::env::var_os("SOTTOVOCE_TEST_MODELS_DIR").map(PathBuf::from);
    let dir =
        dir.expect("these tests need the models: run `make setup-test` and set SOTTOVOCE_TEST_MODELS_DIR");
    let folders = [("en", "pt"), ("pt", "en")].map(|(from, to)| ModelFolder {
        pair: LanguagePair::new(from, to),
        folder: EmbeddedTranslator::folder_of(&dir, &format!("translate-{from}-{to}")),
    });
    EmbeddedTranslator::open(folders.into())
}

#[test]
fn real_models_translate_there_and_back() {
    let translator = translator();
    let (there, back) = (LanguagePair::new("en", "pt"), LanguagePair::new("pt", "en"));
    assert_eq!(translator.pairs(), [there.clone(), back.clone()]);
    let sentence = "It was the best of times, it was the worst of times.";
    let translated = translator.translate(&there, sentence).expect("translated");
    assert_eq!(translated, "Foi o melhor dos tempos, foi o pior dos tempos.");
    let again = translator.translate(&back, &translated).expect("translated");
    assert!(again.starts_with("It was the best of time") && again.contains("the worst of time"), "{again}");
    assert!(translator.translate(&LanguagePair::new("en", "de"), "Hello.").is_err());
}

#[test]
fn real_models_take_any_text() {
    let translator = translator();
    let pair = LanguagePair::new("en", "pt");
    assert_eq!(translator.translate(&pair, "  \n").expect("nothing"), "");
    // Longer than the model's window: the end of it must not be lost.
    let long = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of \
                foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of light, it \
                was the season of darkness, it was the spring of hope, it was the winter of despair, we had everything \
                before us, we had nothing before us, we were all going direct to heaven, we were all going direct the \
                other way, in short, the period was so far like the present period that some of its noisiest \
                authorities insisted on its being received, and then we came home to Lisbon with a cup of coffee.";
    let translated = translator.translate(&pair, long).expect("translated");
    for word in ["melhor", "sabedoria", "Lisboa", "café"] {
        assert!(translated.contains(word), "{word}: {translated}");
    }
    for odd in [
        "\u{0}\u{1}",
        "🦀🦀🦀",
        &"x".repeat(5_000),
        "字".repeat(400).as_str(),
        "<b>&amp;</b> {\\an8}",
        "\u{202e}abc",
    ] {
        translator.translate(&pair, odd).expect("an answer, whatever it is");
    }
}

#[test]
fn real_models_are_shared_by_threads_and_answer_alike() {
    let translator = translator();
    let pair = LanguagePair::new("en", "pt");
    let sentences =
        ["Good morning, everybody.", "Where is the library?", "The train leaves at nine o'clock."];
    let alone: Vec<String> =
        sentences.iter().map(|sentence| translator.translate(&pair, sentence).expect("translated")).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for (sentence, wanted) in sentences.iter().zip(&alone) {
                    assert_eq!(&translator.translate(&pair, sentence).expect("translated"), wanted);
                }
            });
        }
    });
}
