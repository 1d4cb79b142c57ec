//! A transcript in Deepgram's shape for files. Pure, but for the ids of utterances.

use crate::http::doors::deepgram_query::FileQuery;
use crate::http::doors::words;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::transcript::bare_word;
use sottovoce_protocol::live;
use sottovoce_protocol::prerecorded::{
    Alternative, Channel, Metadata, Paragraph, Paragraphs, Prerecorded, Results, Sentence, Utterance,
};
use sottovoce_protocol::transcript::{Transcript, Word};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the answer says besides the transcript.
pub struct Shape {
    /// What was asked for.
    pub query: FileQuery,
    /// UUID of the request.
    pub request_id: String,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// RFC 3339.
    pub created: String,
    /// Channels that were heard, where that is known: a silent one is in no segment.
    pub channels: Option<u16>,
    /// UUID of the model.
    pub model_uuid: String,
    /// The model.
    pub model: live::ModelInfo,
    /// Makes the ids of utterances.
    pub ids: Arc<dyn Ids>,
}

impl Shape {
    /// Gives a transcript this shape.
    pub fn of(self, transcript: &Transcript) -> Prerecorded {
        let heard = transcript.segments.iter().map(|segment| segment.channel + 1).max().unwrap_or(1);
        let channels = self.channels.unwrap_or(heard).max(heard);
        let words: Vec<Vec<Word>> =
            (0..channels).map(|channel| words::of_channel(&transcript.segments, channel)).collect();
        let results = Results {
            channels: words.iter().map(|words| self.channel(words)).collect(),
            utterances: self.query.utterances_s.map(|pause_s| self.utterances(&words, pause_s)),
        };
        let metadata = Metadata {
            transaction_key: "deprecated".into(),
            request_id: self.request_id,
            sha256: self.sha256,
            created: self.created,
            duration: transcript.duration_seconds,
            channels,
            models: vec![self.model_uuid.clone()],
            model_info: BTreeMap::from([(self.model_uuid, self.model)]),
            tags: self.query.tags,
            extra: self.query.extra,
            warnings: self.query.warnings,
        };
        Prerecorded { metadata, results }
    }

    fn channel(&self, words: &[Word]) -> Channel {
        let paragraphs = self.query.paragraphs.then(|| paragraphs(words));
        let (transcript, shown) = self.shown(words);
        let confidence = words::confidence(words.iter());
        Channel { alternatives: vec![Alternative { transcript, confidence, words: shown, paragraphs }] }
    }

    /// Returns the text and the words as asked for: as written, or bare, as Deepgram's are without `punctuate`.
    fn shown(&self, words: &[Word]) -> (String, Vec<live::Word>) {
        let punctuate = self.query.punctuate;
        let shown: Vec<live::Word> = words
            .iter()
            .map(|word| live::Word {
                word: bare_word(&word.word),
                start: word.start,
                end: word.end,
                confidence: words::round(f64::from(word.confidence), 10_000.0),
                punctuated_word: punctuate.then(|| word.word.clone()),
            })
            .filter(|word| punctuate || !word.word.is_empty())
            .collect();
        let text = if punctuate {
            words::text(words)
        } else {
            shown.iter().map(|word| word.word.as_str()).collect::<Vec<_>>().join(" ")
        };
        (text, shown)
    }

    fn utterances(&self, channels: &[Vec<Word>], pause_s: f64) -> Vec<Utterance> {
        let mut utterances = Vec::new();
        for (channel, words) in (0..).zip(channels) {
            utterances.extend(words::cut_at_pauses(words, pause_s).map(|words| {
                let (transcript, shown) = self.shown(words);
                let (start, end) = span(words);
                let confidence = words::confidence(words.iter());
                let id = self.ids.uuid().to_string();
                Utterance { start, end, confidence, channel, transcript, words: shown, id }
            }));
        }
        utterances.sort_by(|one, next| one.start.total_cmp(&next.start));
        utterances
    }
}

fn paragraphs(words: &[Word]) -> Paragraphs {
    let cut: Vec<&[Word]> = words::paragraphs(words).collect();
    let texts: Vec<String> = cut.iter().map(|words| words::text(words)).collect();
    let paragraph = |words: &&[Word]| {
        let (start, end) = span(words);
        let sentences = words::sentences(words).map(|words| {
            let (start, end) = span(words);
            Sentence { text: words::text(words), start, end }
        });
        Paragraph { sentences: sentences.collect(), num_words: words.len(), start, end }
    };
    let transcript = if texts.is_empty() { String::new() } else { format!("\n{}", texts.join("\n\n")) };
    Paragraphs { transcript, paragraphs: cut.iter().map(paragraph).collect() }
}

