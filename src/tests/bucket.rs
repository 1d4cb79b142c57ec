//! Servers whose content is in a bucket: jobs, streams, links, and refusals of a bucket that cannot be trusted.

use crate::app::{TestApp, config, orphans_among};
use crate::client::Client;
use crate::sound::{said, wav};
use sottovoce::app::open_files;
use sottovoce::system::SystemIds;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::testkit::{ScriptedEngine, tone};
use sottovoce_protocol::jobs::{JobStatus, JobView};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

const WORDS: [u32; 8] = [5, 6, 7, 8, 9, 10, 11, 12];

fn told(name: &str) -> String {
    let name = format!("SOTTOVOCE_TEST_S3_{name}");
    std::env::var(&name).unwrap_or_else(|_| panic!("{name} is not set; run the tests with `make test`"))
}

/// A bucket on the server that `make test` starts; it goes when this is dropped.
pub struct Bucket {
    name: String,
    folder: PathBuf,
}

impl Bucket {
    pub fn new() -> Self {
        let name = format!("it-{}", &SystemIds.uuid().simple().to_string()[20..]);
        let folder = PathBuf::from(told("FOLDER")).join(&name);
        std::fs::create_dir(&folder).expect("a bucket");
        Self { name, folder }
    }

    /// Returns what puts a server's content here.
    pub fn settings(&self) -> [(&'static str, String); 3] {
        [
            ("files__url", format!("s3://{}/sv?endpoint={}", self.name, told("ENDPOINT"))),
            ("files__access_key_id", told("ACCESS_KEY_ID")),
            ("files__secret_access_key", told("SECRET_ACCESS_KEY")),
        ]
    }

    /// Returns the keys of all objects, as the object server keeps them.
    pub fn keys(&self) -> Vec<String> {
        let (mut keys, mut folders) = (Vec::new(), vec![self.folder.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("readable") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(&self.folder).expect("in the bucket");
                    keys.push(key.to_str().expect("text").to_owned());
                }
            }
        }
        keys.sort();
        keys
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn with<'a>(
    settings: &'a [(&'static str, String)],
    more: &[(&'static str, &'a str)],
) -> Vec<(&'static str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).chain(more.iter().copied()).collect()
}

#[actix::test]
async fn a_job_lives_in_the_bucket_and_is_there_after_a_restart() {
    let bucket = Bucket::new();
    let settings = bucket.settings();
    let app = TestApp::with(&with(&settings, &[])).await;
    let id = app.submit(wav(&WORDS)).await.json::<JobView>().await.expect("a job").id;
    assert_eq!(app.ended_job(id).await.status, JobStatus::Done);
    assert_eq!(app.kept_words(id).await, tone::caption(&WORDS));
    let path = format!("/saas/jobs/{id}/artifacts/transcript");
    let whole = app.artifact(id, "transcript").await;
    let part = app.request(reqwest::Method::GET, &path).header("range", "bytes=3-6").send().await;
    let part = part.expect("an answer");
    assert_eq!((part.status().as_u16(), part.text().await.expect("text").as_str()), (206, &whole[3..7]));
    let prefix = format!("sv/objects/jobs/{id}/");
    assert!(bucket.keys().iter().any(|key| key.starts_with(&prefix)), "{:?}", bucket.keys());
    let left: Vec<_> = std::fs::read_dir(app.data_dir()).expect("readable").flatten().collect();
    assert!(left.iter().all(|entry| entry.file_name() != "objects"), "{left:?}");

    let key = app.key.clone();
    let (in_time, data) = app.stop().await;
    assert!(in_time);
    let app = TestApp::on(data, &with(&settings, &[]), ScriptedEngine::new()).await.signed_in(key);
    assert_eq!(app.artifact(id, "transcript").await, whole);
    let (in_time, data) = app.stop().await;
    assert!(in_time);
    let files = open_files(&config(data.path(), &with(&settings, &[]))).await.expect("a good bucket");
    assert_eq!(orphans_among(&*files, data.path()).await, []);
}

