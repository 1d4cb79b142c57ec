//! Recognises a decoder that repeats itself for ever, as it may do on noise or music.

/// The longest phrase, in tokens, whose repetition is looked for.
const LONGEST_PHRASE: usize = 16;
/// Times a phrase must come in a row to be a loop; people do say things three times.
const REPEATS: usize = 4;
/// Tokens that the repetitions must cover, so that "no, no, no, no" is not one.
const MIN_TOKENS: usize = 12;

/// If the end of `tokens` is a loop, returns how many tokens to keep: up to the end of its first round.
pub(super) fn without_loop(tokens: &[u32]) -> Option<usize> {
    (1..=LONGEST_PHRASE).find_map(|phrase| {
        let repeats = REPEATS.max(MIN_TOKENS.div_ceil(phrase));
        let start = tokens.len().checked_sub(phrase * repeats)?;
        let tail = &tokens[start..];
        (tail[phrase..] == tail[..tail.len() - phrase]).then_some(start + phrase)
    })
}

#[cfg(test)]
mod tests {
    use super::without_loop;

    #[test]
    fn a_phrase_that_comes_again_and_again_is_kept_once() {
        let mut tokens = vec![1, 2];
        for _ in 0..4 {
            assert_eq!(without_loop(&tokens), None);
            tokens.extend([7, 8, 9]);
        }
        assert_eq!(without_loop(&tokens), Some(5));
    }

    #[test]
    fn a_single_token_may_come_a_few_times() {
        let mut tokens = vec![4];
        tokens.extend([5; 11]);
        assert_eq!(without_loop(&tokens), None);
        tokens.push(5);
        assert_eq!(without_loop(&tokens), Some(2));
    }

    #[test]
    fn speech_that_says_a_phrase_three_times_is_no_loop() {
        let tokens = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5];
        assert_eq!(without_loop(&tokens), None);
    }
}
