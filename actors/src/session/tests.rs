//! A live session in virtual time: what the client is sent, in what order, and what is left of the stream afterwards.

mod histories;
mod stage;

use crate::ports::ear::{Ear, Heard};
use crate::ports::engine::{EngineError, Outcome, Refused, StreamKey, Unit};
use crate::ports::recogniser::{Admission, Computation, Listened, Recogniser};
use crate::ports::store::{Failure, Lease, Store};
use crate::socket::messages::{Leave, SocketEvent};
use crate::supervise::Exit;
use crate::testkit::{Fault, ScriptedEngine, ScriptedRecogniser, tone};
use bytes::Bytes;
use sottovoce_protocol::close_code;
use sottovoce_protocol::error_code::ErrorCode;
use sottovoce_protocol::ids::ModelId;
use sottovoce_protocol::jobs::JobStatus;
use sottovoce_protocol::live::ServerFrame;
use stage::{Live, Stage, Told, pass, pass_s};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use tone::{caption, silence, speak};

/// Words 1 to 20 (2 s) and a second of silence.
fn phrase() -> Vec<f32> {
    utterance(1..21)
}

fn utterance(words: std::ops::Range<u32>) -> Vec<f32> {
    let mut audio = speak(&words.collect::<Vec<_>>());
    audio.extend(silence(16_000));
    audio
}

fn phrase_words() -> String {
    caption(&(1..21).collect::<Vec<_>>())
}

/// Checks what holds for every stream that was opened and has ended.
fn assert_over(live: &Live) {
    assert_eq!(live.recogniser.counted().streams, 0, "its place is given back");
    assert!(matches!(live.row().status, JobStatus::Done | JobStatus::Failed), "its job has ended");
    let told = live.told();
    let closes = told.iter().filter(|told| matches!(told, Told::Close(_))).count();
    assert!(closes <= 1 && (closes == 0 || matches!(told.last(), Some(Told::Close(_)))), "{told:?}");
    assert_eq!(live.pump.lock().unwrap().sent_before_stored, [""; 0]);
}

#[actix::test]
async fn captions_grow_settle_and_say_what_they_cover() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&silence(8_000)).await;
    live.play(&phrase()).await;

    let captions = live.captions();
    let spoken = captions.iter().filter(|caption| !caption.text.is_empty()).collect::<Vec<_>>();
    let interims: Vec<_> = spoken.iter().filter(|caption| !caption.is_final).collect();
    assert!(interims.len() >= 3, "every half second of 2 s: {captions:?}");
    assert!(interims.windows(2).all(|pair| pair[1].text.starts_with(&pair[0].text)), "{interims:?}");
    assert!(interims.iter().all(|interim| !interim.speech_final && !interim.from_finalize));
    let settled = spoken.last().unwrap();
    assert!(settled.is_final && settled.speech_final && !settled.from_finalize, "{settled:?}");
    assert_eq!(settled.text, phrase_words());
    assert!((settled.confidence - f64::from(tone::AMPLITUDE)).abs() < 0.05, "the engine's, no constant");
    // Word k begins at 500 + 100·k ms.
    for (number, (start, end)) in settled.word_times_ms.iter().enumerate() {
        let expected = 500 + 100 * number as i64;
        assert!((start - expected).abs() <= 2 && (end - expected - 80).abs() <= 2, "{settled:?}");
    }

    let results = live.frames().into_iter().find_map(|frame| match frame {
        ServerFrame::Results { metadata, channel_index, .. } => Some((metadata, channel_index)),
        _ => None,
    });
    let (metadata, channel_index) = results.unwrap();
    assert_eq!(metadata.request_id, live.job.to_string());
    assert_eq!((metadata.model_info.name.as_str(), channel_index), ("moonshine", [0, 1]));
    assert_eq!(metadata.extra["room"], "7");
    live.close_stream().await;
    live.ended().await;
    assert_over(&live);
}

