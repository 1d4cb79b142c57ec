//! Translates lines into another language and back: `round_trip MODELS_DIR FROM TO < LINES > BACK`. Tells on standard error
//! what loading and a sentence cost.

use sottovoce_actors::ports::translator::{LanguagePair, Translator};
use sottovoce_actors::translation::sentences;
use sottovoce_translate::{EmbeddedTranslator, ModelFolder};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("round_trip MODELS_DIR FROM TO < LINES > BACK");
    let (dir, from, to) = (PathBuf::from(next()?), next()?, next()?);
    let pairs = [LanguagePair::new(&from, &to), LanguagePair::new(&to, &from)];
    let lines = std::io::read_to_string(std::io::stdin())?;
    let mut texts: Vec<String> = lines.lines().map(str::to_owned).collect();
    eprintln!("{}", memory()?);
    for pair in &pairs {
        let folder = EmbeddedTranslator::folder_of(&dir, &format!("translate-{pair}"));
        let translator = EmbeddedTranslator::open(vec![ModelFolder { pair: pair.clone(), folder }]);
        let begun = now();
        translator.load_all()?;
        eprintln!("{pair}: loaded in {} ms, {}", begun.elapsed().as_millis(), memory()?);
        let (begun, mut count, mut longest_ms) = (now(), 0, 0);
        for text in &mut texts {
            let mut translated = Vec::new();
            for sentence in sentences(text) {
                let begun = now();
                translated.push(translator.translate(pair, sentence)?);
                longest_ms = longest_ms.max(begun.elapsed().as_millis());
                count += 1;
            }
            *text = translated.join(" ");
        }
        let ms = begun.elapsed().as_secs_f64() * 1000.0 / f64::from(count.max(1));
        eprintln!("{pair}: {count} sentences, {ms:.1} ms each, at most {longest_ms} ms, {}", memory()?);
    }
    for text in texts {
        println!("{text}");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a measurement of real time")]
fn now() -> Instant {
    Instant::now()
}

/// Returns what the system says of this process's memory.
fn memory() -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(format!("{} resident", line.unwrap_or_default().trim()))
}
