//! Greedy decoding with drafts: guesses from an earlier hypothesis are verified several at a time.

use super::choice::{Choice, choose};
use super::draft::next_draft;
use super::loops::without_loop;
use super::model::{Memory, Moonshine};
use super::self_test::test_signal;
use super::{RunError, token_limit};
use rten::{RunOptions, Value, ValueOrView};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;

/// The token that begins every text.
const BEGIN: u32 = 1;
/// The token that ends every text.
const END: u32 = 2;

/// Any token of the vocabulary.
const SAMPLE_TOKEN: u32 = 450;

/// Room in the cache beyond the token limit: the tokens of one verified draft.
const SPARE_TOKENS: usize = 16;

/// What the decoder said.
#[derive(Default)]
pub(crate) struct Decoded {
    /// Text tokens, without begin and end.
    pub(crate) tokens: Vec<u32>,
    /// The probability of each.
    pub(crate) probabilities: Vec<f32>,
    /// Per aligning layer: cross-attention queries, row by row, `tokens.len() + 1` rows of the model's width. Row `i`
    /// is the state that chose token `i` (the last one chose the end).
    pub(crate) queries: Vec<Vec<f32>>,
}

impl Moonshine {
    /// Decodes an utterance of the given length. The draft only saves work.
    pub(crate) fn decode(
        &self,
        memory: &Memory,
        samples: usize,
        draft: &[u32],
        options: &RunOptions,
    ) -> Result<Decoded, RunError> {
        let limit = token_limit(samples);
        let usable = |token: &u32| *token > END && (*token as usize) < self.geometry.vocabulary;
        let draft: Vec<u32> = draft.iter().copied().filter(usable).take(limit).collect();
        let mut decoding = Decoding::new(self, memory, limit, options);
        let mut input = vec![BEGIN];
        input.extend_from_slice(&draft);
        while let Some(chosen) = decoding.verify(&input)? {
            if chosen.token == END || decoding.decoded.tokens.len() >= limit {
                break;
            }
            decoding.accept(chosen);
            if let Some(kept) = without_loop(&decoding.decoded.tokens) {
                decoding.cut(kept);
                break;
            }
            input.clear();
            input.push(chosen.token);
            input.extend_from_slice(next_draft(&draft, &decoding.decoded.tokens));
        }
        Ok(decoding.decoded)
    }
}

struct Decoding<'a> {
    model: &'a Moonshine,
    memory: &'a Memory,
    options: &'a RunOptions,
    limit: usize,
    /// Keys and values of the tokens so far, `[1, heads, tokens, head]` with room to grow in place.
    cache: Vec<Tensor<f32>>,
    cached: usize,
    decoded: Decoded,
}

impl<'a> Decoding<'a> {
    fn new(model: &'a Moonshine, memory: &'a Memory, limit: usize, options: &'a RunOptions) -> Self {
        let geometry = &model.geometry;
        let room = [1, geometry.heads, limit + SPARE_TOKENS, geometry.head_size];
        let cache = (0..2 * geometry.decoder_layers).map(|_| Tensor::with_capacity(&room, 2)).collect();
        let aligning = (0..geometry.decoder_layers).filter(|layer| geometry.aligns(*layer)).count();
        let queries = vec![Vec::new(); aligning];
        Self {
            model,
            memory,
            options,
            limit,
            cache,
            cached: 0,
            decoded: Decoded { queries, ..Decoded::default() },
        }
    }

    /// Feeds one settled token and a draft of those after it. Takes the draft as far as the model agrees and returns
    /// the model's own choice for the place after that; `None` if a loop was cut.
    fn verify(&mut self, input: &[u32]) -> Result<Option<Choice>, RunError> {
        let (logits, queries) = self.run(input)?;
        let logits = logits.data().ok_or(RunError::Shape("logits are not contiguous"))?;
        let vocabulary = self.model.geometry.vocabulary;
        let mut agreed = 0;
        let chosen = loop {
            let row = logits
                .get(agreed * vocabulary..(agreed + 1) * vocabulary)
                .ok_or(RunError::Shape("too few logits"))?;
            let chosen = choose(row).ok_or(RunError::NotANumber)?;
            let drafted = input.get(agreed + 1);
            if drafted != Some(&chosen.token) || self.decoded.tokens.len() >= self.limit {
                break chosen;
            }
            self.accept(chosen);
            agreed += 1;
        };
        self.keep(agreed + 1, &queries)?;
        if let Some(kept) = without_loop(&self.decoded.tokens) {
            self.cut(kept);
            return Ok(None);
        }
        Ok(Some(chosen))
    }