#[actix::test]
async fn a_closed_stream_gets_its_finals_then_metadata_then_the_close() {
    let mut stage = Stage::new(ScriptedEngine::new());
    stage.params.interim_results = false;
    let mut live = stage.open().await;
    live.recogniser.set_delay(Duration::from_secs(2));
    let audio = phrase();
    live.pour(&audio[..2 * 16_000]).await;
    live.close_stream().await;
    assert_eq!(live.ended().await, Exit::Done);

    let told = live.told();
    let [Told::Frame(last), Told::Frame(metadata), Told::Close(close)] = &told[told.len() - 3..] else {
        panic!("{told:?}")
    };
    assert_eq!(*close, close_code::DONE);
    assert!(matches!(last, ServerFrame::Results { is_final: true, .. }));
    let ServerFrame::Metadata { request_id, duration, channels, sha256, .. } = metadata else {
        panic!("{metadata:?}")
    };
    assert_eq!((request_id, *duration, *channels), (&live.job.to_string(), 2.0, 1));
    assert_eq!(sha256.len(), 64);
    assert_eq!(live.words(0), phrase_words(), "the engine took 2 s: it was waited for");
    assert!(live.captions().iter().all(|caption| caption.is_final), "no interims were asked for");

    let row = live.row();
    assert_eq!((row.status, row.error_code, row.duration_ms), (JobStatus::Done, None, Some(2_000)));
    assert_eq!(live.kept_words(), phrase_words());
    assert_over(&live);
}

#[actix::test]
async fn an_empty_binary_message_closes_like_close_stream() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&phrase()).await;
    live.empty().await;
    live.ended().await;
    assert_eq!(live.close(), Some(close_code::DONE));
    assert_eq!(live.words(0), phrase_words());
    assert_over(&live);
}

#[actix::test]
async fn finalize_settles_what_was_heard_and_the_stream_goes_on() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&phrase()[..18 * 1_600]).await;
    live.text(r#"{"type":"Finalize"}"#).await;
    pass(Duration::from_millis(10)).await;
    let finals = live.finals();
    let answer = finals.last().unwrap();
    assert!(answer.from_finalize && answer.is_final, "{answer:?}");
    assert_eq!(live.words(0), caption(&(1..19).collect::<Vec<_>>()));

    live.text(r#"{"type":"Finalize"}"#).await;
    pass(Duration::from_millis(10)).await;
    assert_eq!(live.finals().len(), finals.len() + 1, "nothing new is answered too");
    assert!(live.finals().last().unwrap().from_finalize);

    live.play(&utterance(40..50)).await;
    live.close_stream().await;
    live.ended().await;
    let finals = live.finals();
    assert_eq!(finals.iter().filter(|caption| caption.from_finalize).count(), 2);
    assert!(live.words(0).ends_with(&caption(&(40..50).collect::<Vec<_>>())));
    assert_over(&live);
}

#[actix::test]
async fn a_silent_client_is_told_net_0001_after_ten_seconds() {
    tokio::time::pause();
    for keep_alive in [false, true] {
        let mut live = Stage::on_stopped_clocks(ScriptedEngine::new()).open().await;
        for _ in 0..3 {
            if keep_alive {
                // Without any audio ever, it keeps nothing open.
                live.text(r#"{"type":"KeepAlive"}"#).await;
            }
            pass_s(3).await;
        }
        assert_eq!(live.close(), None);
        pass_s(2).await;
        live.ended().await;
        assert_eq!(live.close(), Some(close_code::IDLE));
        assert_eq!(live.row().status, JobStatus::Done);
        assert_over(&live);
    }
}

#[actix::test]
async fn keep_alive_holds_a_stream_open_once_audio_came() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&phrase()).await;
    for _ in 0..20 {
        live.text(r#"{"type":"KeepAlive"}"#).await;
        pass_s(5).await;
    }
    assert_eq!(live.close(), None);
    pass_s(6).await;
    live.ended().await;
    assert_eq!(live.close(), Some(close_code::IDLE));
    assert_over(&live);
}

#[actix::test]
async fn a_client_that_answers_no_ping_is_cut_and_its_words_are_kept() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.pump.lock().unwrap().mute = true;
    let began = tokio::time::Instant::now();
    live.play(&phrase()).await;
    while !live.was_cut.load(Ordering::Relaxed) {
        live.play(&silence(16_000)).await;
        assert!(began.elapsed() <= Duration::from_secs(30), "cut within 30 s");
    }
    assert_eq!(live.ended().await, Exit::Done);
    assert_eq!((live.close(), live.row().status), (None, JobStatus::Done));
    assert_eq!(live.kept_words(), phrase_words());
    assert_over(&live);
}

