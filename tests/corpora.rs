//! The targets of `fuzz/`, fed with their corpora and with mutations of these that a seed repeats: a
//! few thousand for each target without a nightly compiler, or as many as a time allows.
//!
//! ```text
//! cargo test --test corpora
//! FUZZ_SECONDS=600 FUZZ_SEED=7 cargo test --test corpora -- --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "the input that breaks something")]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, panic};

use session::fuzzing;
use targets::{TARGETS, Target};
use testkit::now;

/// How many mutations each target gets where no time is set.
const MUTATIONS: u64 = 4_000;
/// What inputs are cut to.
const LONGEST: usize = 4_096;
/// Bytes at which formats change their meaning.
const SPECIAL: &[u8] = b"\0\x01\x7f\x80\xff\r\n\t \"\\%,;:=.-_/{}[]()<>*";

/// Marsaglia's xorshift, of 64 bits.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % limit.max(1)
    }

    /// A part of the bytes, often a short one.
    fn part<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.below(bytes.len());
        let longest = if self.below(2) == 0 { 4 } else { bytes.len() };
        &bytes[start..bytes.len().min(start + 1 + self.below(longest))]
    }
}

/// The inputs of a target, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One change somewhere.
fn mutate(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.below(input.len() + 1);
    match random.below(8) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = SPECIAL[random.below(SPECIAL.len())],
        2 if at < input.len() => input[at] = input[at].wrapping_add(random.next().to_le_bytes()[0]),
        3 => input.insert(at, SPECIAL[random.below(SPECIAL.len())]),
        4 if !input.is_empty() => {
            let cut = random.part(input).len();
            let end = input.len().min(at + cut);
            input.drain(at.min(end)..end);
        }
        5 if !input.is_empty() => {
            let again = random.part(input).to_vec();
            input.splice(at..at, again);
        }
        6 => input.truncate(at),
        _ => {
            let other = &corpus[random.below(corpus.len())];
            let part = if other.is_empty() { &[][..] } else { random.part(other) };
            input.splice(at..at, part.iter().copied());
        }
    }
    input.truncate(LONGEST);
}

fn feed(target: Target, input: &[u8]) {
    let (name, run) = target;
    if let Err(cause) = panic::catch_unwind(|| run(input)) {
        eprintln!("{name} panics for {:?}", String::from_utf8_lossy(input));
        eprintln!("which is {input:02x?}");
        panic::resume_unwind(cause);
    }
}

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|value| value.parse().ok())
}

/// Feeds a target with its corpus and with mutations of it; how many.
fn try_out(target: Target, random: &mut Random, lasts: Option<Duration>) -> u64 {
    let corpus = corpus(target.0);
    assert!(!corpus.is_empty(), "{} has no corpus", target.0);
    for input in &corpus {
        feed(target, input);
    }
    let (began, mut count) = (now(), 0);
    while lasts.map_or(count < MUTATIONS, |lasts| began.elapsed() < lasts) {
        let mut input = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(6) {
            mutate(random, &mut input, &corpus);
        }
        feed(target, &input);
        count += 1;
    }
    count
}

#[test]
fn no_input_breaks_what_reads_it() {
    let seed = variable("FUZZ_SEED").unwrap_or(1);
    let lasts = variable("FUZZ_SECONDS").map(Duration::from_secs);
    let lasts = lasts.map(|all| all / u32::try_from(TARGETS.len()).unwrap());
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for target in TARGETS {
        let count = try_out(*target, &mut random, lasts);
        eprintln!("{}: {count} mutations from seed {seed}", target.0);
    }
}

/// A stored form that has changed would leave a corpus of which nothing is read.
#[test]
fn stored_records_of_the_corpora_are_read() {
    for input in corpus("file_record") {
        let end = input.iter().rposition(|byte| *byte == b'\n').unwrap_or(input.len());
        assert!(fuzzing::file_record(&input[..end], None).is_some(), "{input:02x?}");
    }
    let read = |target, reads: fn(&[u8]) -> bool| corpus(target).iter().any(|input| reads(input));
    assert!(read("event", |input| fuzzing::event(input).is_some()), "no event");
    assert!(read("redis_record", |input| fuzzing::redis_record(input).is_some()), "no record");
}

#[test]
fn each_target_has_a_corpus_and_a_binary() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let mut corpora: Vec<String> = fs::read_dir(fuzz.join("corpus"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    corpora.sort();
    let mut names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(corpora, names);
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} has no binary");
        assert!(fuzz.join("fuzz_targets").join(name).with_extension("rs").exists(), "{name}");
    }
}
