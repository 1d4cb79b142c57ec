//! Resampler: signal quality, alignment, exact counts, no dependence on how the input is cut.

use super::*;

fn sine(rate_hz: u32, tone_hz: f64, samples: usize) -> Vec<f32> {
    (0..samples).map(|n| (2.0 * PI * tone_hz * n as f64 / f64::from(rate_hz)).sin() as f32 * 0.5).collect()
}

fn resample(from_hz: u32, to_hz: u32, input: &[f32], cut: usize) -> Vec<f32> {
    let mut resampler = StreamResampler::new(from_hz, to_hz).expect("supported rates");
    let mut output = Vec::new();
    for piece in input.chunks(cut) {
        resampler.process(piece, &mut output);
    }
    resampler.flush(&mut output);
    output
}

fn power(samples: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = samples.fold((0.0, 0), |(sum, count), x| (sum + x * x, count + 1));
    sum / f64::from(count)
}

const RATES_HZ: [u32; 11] =
    [4_000, 8_000, 11_025, 12_345, 16_000, 22_050, 24_000, 44_100, 44_101, 48_000, 192_000];

#[test]
fn a_sine_comes_out_clean_and_in_its_place() {
    for rate_hz in RATES_HZ {
        for share in [0.1, 0.5, 0.85] {
            let tone_hz = share * f64::from(rate_hz.min(16_000)) / 2.0;
            let output = resample(rate_hz, 16_000, &sine(rate_hz, tone_hz, rate_hz as usize), 997);
            let ideal = sine(16_000, tone_hz, output.len());
            let inner = 800..output.len() - 800;
            let noise =
                power(output[inner.clone()].iter().zip(&ideal[inner.clone()]).map(|(a, b)| f64::from(a - b)));
            let snr_db =
                10.0 * (power(ideal[inner].iter().map(|x| f64::from(*x))) / noise.max(1e-20)).log10();
            assert!(snr_db > 60.0, "{rate_hz} Hz, tone {tone_hz} Hz: {snr_db:.1} dB");
        }
    }
}

#[test]
fn what_would_alias_is_removed() {
    for rate_hz in [22_050, 24_000, 44_100, 44_101, 48_000, 192_000] {
        for tone_hz in [8_050.0, 9_000.0, 0.49 * f64::from(rate_hz)] {
            let output = resample(rate_hz, 16_000, &sine(rate_hz, tone_hz, rate_hz as usize), 480);
            let left = power(output[800..output.len() - 800].iter().map(|x| f64::from(*x)));
            let stop_db = 10.0 * (0.125 / left.max(1e-20)).log10();
            assert!(stop_db > 60.0, "{rate_hz} Hz, tone {tone_hz} Hz: {stop_db:.1} dB");
        }
    }
}

#[test]
fn the_count_is_exact_and_cuts_do_not_matter() {
    for rate_hz in RATES_HZ {
        for samples in [0usize, 1, 7, 160, 12_345] {
            let input = sine(rate_hz, 440.0, samples);
            let whole = resample(rate_hz, 16_000, &input, samples.max(1));
            let expected = (samples as u64 * 16_000).div_ceil(u64::from(rate_hz));
            assert_eq!(whole.len() as u64, expected, "{samples} samples of {rate_hz} Hz");
            for cut in [1, 13, 441] {
                assert_eq!(resample(rate_hz, 16_000, &input, cut), whole, "{rate_hz} Hz cut by {cut}");
            }
        }
    }
}

#[test]
fn an_hour_does_not_drift() {
    for (rate_hz, seconds) in [(44_100u32, 3600usize), (44_101, 600)] {
        let mut resampler = StreamResampler::new(rate_hz, 16_000).expect("supported rate");
        let silence = vec![0.0; rate_hz as usize];
        // A click at the start of the last second must come out at exactly that second.
        let mut click = silence.clone();
        click[0] = 1.0;
        let (mut output, mut passed) = (Vec::new(), 0);
        for _ in 1..seconds {
            resampler.process(&silence, &mut output);
            passed += output.len();
            assert!(output.iter().all(|sample| *sample == 0.0));
            output.clear();
        }
        resampler.process(&click, &mut output);
        resampler.flush(&mut output);
        let peak = output.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(n, _)| passed + n);
        assert_eq!(peak, Some((seconds - 1) * 16_000));
        assert_eq!(passed + output.len(), seconds * 16_000);
    }
}

#[test]
fn latency_is_low() {
    for rate_hz in RATES_HZ {
        let mut resampler = StreamResampler::new(rate_hz, 16_000).expect("supported rate");
        let mut output = Vec::new();
        resampler.process(&vec![0.0; rate_hz as usize], &mut output);
        let behind_ms = 1000.0 - output.len() as f64 / 16.0;
        assert!(behind_ms <= resampler.latency_ms() + 0.1, "{rate_hz} Hz: {behind_ms} ms");
        assert!(behind_ms <= if rate_hz < 8_000 { 15.0 } else { 10.0 }, "{rate_hz} Hz: {behind_ms} ms");
    }
}

#[test]
fn the_same_rate_passes_through_and_flush_begins_anew() {
    let input = sine(16_000, 300.0, 1000);
    assert_eq!(resample(16_000, 16_000, &input, 7), input);
    let input = sine(48_000, 300.0, 4800);
    let mut resampler = StreamResampler::new(48_000, 16_000).expect("supported rate");
    let (mut once, mut again) = (Vec::new(), Vec::new());
    resampler.process(&input, &mut once);
    resampler.flush(&mut once);
    resampler.process(&input, &mut again);
    resampler.flush(&mut again);
    assert_eq!(once, again);
}

#[test]
fn absurd_rates_are_refused() {
    for (from_hz, to_hz) in [(0, 16_000), (3_999, 16_000), (192_001, 16_000), (16_000, u32::MAX)] {
        assert!(matches!(StreamResampler::new(from_hz, to_hz), Err(MediaError::Unsupported { .. })));
    }
}
