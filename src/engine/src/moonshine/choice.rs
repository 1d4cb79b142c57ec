//! Picks the likeliest token and its probability.

use rten_simd::SimdOp;
use rten_vecmath::{MaxNum, SumExpSub};

/// A token the model chose.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Choice {
    pub(super) token: u32,
    /// Softmax of its logit, 0..1.
    pub(super) probability: f32,
}

/// Returns the likeliest token, the first one among equals; `None` if no logit is a number.
pub(super) fn choose(logits: &[f32]) -> Option<Choice> {
    let largest = MaxNum::new(logits).dispatch();
    let index = logits.iter().position(|logit| *logit == largest)?;
    let sum = SumExpSub::new(logits, largest).dispatch();
    let probability = if sum.is_finite() { (1.0 / sum).clamp(0.0, 1.0) } else { return None };
    Some(Choice { token: u32::try_from(index).ok()?, probability })
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn the_probability_is_the_softmax_of_the_largest_logit() {
        let mut logits = vec![-3.0_f32; 40];
        logits[7] = 2.0;
        logits[33] = 1.5;
        let exact = 2.0_f32.exp() / logits.iter().map(|logit| logit.exp()).sum::<f32>();
        let choice = choose(&logits).expect("numbers");
        assert_eq!(choice.token, 7);
        assert!((choice.probability - exact).abs() < 1e-4, "{} is not {exact}", choice.probability);
    }

    #[test]
    fn nothing_is_chosen_among_what_is_not_a_number() {
        assert_eq!(choose(&[f32::NAN; 20]), None);
        assert_eq!(choose(&[]), None);
    }
}
