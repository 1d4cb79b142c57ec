//! Shows a live run and writes its transcripts.

use super::figures::{LiveFigures, StreamFigures, end_label};
use super::stream::Record;
use crate::caption::{Caption, final_text};
use crate::error::LoadError;
use crate::hypotheses::{self, HeardWord, Hypothesis};
use crate::manifest::References;
use crate::playlist::Programme;
use crate::report::{Table, mebibytes};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Rows of the table of single streams; the JSON has them all.
const SHOWN_STREAMS: usize = 40;

/// Prints the tables.
pub fn print(figures: &LiveFigures) {
    println!(
        "streams   {} asked, {} accepted; {:.1} s of audio sent",
        figures.asked, figures.accepted, figures.audio_s
    );
    figures.refused.iter().for_each(|(label, count)| println!("refused   {count} × {label}"));
    figures.ends.iter().for_each(|(label, count)| println!("closed    {count} × {label}"));
    if let Some(cpu) = figures.cpu_per_audio_s {
        println!("cost      {cpu:.4} server CPU seconds per audio second");
    }
    if let Some(bytes) = figures.rss_per_stream_bytes {
        println!("memory    {} from start to peak per accepted stream", mebibytes(bytes));
    }
    if let Some(bytes) = figures.rss_after_minute_2_bytes {
        println!("memory    {} from minute 2 to the end", mebibytes(bytes as f64));
    }
    if let Some(d) = figures.drift {
        println!(
            "drift     mean final lag {:.3} s in the first {:.0} s, {:.3} s in the last",
            d.first_s, d.window_s, d.last_s
        );
    }
    if let (Some(e), Some(wer)) = (figures.word_errors, figures.wer) {
        println!(
            "words     WER {:.2} % (compact normaliser): {} of {} lost, {} changed, {} made up",
            wer * 100.0,
            e.deleted,
            e.reference,
            e.substituted,
            e.inserted
        );
    }
    let c = &figures.contiguity;
    println!(
        "promises  gaps {}, overlaps {}, stale interims {}, misplaced words {}, speech_final unsettled {}, tail {} s, \
         beyond sent {}, unknown frames {}",
        c.gaps,
        c.overlaps,
        c.stale_interims,
        c.misplaced_words,
        c.unsettled_speech_finals,
        c.uncovered_tail_s.map_or_else(|| "-".into(), |tail| format!("{tail:.3}")),
        figures.beyond_sent,
        figures.unknown_frames
    );
    let mut table = Table::of_spreads();
    table.spread("interim lag", &figures.interim_lag);
    table.spread("final lag", &figures.final_lag);
    table.spread("first words", &figures.first_words);
    table.spread("client late", &figures.sending_late);
    table.print();
    println!("worst stream's final lag p95: {:.3} s", figures.worst_final_p95);
    print_streams(&figures.streams);
}

fn print_streams(streams: &[StreamFigures]) {
    let heading = [
        "stream",
        "audio s",
        "interim p50",
        "p95",
        "final p50",
        "p95",
        "max",
        "words",
        "WER %",
        "faults",
        "end",
    ];
    let mut table = Table::new(&heading);
    for s in streams.iter().take(SHOWN_STREAMS) {
        let wer = s
            .word_errors
            .and_then(|e| e.rate())
            .map_or_else(|| "-".into(), |rate| format!("{:.1}", rate * 100.0));
        table.row(vec![
            s.stream.to_string(),
            format!("{:.1}", s.audio_s),
            format!("{:.3}", s.interim_lag.p50),
            format!("{:.3}", s.interim_lag.p95),
            format!("{:.3}", s.final_lag.p50),
            format!("{:.3}", s.final_lag.p95),
            format!("{:.3}", s.final_lag.max),
            s.words.to_string(),
            wer,
            s.contiguity.faults().to_string(),
            format!("{} at {:.1} s", end_label(&s.end), s.ended_at_s),
        ]);
    }
    table.print();
    if streams.len() > SHOWN_STREAMS {
        println!("… and {} more (--json has all)", streams.len() - SHOWN_STREAMS);
    }
}

/// Writes `stream-NNN.txt`, `stream-NNN.events.jsonl` and `hypotheses.tsv` (one line a channel).
pub fn write_transcripts(
    folder: &Path,
    records: &[Record],
    programmes: &[Arc<Programme>],
    references: Option<&References>,
) -> Result<(), LoadError> {
    std::fs::create_dir_all(folder).map_err(|e| LoadError::file(folder, e))?;
    let mut lines = Vec::new();
    for (index, (record, programme)) in records.iter().zip(programmes).enumerate() {
        let mut all = String::new();
        for channel in 0..programme.channels() {
            let line = hypothesis(record, programme, channel, references);
            all += &(line.hypothesis.clone() + "\n");
            lines.push(line);
        }
        write(&folder.join(format!("stream-{index:03}.txt")), &all)?;
        write(&folder.join(format!("stream-{index:03}.events.jsonl")), &events(record))?;
    }
    hypotheses::write(&folder.join("hypotheses.tsv"), &lines)
}

fn write(path: &Path, text: &str) -> Result<(), LoadError> {
    std::fs::write(path, text).map_err(|e| LoadError::file(path, e))
}

/// One line an event: arrival in seconds from the stream's start, and the frame as it came.
fn events(record: &Record) -> String {
    record.raw.iter().fold(String::new(), |mut lines, event| {
        let frame = serde_json::from_str::<serde_json::Value>(&event.text)
            .unwrap_or_else(|_| serde_json::Value::String(event.text.clone()));
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{}", serde_json::json!({"at_s": event.at.as_secs_f64(), "frame": frame}));
        lines
    })
}

/// Returns what was heard on a channel beside what was said.
pub fn hypothesis(
    record: &Record,
    programme: &Programme,
    channel: u16,
    references: Option<&References>,
) -> Hypothesis {
    let finals: Vec<&Caption> =
        record.captions.iter().filter(|c| c.is_final && c.channel == channel).collect();
    let words = finals.iter().flat_map(|c| &c.words);
    Hypothesis {
        file: programme.names(channel).join("+"),
        seconds: programme.seconds(),
        reference: references.and_then(|r| programme.reference(channel, r)).unwrap_or_default(),
        hypothesis: final_text(&record.captions, channel),
        words: words.map(|w| HeardWord(w.word.clone(), w.start, w.end, w.confidence)).collect(),
        cuts: finals.iter().skip(1).map(|c| c.start_s).collect(),
        ..Hypothesis::default()
    }
}
