//! Accounts: how they are made, by whom they are opened, and how they end.

use super::keys::key;
use super::sessions::{log_in, rotate};
use super::{IdentityFixture, T0, assert_not_found, at, claim_new, hash, job_id, new_job, submit};
use crate::system::SystemIds;
use futures_util::future::join_all;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::identity::{
    Account, AccountStatus, Arrived, Identity, LinkPurpose, NewAccount, NewLink, OidcArrival, PasswordHash,
    Registered, Rotation,
};
use sottovoce_protocol::ids::AccountId;
use std::collections::HashSet;

fn account_id() -> AccountId {
    AccountId::from_uuid(SystemIds.uuid())
}

fn password(text: &str) -> PasswordHash {
    PasswordHash(text.into())
}

fn newcomer(email: &str) -> NewAccount {
    NewAccount {
        id: account_id(),
        email: email.into(),
        password: password("phc-1"),
        invitation: None,
        now: T0,
    }
}

fn invited(email: &str, invitation: &str) -> NewAccount {
    NewAccount { invitation: Some(hash(invitation)), ..newcomer(email) }
}

fn invitation(secret: &str, email: Option<&str>) -> NewLink {
    NewLink {
        hash: hash(secret),
        purpose: LinkPurpose::Invitation,
        account: None,
        email: email.map(str::to_owned),
        expires_at: at(1000),
    }
}

fn link(secret: &str, purpose: LinkPurpose, account: AccountId, email: Option<&str>) -> NewLink {
    NewLink { purpose, account: Some(account), ..invitation(secret, email) }
}

fn arrival(subject: &str, email: Option<&str>) -> OidcArrival {
    OidcArrival {
        issuer: "https://id.example.org/".into(),
        subject: subject.into(),
        verified_email: email.map(str::to_owned),
        new_id: account_id(),
        may_register: true,
        now: T0,
    }
}

async fn by_email(store: &dyn Identity, email: &str) -> Option<Account> {
    store.account_by_email(email).await.expect("asked").map(|(account, _)| account)
}

pub async fn registering_takes_an_address_once(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = newcomer("Ada@Example.org");
    let id = ada.id;
    assert_eq!(store.register(ada).await.expect("register"), Registered::Made);
    let (account, kept) = store.account_by_email(" ada@example.ORG").await.expect("asked").expect("there");
    assert_eq!((account.id, account.email.as_deref()), (id, Some("ada@example.org")));
    assert!(account.has_password && !account.email_verified && account.status == AccountStatus::Active);
    assert!(kept == Some(password("phc-1")));

    let again = NewAccount { password: password("phc-2"), ..newcomer("ADA@example.org") };
    assert_eq!(store.register(again).await.expect("register"), Registered::EmailTaken);
    assert!(store.password(id).await.expect("asked") == Some(password("phc-1")), "the first one's stays");
    fixture.account("owner@localhost").await;
    let operators = newcomer("owner@localhost");
    assert_eq!(store.register(operators).await.expect("register"), Registered::EmailTaken);
}

pub async fn of_many_who_register_an_address_one_gets_it(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let callers = (0..8).map(|_| {
        let (store, new) = (store.clone(), newcomer("ada@example.org"));
        tokio::spawn(async move { store.register(new).await.expect("register") })
    });
    let answers: Vec<_> = join_all(callers).await.into_iter().map(|answer| answer.expect("caller")).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == Registered::Made).count(), 1, "{answers:?}");
    assert_eq!(store.accounts(None, 10).await.expect("list").len(), 1);
}

pub async fn an_invitation_is_used_once(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    store.add_link(invitation("open", None)).await.expect("add");
    store.add_link(invitation("for ada", Some("Ada@example.org"))).await.expect("add");

    assert_eq!(store.register(invited("eve@example.org", "open")).await.expect("eve"), Registered::Made);
    let again = store.register(invited("bob@example.org", "open")).await.expect("bob");
    assert_eq!(again, Registered::InvitationInvalid);
    assert_eq!(store.register(invited("ada@EXAMPLE.org", "for ada")).await.expect("ada"), Registered::Made);
    let verified = |account: Option<Account>| account.expect("there").email_verified;
    assert!(verified(by_email(&*store, "ada@example.org").await), "the invitation went to this address");
    assert!(!verified(by_email(&*store, "eve@example.org").await), "this one went to nobody known");
}

