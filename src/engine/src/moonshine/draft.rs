//! Which tokens of an earlier hypothesis to guess next.

/// How far, in tokens, a hypothesis may have shifted against the draft.
const REACH: usize = 3;
/// How much a match of two tokens in a row counts for, in tokens of distance.
const PAIR_BONUS: usize = 4;
/// The longest guess after a match.
const LONG: usize = 12;
/// The guess at the same position where nothing matches.
const SHORT: usize = 2;

/// Returns the tokens of `draft` to guess after `settled` (which is not empty).
///
/// The last settled token is looked up near its own position in the draft; the guess is what follows it there.
pub(super) fn next_draft<'a>(draft: &'a [u32], settled: &[u32]) -> &'a [u32] {
    let Some((last, before)) = settled.split_last() else {
        return &[];
    };
    let position = before.len();
    let distance = |index: usize| {
        let pair = index > 0 && !before.is_empty() && draft.get(index - 1) == before.last();
        index.abs_diff(position) + if pair { 0 } else { PAIR_BONUS }
    };
    let near =
        position.saturating_sub(REACH + PAIR_BONUS)..(position + REACH + PAIR_BONUS + 1).min(draft.len());
    let matched = near
        .filter(|index| draft[*index] == *last)
        .map(|index| (distance(index), index))
        .filter(|(distance, _)| *distance <= REACH + PAIR_BONUS)
        .min();
    let (start, length) = match matched {
        Some((_, index)) => (index + 1, LONG),
        None => (position + 1, SHORT),
    };
    let start = start.min(draft.len());
    &draft[start..(start + length).min(draft.len())]
}

#[cfg(test)]
mod tests {
    use super::next_draft;

    #[test]
    fn follows_a_replaced_token() {
        // 3 became 9: nothing matches, guess on at the same place.
        assert_eq!(next_draft(&[1, 2, 3, 4, 5, 6], &[1, 2, 9]), [4, 5]);
        // And once a token matches again, guess all the rest.
        assert_eq!(next_draft(&[1, 2, 3, 4, 5, 6], &[1, 2, 9, 4]), [5, 6]);
    }

    #[test]
    fn follows_an_inserted_and_a_dropped_token() {
        assert_eq!(next_draft(&[1, 2, 3, 4, 5], &[1, 2, 9, 3]), [4, 5]);
        assert_eq!(next_draft(&[1, 2, 3, 4, 5], &[1, 3]), [4, 5]);
    }

    #[test]
    fn prefers_the_place_where_the_token_before_matches_too() {
        // 7 stands at places 2 and 5; after 6 it is the one at 5.
        assert_eq!(next_draft(&[1, 2, 7, 4, 6, 7, 8], &[1, 9, 6, 7]), [8]);
    }

    #[test]
    fn looks_only_nearby_and_guesses_no_more_than_the_limit() {
        let draft: Vec<u32> = (10..40).collect();
        assert_eq!(next_draft(&draft, &[10]), &draft[1..13]);
        assert_eq!(next_draft(&draft, &[39]), &draft[1..3], "30 places away is no match");
    }

    #[test]
    fn has_nothing_to_guess_from() {
        assert!(next_draft(&[], &[5]).is_empty());
        assert!(next_draft(&[5], &[5]).is_empty());
        assert!(next_draft(&[1, 2], &[3, 4, 5, 6, 7, 8]).is_empty());
        assert!(next_draft(&[1], &[]).is_empty());
    }
}