/// Returns from when to when words were said.
fn span(words: &[Word]) -> (f64, f64) {
    (words.first().map_or(0.0, |word| word.start), words.last().map_or(0.0, |word| word.end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_actors::testkit::SeededIds;
    use sottovoce_protocol::ids::JobId;
    use sottovoce_protocol::transcript::Segment;
    use uuid::Uuid;

    fn segment(channel: u16, words: &[(&str, f64, f64)]) -> Segment {
        let word = |(word, start, end): &(&str, f64, f64)| Word {
            word: (*word).into(),
            start: *start,
            end: *end,
            confidence: 0.75,
        };
        let words: Vec<Word> = words.iter().map(word).collect();
        let (start, end) = span(&words);
        Segment { id: 0, start, end, text: words::text(&words), confidence: 0.75, channel, words }
    }

    fn answer(query: &[(&str, &str)], channels: Option<u16>, segments: Vec<Segment>) -> Prerecorded {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let shape = Shape {
            query: FileQuery::parse(&query).unwrap(),
            request_id: "r".into(),
            sha256: "s".into(),
            created: "c".into(),
            channels,
            model_uuid: "m".into(),
            model: live::ModelInfo {
                name: "moonshine".into(),
                version: "1".into(),
                arch: "moonshine".into(),
            },
            ids: Arc::new(SeededIds::new(1)),
        };
        shape.of(&Transcript {
            version: 1,
            job: JobId::from_uuid(Uuid::nil()),
            language: "en".into(),
            duration_seconds: 9.5,
            engine: "embedded".into(),
            model: "moonshine".into(),
            text: String::new(),
            segments,
        })
    }

    #[test]
    fn text_is_bare_unless_punctuation_is_asked_for() {
        let said = || vec![segment(0, &[("Well,", 0.5, 0.9), ("—", 0.9, 1.0), ("it's", 1.0, 1.2)])];
        let bare = answer(&[], None, said());
        let best = &bare.results.channels[0].alternatives[0];
        assert_eq!((best.transcript.as_str(), best.words.len(), best.confidence), ("well it's", 2, 0.75));
        assert_eq!((best.words[0].punctuated_word.as_ref(), best.paragraphs.as_ref()), (None, None));
        assert_eq!((bare.metadata.channels, bare.metadata.duration), (1, 9.5));

        let written = answer(&[("punctuate", "true")], None, said());
        let best = &written.results.channels[0].alternatives[0];
        assert_eq!((best.transcript.as_str(), best.words.len()), ("Well, — it's", 3));
        assert_eq!(best.words[0].punctuated_word.as_deref(), Some("Well,"));
        assert_eq!(best.words[0].word, "well");
    }

    #[test]
    fn paragraphs_have_sentences_and_utterances_end_at_pauses() {
        let said = vec![
            segment(0, &[("One.", 0.0, 0.5), ("Two", 1.4, 1.8), ("three.", 1.9, 2.0)]),
            segment(0, &[("Four.", 5.0, 5.5)]),
        ];
        let answer = answer(&[("smart_format", "true"), ("utterances", "true")], None, said);
        let paragraphs = answer.results.channels[0].alternatives[0].paragraphs.as_ref().unwrap();
        assert_eq!(paragraphs.transcript, "\nOne. Two three.\n\nFour.");
        let [first, second] = &paragraphs.paragraphs[..] else { panic!("two paragraphs: {paragraphs:?}") };
        assert_eq!((first.num_words, first.sentences.len(), second.start), (3, 2, 5.0));
        assert_eq!(first.sentences[1], Sentence { text: "Two three.".into(), start: 1.4, end: 2.0 });
        let utterances = answer.results.utterances.unwrap();
        let texts: Vec<&str> = utterances.iter().map(|utterance| utterance.transcript.as_str()).collect();
        assert_eq!(texts, ["One.", "Two three.", "Four."]);
        assert!(utterances[0].id != utterances[1].id && utterances[0].id.parse::<Uuid>().is_ok());
    }

    #[test]
    fn every_heard_channel_is_there_also_a_silent_one() {
        let said = || vec![segment(1, &[("Right.", 0.2, 0.6)]), segment(0, &[("Left.", 1.0, 1.4)])];
        let both = answer(&[("utterances", "true")], Some(3), said());
        let texts: Vec<&str> =
            both.results.channels.iter().map(|channel| channel.alternatives[0].transcript.as_str()).collect();
        assert_eq!((texts, both.metadata.channels), (vec!["left", "right", ""], 3));
        let utterances = both.results.utterances.unwrap();
        assert_eq!((utterances[0].channel, utterances[1].channel), (1, 0));
        let silent = answer(&[("paragraphs", "true"), ("utterances", "true")], None, Vec::new());
        let best = &silent.results.channels[0].alternatives[0];
        assert_eq!((best.transcript.as_str(), best.confidence, best.words.len()), ("", 0.0, 0));
        assert_eq!(best.paragraphs.as_ref().unwrap().transcript, "");
        assert_eq!(silent.results.utterances, Some(Vec::new()));
    }
}
