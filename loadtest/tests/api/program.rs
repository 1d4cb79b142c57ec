//! The program itself against the stand-in: exit status, report and files.

use crate::fake::{Fake, Listen};
use sottovoce_loadtest::audio::wav_file;
use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::process::Command;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sottovoce-loadtest-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("a.wav"), wav_file(&vec![9; 24_000])).unwrap();
        let manifest = r#"{"file":"a.wav","seconds":1.5,"language":"en","text":"word 0","tags":["short"]}"#;
        std::fs::write(path.join("manifest.jsonl"), manifest).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn run(fake: &Fake, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sottovoce-loadtest"));
    command.args(arguments).args(["--url", &fake.url(), "--key", "sv_secret"]);
    command.output().await.unwrap()
}

fn json(path: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(Path::new(path)).unwrap();
    assert!(!text.contains("sv_secret"), "a key never reaches a report");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn live_reports_lag_words_and_promises() {
    let (fake, folder) = (Fake::start(Listen::Good).await, Folder::new("live"));
    let (report, out) = (folder.file("r.json"), folder.file("out"));
    let (audio, manifest) = (folder.file("a.wav"), folder.file("manifest.jsonl"));
    let arguments =
        ["live", "--streams", "2", "--audio", &audio, "--reference", &manifest, "--json", &report];
    let output = run(&fake, &[&arguments[..], &["--transcripts-out", &out]].concat()).await;
    assert!(output.status.success(), "{output:?}");
    let figures = &json(&report)["figures"];
    assert_eq!((&figures["accepted"], &figures["wer"]), (&2.into(), &0.0.into()));
    assert_eq!(figures["final_lag"]["count"], 2);
    assert_eq!(std::fs::read_to_string(folder.file("out/stream-001.txt")).unwrap(), "word 0\n");
    let table = std::fs::read_to_string(folder.file("out/hypotheses.tsv")).unwrap();
    assert_eq!(table.lines().count(), 3);
    assert_eq!(
        std::fs::read_to_string(folder.file("out/stream-000.events.jsonl")).unwrap().lines().count(),
        5
    );
}

#[tokio::test]
async fn a_broken_promise_and_a_wrong_use_have_their_own_exit_status() {
    let (fake, folder) = (Fake::start(Listen::Closes).await, Folder::new("exit"));
    let audio = folder.file("a.wav");
    assert_eq!(run(&fake, &["live", "--audio", &audio]).await.status.code(), Some(1));
    assert_eq!(run(&fake, &["live", "--audio", &folder.file("none.wav")]).await.status.code(), Some(2));
}

#[tokio::test]
async fn accuracy_writes_hypotheses_of_both_ways() {
    let (fake, folder) = (Fake::start(Listen::Good).await, Folder::new("accuracy"));
    let (manifest, out) = (folder.file("manifest.jsonl"), folder.file("h.tsv"));
    for mode in [&["batch"][..], &["live", "--speed", "fast"]] {
        let shared = ["accuracy", "--manifest", &manifest, "--out", &out, "--mode"];
        let output = run(&fake, &[&shared[..], mode].concat()).await;
        assert!(output.status.success(), "{output:?}");
        let table = std::fs::read_to_string(&out).unwrap();
        let cells: Vec<&str> = table.lines().nth(1).unwrap().split('\t').collect();
        assert_eq!((cells[0], cells[2], cells[4], cells[5]), ("a.wav", "short", "word 0", "word 0"));
    }
}

#[tokio::test]
async fn status_counts_the_gap_of_the_stand_in() {
    let (fake, folder) = (Fake::start(Listen::Good).await, Folder::new("status"));
    let (report, audio) = (folder.file("r.json"), folder.file("a.wav"));
    let arguments = ["status", "--sockets", "3", "--files", &audio, "--linger-s", "0.5", "--json", &report];
    let output = run(&fake, &arguments).await;
    assert!(output.status.success(), "{output:?}");
    let tally = &json(&report)["figures"]["tally"];
    assert_eq!((&tally["gaps"], &tally["messages"], &tally["events"]), (&3.into(), &9.into(), &2.into()));
    assert!(
        fake.seen.lock().unwrap().subscriptions.iter().all(|s| s == r#"{"op":"subscribe","jobs":"all"}"#)
    );
}
