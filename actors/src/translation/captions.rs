//! SubRip and WebVTT files as cues; forgiving, as players are. Pure.

use crate::transcript::Cue;

/// Longest tag that is taken for one.
const MAX_TAG_BYTES: usize = 200;
/// Longest time that a cue may name: a hundred hours.
const MAX_MS: u64 = 360_000_000;

/// Returns whether a text is a subtitle file: WebVTT's first line, or SubRip's times among its first lines.
pub(super) fn is_captions(text: &str) -> bool {
    let signature = text.strip_prefix("WEBVTT");
    if signature.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r'])) {
        return true;
    }
    text.lines().map(str::trim).filter(|line| !line.is_empty()).take(2).any(|line| times(line).is_some())
}

/// Returns the cues that have a text, by start. Notes, styles, numbers, settings and markup are left out.
pub(super) fn read(text: &str) -> Vec<Cue> {
    let mut cues = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((start_ms, end_ms)) = times(line) else { continue };
        let mut said = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty() && times(line).is_none()) {
            let plain = plain(line);
            if !plain.is_empty() {
                said.push(plain);
            }
        }
        // Where no blank line stands between, the next cue's number was taken for a text.
        if lines.peek().is_some_and(|line| times(line).is_some())
            && said.len() > 1
            && said.last().is_some_and(|last| last.bytes().all(|digit| digit.is_ascii_digit()))
        {
            said.pop();
        }
        if !said.is_empty() {
            cues.push(Cue { start_ms, end_ms, lines: said });
        }
    }
    cues.sort_by_key(|cue| cue.start_ms);
    cues
}

/// Reads a timing line: `00:00:01,000 --> 00:00:02,500`, hours optional, comma or full stop, settings after it.
fn times(line: &str) -> Option<(u64, u64)> {
    let (from, to) = line.split_once("-->")?;
    let (start_ms, end_ms) = (time(from.trim())?, time(to.split_whitespace().next()?)?);
    (start_ms < end_ms).then_some((start_ms, end_ms))
}

fn time(text: &str) -> Option<u64> {
    let (whole, thousandths) = text.split_once([',', '.'])?;
    let number = |digits: &str| -> Option<u64> {
        let is_number = (1..=6).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    };
    let ms = (thousandths.len() == 3).then(|| number(thousandths)).flatten()?;
    let parts = whole.split(':').map(number).collect::<Option<Vec<_>>>()?;
    let (hours, minutes, seconds) = match parts[..] {
        [hours, minutes, seconds] => (hours, minutes, seconds),
        [minutes, seconds] => (0, minutes, seconds),
        _ => return None,
    };
    let total = ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms;
    (minutes < 60 && seconds < 60 && total <= MAX_MS).then_some(total)
}

/// Returns a line without tags (`<i>`, `<c.loud>`, `<00:01.000>`, `{\an8}`) and with its entities as letters.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['<', '{']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let is_tag = |closed: u8, first: fn(char) -> bool| {
            let begins = rest[1..].starts_with(first);
            let mut bytes = rest.bytes().take(MAX_TAG_BYTES);
            begins.then(|| bytes.position(|byte| byte == closed)).flatten().map(|end| end + 1)
        };
        let tag = if rest.starts_with('<') {
            is_tag(b'>', |letter| letter.is_ascii_alphanumeric() || letter == '/')
        } else {
            is_tag(b'}', |letter| letter == '\\')
        };
        let skipped = tag.unwrap_or(1);
        if tag.is_none() {
            text.push_str(&rest[..1]);
        }
        rest = &rest[skipped..];
    }
    text.push_str(rest);
    let text = text.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(start_ms: u64, end_ms: u64, lines: &[&str]) -> Cue {
        Cue { start_ms, end_ms, lines: lines.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn subrip_as_it_is_found() {
        let file = "1\r\n00:00:00,316 --> 00:00:02,846\r\n<i>Ever tried,</i>\r\n{\\an8}ever failed.\r\n\r\n\
                    2\r\n00:00:03,524 --> 00:00:05,554\r\nNo matter.\r\n3\r\n00:00:06,000 --> 00:00:07,000\r\n1984\r\n\r\n\
                    4\r\n00:00:08,000 --> 00:00:08,000\r\nno time\r\n\r\n5\r\n00:00:09,000 --> 00:00:10,000\r\n<i></i>\r\n";
        assert!(is_captions(file));
        let wanted = [
            cue(316, 2_846, &["Ever tried,", "ever failed."]),
            cue(3_524, 5_554, &["No matter."]),
            cue(6_000, 7_000, &["1984"]),
        ];
        assert_eq!(read(file), wanted);
    }

    #[test]
    fn webvtt_with_its_furniture() {
        let file = "WEBVTT - a talk\n\nSTYLE\n::cue { color: red }\n\nNOTE nothing\n\nintro\n00:01.000 --> 00:02.500 \
                    align:start\n<v Ada>Tom &amp; &lt;Jerry&gt; <b>run</b>\n\n01:00:00.000 --> 01:00:01.000\n1 < 2 { 3\n";
        assert!(is_captions(file));
        assert_eq!(
            read(file),
            [cue(1_000, 2_500, &["Tom & <Jerry> run"]), cue(3_600_000, 3_601_000, &["1 < 2 { 3"])]
        );
    }

    #[test]
    fn what_only_looks_alike_is_no_subtitle_file() {
        for text in [
            "",
            "WEBVTTX",
            "a --> b",
            "00:00:01,000 --> never",
            "One\nTwo\nThree\n00:00:01,000 --> 00:00:02,000",
            "00:61:00,000 --> 00:62:00,000",
            "99999999999999999999:00:00,000 --> 00:00:01,000",
        ] {
            assert!(!is_captions(text), "{text}");
        }
    }
}
