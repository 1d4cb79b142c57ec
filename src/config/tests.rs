//! What a configuration must refuse, and what it must tell.

use super::*;
use std::ffi::OsString;
use std::path::Path;

fn surroundings(pairs: &[(&str, &str)]) -> Surroundings {
    let home = ("HOME".into(), "/home/someone".into());
    let pairs = pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Surroundings::from_pairs(std::iter::once(home).chain(pairs))
}

/// A good production configuration, and more.
fn public(more: &[(&str, &str)]) -> Surroundings {
    let good = [
        ("SOTTOVOCE_MODE", "production"),
        ("SOTTOVOCE__HTTP__PUBLIC_URL", "https://captions.example.org"),
        ("SOTTOVOCE__HTTP__ALLOWED_ORIGINS", "https://captions.example.org"),
        ("SOTTOVOCE__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
        ("SOTTOVOCE__AUTH__JWT_KEYS", "k1:TjZgXi4i2mpZ1f7Cxqv3oUAyOQlZVzA8Vq0cKpJtxqM="),
    ];
    surroundings(&[&good, more].concat())
}

fn with_file(name: &str, text: &str, check: impl FnOnce(&Path)) {
    let dir = std::env::temp_dir().join(format!("sottovoce-config-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("temporary folder");
    let path = dir.join("sottovoce.toml");
    std::fs::write(&path, text).expect("temporary file");
    check(&path);
    std::fs::remove_dir_all(&dir).expect("temporary folder removed");
}

fn lines(defects: &[Defect]) -> Vec<String> {
    defects.iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_are_valid_when_embedded_and_production_asks_for_its_secrets() {
    let config = Config::load_in(&Overrides::default(), &surroundings(&[])).expect("valid");
    assert_eq!(config.mode, Mode::Embedded);
    assert_eq!(config.data_dir, Path::new("/home/someone/.local/share/sottovoce"));
    assert_eq!(config.models.dir, Path::new("/home/someone/.cache/sottovoce/models"));
    assert_eq!(config.storage.url.expose(), "sqlite:/home/someone/.local/share/sottovoce/sottovoce.db");
    assert_eq!(config.files.url.expose(), "file:/home/someone/.local/share/sottovoce/objects");
    assert_eq!(config.limits.queued_jobs_per_account, 100_000);

    let production = [("SOTTOVOCE_MODE", "production"), ("XDG_DATA_HOME", "/srv")];
    let defects = Config::load_in(&Overrides::default(), &surroundings(&production)).expect_err("refused");
    let keys: Vec<_> = defects.iter().map(|defect| defect.key.as_str()).collect();
    assert_eq!(keys, ["http.public_url", "http.allowed_origins", "http.trusted_proxies", "auth.jwt_keys"]);

    let config =
        Config::load_in(&Overrides::default(), &public(&[("XDG_DATA_HOME", "/srv")])).expect("valid");
    assert_eq!(config.mode, Mode::Production);
    assert_eq!(config.data_dir, Path::new("/srv/sottovoce"));
    assert_eq!(config.limits.queued_jobs_per_account, 5000);
    assert_eq!(config.auth.registration(), Registration::Invite);
}

#[test]
fn later_layers_win() {
    let text = "[http]\nbind = \"127.0.0.1:1\"\nworkers = 3\n[jobs]\npoll_ms = 50\n";
    with_file("layers", text, |path| {
        let overrides = Overrides {
            config_file: Some(path.to_owned()),
            bind: Some("127.0.0.1:3".parse().expect("address")),
            ..Overrides::default()
        };
        let env = surroundings(&[
            ("SOTTOVOCE__HTTP__BIND", "127.0.0.1:2"),
            ("SOTTOVOCE__HTTP__WORKERS", "4"),
            ("SOTTOVOCE__HTTP__ALLOWED_ORIGINS", "https://a.example, https://b.example:8443"),
            ("SOTTOVOCE__LIVE__START_PROBABILITY", "0.6"),
        ]);
        let config = Config::load_in(&overrides, &env).expect("valid");
        assert_eq!(config.http.bind, "127.0.0.1:3");
        assert_eq!(config.http.workers, 4);
        assert_eq!(config.http.allowed_origins, ["https://a.example", "https://b.example:8443"]);
        assert_eq!(config.jobs.poll_ms, 50);
        assert!((config.live.start_probability - 0.6).abs() < 1e-9);
    });
}

#[test]
fn every_defect_is_told_with_its_key_and_origin() {
    let text = "[htp]\nbind = 1\n[http]\nbnd = \"x\"\nworkers = \"two\"\n[limits]\nupload_bytes = 1\n";
    with_file("defects", text, |path| {
        let overrides = Overrides { config_file: Some(path.to_owned()), ..Overrides::default() };
        let env = surroundings(&[
            ("SOTTOVOCE__JOBS__POLL", "5"),
            ("SOTTOVOCE__JOBS__LEASE_MS", "soon"),
            ("SOTTOVOCE__HTTP__BIND", "localhost"),
            ("SOTTOVOCE__MODELS__LOAD", "nova-3"),
        ]);
        let lines =
            lines(&Config::load_in(&overrides, &env).expect_err("seven defects and one that follows"));
        let file = path.display();
        for wanted in [
            format!("htp (from {file}): there is no such section; did you mean `http`?"),
            format!("http.bnd (from {file}): there is no such key; did you mean `http.bind`?"),
            format!("http.workers (from {file}): it must be a whole number, not a string"),
            format!("limits.upload_bytes (from {file}): 1 is out of range; it must be between 1024 and 4398046511104"),
            "jobs.poll (from SOTTOVOCE__JOBS__POLL): there is no such key; did you mean `jobs.poll_ms`?".into(),
            "jobs.lease_ms (from SOTTOVOCE__JOBS__LEASE_MS): it must be a whole number".into(),
            "http.bind (from SOTTOVOCE__HTTP__BIND): `localhost` is no address; write ADDRESS:PORT, e.g. \
             127.0.0.1:7070 or [::1]:7070"
                .into(),
            "models.load (from SOTTOVOCE__MODELS__LOAD): `nova-3` is no speech model; `sottovoce models list` shows \
             which there are"
                .into(),
            "models.default (from the defaults): `moonshine` is not among models.load".into(),
        ] {
            assert!(lines.contains(&wanted), "missing: {wanted}\nin: {lines:#?}");
        }
        assert_eq!(lines.len(), 9, "{lines:#?}");
    });
}

#[test]
fn secrets_are_never_printed() {
    let env = surroundings(&[
        ("SOTTOVOCE__STORAGE__URL", "mysql://user:hunter2@db/x"),
        ("SOTTOVOCE__BUS__URL", "amqp://user:hunter2@mq"),
    ]);
    let defects = Config::load_in(&Overrides::default(), &env).expect_err("unknown schemes");
    assert_eq!(defects.len(), 2);
    assert!(!format!("{defects:?} {:?}", lines(&defects)).contains("hunter2"));

    with_file("secret", "[storage]\nurl = \"sqlite:hunter2\" oops\n", |path| {
        let overrides = Overrides { config_file: Some(path.to_owned()), ..Overrides::default() };
        let told = lines(&Config::load_in(&overrides, &surroundings(&[])).expect_err("not TOML")).join("\n");
        assert!(told.contains("line 2 is not valid TOML"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    });

    let env = surroundings(&[("SOTTOVOCE__STORAGE__URL", "sqlite:hunter2")]);
    let config = Config::load_in(&Overrides::default(), &env).expect("valid");
    assert!(!format!("{config:?}").contains("hunter2"));
}

fn storage_defects(mode: &str, url: &str) -> Vec<String> {
    let env = public(&[("SOTTOVOCE_MODE", mode), ("SOTTOVOCE__STORAGE__URL", url)]);
    match Config::load_in(&Overrides::default(), &env) {
        Ok(_) => Vec::new(),
        Err(defects) => lines(&defects),
    }
}

#[test]
fn a_postgres_url_says_all_that_matters() {
    for url in [
        "postgres://sv:hunter2@db.example:5432/sottovoce",
        "postgresql://sv:hunter2@[::1]/sottovoce?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgres://sv:hunter2@db/x?options[search_path]=captions&application_name=a",
    ] {
        for mode in ["embedded", "production"] {
            assert_eq!(storage_defects(mode, url), Vec::<String>::new(), "{url} {mode}");
        }
    }
    for (url, told) in [
        ("postgres://sv:hunter2@db", "must name a user and a database"),
        ("postgres://db/sottovoce", "must name a user and a database"),
        ("postgres://sv:hunter2@db:port/x", "is no URL"),
        ("postgres:hunter2", "must name a user and a database"),
        ("postgres://sv@db/x?pasword=hunter2", "`pasword` is no option"),
        ("postgres://sv@db/x?password=hunter2", "`password` is no option"),
    ] {
        let lines = storage_defects("embedded", url);
        assert_eq!(lines.len(), 1, "{url}: {lines:?}");
        assert!(lines[0].contains(told) && !lines[0].contains("hunter2"), "{url}: {lines:?}");
    }
}

#[test]
fn production_wants_a_password_that_nobody_guesses() {
    for user in ["sv", "sv:", "sv:postgres", "sv:password"] {
        let url = format!("postgres://{user}@db/sottovoce");
        assert_eq!(storage_defects("embedded", &url), Vec::<String>::new(), "{url}");
        let lines = storage_defects("production", &url);
        assert_eq!(lines.len(), 1, "{url}: {lines:?}");
        assert!(
            lines[0].starts_with("storage.url (from SOTTOVOCE__STORAGE__URL): in production its password")
        );
    }
}

#[test]
fn a_missing_file_and_a_wrong_mode_are_defects() {
    let overrides = Overrides { config_file: Some("/nonexistent/s.toml".into()), ..Overrides::default() };
    let told =
        lines(&Config::load_in(&overrides, &surroundings(&[("SOTTOVOCE_MODE", "prod")])).expect_err("both"));
    assert!(
        told.iter().any(|line| line.starts_with("SOTTOVOCE_MODE (from SOTTOVOCE_MODE): `prod` is no mode"))
    );
    assert!(
        told.iter()
            .any(|line| line.starts_with("--config (from /nonexistent/s.toml): the file cannot be read"))
    );
}

#[test]
fn every_key_is_described() {
    let mut described = false;
    for line in DEFAULT_TOML.lines() {
        if line.starts_with('#') {
            described = true;
        } else if line.is_empty() {
            described = false;
        } else if !line.starts_with('[') {
            assert!(described, "no comment above: {line}");
        }
    }
}

#[test]
fn heartbeats_must_leave_room_in_the_lease() {
    let env = surroundings(&[("SOTTOVOCE__LIVE__LEASE_MS", "15000")]);
    let defects = Config::load_in(&Overrides::default(), &env).expect_err("10 s heartbeat of a 15 s lease");
    assert_eq!(defects.len(), 1);
    assert_eq!(defects[0].key, "live.heartbeat_ms");
}
