//! Cues as SubRip (`srt`) and WebVTT (`vtt`, <https://www.w3.org/TR/webvtt1/>). Pure formatting.

use crate::transcript::cue::Cue;

/// Writes SubRip: numbered from 1, comma before the milliseconds.
pub(crate) fn write_srt(cues: &[Cue], write: &mut dyn FnMut(&str)) {
    for (index, cue) in cues.iter().enumerate() {
        let separator = if index > 0 { "\n" } else { "" };
        write(&format!(
            "{separator}{}\n{} --> {}\n{}\n",
            index + 1,
            timestamp(cue.start_ms, ','),
            timestamp(cue.end_ms, ','),
            cue.lines.join("\n"),
        ));
    }
}

/// Writes WebVTT: full stop before the milliseconds; `&`, `<` and `>` escaped, which also keeps `-->` out of the text.
pub(crate) fn write_vtt(cues: &[Cue], write: &mut dyn FnMut(&str)) {
    write("WEBVTT\n");
    for cue in cues {
        write(&format!(
            "\n{} --> {}\n{}\n",
            timestamp(cue.start_ms, '.'),
            timestamp(cue.end_ms, '.'),
            escape(&cue.lines.join("\n")),
        ));
    }
}

fn timestamp(ms: u64, mark: char) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{mark}{:03}", ms % 1000)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Format = fn(&[Cue], &mut dyn FnMut(&str));

    fn written(write: Format, cues: &[Cue]) -> String {
        let mut text = String::new();
        write(cues, &mut |piece| text.push_str(piece));
        text
    }

    fn two() -> [Cue; 2] {
        [
            Cue { start_ms: 5, end_ms: 1_250, lines: vec!["Tom & <Jerry>".into(), "--> run".into()] },
            Cue { start_ms: 36_061_001, end_ms: 36_062_000, lines: vec!["Ten hours on.".into()] },
        ]
    }

    #[test]
    fn srt_as_players_read_it() {
        assert_eq!(
            written(write_srt, &two()),
            "1\n00:00:00,005 --> 00:00:01,250\nTom & <Jerry>\n--> run\n\n\
             2\n10:01:01,001 --> 10:01:02,000\nTen hours on.\n"
        );
    }

    #[test]
    fn vtt_escapes_its_markup() {
        assert_eq!(
            written(write_vtt, &two()),
            "WEBVTT\n\n00:00:00.005 --> 00:00:01.250\nTom &amp; &lt;Jerry&gt;\n--&gt; run\n\n\
             10:01:01.001 --> 10:01:02.000\nTen hours on.\n"
        );
    }

    #[test]
    fn silence_is_a_valid_file() {
        assert_eq!(written(write_srt, &[]), "");
        assert_eq!(written(write_vtt, &[]), "WEBVTT\n");
    }
}