pub async fn a_refused_invitation_leaves_no_account(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    store.add_link(invitation("for ada", Some("ada@example.org"))).await.expect("add");
    store.add_link(invitation("late", None)).await.expect("add");
    store.add_link(link("password", LinkPurpose::Password, ada, None)).await.expect("add");
    for (secret, ms) in [("unknown", 0), ("for ada", 0), ("late", 1000), ("password", 0)] {
        let new = NewAccount { now: at(ms), ..invited("eve@example.org", secret) };
        let id = new.id;
        let answer = store.register(new).await.expect("register");
        assert_eq!(answer, Registered::InvitationInvalid, "{secret}");
        assert_not_found(store.account(id).await);
        assert_eq!(by_email(&*store, "eve@example.org").await, None, "{secret}");
    }
}

/// Who has no good invitation cannot ask which addresses have accounts.
pub async fn a_refused_invitation_tells_no_address(fixture: &mut impl IdentityFixture) {
    fixture.account("ada@example.org").await;
    for email in ["ada@example.org", "nobody@example.org"] {
        let answer = fixture.identity().register(invited(email, "guessed")).await.expect("register");
        assert_eq!(answer, Registered::InvitationInvalid, "{email}");
    }
}

pub async fn a_taken_address_leaves_the_invitation_good(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    fixture.account("ada@example.org").await;
    store.add_link(invitation("open", None)).await.expect("add");
    let taken = store.register(invited("ada@example.org", "open")).await.expect("register");
    assert_eq!(taken, Registered::EmailTaken);
    assert_eq!(store.register(invited("eve@example.org", "open")).await.expect("eve"), Registered::Made);
}

pub async fn a_subject_is_one_account(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let closed = OidcArrival { may_register: false, ..arrival("ada", None) };
    assert_eq!(store.arrive(closed).await.expect("arrive"), Arrived::NotTaken);
    let callers = (0..6).map(|_| {
        let (store, arrival) = (store.clone(), arrival("ada", Some("Ada@example.org")));
        tokio::spawn(async move { store.arrive(arrival).await.expect("arrive") })
    });
    let answers: Vec<_> = join_all(callers).await.into_iter().map(|answer| answer.expect("caller")).collect();
    let made: Vec<_> = answers.iter().filter(|answer| matches!(answer, Arrived::Made(_))).collect();
    let [Arrived::Made(ada)] = made[..] else { panic!("one account is made: {answers:?}") };
    assert_eq!(answers.iter().filter(|answer| **answer == Arrived::Known(*ada)).count(), 5, "{answers:?}");

    let account = store.account(*ada).await.expect("there");
    assert_eq!(account.email.as_deref(), Some("ada@example.org"));
    assert!(account.email_verified && !account.has_password);
    // Another address there is the same person; another issuer's same subject is not.
    let moved = OidcArrival { may_register: false, ..arrival("ada", Some("ada@elsewhere.example")) };
    assert_eq!(store.arrive(moved).await.expect("arrive"), Arrived::Known(*ada));
    assert_eq!(by_email(&*store, "ada@elsewhere.example").await, None);
    let elsewhere = OidcArrival { issuer: "https://id.example.org".into(), ..arrival("ada", None) };
    assert!(matches!(store.arrive(elsewhere).await.expect("arrive"), Arrived::Made(id) if id != *ada));

    store.set_suspended(*ada, true, at(1)).await.expect("suspend");
    assert_eq!(store.arrive(arrival("ada", None)).await.expect("arrive"), Arrived::Stopped);
    store.delete_account(*ada, at(2)).await.expect("delete");
    let new = store.arrive(arrival("ada", None)).await.expect("arrive");
    assert!(matches!(new, Arrived::Made(id) if id != *ada), "a deleted account does not come back: {new:?}");
}

