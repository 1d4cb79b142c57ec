//! Providers as child processes on free ports, from the packages that `make setup-test` installed.

use crate::real_models::tools_dir;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

pub const CLIENT_SECRET: &str = "a secret between the two servers of this test";

/// A running provider; killed when dropped.
pub struct Provider {
    child: Child,
    /// Held open: a provider that has something to say to a closed pipe dies of it.
    _output: BufReader<ChildStdout>,
    base: String,
    /// As it names itself.
    pub issuer: String,
}

impl Provider {
    pub fn honest() -> Self {
        Self::start("honest.mjs", "")
    }

    pub fn hostile() -> Self {
        Self::start("hostile.mjs", "")
    }

    /// Starts a liar whose issuer ends with this.
    pub fn hostile_with_end(issuer_end: &str) -> Self {
        Self::start("hostile.mjs", issuer_end)
    }

    fn start(script: &str, issuer_end: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/clients/providers").join(script);
        let packages = tools_dir().join("providers");
        assert!(packages.is_dir(), "{} is missing; run `make setup-test`", packages.display());
        // A script from standard input finds its packages in the folder that it runs in.
        let mut child = Command::new("node")
            .args(["--input-type=module", "-"])
            .current_dir(packages)
            .env("CLIENT_SECRET", CLIENT_SECRET)
            .env("REDIRECT_URI", format!("{}/auth/oidc/callback", super::PUBLIC_URL))
            .env("ISSUER_END", issuer_end)
            .stdin(File::open(script).expect("the script"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        output.read_line(&mut line).expect("its first line");
        let port: u16 = line.trim().parse().unwrap_or_else(|_| panic!("no port: {line:?}"));
        let base = format!("http://127.0.0.1:{port}");
        Self { child, _output: output, issuer: format!("{base}{issuer_end}"), base }
    }

    /// Tells a liar how to lie from now on; `none`: not at all.
    pub async fn lie(&self, name: &str) {
        self.ask(&format!("lie/{name}")).await;
    }

    /// Returns how often a liar's keys were read.
    pub async fn keys_read(&self) -> u32 {
        self.ask("count/jwks").await.parse().expect("a number")
    }

    async fn ask(&self, path: &str) -> String {
        let client = reqwest::Client::builder().no_proxy().build().expect("client");
        let answer = client.get(format!("{}/{path}", self.base)).send().await.expect("an answer");
        answer.text().await.expect("text")
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
