//! Mutated media files.

use super::seed::{Random, Seed};
use crate::rest::Upload;
use bytes::Bytes;

/// Names that a careless server would trip over.
const NAMES: [&str; 7] =
    ["a.wav", "../../etc/passwd", "a.mp3", "recording", "ünï.flac", "a\u{202e}.m4a", ".hidden.webm"];

/// Makes the mutated file with this number: what was done to it, and the upload. `bases` must not be empty.
pub fn make(seed: Seed, index: usize, bases: &[Bytes]) -> (&'static str, Upload) {
    let random = &mut seed.of_case(index);
    let base = random.below(bases.len());
    let other = random.below(bases.len());
    let (kind, bytes) = mutate(random, &bases[base], &bases[other]);
    let name = random.pick(&NAMES).to_owned();
    (kind, Upload { path: format!("case-{index}").into(), name, bytes: bytes.into() })
}

fn mutate(random: &mut Random, base: &[u8], other: &[u8]) -> (&'static str, Vec<u8>) {
    let mut bytes = base.to_vec();
    let header = bytes.len().min(200);
    match random.below(13) {
        0 => {
            bytes.truncate(random.below(base.len()));
            ("truncated", bytes)
        }
        1 => {
            bytes.truncate(random.between(1, header));
            ("header only", bytes)
        }
        2 => {
            for _ in 0..random.between(1, 20) {
                bytes[random.below(header)] ^= 1 << random.below(8);
            }
            ("bits flipped in the header", bytes)
        }
        3 => {
            for _ in 0..random.between(1, 500) {
                let place = random.below(bytes.len());
                bytes[place] = random.next() as u8;
            }
            ("bytes changed anywhere", bytes)
        }
        4 => {
            // Lengths, rates and counts in headers are aligned 16- or 32-bit numbers.
            let place = random.below(header / 4) * 4;
            let extreme = random.pick(&[0_u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_0000]);
            let end = (place + 4).min(bytes.len());
            bytes[place..end].copy_from_slice(&extreme.to_le_bytes()[..end - place]);
            ("extreme number in the header", bytes)
        }
        5 => {
            let (from, to) = range(random, bytes.len());
            bytes[from..to].fill(0);
            ("zeroed range", bytes)
        }
        6 => {
            let (from, to) = range(random, bytes.len());
            bytes.drain(from..to);
            ("range cut out", bytes)
        }
        7 => {
            let (from, to) = range(random, bytes.len());
            let copy = bytes[from..to].to_vec();
            let place = random.below(bytes.len());
            bytes.splice(place..place, copy);
            ("range doubled", bytes)
        }
        8 => {
            bytes.truncate(random.between(1, base.len()));
            bytes.extend_from_slice(other);
            ("two files in one", bytes)
        }
        9 => {
            let length = random.between(1, 100_000);
            ("random bytes", random.bytes(length))
        }
        10 => ("empty", Vec::new()),
        11 => {
            let magic = random.pick(&[
                &b"ID3\x04\0\0\x7f\x7f\x7f\x7f"[..],
                b"OggS\0\x02",
                b"fLaC\0\0\0\x22",
                b"\x1aE\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff",
                b"\0\0\0\x20ftypM4A ",
                b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\x7f",
                b"\xff\xfb\x90\0",
                b"PK\x03\x04",
                b"<html>",
            ]);
            let length = random.between(0, 50_000);
            let tail = random.bytes(length);
            ("magic and noise", [magic, &tail].concat())
        }
        _ => {
            let place = random.below(bytes.len());
            let length = random.between(1, 5_000);
            let noise = random.bytes(length);
            bytes.splice(place..place, noise);
            ("noise put in", bytes)
        }
    }
}

fn range(random: &mut Random, length: usize) -> (usize, usize) {
    let (a, b) = (random.below(length), random.below(length));
    (a.min(b), a.max(b) + 1)
}

#[cfg(test)]
mod tests {
    use super::super::made_up_wav;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn two_hundred_files_cover_every_kind_and_repeat() {
        let bases = [made_up_wav(), Bytes::from_static(b"x")];
        let made: Vec<_> = (0..200).map(|index| make(Seed(1), index, &bases)).collect();
        assert_eq!(made.iter().map(|(kind, _)| kind).collect::<BTreeSet<_>>().len(), 13);
        assert_eq!(make(Seed(1), 9, &bases).1.bytes, made[9].1.bytes);
    }
}
