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
            "--fast",
            "--url",
            &server.url,
        ]);
        let captions = words(&output(command.env("SOTTOVOCE_KEY", key))).join(" ");
        assert!(captions.contains("ever tried") && captions.contains("no matter"), "{captions}");
    }

    let mut command = sottovoce(server.data_dir());
    command.arg("transcribe").arg(recording("sample-speech/beckett.wav")).args(["--url", &server.url]);
    let refused = command.env("SOTTOVOCE_KEY", "sv_wrong").output().expect("started");
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains("401"), "{}", told(&refused));

    assert!(server.interrupt().success(), "Ctrl-C drains and ends well");
}
