//! How a log grows in a store whose objects do not: what the next append writes, and what a log's parts amount to. Pure.
//!
//! An append puts one new object, whole or not at all, at the place where the log ends. So that a long stream does not
//! become thousands of objects, every [`RUN_PARTS`]th append puts instead, at the place of the run's first part, all that
//! the run holds and its own lines with it: one put again, which replaces the first part and makes the others superfluous.
//! They are deleted then; where that fails they are covered by the long part and not read. A put that failed changes
//! nothing here, so that the next one takes its place, whether it got through or not.

use bytes::Bytes;
use sottovoce_actors::ports::files::FileError;

/// Appends that become one part.
const RUN_PARTS: usize = 32;
/// A run that holds so much becomes one part earlier. It is kept in memory, for each log that grows.
const RUN_BYTES: usize = 64 * 1024;

/// A listed part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// The place of its first byte in the log.
    pub offset: u64,
    pub size_bytes: u64,
}

impl Part {
    /// The place behind its last byte.
    pub const fn end(self) -> u64 {
        self.offset.saturating_add(self.size_bytes)
    }
}

/// The end of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tail {
    /// Where the run of small parts begins.
    from: u64,
    /// The places of the small parts.
    parts: Vec<u64>,
    /// What they hold.
    run: Vec<u8>,
}

/// What an append puts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Put {
    /// The place of the part.
    pub offset: u64,
    pub body: Bytes,
    /// Parts that it makes superfluous.
    pub covers: Vec<u64>,
    after: Tail,
}

impl Tail {
    /// Starts at the end of what is there.
    pub const fn at(end: u64) -> Self {
        Self { from: end, parts: Vec::new(), run: Vec::new() }
    }

    /// Plans the append of some lines.
    pub fn put(&self, lines: &Bytes) -> Put {
        let end = self.from + self.run.len() as u64;
        let held = self.run.len() + lines.len();
        if self.parts.len() + 1 < RUN_PARTS && held < RUN_BYTES {
            let after = Self {
                from: self.from,
                parts: [&self.parts[..], &[end]].concat(),
                run: [&self.run[..], lines].concat(),
            };
            return Put { offset: end, body: lines.clone(), covers: Vec::new(), after };
        }
        Put {
            offset: self.from,
            body: [&self.run[..], lines].concat().into(),
            covers: self.parts.iter().skip(1).copied().collect(),
            after: Self::at(self.from + held as u64),
        }
    }

    /// Notes that the planned part is there.
    pub fn done(&mut self, put: Put) {
        *self = put.after;
    }
}

/// Returns the parts that make up a log, in order, without those that longer ones cover.
///
/// # Errors
/// `Unavailable` if one is missing in between.
pub fn needed(listed: impl IntoIterator<Item = Part>) -> Result<Vec<Part>, FileError> {
    let mut needed: Vec<Part> = Vec::new();
    for part in listed {
        let end = end_of(&needed);
        if part.offset > end {
            return Err(FileError::Unavailable(format!("a log has a hole at byte {end}")));
        }
        if part.end() > end {
            needed.push(part);
        }
    }
    Ok(needed)
}

/// Returns the length of a log of these parts.
pub fn end_of(needed: &[Part]) -> u64 {
    needed.last().map_or(0, |part| part.end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A bucket with one log, and the log as it should read.
    #[derive(Default)]
    struct World {
        parts: BTreeMap<u64, Bytes>,
        expected: Vec<u8>,
    }

    impl World {
        fn read(&self) -> Vec<u8> {
            let listed = self
                .parts
                .iter()
                .map(|(offset, body)| Part { offset: *offset, size_bytes: body.len() as u64 });
            let mut read: Vec<u8> = Vec::new();
            for part in needed(listed).expect("no hole") {
                let from = read.len() - part.offset as usize;
                read.extend_from_slice(&self.parts[&part.offset][from..]);
            }
            read
        }

        fn end(&self) -> u64 {
            self.expected.len() as u64
        }
    }

    fn line(number: usize) -> Bytes {
        format!("line {number} {}\n", "x".repeat(number % 97)).into()
    }

    #[test]
    fn a_log_reads_as_it_was_appended_whatever_fails() {
        let mut world = World::default();
        let mut tail = Tail::at(0);
        for number in 0..1000 {
            let lines = line(number);
            let put = tail.put(&lines);
            let got_through = number % 7 != 3;
            let failed = number % 5 == 2;
            if failed {
                if got_through {
                    // The answer was lost: the part is there, the caller does not know.
                    world.parts.insert(put.offset, put.body);
                }
                let again = tail.put(&lines);
                world.parts.insert(again.offset, again.body.clone());
                tail.done(again);
            } else {
                world.parts.insert(put.offset, put.body.clone());
                for covered in &put.covers {
                    // Some deletions are lost.
                    if covered % 3 != 0 {
                        world.parts.remove(covered);
                    }
                }
                tail.done(put);
            }
            world.expected.extend_from_slice(&lines);
            assert_eq!(world.read(), world.expected, "after line {number}");
            if number % 61 == 0 {
                // Another process goes on, or this one forgot.
                tail = Tail::at(world.end());
            }
        }
    }

    #[test]
    fn a_long_log_has_few_parts_and_each_key_is_put_twice_at_most() {
        let (mut world, mut tail) = (World::default(), Tail::at(0));
        let mut puts: BTreeMap<u64, u32> = BTreeMap::new();
        for number in 0..3200 {
            let put = tail.put(&line(number));
            assert!(put.body.len() < RUN_BYTES);
            *puts.entry(put.offset).or_default() += 1;
            world.parts.insert(put.offset, put.body.clone());
            put.covers.iter().for_each(|covered| drop(world.parts.remove(covered)));
            tail.done(put);
        }
        assert!(puts.values().all(|count| *count <= 2));
        assert_eq!(world.parts.len(), 100);
    }

    #[test]
    fn long_lines_are_parts_of_their_own() {
        let mut tail = Tail::at(10);
        let long = Bytes::from(vec![b'x'; RUN_BYTES]);
        let put = tail.put(&long);
        assert_eq!((put.offset, put.body.len(), put.covers.len()), (10, RUN_BYTES, 0));
        tail.done(put);
        assert_eq!(tail, Tail::at(10 + RUN_BYTES as u64));
    }

    #[test]
    fn a_hole_is_told() {
        let part = |offset, size_bytes| Part { offset, size_bytes };
        assert!(needed([part(0, 5), part(6, 5)]).is_err());
        assert!(needed([part(1, 5)]).is_err());
        assert_eq!(needed([]).expect("none"), []);
        assert_eq!(end_of(&needed([part(0, 10), part(3, 2), part(10, 1)]).expect("whole")), 11);
    }
}