#[actix::test]
async fn a_client_that_stops_reading_is_cut_and_its_words_are_kept() {
    let mut stage = Stage::new(ScriptedEngine::new());
    stage.live.credit_window = 4;
    let mut live = stage.open().await;
    live.set_reading(false);
    let began = tokio::time::Instant::now();
    let mut said = 0;
    while !live.was_cut.load(Ordering::Relaxed) {
        live.play(&utterance(said % 100..said % 100 + 10)).await;
        said += 10;
        assert!(began.elapsed() <= Duration::from_secs(30), "cut within 30 s");
    }
    assert_eq!(live.frames().len(), 4, "no more than the window was sent");
    assert_eq!(live.ended().await, Exit::Done);
    assert_eq!(live.row().status, JobStatus::Done);
    assert!(live.kept_words().starts_with(&caption(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])));
    assert_over(&live);
}

#[actix::test]
async fn a_pause_in_reading_costs_no_final() {
    let mut stage = Stage::new(ScriptedEngine::new());
    stage.live.credit_window = 2;
    let mut live = stage.open().await;
    live.set_reading(false);
    for round in 0..4 {
        live.play(&utterance(10 * round..10 * round + 10)).await;
    }
    live.close_stream().await;
    pass_s(3).await;
    assert_eq!(live.close(), None, "what it was sent is not read yet");
    live.set_reading(true);
    live.ended().await;
    assert_eq!(live.close(), Some(close_code::DONE));
    assert_eq!(live.words(0), caption(&(0..40).collect::<Vec<_>>()));
    assert_over(&live);
}

#[actix::test]
async fn a_client_that_never_reads_its_last_words_is_cut() {
    let mut stage = Stage::new(ScriptedEngine::new());
    stage.live.credit_window = 2;
    let mut live = stage.open().await;
    live.set_reading(false);
    live.pour(&[phrase(), phrase(), phrase()].concat()).await;
    live.close_stream().await;
    live.ended().await;
    assert!(live.was_cut.load(Ordering::Relaxed));
    assert_eq!(live.row().status, JobStatus::Done);
    assert_eq!(live.kept_words().len(), 3 * phrase_words().len() + 2);
    assert_over(&live);
}

#[actix::test]
async fn a_slow_engine_closes_the_gate_and_nothing_is_lost() {
    let mut stage = Stage::new(ScriptedEngine::new());
    stage.params.interim_results = false;
    let mut live = stage.open().await;
    live.recogniser.set_delay(Duration::from_secs(4));
    let mut gate_closed = false;
    let mut finals_at_engine = 0;
    for round in 0..60 {
        for chunk in tone::linear16(&utterance(round..round + 10)).chunks(32_000) {
            while !live.gate.is_open() {
                gate_closed = true;
                pass(Duration::from_millis(100)).await;
                finals_at_engine = finals_at_engine.max(live.recogniser.counted().pending);
            }
            live.binary(Bytes::copy_from_slice(chunk)).await;
        }
    }
    live.close_stream().await;
    assert_eq!(live.ended().await, Exit::Done);
    assert!(gate_closed, "120 s of audio in no time");
    assert!(finals_at_engine <= 8, "{finals_at_engine} finals were at the engine");
    let expected: Vec<u32> = (0..60).flat_map(|round| round..round + 10).collect();
    assert_eq!(live.words(0), caption(&expected));
    assert_eq!(live.close(), Some(close_code::DONE));
    assert_over(&live);
}

