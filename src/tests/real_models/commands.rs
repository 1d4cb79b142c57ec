//! The command line as surface.md promises it: exit codes, keys, the first key, captions of one's own file.

use super::binary::{Server, output, recording, sottovoce, told};
use super::text::words;
use tempfile::TempDir;

#[test]
fn exit_codes_tell_what_was_wrong() {
    let folder = TempDir::new().expect("temporary folder");
    let code = |arguments: &[&str]| {
        let output = sottovoce(folder.path()).args(arguments).output().expect("started");
        (output.status.code(), told(&output))
    };
    assert_eq!(code(&["check-config"]).0, Some(0));
    assert_eq!(code(&["nonsense"]).0, Some(2));
    assert_eq!(code(&["keys", "create", "--email", "nobody"]).0, Some(2));
    assert_eq!(code(&["transcribe", "no-such-file", "--key", "sv_x"]).0, Some(1));

    let refused =
        sottovoce(folder.path()).env("SOTTOVOCE__HTTP__BIN", "x").arg("serve").output().expect("started");
    assert_eq!(refused.status.code(), Some(78), "{}", told(&refused));
    assert!(told(&refused).contains("did you mean `http.bind`?"), "{}", told(&refused));
}

#[test]
fn default_config_is_accepted_as_a_file() {
    let folder = TempDir::new().expect("temporary folder");
    let path = folder.path().join("sottovoce.toml");
    std::fs::write(&path, output(sottovoce(folder.path()).arg("default-config"))).expect("written");
    output(sottovoce(folder.path()).arg("check-config").arg("--config").arg(&path));
}

#[test]
fn files_are_transcribed_in_every_format_and_each_fault_is_told() {
    let server = Server::start();
    let key = server.new_key();
    let transcribe = |args: &[&str]| {
        let mut command = sottovoce(server.data_dir());
        command.arg("transcribe").args(args).args(["--server", &server.url]).env("SOTTOVOCE_KEY", &key);
        command
    };
    let folder = tempfile::TempDir::new().expect("a folder");
    let (sample, out) = (recording("sample-speech/beckett.wav"), folder.path().join("out"));
    let (sample, out) = (sample.to_str().expect("text"), out.to_str().expect("text"));
    let said = |text: &str| text.to_lowercase().contains("ever tried");

    assert!(said(&output(&mut transcribe(&[sample]))), "one file's text goes to standard output");
    let document = output(&mut transcribe(&[sample, "--format", "json"]));
    let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    assert!(document["segments"].as_array().is_some_and(|segments| !segments.is_empty()), "{document}");

    let other = folder.path().join("other.wav");
    std::fs::copy(sample, &other).expect("copied");
    let other = other.to_str().expect("text");
    output(&mut transcribe(&[sample, other, "--format", "srt", "--output-dir", out]));
    for name in ["beckett.srt", "other.srt"] {
        let subtitles = std::fs::read_to_string(folder.path().join("out").join(name)).expect("written");
        assert!(subtitles.starts_with("1\n00:00:0") && said(&subtitles), "{subtitles}");
    }

    let nothing = folder.path().join("nothing.wav");
    std::fs::write(&nothing, "no sound").expect("written");
    let nothing = nothing.to_str().expect("text");
    let mixed = transcribe(&[nothing, sample, "--output-dir", out]).output().expect("started");
    assert_eq!(mixed.status.code(), Some(1), "one gave nothing");
    assert!(told(&mixed).contains("415") && told(&mixed).contains("1 of 2 files"), "{}", told(&mixed));
    assert!(folder.path().join("out/beckett.txt").exists(), "the other was done all the same");
    for usage in
        [&[sample, other][..], &[sample, sample, "--output-dir", out], &[sample, other, "--live"], &[]]
    {
        assert_eq!(transcribe(usage).output().expect("started").status.code(), Some(2), "{usage:?}");
    }
    let mut nobody = sottovoce(server.data_dir());
    nobody.args(["transcribe", sample, "--key", "sv_x", "--server", "http://127.0.0.1:9"]);
    let nobody = nobody.output().expect("started");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(told(&nobody).contains("does not answer"), "{}", told(&nobody));
    assert!(server.interrupt().success());
}

#[test]
fn a_new_installation_shows_its_first_key_once_and_captions_a_file() {
    let server = Server::start();
    let keys: Vec<&str> = server
        .greeting
        .iter()
        .filter_map(|line| line.split_whitespace().find(|w| w.starts_with("sv_")))
        .collect();
    let [first] = keys[..] else { panic!("one key is shown: {:?}", server.greeting) };

    let second = server.new_key();
    for key in [first, second.as_str()] {
        let mut command = sottovoce(server.data_dir());
        command.arg("transcribe").arg(recording("sample-speech/beckett.wav")).args([
            "--live",
            "--fast",
            "--server",
            &server.url,
        ]);
        let captions = words(&output(command.env("SOTTOVOCE_KEY", key))).join(" ");
        assert!(captions.contains("ever tried") && captions.contains("no matter"), "{captions}");
    }

    let mut command = sottovoce(server.data_dir());
    command.arg("transcribe").arg(recording("sample-speech/beckett.wav")).args(["--server", &server.url]);
    for how in [&[][..], &["--live"]] {
        let refused = command.args(how).env("SOTTOVOCE_KEY", "sv_wrong").output().expect("started");
        assert_eq!(refused.status.code(), Some(1));
        assert!(told(&refused).contains("401"), "{}", told(&refused));
    }

    assert!(server.interrupt().success(), "Ctrl-C drains and ends well");
}
