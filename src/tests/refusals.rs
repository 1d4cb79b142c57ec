//! A server with a bad configuration does not start: the real binary, one row for each defect (`accounts.md` A10). It ends
//! with 78 before any model is loaded, says which key is wrong in one line, and prints no secret.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// Longest that a refusal may take; more for a machine that builds and tests at the same time.
const PROMPT: Duration = Duration::from_secs(2);

const KEY: &str = "TjZgXi4i2mpZ1f7Cxqv3oUAyOQlZVzA8Vq0cKpJtxqM=";
const ORIGINS: &str = "HTTP__ALLOWED_ORIGINS";
const JWT: &str = "AUTH__JWT_KEYS";
const OIDC: [(&str, &str); 3] = [
    ("OIDC__ISSUER", "https://id.example.org/"),
    ("OIDC__CLIENT_ID", "captions"),
    ("OIDC__CLIENT_SECRET", "Jz4mPq8RtVw2"),
];
/// What is changed in a good configuration, the key that is wrong then, and a text that must not be printed.
type Row = (Vec<(&'static str, &'static str)>, &'static str, &'static str);

const SMTP: [(&str, &str); 2] =
    [("SMTP__URL", "smtps://captions:Kq7vTn3x@mail.example.org"), ("SMTP__FROM", "captions@example.org")];

const S3: [(&str, &str); 3] = [
    ("FILES__URL", "s3://captions?region=eu-central-1"),
    ("FILES__ACCESS_KEY_ID", "AKIAXM3Q7TLC2VNPRW5D"),
    ("FILES__SECRET_ACCESS_KEY", "q8Wm2Zr5Tn9Kx4Lc7Vb1Yp6Hd3Jf0Gs+Ua/Ee2Q"),
];
const S3_SECRET: &str = "q8Wm2Zr5";

/// The binary in production mode with a good configuration of its own and nothing of the developer's.
fn production(data_dir: &Path, changes: &[(&str, &str)]) -> Command {
    let mut command = embedded(data_dir);
    command
        .env("SOTTOVOCE_MODE", "production")
        .env("SOTTOVOCE__HTTP__PUBLIC_URL", "https://captions.example.org")
        .env("SOTTOVOCE__HTTP__ALLOWED_ORIGINS", "https://captions.example.org")
        .env("SOTTOVOCE__HTTP__TRUSTED_PROXIES", "127.0.0.1")
        .env("SOTTOVOCE__AUTH__JWT_KEYS", format!("k1:{KEY}"));
    for (name, value) in changes {
        command.env(format!("SOTTOVOCE__{name}"), value);
    }
    command
}

/// The binary with the defaults. There are no models: whatever loaded them would fail otherwise.
fn embedded(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sottovoce"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SOTTOVOCE") {
            command.env_remove(name);
        }
    }
    command
        .env("SOTTOVOCE__MODELS__DIR", data_dir.join("no-models"))
        .arg("--data-dir")
        .arg(data_dir)
        .stdin(Stdio::null());
    command
}

fn told(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\n{out}\n{err}", output.status)
}