#[actix::test]
async fn many_channels_never_have_more_finals_at_the_engine_than_it_takes() {
    let mut stage = Stage::new(ScriptedEngine::new());
    stage.params.interim_results = false;
    stage.params.format.channels = 20;
    stage.params.format.multichannel = true;
    let mut live = stage.open().await;
    live.recogniser.set_delay(Duration::from_secs(1));
    let channels: Vec<Vec<f32>> = (0..20)
        .map(|channel| [utterance(channel..channel + 4), utterance(channel + 50..channel + 54)].concat())
        .collect();
    let bytes = tone::linear16(&tone::interleave(&channels));
    let most = std::cell::Cell::new(0);
    let watch = async {
        loop {
            pass(Duration::from_millis(10)).await;
            most.set(most.get().max(live.recogniser.counted().pending));
        }
    };
    let play = async {
        live.play_bytes(&bytes).await;
        live.close_stream().await;
        pass_s(20).await;
    };
    tokio::select! { () = watch => {}, () = play => {} }
    live.ended().await;
    assert!(
        (2..=32).contains(&most.get()),
        "the pool takes 32 finals of a stream, {} were there",
        most.get()
    );
    for channel in 0..20 {
        let words: Vec<u32> = (channel..channel + 4).chain(channel + 50..channel + 54).collect();
        assert_eq!(live.words(channel as u16), caption(&words), "channel {channel}");
    }
    assert_over(&live);
}

#[actix::test]
async fn two_channels_do_not_mix() {
    let mut stage = Stage::new(ScriptedEngine::new());
    stage.params.format.channels = 2;
    stage.params.format.multichannel = true;
    let mut live = stage.open().await;
    let (left, right): (Vec<u32>, Vec<u32>) = ((0..24).collect(), (50..80).collect());
    let mut channels = [speak(&left), [silence(4_800), speak(&right)].concat()];
    channels[0].resize(channels[1].len(), 0.0);
    live.play_bytes(&tone::linear16(&tone::interleave(&channels))).await;
    live.close_stream().await;
    live.ended().await;
    assert_eq!(live.words(0), caption(&left));
    assert_eq!(live.words(1), caption(&right));
    let interims: Vec<_> = live.captions().into_iter().filter(|caption| !caption.is_final).collect();
    for (channel, words) in [(0, &left), (1, &right)] {
        let mut of_channel = interims.iter().filter(|caption| caption.channel == channel).peekable();
        assert!(of_channel.peek().is_some());
        assert!(of_channel.all(|interim| caption(words).starts_with(&interim.text)));
    }
    let channels: Vec<u16> = live.transcript().segments.iter().map(|segment| segment.channel).collect();
    assert!(channels.contains(&0) && channels.contains(&1));
    assert_over(&live);
}

#[actix::test]
async fn a_segment_that_cannot_be_stored_ends_the_stream_as_our_fault() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&phrase()).await;
    live.files.fail_next(1);
    live.play(&utterance(40..50)).await;
    assert_eq!(live.ended().await, Exit::Failed);
    assert_eq!(live.close(), Some(close_code::INTERNAL));
    assert_eq!(live.words(0), phrase_words(), "no final is shown that is not kept");
    let row = live.row();
    assert_eq!((row.status, row.error_code), (JobStatus::Failed, Some(ErrorCode::Internal)));
    assert_eq!(live.kept_words(), phrase_words());
    assert_over(&live);
}

#[actix::test]
async fn a_final_lost_after_close_stream_fails_the_job_and_still_closes_1000() {
    let mut stage = Stage::new(ScriptedEngine::new());
    stage.params.interim_results = false;
    let mut live = stage.open().await;
    live.recogniser.set_delay(Duration::from_secs(1));
    live.play(&phrase()[..2 * 16_000]).await;
    live.close_stream().await;
    live.files.fail_next(1);
    live.ended().await;
    assert_eq!(live.close(), Some(close_code::DONE), "anything else makes clients open the stream again");
    assert_eq!(live.row().error_code, Some(ErrorCode::Internal));
    assert_over(&live);
}

#[actix::test]
async fn artifacts_that_cannot_be_written_leave_the_job_to_the_next_sweep() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&phrase()).await;
    live.files.set_broken(true);
    live.close_stream().await;
    live.ended().await;
    assert_eq!(live.close(), Some(close_code::DONE));
    let row = live.row();
    assert_eq!((row.status, row.input.is_some()), (JobStatus::Processing, true), "its log is still named");
    assert_eq!(live.recogniser.counted().streams, 0);
}