#[actix::test]
async fn a_streams_log_grows_in_the_bucket_and_becomes_its_artifacts() {
    let bucket = Bucket::new();
    let settings = bucket.settings();
    let app = TestApp::with(&with(&settings, &[])).await;
    let mut client = Client::listen(&app, "").await;
    let job = client.job();
    client.pour(&said(&WORDS)).await;
    client.pour(&said(&WORDS)).await;
    app.until("a final is in the log", async || {
        bucket
            .keys()
            .iter()
            .any(|key| key.starts_with(&format!("sv/objects/jobs/{job}/segments!")))
            .then_some(())
    })
    .await;
    client.close_stream().await;
    let ending = client.ending().await;
    let spoken = [tone::caption(&WORDS), tone::caption(&WORDS)].join(" ");
    assert_eq!(ending.words(0), spoken);
    assert_eq!(app.ended_job(job).await.status, JobStatus::Done);
    assert_eq!(app.kept_words(job).await, spoken);
    app.finish().await;
}

#[actix::test]
async fn downloads_are_links_where_the_operator_wants_that() {
    let bucket = Bucket::new();
    let settings = bucket.settings();
    let app = TestApp::with(&with(&settings, &[("files__presigned_downloads", "true")])).await;
    let id = app.submit(wav(&WORDS)).await.json::<JobView>().await.expect("a job").id;
    assert_eq!(app.ended_job(id).await.status, JobStatus::Done);
    let direct = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let direct = direct.build().expect("a client");
    let url = app.url(&format!("/saas/jobs/{id}/artifacts/vtt"));
    let answer = direct.get(&url).bearer_auth(&app.key).send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["cache-control"]),
        (302, &"no-store".parse().expect("a value"))
    );
    let link = answer.headers()["location"].to_str().expect("text").to_owned();
    assert!(link.starts_with(&told("ENDPOINT")) && link.contains("X-Amz-Expires=60"), "{link}");
    let followed = direct.get(&link).send().await.expect("an answer");
    assert_eq!(followed.status(), 200);
    assert_eq!(followed.headers()["content-type"], "text/vtt; charset=utf-8");
    let disposition = followed.headers()["content-disposition"].to_str().expect("text");
    assert!(disposition.starts_with("attachment; filename="), "{disposition}");
    assert!(followed.text().await.expect("text").starts_with("WEBVTT"));
    // Who may not read the job gets no link.
    let stranger = app.new_key("stranger@example.org").await;
    for key in [stranger.as_str(), "none"] {
        let refused = direct.get(&url).bearer_auth(key).send().await.expect("an answer");
        assert!(
            [401, 404].contains(&refused.status().as_u16()) && !refused.headers().contains_key("location")
        );
    }
    app.finish().await;
}

/// Runs the real binary on a bucket; there are no models, whatever loaded them would fail otherwise.
fn served(settings: &[(&'static str, String)], changes: &[(&'static str, &str)]) -> Output {
    let folder = TempDir::new().expect("temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sottovoce"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOTTOVOCE")) {
        command.env_remove(name);
    }
    for (name, value) in with(settings, changes) {
        command.env(format!("SOTTOVOCE__{}", name.to_uppercase()), value);
    }
    command.env("SOTTOVOCE__MODELS__DIR", folder.path().join("none")).arg("--data-dir").arg(folder.path());
    command.args(["serve", "--bind", "127.0.0.1:0"]).output().expect("started")
}

#[test]
fn a_bucket_that_cannot_be_used_stops_the_start_before_the_models_are_loaded() {
    let bucket = Bucket::new();
    let settings = bucket.settings();
    let wrong = "0123456789abcdef0123456789abcdef01234567";
    let output = served(&settings, &[("files__secret_access_key", wrong)]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{text}");
    let line = text.lines().find(|line| line.starts_with("sottovoce: ")).expect("a sentence");
    assert!(
        line.contains("the bucket of files.url refuses this server (the object server answered 403"),
        "{line}"
    );
    assert!(line.contains("check") && !text.contains(wrong), "{text}");

    // It may come back: whoever starts servers is to try again.
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let url = format!("s3://captions?endpoint=http://{nobody}");
    let output = served(&settings, &[("files__url", &url), ("files__attempts", "1")]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot be used now (the object server cannot be reached"), "{text}");

    // The good one passes, and the start ends at what is missing next.
    let output = served(&settings, &[]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("models"), "{text}");
    assert_eq!(bucket.keys(), [""; 0]);
}