/// Asserts that both commands refuse, for this key only, and print none of the secrets.
fn assert_refused(key: &str, secrets: &[&str], mut command: impl FnMut() -> Command) {
    for name in ["check-config", "serve"] {
        let started = Instant::now();
        let output = command().arg(name).output().expect("started");
        let took = started.elapsed();
        let told = told(&output);
        assert_eq!(output.status.code(), Some(78), "{name}: {told}");
        assert!(took < PROMPT, "{name} took {took:?}: {told}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let defects: Vec<&str> = stderr.lines().filter(|line| line.starts_with("  ")).collect();
        let [defect] = defects[..] else { panic!("one line for one defect of {key}: {told}") };
        assert!(defect.trim_start().starts_with(&format!("{key} (from ")), "{key}: {told}");
        for secret in secrets {
            assert!(!told.contains(secret), "{name} prints a secret: {told}");
        }
    }
}

#[test]
fn each_defect_of_a_production_configuration_stops_the_start() {
    let folder = TempDir::new().expect("temporary folder");
    let with =
        |more: &[(&'static str, &'static str)], of: &[(&'static str, &'static str)]| [of, more].concat();
    // What is changed, the key that is named, what must not be printed.
    let rows: Vec<Row> = vec![
        (vec![(JWT, "")], "auth.jwt_keys", KEY),
        (vec![(JWT, "k1:c2hvcnRzaG9ydHNob3J0LXNo")], "auth.jwt_keys", "c2hvcnRz"),
        (vec![(JWT, "TjZgXi4i2mpZ1f7Cxqv3oUAyOQlZVzA8Vq0cKpJtxqM=")], "auth.jwt_keys", "TjZgXi4i"),
        (vec![(JWT, "k1:not base64, at all: Zm9v")], "auth.jwt_keys", "Zm9v"),
        // 32 zeros; the alphabet; a sentence; words in the text that are none in the bytes; a repetition.
        (vec![(JWT, "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")], "auth.jwt_keys", "AAAAAAAA"),
        (vec![(JWT, "k1:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ=")], "auth.jwt_keys", "abcdefgh"),
        (
            vec![(JWT, "k1:Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZSBhbmQgZm91ciBtb3Jl")],
            "auth.jwt_keys",
            "Y29ycmVj",
        ),
        (vec![(JWT, "k1:This-Is-My-Super-Secret-Key-For-Signing-0a3")], "auth.jwt_keys", "Super"),
        (vec![(JWT, "k1:Zk9wXi4iZk9wXi4iZk9wXi4iZk9wXi4iZk9wXi4iZk8=")], "auth.jwt_keys", "Zk9wXi4i"),
        (
            vec![(
                JWT,
                "k1:TjZgXi4i2mpZ1f7Cxqv3oUAyOQlZVzA8Vq0cKpJtxqM=,k1:9mQ7cK2x1fTjZgXi4i2mpZxqv3oUAyOQlZVzA8Vq0c8=",
            )],
            "auth.jwt_keys",
            "9mQ7cK2x",
        ),
        (vec![("HTTP__TRUSTED_PROXIES", "")], "http.trusted_proxies", KEY),
        (vec![(ORIGINS, "")], "http.allowed_origins", KEY),
        (vec![(ORIGINS, "*")], "http.allowed_origins", KEY),
        (vec![(ORIGINS, "https://captions.example.org,https://*.example.org")], "http.allowed_origins", KEY),
        (vec![(ORIGINS, "http://captions.example.org")], "http.allowed_origins", KEY),
        (vec![(ORIGINS, "https://captions.example.org/app")], "http.allowed_origins", KEY),
        (vec![(ORIGINS, "captions.example.org")], "http.allowed_origins", KEY),
        (vec![(ORIGINS, "null")], "http.allowed_origins", KEY),
        (vec![(ORIGINS, "https://me:Jz4mPq8R@captions.example.org")], "http.allowed_origins", "Jz4mPq8R"),
        (vec![("HTTP__PUBLIC_URL", "")], "http.public_url", KEY),
        (vec![("HTTP__PUBLIC_URL", "http://captions.example.org")], "http.public_url", KEY),
        (
            vec![("HTTP__PUBLIC_URL", "https://me:Jz4mPq8R@captions.example.org")],
            "http.public_url",
            "Jz4mPq8R",
        ),
        (vec![("AUTH__REGISTRATION", "all")], "auth.registration", KEY),
        (vec![("AUTH__VERIFY_EMAIL", "true")], "auth.verify_email", KEY),
        (vec![("AUTH__ARGON2_MEMORY_KIB", "7168")], "auth.argon2_passes", KEY),
        (vec![("AUTH__ARGON2_MEMORY_KIB", "1024")], "auth.argon2_memory_kib", KEY),
        (with(&[("OIDC__ISSUER", "http://id.example.org/")], &OIDC), "oidc.issuer", "Jz4mPq8R"),
        (with(&[("OIDC__CLIENT_SECRET", "")], &OIDC), "oidc.client_secret", "Jz4mPq8R"),
        (with(&[("OIDC__CLIENT_SECRET", "changeme-Jz4mPq8R")], &OIDC), "oidc.client_secret", "Jz4mPq8R"),
        (with(&[("OIDC__CLIENT_ID", "")], &OIDC), "oidc.client_id", "Jz4mPq8R"),
        (vec![("OIDC__CLIENT_SECRET", "Jz4mPq8RtVw2")], "oidc.client_secret", "Jz4mPq8R"),
        (with(&[("SMTP__FROM", "captions")], &SMTP), "smtp.from", "Kq7vTn3x"),
        (with(&[("SMTP__FROM", "")], &SMTP), "smtp.from", "Kq7vTn3x"),
        (with(&[("SMTP__URL", "imap://captions:Kq7vTn3x@mail.example.org")], &SMTP), "smtp.url", "Kq7vTn3x"),
        (with(&[("SMTP__URL", "smtp+plain://mail.example.org")], &SMTP), "smtp.url", "mail.example"),
        (with(&[("SMTP__URL", "smtps://captions:PASSWORD@mail.example.org")], &SMTP), "smtp.url", "PASSWORD"),
        (with(&[("SMTP__URL", "smtps://Kq7vTn3x@mail.example.org")], &SMTP), "smtp.url", "Kq7vTn3x"),
        (
            with(&[("SMTP__URL", "smtp://c:Kq7vTn3x@mail.example.org?tls=none")], &SMTP),
            "smtp.url",
            "Kq7vTn3x",
        ),
        (vec![("FILES__URL", "ftp://sv:Kq7vTn3x@host")], "files.url", "Kq7vTn3x"),
        (
            with(&[("FILES__URL", "s3://sv:Kq7vTn3x@captions?region=eu-central-1")], &S3),
            "files.url",
            "Kq7vTn3x",
        ),
        (with(&[("FILES__URL", "s3://captions")], &S3), "files.url", S3_SECRET),
        (
            with(&[("FILES__URL", "s3://captions?endpoint=http://s3.example.org")], &S3),
            "files.url",
            S3_SECRET,
        ),
        (with(&[("FILES__ACCESS_KEY_ID", "")], &S3), "files.access_key_id", S3_SECRET),
        (with(&[("FILES__ACCESS_KEY_ID", "S3RVER")], &S3), "files.access_key_id", "S3RVER"),
        (with(&[("FILES__SECRET_ACCESS_KEY", "")], &S3), "files.secret_access_key", S3_SECRET),
        (with(&[("FILES__SECRET_ACCESS_KEY", "minioadmin")], &S3), "files.secret_access_key", "minioadmin"),
        (
            with(&[("FILES__SECRET_ACCESS_KEY", "test")], &S3),
            "files.secret_access_key",
            "(from SOTTOVOCE__FILES__URL",
        ),
        (with(&[("FILES__SECRET_ACCESS_KEY", "S3RVER")], &S3), "files.secret_access_key", "S3RVER"),
        (
            with(&[("FILES__SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")], &S3),
            "files.secret_access_key",
            "wJalrXUt",
        ),
        (
            with(&[("FILES__SECRET_ACCESS_KEY", "q8Wm2Zr5 Tn9Kx4Lc")], &S3),
            "files.secret_access_key",
            S3_SECRET,
        ),
        (with(&[("FILES__PRESIGNED_MS", "10")], &S3), "files.presigned_ms", S3_SECRET),
        (vec![("FILES__PRESIGNED_DOWNLOADS", "true")], "files.presigned_downloads", KEY),
        (vec![("FILES__SECRET_ACCESS_KEY", "q8Wm2Zr5Tn9Kx4Lc7")], "files.secret_access_key", S3_SECRET),
        (vec![("STORAGE__URL", "mysql://sv:Kq7vTn3x@db/sottovoce")], "storage.url", "Kq7vTn3x"),
    ];
    for (changes, key, secret) in rows {
        assert_refused(key, &[secret, KEY], || production(folder.path(), &changes));
    }
}

#[test]
fn a_good_configuration_passes_and_shows_no_secret() {
    let folder = TempDir::new().expect("temporary folder");
    let changes = [&OIDC[..], &SMTP[..], &S3[..]].concat();
    let output = production(folder.path(), &changes).arg("check-config").output().expect("started");
    let told = told(&output);
    assert!(output.status.success(), "{told}");
    for shown in [
        "by invitation",
        "https://id.example.org/",
        "captions@example.org",
        "1 configured key",
        "bucket captions",
    ] {
        assert!(told.contains(shown), "{shown} in {told}");
    }
    for secret in [KEY, "Jz4mPq8R", "Kq7vTn3x", S3_SECRET] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn generated_secrets_are_good_ones() {
    let folder = TempDir::new().expect("temporary folder");
    let name = "SOTTOVOCE__AUTH__JWT_KEYS";
    let generated = |command: &mut Command| {
        let output = command.output().expect("started");
        assert!(output.status.success(), "{}", told(&output));
        let printed = String::from_utf8(output.stdout).expect("text");
        let [line] = printed.lines().collect::<Vec<_>>()[..] else { panic!("one line: {printed}") };
        line.strip_prefix(&format!("{name}=")).expect("an environment line").to_owned()
    };
    let first = generated(embedded(folder.path()).arg("gen-secrets"));
    let second = generated(embedded(folder.path()).arg("gen-secrets"));
    assert_ne!(first, second);
    let rotated =
        generated(production(folder.path(), &[]).env(name, &first).args(["gen-secrets", "--rotate"]));
    let (new, old) = rotated.split_once(',').expect("two keys");
    assert!(old == first && new != first && new != second);
    for keys in [&first, &rotated] {
        let checked = production(folder.path(), &[]).env(name, keys).arg("check-config").output();
        let checked = checked.expect("started");
        assert!(checked.status.success() && !told(&checked).contains(keys.as_str()), "{}", told(&checked));
    }
    let refused = embedded(folder.path()).args(["gen-secrets", "--rotate"]).output().expect("started");
    assert_eq!(refused.status.code(), Some(1), "nothing to rotate: {}", told(&refused));
}

#[test]
fn a_kept_key_that_others_can_read_is_refused() {
    let folder = TempDir::new().expect("temporary folder");
    let secrets = folder.path().join("secrets");
    std::fs::DirBuilder::new().mode(0o700).create(&secrets).expect("folder");
    let file = secrets.join("jwt.key");
    std::fs::write(&file, b"0123456789abcdefghijklmnopqrstuv").expect("file");
    for mode in [0o640, 0o604, 0o644] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("mode");
        assert_refused("auth.jwt_keys", &["0123456789abcdef"], || embedded(folder.path()));
    }
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mode");
    let output = embedded(folder.path()).arg("check-config").output().expect("started");
    assert!(output.status.success(), "{}", told(&output));
}
