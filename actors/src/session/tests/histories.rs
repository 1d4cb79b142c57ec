//! Seeded random histories of a live stream: whatever the client, the engine and the disk do, the order of what is said
//! holds, each channel's finals cover its audio once, and the stream ends once with nothing left behind.

use super::stage::{Live, Shown, Stage, Told, pass};
use crate::segment::FRAME_MS;
use crate::socket::messages::{Leave, SocketEvent};
use crate::supervise::Exit;
use crate::testkit::{Random, ScriptedEngine, tone};
use sottovoce_protocol::close_code;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::jobs::JobStatus;
use std::ops::ControlFlow;
use std::time::Duration;

const HISTORIES: u64 = 60;
const LONGEST_PAUSE_MS: u64 = 12_000;

/// What a history did to its stream, for what may be expected of it.
#[derive(Default, Debug)]
struct Story {
    /// Per channel the words sent.
    spoken: Vec<Vec<u32>>,
    /// A disk fault was planned.
    faulty: bool,
    finalized: usize,
}

async fn play(live: &Live, story: &mut Story, random: &mut Random) {
    let longest = story.spoken.len();
    let channels: Vec<Vec<f32>> = (0..longest)
        .map(|channel| {
            // Up to 3 s of words that no limit cuts, and a pause that ends the utterance, at times a long one.
            let count = 4 + random.below(27);
            let words: Vec<u32> = (0..count).map(|_| random.below(90) as u32).collect();
            story.spoken[channel].extend(&words);
            let mut audio = tone::speak(&words);
            audio.extend(tone::silence(16_000 + random.below(8) as usize * 8_000));
            audio
        })
        .collect();
    let most = channels.iter().map(Vec::len).max().unwrap_or_default();
    let padded: Vec<Vec<f32>> = channels
        .into_iter()
        .map(|mut channel| {
            channel.resize(most, 0.0);
            channel
        })
        .collect();
    let audio = tone::interleave(&padded);
    if random.below(3) == 0 {
        live.pour(&audio).await;
    } else {
        live.play(&audio).await;
    }
}

