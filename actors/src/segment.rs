//! Cuts audio into utterances by voice activity. Pure: probabilities in, cuts out; knows no engine, socket or clock.

/// Samples of one voice-activity frame: 32 ms at 16 kHz (Silero's window).
pub const FRAME_SAMPLES: usize = 512;