#[actix::test]
async fn a_stream_whose_lease_is_lost_stops_and_changes_nothing() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&phrase()).await;
    let row = live.row();
    let stolen = Lease { job: live.job, epoch: row.epoch };
    let failure =
        Failure { code: ErrorCode::LeaseExpired, artifacts: Vec::new(), duration_ms: None, now: live.now() };
    live.store.fail(stolen, failure).await.unwrap();
    let seq = live.row().seq;
    live.play(&silence(16_000 * 12)).await;
    assert_eq!(live.ended().await, Exit::Failed);
    assert_eq!(live.close(), Some(close_code::INTERNAL));
    let row = live.row();
    assert_eq!((row.error_code, row.seq, row.artifacts.len()), (Some(ErrorCode::LeaseExpired), seq, 0));
    assert_over(&live);
}

#[actix::test]
async fn a_busy_index_is_asked_again_and_ends_no_stream() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&phrase()).await;
    live.store.fail_next(2);
    live.play(&silence(16_000 * 25)).await;
    assert_eq!(live.close(), None);
    live.close_stream().await;
    live.ended().await;
    assert_eq!(live.row().status, JobStatus::Done);
    assert_over(&live);
}

#[actix::test]
async fn deleting_the_running_job_ends_its_stream() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&phrase()).await;
    live.delete().await;
    live.play(&silence(16_000 * 12)).await;
    assert_eq!(live.ended().await, Exit::Done);
    assert_eq!(live.close(), Some(close_code::POLICY));
    assert_eq!(live.row().error_code, Some(ErrorCode::Canceled));
    assert_over(&live);
}

#[actix::test]
async fn a_stopping_server_sends_the_last_words_and_says_1001() {
    let mut stage = Stage::new(ScriptedEngine::new());
    stage.params.interim_results = false;
    let mut live = stage.open().await;
    live.recogniser.set_delay(Duration::from_secs(1));
    live.play(&phrase()[..2 * 16_000]).await;
    live.leave.tell(Leave(close_code::GOING_AWAY)).unwrap();
    assert_eq!(live.ended().await, Exit::Drained);
    assert_eq!(live.close(), Some(close_code::GOING_AWAY));
    assert_eq!(live.words(0), phrase_words());
    assert_eq!(live.row().status, JobStatus::Done);
    assert_over(&live);
}

#[actix::test]
async fn a_stopping_server_does_not_wait_for_an_engine_that_stands_still() {
    tokio::time::pause();
    for asked_first in [false, true] {
        let mut live = Stage::on_stopped_clocks(ScriptedEngine::new()).open().await;
        live.recogniser.set_delay(Duration::from_secs(3_600));
        live.play(&phrase()).await;
        if asked_first {
            live.close_stream().await;
            pass_s(1).await;
        }
        let began = tokio::time::Instant::now();
        live.leave.tell(Leave(close_code::GOING_AWAY)).unwrap();
        live.ended().await;
        assert!(began.elapsed() <= Duration::from_secs(6), "{:?}", began.elapsed());
        assert_eq!(live.row().error_code, Some(ErrorCode::Internal), "words were lost");
        assert_over(&live);
    }
}

#[actix::test]
async fn an_engine_that_stands_still_holds_no_closed_stream() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&phrase()).await;
    live.recogniser.set_delay(Duration::from_secs(3_600));
    live.play(&utterance(40..50)).await;
    let began = tokio::time::Instant::now();
    live.close_stream().await;
    live.ended().await;
    assert!(began.elapsed() <= Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!((live.close(), live.row().error_code), (Some(close_code::DONE), Some(ErrorCode::Internal)));
    assert_eq!(live.kept_words(), phrase_words());
    assert_over(&live);
}

#[actix::test]
async fn a_client_that_goes_in_mid_word_leaves_a_done_job() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&phrase()).await;
    live.play(&speak(&[30, 31, 32, 33, 34, 35])).await;
    live.events.tell(SocketEvent::Gone).unwrap();
    assert_eq!(live.ended().await, Exit::Done);
    assert_eq!(live.close(), None);
    assert_eq!(live.row().status, JobStatus::Done);
    assert_eq!(live.kept_words(), format!("{} w30 w31 w32 w33 w34 w35", phrase_words()));
    assert_over(&live);
}

#[actix::test]
async fn a_pump_that_could_not_say_that_it_is_gone_is_missed() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.play(&phrase()).await;
    live.gate.mark_gone();
    pass_s(1).await;
    assert_eq!(live.ended().await, Exit::Done);
    assert_eq!(live.kept_words(), phrase_words());
    assert_over(&live);
}

