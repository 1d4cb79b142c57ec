//! The built binary as a user runs it: commands, and a server on a free port with a data folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// Loading and self-testing the models takes seconds, on a loaded machine more.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// Returns the folder of fetched models that `make test` names.
pub fn models_dir() -> PathBuf {
    let named = std::env::var_os("SOTTOVOCE_TEST_MODELS_DIR").map(PathBuf::from);
    named.expect("SOTTOVOCE_TEST_MODELS_DIR is not set; run the tests with `make test`")
}

/// Returns a fetched recording, e.g. `sample-speech/beckett.wav`.
pub fn recording(name: &str) -> PathBuf {
    let path = models_dir().join("source").join(name);
    assert!(path.is_file(), "{} is missing; run `make setup-test`", path.display());
    path
}

/// Returns the folder of test tools that `make setup-test` fills.
pub fn tools_dir() -> PathBuf {
    let named = std::env::var_os("SOTTOVOCE_TEST_TOOLS_DIR").map(PathBuf::from);
    named.expect("SOTTOVOCE_TEST_TOOLS_DIR is not set; run the tests with `make test`")
}

/// Returns the binary with a data folder, the test's models and nothing of the developer's own settings.
pub fn sottovoce(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sottovoce"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SOTTOVOCE") {
            command.env_remove(name);
        }
    }
    command.env("SOTTOVOCE__MODELS__DIR", models_dir()).arg("--data-dir").arg(data_dir).stdin(Stdio::null());
    command
}

/// Runs a command to its end and returns its standard output; it must end well.
pub fn output(command: &mut Command) -> String {
    let output = command.output().expect("started");
    assert!(output.status.success(), "{command:?}: {}", told(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// Returns everything a command wrote.
pub fn told(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\n{out}\n{err}", output.status)
}

/// Lets a server log all it can into the folder that `make test` searches, if it names one.
fn keep_logs(command: &mut Command) {
    let Some(folder) = std::env::var_os(crate::logs::FOLDER) else { return };
    let path = Path::new(&folder).join(format!("binary-{}.log", std::process::id()));
    let file = std::fs::File::options().create(true).append(true).open(path).expect("a log file");
    command.env("SOTTOVOCE__TELEMETRY__LOG", "trace").stderr(file);
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    data_dir: Option<TempDir>,
    settings: Vec<(&'static str, String)>,
    /// What it printed before it served.
    pub greeting: Vec<String>,
    /// `http://ADDRESS:PORT`.
    pub url: String,
}

impl Server {
    /// Starts a server on an empty data folder and waits until it serves.
    pub fn start() -> Self {
        Self::start_on(TempDir::new().expect("temporary folder"))
    }

    /// Starts a server on a data folder and waits until it serves.
    pub fn start_on(data_dir: TempDir) -> Self {
        Self::start_with(data_dir, Vec::new())
    }

    /// Starts a server with settings, each as in the environment: `("SOTTOVOCE__JOBS__POLL_MS", …)`.
    pub fn start_with(data_dir: TempDir, settings: Vec<(&'static str, String)>) -> Self {
        let mut command = sottovoce(data_dir.path());
        command.envs(settings.iter().map(|(name, value)| (*name, value)));
        command.args(["serve", "--bind", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::inherit());
        keep_logs(&mut command);
        let mut child = command.spawn().expect("started");
        let out = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::sync_channel(64);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let (greeting, url) = (Vec::new(), String::new());
        let mut server = Self { child, data_dir: Some(data_dir), settings, greeting, url };
        while server.url.is_empty() {
            let line = lines.recv_timeout(START_PATIENCE).expect("the server says `serving at` in time");
            match line.strip_prefix("serving at ") {
                Some(url) => server.url = url.to_owned(),
                None => server.greeting.push(line),
            }
        }
        server
    }

    /// Returns the data folder.
    pub fn data_dir(&self) -> &Path {
        self.data_dir.as_ref().expect("kept until the server is killed").path()
    }

    /// Makes a key beside the running server.
    pub fn new_key(&self) -> String {
        let mut command = sottovoce(self.data_dir());
        command.envs(self.settings.iter().map(|(name, value)| (*name, value)));
        let printed = output(command.args(["keys", "create", "--email", "someone@example.org"]));
        printed.lines().last().expect("a last line").to_owned()
    }

    /// Kills the server without warning (`kill -9`) and returns its data folder.
    pub fn kill(mut self) -> TempDir {
        self.child.kill().expect("running");
        self.child.wait().expect("ended");
        self.data_dir.take().expect("kept until the server is killed")
    }

    /// Asks the server to stop as Ctrl-C does, and returns how it ended.
    pub fn interrupt(self) -> ExitStatus {
        self.ask_to_stop("-INT");
        self.stopped().0
    }

    /// Asks the server to stop (`-INT`, `-TERM`).
    pub fn ask_to_stop(&self, signal: &str) {
        let asked = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(asked.expect("kill").success());
    }

    /// Waits for the end of a server that was asked to stop; returns how it ended, and its data folder.
    pub fn stopped(mut self) -> (ExitStatus, TempDir) {
        let status = self.child.wait().expect("ended");
        (status, self.data_dir.take().expect("kept until the server is killed"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(mut out) = self.child.stdout.take() {
            let _ = out.read_to_end(&mut Vec::new());
        }
    }
}