/// Does one thing to the stream; `Break` if the client has ended it.
async fn act(live: &Live, story: &mut Story, random: &mut Random) -> ControlFlow<()> {
    match random.below(24) {
        0..=9 => play(live, story, random).await,
        10..=11 => {
            live.text(r#"{"type":"Finalize"}"#).await;
            story.finalized += 1;
        }
        12 => live.text(r#"{"type":"KeepAlive"}"#).await,
        13 => live.text(r#"{"type":"Configure"}"#).await,
        14..=15 => pass(Duration::from_millis(random.below(LONGEST_PAUSE_MS))).await,
        16..=17 => live.recogniser.set_delay(Duration::from_millis(random.below(4_000))),
        18 => live.recogniser.set_stretch(1.0 + random.below(4) as f32),
        19 => {
            live.set_reading(false);
            pass(Duration::from_millis(random.below(3_000))).await;
            live.set_reading(true);
        }
        20 if random.below(4) == 0 => {
            live.files.fail_next(1);
            story.faulty = true;
        }
        21 => live.store.fail_next(1),
        22 if random.below(4) == 0 => {
            live.delete().await;
        }
        _ => {}
    }
    if live.close().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

async fn end(live: &Live, random: &mut Random) {
    match random.below(6) {
        0..=1 => live.close_stream().await,
        2 => live.empty().await,
        // A stream that ended before has no mailbox any more.
        3 => drop(live.events.tell(SocketEvent::Gone)),
        4 => drop(live.leave.tell(Leave(close_code::GOING_AWAY))),
        _ => live.text("garbage").await,
    }
}

fn check(seed: u64, live: &Live, story: &Story, exit: Exit) {
    let told = live.told();
    let close = live.close();
    let context = format!("seed {seed}: {exit:?} {close:?} {story:?}");
    assert_ne!(exit, Exit::Panicked, "{context}");
    assert_eq!(live.recogniser.counted().streams, 0, "{context}");
    assert!(live.pump.lock().unwrap().sent_before_stored.is_empty(), "{context}");

    // One terminal end, with the metadata right before it.
    let closes = told.iter().filter(|told| matches!(told, Told::Close(_))).count();
    assert!(closes <= 1, "{context}");
    if closes == 1 && !live.was_cut.load(std::sync::atomic::Ordering::Relaxed) {
        let last = &told[told.len() - 2..];
        assert!(
            matches!(
                last,
                [Told::Frame(sottovoce_protocol::live::ServerFrame::Metadata { .. }), Told::Close(_)]
            ),
            "{context}: {last:?}"
        );
    }

    let captions = live.captions();
    for channel in 0..story.spoken.len() as u16 {
        let of_channel = captions.iter().filter(|caption| caption.channel == channel);
        check_channel(of_channel, &context);
    }

    let row = live.row();
    let fails = [Some(ErrorCode::Internal), Some(ErrorCode::Canceled)];
    match row.status {
        JobStatus::Done => assert_eq!(row.error_code, None, "{context}"),
        JobStatus::Failed => assert!(fails.contains(&row.error_code), "{context}"),
        // The index or the disk failed in the last moment: the sweep ends the job once its lease has run out.
        _ => assert!(story.faulty || row.input.is_some(), "{context}"),
    }
    if row.status != JobStatus::Done || story.faulty {
        return;
    }
    // Nothing went wrong: every word is kept once, and every word shown is kept.
    let segments = live.transcript().segments;
    for (channel, spoken) in story.spoken.iter().enumerate() {
        let of_channel = segments.iter().filter(|segment| usize::from(segment.channel) == channel);
        let kept: Vec<&str> = of_channel.map(|segment| segment.text.as_str()).collect();
        let spoken = tone::caption(spoken);
        let kept = kept.join(" ");
        if close == Some(close_code::DONE) {
            assert_eq!(kept, spoken, "{context}");
            assert_eq!(live.words(channel as u16), spoken, "{context}");
        } else {
            assert!(spoken.starts_with(&kept), "{context}: {kept}");
        }
    }
}

fn check_channel<'a>(captions: impl Iterator<Item = &'a Shown>, context: &str) {
    let mut settled_ms = 0;
    for caption in captions {
        assert!(caption.end_ms >= caption.start_ms, "{context}: {caption:?}");
        assert!(!caption.speech_final || caption.is_final, "{context}: {caption:?}");
        assert!(
            (caption.start_ms - settled_ms).abs() <= 1,
            "{context}: not from {settled_ms} ms: {caption:?}"
        );
        let within = |ms: i64| (caption.start_ms - 1..=caption.end_ms + i64::from(FRAME_MS)).contains(&ms);
        assert!(
            caption.word_times_ms.iter().all(|(start, end)| within(*start) && within(*end)),
            "{caption:?}"
        );
        if caption.is_final {
            settled_ms = caption.end_ms;
        }
    }
}

async fn run(seed: u64) {
    let mut random = Random::new(seed);
    let mut stage = Stage::on_stopped_clocks(ScriptedEngine::new());
    let channels = 1 + random.below(3) as u16 / 2;
    stage.params.format.channels = channels;
    stage.params.format.multichannel = channels > 1;
    stage.params.interim_results = random.below(3) > 0;
    stage.live.credit_window = 4 + random.below(60) as u32;
    let mut live = stage.open().await;
    let mut story = Story { spoken: vec![Vec::new(); usize::from(channels)], ..Story::default() };
    for _ in 0..3 + random.below(12) {
        if act(&live, &mut story, &mut random).await.is_break() {
            break;
        }
    }
    end(&live, &mut random).await;
    let exit = live.ended().await;
    check(seed, &live, &story, exit);
}

#[actix::test]
async fn any_history_ends_once_and_keeps_its_words() {
    tokio::time::pause();
    for seed in 0..HISTORIES {
        eprintln!("history of seed {seed}");
        run(seed).await;
    }
}