#[actix::test]
async fn text_that_is_no_message_is_refused_and_a_later_protocol_is_not() {
    tokio::time::pause();
    for text in ["", "hello", "[]", "{}", r#"{"type":7}"#, r#"{"type":"Finalize","channel":"one"}"#] {
        let mut live = Stage::on_stopped_clocks(ScriptedEngine::new()).open().await;
        live.play(&phrase()).await;
        live.text(text).await;
        // A message of a known type with a wrong field may be a later version's.
        if text.contains("Finalize") {
            pass_s(1).await;
            assert_eq!(live.close(), None, "{text}");
            live.close_stream().await;
        }
        live.ended().await;
        let expected = if text.contains("Finalize") { close_code::DONE } else { close_code::POLICY };
        assert_eq!(live.close(), Some(expected), "{text}");
        assert_eq!(live.words(0), phrase_words(), "the words before it are sent");
        assert_over(&live);
    }
}

#[actix::test]
async fn configure_is_answered() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.text(r#"{"type":"Configure","processors":{}}"#).await;
    live.text(r#"{"type":"Configure","keyterms":["Beckett"]}"#).await;
    live.text(r#"{"type":"SomethingNew","x":1}"#).await;
    live.close_stream().await;
    live.ended().await;
    let frames = live.frames();
    assert!(matches!(frames[0], ServerFrame::ConfigureSuccess { .. }), "{frames:?}");
    assert!(
        matches!(&frames[1], ServerFrame::ConfigureFailure { code, .. } if code == "CONFIGURE_KEYTERMS_NOT_SUPPORTED")
    );
    assert_over(&live);
}

#[actix::test]
async fn a_flood_of_finalize_is_answered_once_while_it_waits() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.recogniser.set_delay(Duration::from_secs(20));
    // Enough finals to make the stream wait for the engine, and audio behind them.
    for round in 0..8 {
        live.pour(&utterance(round..round + 10)).await;
    }
    for _ in 0..1_000 {
        live.text(r#"{"type":"Finalize"}"#).await;
        live.text(r#"{"type":"Finalize","channel":9}"#).await;
    }
    live.recogniser.set_delay(Duration::ZERO);
    for _ in 0..6 {
        live.text(r#"{"type":"KeepAlive"}"#).await;
        pass_s(5).await;
    }
    let answers = live.finals().iter().filter(|caption| caption.from_finalize).count();
    assert_eq!(answers, 1);
    live.close_stream().await;
    live.ended().await;
    assert_over(&live);
}

#[actix::test]
async fn an_engine_fault_costs_a_caption_and_not_the_stream() {
    let engine = ScriptedEngine::new().with_fault(0, Fault::Fail).with_fault(1, Fault::Panic);
    let mut stage = Stage::new(engine);
    stage.params.interim_results = false;
    let mut live = stage.open().await;
    for round in 0..4 {
        live.play(&utterance(10 * round..10 * round + 10)).await;
    }
    live.close_stream().await;
    live.ended().await;
    assert_eq!(live.words(0), caption(&(20..40).collect::<Vec<_>>()));
    assert_eq!(live.close(), Some(close_code::DONE));
    assert_over(&live);
}

/// Listens with faults.
struct FaultyEars {
    recogniser: ScriptedRecogniser,
    /// The pool catches a panic and gives no ear back.
    panics: bool,
}

impl Recogniser for FaultyEars {
    fn admit(&self, model: &ModelId, channels: u16) -> Result<Admission, Refused> {
        self.recogniser.admit(model, channels)
    }

    fn batch_key(&self) -> StreamKey {
        self.recogniser.batch_key()
    }

    fn interim_stretch(&self) -> f32 {
        1.0
    }

    fn submit(
        &self,
        key: StreamKey,
        channel: u16,
        unit: Unit,
        within: Duration,
    ) -> oneshot::Receiver<Outcome> {
        self.recogniser.submit(key, channel, unit, within)
    }

    fn compute(
        &self,
        key: StreamKey,
        computation: Computation,
    ) -> oneshot::Receiver<Result<String, EngineError>> {
        self.recogniser.compute(key, computation)
    }

    fn listen(&self, ear: Box<dyn Ear>, audio: Bytes, flush: bool) -> oneshot::Receiver<Listened> {
        if self.recogniser.counted().listened < 20 {
            return self.recogniser.listen(ear, audio, flush);
        }
        let (reply, listened) = oneshot::channel();
        let failed = Err(EngineError::Failed("planned".into()));
        let _ = reply.send(Listened { ear: (!self.panics).then_some(ear), heard: failed });
        listened
    }
}

#[actix::test]
async fn an_ear_that_fails_or_panics_ends_the_stream_as_our_fault() {
    tokio::time::pause();
    for panics in [false, true] {
        let mut stage = Stage::on_stopped_clocks(ScriptedEngine::new());
        stage.hears_with = Some(Arc::new(FaultyEars { recogniser: stage.recogniser.clone(), panics }));
        let mut live = stage.open().await;
        live.play(&phrase()).await;
        assert_eq!(live.ended().await, Exit::Failed);
        assert_eq!(live.close(), Some(close_code::INTERNAL));
        assert_eq!(live.row().error_code, Some(ErrorCode::Internal));
        assert_over(&live);
    }
}

/// Refuses what it is given.
struct Deaf;

impl Ear for Deaf {
    fn hear(&mut self, _audio: &[u8]) -> Result<Vec<Heard>, EngineError> {
        Err(EngineError::BadUnit("planned"))
    }

    fn flush(&mut self) -> Result<Vec<Heard>, EngineError> {
        Ok(vec![Heard::default()])
    }
}

#[actix::test]
async fn audio_that_cannot_be_heard_is_the_clients_fault() {
    let mut stage = Stage::new(ScriptedEngine::new());
    stage.ear = Some(Box::new(Deaf));
    let mut live = stage.open().await;
    live.play(&phrase()[..16_000]).await;
    live.ended().await;
    assert_eq!(live.close(), Some(close_code::BAD_AUDIO));
    assert_over(&live);
}

#[actix::test]
async fn subscribers_see_the_captions_in_order_without_a_gap() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.recogniser.set_delay(Duration::from_millis(700));
    for round in 0..5 {
        live.play(&utterance(10 * round..10 * round + 10)).await;
    }
    live.close_stream().await;
    live.ended().await;
    let published = live.published();
    let places: Vec<u64> = published.iter().map(|caption| caption.seq).collect();
    assert_eq!(places, (1..=places.len() as u64).collect::<Vec<_>>());
    let finals: Vec<&str> =
        published.iter().filter(|caption| caption.is_final).map(|caption| caption.text.as_str()).collect();
    assert_eq!(finals.join(" "), live.words(0));
    assert!(published.iter().any(|caption| !caption.is_final));
}

#[actix::test]
async fn a_bus_that_fails_costs_the_client_nothing() {
    let mut live = Stage::new(ScriptedEngine::new()).open().await;
    live.bus.set_broken(true);
    live.play(&phrase()).await;
    live.close_stream().await;
    live.ended().await;
    assert_eq!((live.words(0), live.close()), (phrase_words(), Some(close_code::DONE)));
    assert_over(&live);
}

#[actix::test]
async fn two_hours_of_speech_and_silence_stay_true() {
    let mut stage = Stage::new(ScriptedEngine::new());
    stage.params.interim_results = false;
    let mut live = stage.open().await;
    let minute = tone::linear16(&[utterance(1..21), silence(57 * 16_000)].concat());
    let seconds: Vec<Bytes> = minute.chunks(32_000).map(Bytes::copy_from_slice).collect();
    for _ in 0..120 {
        for second in &seconds {
            live.binary(second.clone()).await;
            pass_s(1).await;
        }
    }
    assert!(live.gate.is_open());
    live.close_stream().await;
    live.ended().await;
    let spoken: Vec<_> = live.finals().into_iter().filter(|caption| !caption.text.is_empty()).collect();
    assert_eq!(spoken.len(), 120);
    for (number, caption) in spoken.iter().enumerate() {
        let began_ms = 60_000 * number as i64;
        assert_eq!(caption.text, phrase_words());
        assert!((caption.word_times_ms[0].0 - began_ms).abs() <= 10, "no drift: {caption:?}");
    }
    assert_eq!(live.row().duration_ms, Some(7_200_000));
    assert_over(&live);
}
