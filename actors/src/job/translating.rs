//! Takes a document's sentences through the translator, a few at a time, and gives the document back translated. Knows no
//! index and no state of the job; ends between sentences when it is dropped.

use crate::job::pieces::Piece;
use crate::job::retry::Fault;
use crate::ports::engine::{EngineError, StreamKey};
use crate::ports::recogniser::{Computation, Recogniser};
use crate::ports::store::Permille;
use crate::ports::translator::Translator;
use crate::transcript::{Document, TranslatedSentence, Translation};
use crate::translation::{Route, sentences};
use futures_util::stream::{FuturesOrdered, Stream, StreamExt, unfold};
use std::future::Future;
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;

type Answer = Pin<Box<dyn Future<Output = (Place, Result<String, EngineError>)> + Send>>;

/// Which sentence an answer is of.
struct Place {
    segment: usize,
    letters: usize,
}

pub(crate) struct Translating {
    recogniser: Arc<dyn Recogniser>,
    translator: Arc<dyn Translator>,
    route: Route,
    lanes: Vec<StreamKey>,
    submitted: usize,
    in_flight: FuturesOrdered<Answer>,
    /// Until it is given back.
    document: Option<Box<Document>>,
    translation: Translation,
    /// The segment whose sentences come next, and those left of the one before.
    next_segment: usize,
    waiting: std::vec::IntoIter<String>,
    letters: u64,
    letters_done: u64,
    over: bool,
}

impl Translating {
    /// Translates a settled document along a route into `lang`.
    pub fn new(
        recogniser: Arc<dyn Recogniser>,
        translator: Arc<dyn Translator>,
        route: Route,
        lang: String,
        lanes: usize,
        document: Document,
    ) -> Self {
        // The engine takes one waiting unit per key, so each lane has a key of its own.
        let lanes = (0..lanes.max(1)).map(|_| recogniser.batch_key()).collect();
        let letters = document.segments.iter().map(|segment| letters_of(&segment.text) as u64).sum();
        let segments = vec![Vec::new(); document.segments.len()];
        Self {
            recogniser,
            translator,
            route,
            lanes,
            submitted: 0,
            in_flight: FuturesOrdered::new(),
            document: Some(Box::new(document)),
            translation: Translation { lang, segments },
            next_segment: 0,
            waiting: Vec::new().into_iter(),
            letters,
            letters_done: 0,
            over: false,
        }
    }

    /// Returns a piece a sentence; the last one brings the document.
    pub fn into_stream(self) -> impl Stream<Item = Piece> {
        unfold(self, |mut translating| async move {
            if translating.over {
                return None;
            }
            let piece = translating.next().await;
            translating.over = !matches!(piece, Piece::Translating { .. });
            Some((piece, translating))
        })
    }

    async fn next(&mut self) -> Piece {
        while self.in_flight.len() < self.lanes.len() && self.submit() {}
        match self.in_flight.next().await {
            Some((place, Ok(text))) => {
                self.letters_done += place.letters as u64;
                let sentence = TranslatedSentence { source_letters: place.letters, text };
                self.translation.segments[place.segment].push(sentence);
                let done = self.letters_done * 1000 / self.letters.max(1);
                Piece::Translating { done: Permille(u16::try_from(done).unwrap_or(1000)) }
            }
            Some((_, Err(error))) => {
                let fault =
                    if matches!(error, EngineError::Stopping) { Fault::Stopping } else { Fault::Engine };
                Piece::Failed { fault, detail: error.to_string() }
            }
            None => {
                let Some(mut document) = self.document.take() else {
                    return Piece::Failed { fault: Fault::Bug, detail: "asked after its end".into() };
                };
                document.translation = Some(Translation {
                    lang: take(&mut self.translation.lang),
                    segments: take(&mut self.translation.segments),
                });
                Piece::Translated { document }
            }
        }
    }

    /// Sends the next sentence; returns whether there was one.
    fn submit(&mut self) -> bool {
        let sentence = loop {
            if let Some(sentence) = self.waiting.next() {
                break sentence;
            }
            let document = self.document.as_ref();
            let Some(segment) = document.and_then(|document| document.segments.get(self.next_segment)) else {
                return false;
            };
            let found: Vec<String> = sentences(&segment.text).into_iter().map(str::to_owned).collect();
            self.waiting = found.into_iter();
            self.next_segment += 1;
        };
        let place = Place { segment: self.next_segment - 1, letters: letters_of(&sentence) };
        // Answers come back in order, so the lane of the oldest one is free by now.
        let key = self.lanes[self.submitted % self.lanes.len()];
        self.submitted += 1;
        let (translator, route) = (self.translator.clone(), self.route.clone());
        let computation: Computation = Arc::new(move || along(&*translator, &route, &sentence));
        let answer = self.recogniser.compute(key, computation);
        self.in_flight
            .push_back(Box::pin(async move { (place, answer.await.unwrap_or(Err(EngineError::Stopping))) }));
        true
    }
}

fn along(translator: &dyn Translator, route: &Route, sentence: &str) -> Result<String, EngineError> {
    route.legs().iter().try_fold(sentence.to_owned(), |text, pair| {
        translator.translate(pair, &text).map_err(|error| EngineError::Failed(error.to_string()))
    })
}

fn letters_of(text: &str) -> usize {
    text.chars().filter(|letter| !letter.is_whitespace()).count()
}