    /// Runs the decoder; the cache grows by all of `input`.
    fn run(&mut self, input: &[u32]) -> Result<(Tensor<f32>, Vec<Tensor<f32>>), RunError> {
        let ids = |range: &mut dyn Iterator<Item = usize>| -> Vec<i32> {
            range.map(|id| i32::try_from(id).unwrap_or_default()).collect()
        };
        let tokens = Tensor::from_vec(ids(&mut input.iter().map(|token| *token as usize)));
        let positions = ids(&mut (self.cached..self.cached + input.len()));
        let positions = Tensor::from_data(&[1, input.len()], positions);
        let nodes = &self.model.nodes;
        let mut inputs: Vec<(rten::NodeId, ValueOrView)> =
            vec![(nodes.tokens, tokens.view().into()), (nodes.positions, positions.view().into())];
        for (node, value) in nodes.memory_in.iter().zip(&self.memory.values) {
            inputs.push((*node, value.as_view().into()));
        }
        for (node, cache) in nodes.past.iter().zip(self.cache.drain(..)) {
            inputs.push((*node, Value::from(cache).into()));
        }
        let outputs = self.model.decoder.run(inputs, &nodes.decoded, Some(self.options.clone()))?;
        let floats = |value: Value| value.into_tensor::<f32>().ok_or(RunError::Shape("an output is not f32"));
        let mut outputs = outputs.into_iter().map(floats);
        let logits = outputs.next().ok_or(RunError::Shape("no logits"))??;
        self.cache = outputs.by_ref().take(nodes.past.len()).collect::<Result<_, _>>()?;
        let queries = outputs.collect::<Result<_, _>>()?;
        Ok((logits, queries))
    }

    /// Keeps the first `rows` of the tokens just fed; the rest was a wrong guess.
    fn keep(&mut self, rows: usize, queries: &[Tensor<f32>]) -> Result<(), RunError> {
        self.cached += rows;
        for cache in &mut self.cache {
            cache.clip_dim(2, 0..self.cached);
        }
        let width = self.model.geometry.hidden();
        for (kept, queries) in self.decoded.queries.iter_mut().zip(queries) {
            let queries = queries.data().ok_or(RunError::Shape("queries are not contiguous"))?;
            kept.extend_from_slice(queries.get(..rows * width).ok_or(RunError::Shape("too few queries"))?);
        }
        Ok(())
    }

    fn accept(&mut self, chosen: Choice) {
        self.decoded.tokens.push(chosen.token);
        self.decoded.probabilities.push(chosen.probability);
    }

    /// Shortens the result to its first `kept` tokens.
    fn cut(&mut self, kept: usize) {
        self.decoded.tokens.truncate(kept);
        self.decoded.probabilities.truncate(kept);
        let width = self.model.geometry.hidden();
        for queries in &mut self.decoded.queries {
            queries.truncate((kept + 1) * width);
        }
    }
}

impl Moonshine {
    /// Returns the logits after each of the given tokens, for the self-test.
    pub(super) fn logits_of(
        &self,
        memory: &Memory,
        tokens: &[u32],
        options: &RunOptions,
    ) -> Result<Vec<f32>, RunError> {
        let mut decoding = Decoding::new(self, memory, tokens.len(), options);
        let (logits, _) = decoding.run(tokens)?;
        Ok(logits.to_vec())
    }

    /// Encodes 4 s and decodes 19 tokens in 6 calls, a usual re-hearing; what is heard does not matter.
    pub(crate) fn work_sample(&self, options: &RunOptions) -> Result<(), RunError> {
        let audio = test_signal(4 * 16_000);
        let memory = self.encode(&audio, options)?;
        let mut decoding = Decoding::new(self, &memory, token_limit(audio.len()), options);
        let drafted: [u32; 14] = std::array::from_fn(|_| SAMPLE_TOKEN);
        for input in [&drafted[..], &drafted[..1], &drafted[..1], &drafted[..1], &drafted[..1], &drafted[..1]]
        {
            let (logits, queries) = decoding.run(input)?;
            let row = logits.data().and_then(|logits| logits.get(..self.geometry.vocabulary));
            choose(row.ok_or(RunError::Shape("too few logits"))?).ok_or(RunError::NotANumber)?;
            decoding.keep(input.len(), &queries)?;
        }
        Ok(())
    }
}
