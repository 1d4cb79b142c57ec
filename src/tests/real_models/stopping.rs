//! Signals and a second server: what the binary does when it is asked to stop, or to share its data.

use super::binary::{Server, recording, sottovoce, told};
use super::client::BackEnd;
use super::text::words;

#[tokio::test]
async fn a_terminated_server_sends_the_last_words_and_ends_well() {
    let server = Server::start();
    let back_end = BackEnd::of(&server);
    let mut stream = back_end.listen_on(&recording("test-speech/two_cities.wav")).await;
    let id = stream.id.clone();
    let mut seen = stream.next_final().await.expect("the stream runs");
    server.ask_to_stop("-TERM");
    let (rest, code) = stream.end().await;
    assert_eq!(code, Some(1001));
    let (status, data) = server.stopped();
    assert_eq!(status.code(), Some(0), "{status}");

    seen.push(' ');
    seen.push_str(&rest);
    let server = Server::start_on(data);
    let back_end = back_end.moved_to(&server);
    let job = back_end.ended(&id).await;
    let kept = back_end.artifact(&id, "transcript").await;
    assert_eq!(words(&kept), words(&seen), "{job}");
}

#[test]
fn a_second_server_on_the_same_data_does_not_start() {
    let server = Server::start();
    let mut second = sottovoce(server.data_dir());
    let output = second.args(["serve", "--bind", "127.0.0.1:0"]).output().expect("started");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("another"), "{}", told(&output));
}
