//! The operator's commands on accounts and keys, with the real binary on a data folder of its own.

use crate::real_models::sottovoce;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

fn run(folder: &Path, args: &[&str]) -> Output {
    sottovoce(folder).args(args).output().expect("started")
}

/// Runs a command that must end well; returns what it printed.
fn well(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {told}");
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command that must end so; returns what it complained of.
fn ill(folder: &Path, args: &[&str], code: i32) -> String {
    let output = run(folder, args);
    assert_eq!(output.status.code(), Some(code), "{args:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn accounts_are_listed_stopped_resumed_and_deleted() {
    let folder = TempDir::new().expect("temporary folder");
    let at = folder.path();
    let key = well(at, &["keys", "create", "--email", "ada@example.org"]);
    assert!(key.lines().last().expect("a line").starts_with("sv_"));
    assert!(well(at, &["users", "list"]).contains("active     "));

    well(at, &["users", "suspend", "--email", "ADA@example.org"]);
    assert!(well(at, &["users", "list"]).contains("suspended"));
    let refused = ill(at, &["keys", "create", "--email", "ada@example.org"], 1);
    assert!(refused.contains("users resume"), "{refused}");
    well(at, &["users", "resume", "--email", "ada@example.org"]);
    well(at, &["keys", "create", "--email", "ada@example.org"]);
    well(at, &["users", "log-out", "--email", "ada@example.org"]);

    let unsure = ill(at, &["users", "delete", "--email", "ada@example.org"], 2);
    assert!(unsure.contains("--yes"), "{unsure}");
    well(at, &["users", "delete", "--email", "ada@example.org", "--yes"]);
    assert!(well(at, &["users", "list"]).contains("deleted"));
    assert!(ill(at, &["users", "suspend", "--email", "ada@example.org"], 1).contains("no account"));

    let audit = well(at, &["users", "audit"]);
    for event in [
        "operator_made_key",
        "operator_suspended",
        "operator_resumed",
        "operator_logged_out",
        "operator_deleted",
    ] {
        assert!(audit.contains(event), "{event} in {audit}");
    }
    assert!(!audit.contains("sv_") && !audit.contains("svl_"), "{audit}");
}

#[test]
fn keys_are_made_to_measure_listed_and_revoked() {
    let folder = TempDir::new().expect("temporary folder");
    let at = folder.path();
    let create =
        ["keys", "create", "--email", "ada@example.org", "--name", "box", "--scopes", "listen jobs:read"];
    let secret = well(at, &[&create[..], &["--expires-in", "90d"]].concat());
    let list = well(at, &["keys", "list", "--email", "ada@example.org"]);
    assert!(list.contains("listen jobs:read; box") && !list.contains(secret.lines().last().expect("a line")));
    let id = list.lines().nth(1).expect("a key").split(' ').next().expect("an id").to_owned();
    well(at, &["keys", "revoke", &id]);
    assert_eq!(well(at, &["keys", "list", "--email", "ada@example.org"]).lines().count(), 1);
    assert!(ill(at, &["keys", "revoke", &id], 1).contains("keys list"));
    ill(at, &["keys", "revoke", "not-an-id"], 2);
    ill(at, &["keys", "create", "--email", "ada@example.org", "--scopes", "everything"], 2);
    ill(at, &["keys", "create", "--email", "ada@example.org", "--expires-in", "soon"], 2);
    ill(at, &["keys", "create", "--email", "nobody"], 2);
}

#[test]
fn links_carry_their_secret_where_no_server_sees_it() {
    let folder = TempDir::new().expect("temporary folder");
    let at = folder.path();
    well(at, &["keys", "create", "--email", "ada@example.org"]);
    for (args, what) in [
        (&["users", "password-link", "--email", "ada@example.org"][..], "/#password=svl_"),
        (&["users", "invite"][..], "/#invitation=svl_"),
        (&["users", "invite", "--email", "eve@example.org"][..], "/#invitation=svl_"),
    ] {
        let told = well(at, args);
        assert!(told.lines().last().expect("a line").contains(what), "{told}");
    }
    assert!(ill(at, &["users", "password-link", "--email", "eve@example.org"], 1).contains("no account"));
}