pub async fn a_provider_never_opens_anothers_address(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let answer = store.arrive(arrival("eve", Some("ADA@example.org"))).await.expect("arrive");
    let Arrived::Made(eve) = answer else { panic!("{answer:?}") };
    assert_ne!(eve, ada);
    let account = store.account(eve).await.expect("there");
    assert_eq!((account.email, account.email_verified), (None, false));
    assert_eq!(by_email(&*store, "ada@example.org").await.map(|account| account.id), Some(ada));
}

pub async fn a_link_sets_a_password_once(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    log_in(&*store, ada, "r1").await;
    store.add_link(link("l1", LinkPurpose::Password, ada, Some("Ada@example.org"))).await.expect("add");
    let wrong = store.verify_email_by_link(&hash("l1"), at(1)).await.expect("asked");
    assert_eq!(wrong, None, "it does one thing only");
    let set = |secret: &'static str, ms| {
        let store = store.clone();
        async move { store.set_password_by_link(&hash(secret), password("phc"), at(ms)).await.expect("asked") }
    };
    assert_eq!(set("l2", 1).await, None);
    let many = join_all((0..6).map(|_| tokio::spawn(set("l1", 2)))).await;
    let winners = many.into_iter().filter(|answer| answer.as_ref().expect("caller").is_some()).count();
    assert_eq!(winners, 1, "of many who come with it");
    assert!(store.password(ada).await.expect("asked") == Some(password("phc")));
    assert!(store.account(ada).await.expect("there").email_verified, "the link went to this address");
    assert_eq!(rotate(&*store, "r1", "r2", 3).await, Rotation::Invalid, "every login ended");

    store.add_link(link("l3", LinkPurpose::Password, ada, None)).await.expect("add");
    assert_eq!(set("l3", 1000).await, None, "it has expired");
}

pub async fn a_link_confirms_its_address_once(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    let verify = |secret: &'static str, ms| {
        let store = store.clone();
        async move { store.verify_email_by_link(&hash(secret), at(ms)).await.expect("asked") }
    };
    store.add_link(link("other", LinkPurpose::Verify, ada, Some("old@example.org"))).await.expect("add");
    assert_eq!(verify("other", 1).await, None, "the account's address is another one");
    store.add_link(link("good", LinkPurpose::Verify, ada, Some("ada@example.org"))).await.expect("add");
    assert_eq!(verify("good", 1000).await, None, "it has expired");
    assert!(!store.account(ada).await.expect("there").email_verified);
    assert_eq!(verify("good", 999).await, Some(ada));
    assert!(store.account(ada).await.expect("there").email_verified);
    assert_eq!(verify("good", 999).await, None);
}

pub async fn a_newer_link_ends_the_older(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let (ada, eve) = (fixture.account("ada@example.org").await, fixture.account("eve@example.org").await);
    for (secret, purpose, account) in [
        ("old", LinkPurpose::Password, ada),
        ("eves", LinkPurpose::Password, eve),
        ("verify", LinkPurpose::Verify, ada),
        ("new", LinkPurpose::Password, ada),
    ] {
        store.add_link(link(secret, purpose, account, Some("ada@example.org"))).await.expect("add");
    }
    let set = async |secret: &str| {
        store.set_password_by_link(&hash(secret), password("phc"), at(1)).await.expect("asked")
    };
    assert_eq!(set("old").await, None);
    assert_eq!(set("new").await, Some(ada));
    assert_eq!(set("eves").await, Some(eve), "another's stays");
    let verified = store.verify_email_by_link(&hash("verify"), at(1)).await.expect("asked");
    assert_eq!(verified, Some(ada), "what does something else stays");
}

pub async fn a_suspended_account_opens_nothing(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = fixture.account("ada@example.org").await;
    store.add_api_key(key(ada, "key")).await.expect("add");
    let login = log_in(&*store, ada, "r1").await;
    store.set_suspended(ada, true, at(1)).await.expect("suspend");
    assert_not_found(store.use_api_key(&hash("key"), at(2)).await);
    assert_not_found(store.session(login, at(2)).await);
    assert_eq!(rotate(&*store, "r1", "r2", 2).await, Rotation::Invalid);
    assert_not_found(store.open_session(super::sessions::new_session(ada, "r3")).await);
    assert_not_found(store.add_api_key(key(ada, "another")).await);
    assert_eq!(store.api_keys(ada, at(2)).await.expect("list"), []);
    assert_eq!(store.account(ada).await.expect("there").status, AccountStatus::Suspended);

    store.set_suspended(ada, false, at(3)).await.expect("resume");
    store.use_api_key(&hash("key"), at(4)).await.expect("good again");
    store.session(login, at(4)).await.expect("good again");
    assert_not_found(store.set_suspended(account_id(), true, at(5)).await);
}

pub async fn a_deleted_account_leaves_nothing_open(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let ada = newcomer("ada@example.org");
    let id = ada.id;
    store.register(ada).await.expect("register");
    let new = key(id, "key");
    let key_id = new.id;
    store.add_api_key(new).await.expect("add");
    let login = log_in(&*store, id, "r1").await;
    store.add_link(link("l1", LinkPurpose::Password, id, Some("ada@example.org"))).await.expect("add");

    store.delete_account(id, at(1)).await.expect("delete");
    assert_not_found(store.use_api_key(&hash("key"), at(2)).await);
    assert_not_found(store.api_key(key_id, at(2)).await);
    assert_not_found(store.session(login, at(2)).await);
    assert_eq!(rotate(&*store, "r1", "r2", 2).await, Rotation::Invalid);
    assert_eq!(fixture.active_tokens(login).await, Vec::<String>::new());
    let by_link = store.set_password_by_link(&hash("l1"), password("phc"), at(2)).await.expect("asked");
    assert_eq!(by_link, None);
    assert_not_found(store.set_password(id, None, password("phc"), None, at(2)).await);
    assert_not_found(store.open_session(super::sessions::new_session(id, "r3")).await);
    assert_not_found(store.set_suspended(id, false, at(2)).await);
    assert_not_found(store.delete_account(id, at(2)).await);

    let left = store.account(id).await.expect("the row stays");
    assert_eq!((left.status, left.email, left.has_password), (AccountStatus::Deleted, None, false));
    assert!(store.password(id).await.expect("asked").is_none());
    assert_eq!(store.register(newcomer("ada@example.org")).await.expect("register"), Registered::Made);
}

pub async fn a_deleted_accounts_jobs_are_found(fixture: &mut impl IdentityFixture) {
    let (store, jobs) = (fixture.identity(), fixture.store());
    let (ada, eve) = (fixture.account("ada@example.org").await, fixture.account("eve@example.org").await);
    let (running, _) = claim_new(&*jobs, ada, T0).await;
    let queued = submit(&*jobs, new_job(ada, T0)).await;
    submit(&*jobs, new_job(eve, T0)).await;
    assert_eq!(store.jobs_of_deleted(10).await.expect("asked"), []);
    store.delete_account(ada, at(1)).await.expect("delete");

    let found: HashSet<_> = store.jobs_of_deleted(10).await.expect("asked").into_iter().collect();
    assert_eq!(found, HashSet::from([(ada, running.id), (ada, queued.id)]));
    assert_eq!(store.jobs_of_deleted(1).await.expect("asked").len(), 1);
    for (account, job) in found {
        jobs.delete(account, job, at(2)).await.expect("delete");
    }
    assert_eq!(store.jobs_of_deleted(10).await.expect("asked"), [], "the running one was told to stop");
}

pub async fn accounts_are_listed_once(fixture: &mut impl IdentityFixture) {
    let store = fixture.identity();
    let mut made = Vec::new();
    for n in 0..7 {
        made.push(fixture.account(&format!("{n}@example.org")).await);
    }
    let mut listed: Vec<AccountId> = Vec::new();
    loop {
        let page = store.accounts(listed.last().copied(), 3).await.expect("list");
        listed.extend(page.iter().map(|account| account.id));
        if page.len() < 3 {
            break;
        }
    }
    made.sort_unstable();
    assert_eq!(listed, made);
    assert_not_found(store.account(AccountId::from_uuid(job_id().as_uuid())).await);
}
