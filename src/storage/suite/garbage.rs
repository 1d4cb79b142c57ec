//! Objects that nothing names.

use super::{Fixture, T0, at, claim_new, finish, new_job, object, submit};
use sottovoce_actors::ports::store::NewJob;

pub async fn due_objects_are_offered_and_put_off(fixture: &mut impl Fixture) {
    let store = fixture.store();
    store.add_garbage(vec![object("b"), object("a")], at(100)).await.expect("add");
    store.add_garbage(vec![object("c")], at(200)).await.expect("add");
    store.add_garbage(vec![object("b")], at(50)).await.expect("the earlier date wins");
    store.add_garbage(vec![object("b")], at(900)).await.expect("the earlier date wins");
    assert!(store.garbage(at(49), 10).await.expect("garbage").is_empty());
    assert_eq!(store.garbage(at(50), 10).await.expect("garbage"), [object("b")]);
    assert_eq!(store.garbage(at(100), 1).await.expect("garbage"), [object("a")]);
    assert!(store.garbage(at(199), 10).await.expect("put off").is_empty());
    store.garbage_deleted(&object("a")).await.expect("deleted");
    let mut again = store.garbage(at(60_050), 10).await.expect("garbage");
    again.sort_unstable();
    assert_eq!(again, [object("b"), object("c")]);
}

pub async fn named_objects_are_never_garbage(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (_, lease) = claim_new(&*store, ada, T0).await;
    let end = finish(lease, at(1));
    let kept = end.artifacts[0].storage.clone();
    store.finish(lease, end).await.expect("held");
    let waiting = submit(&*store, new_job(ada, T0)).await.input.expect("input");
    store.add_garbage(vec![kept.clone(), waiting.clone()], T0).await.expect("add");
    let offered = store.garbage(at(10_000), 10).await.expect("garbage");
    assert!(!offered.contains(&kept) && !offered.contains(&waiting), "{offered:?}");
}

pub async fn naming_takes_off_the_list(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let new = NewJob { input: object("upload"), ..new_job(ada, T0) };
    // Noted before they are written, so that a crash leaves no orphan.
    store.add_garbage(vec![object("upload")], at(5)).await.expect("add");
    submit(&*store, new).await;
    let (_, lease) = super::claim(&*store, T0).await;
    let end = finish(lease, at(1));
    store.add_garbage(vec![end.artifacts[0].storage.clone()], at(5)).await.expect("add");
    assert_eq!(store.garbage(at(4), 10).await.expect("garbage"), []);
    store.finish(lease, end).await.expect("held");
    assert_eq!(
        store.garbage(at(9), 10).await.expect("garbage"),
        [object("upload")],
        "the ended job's input only"
    );
}

pub async fn only_unnamed_objects_are_orphans(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let (_, lease) = claim_new(&*store, ada, T0).await;
    let end = finish(lease, at(1));
    let artifact = end.artifacts[0].storage.clone();
    store.finish(lease, end).await.expect("held");
    let input = submit(&*store, new_job(ada, T0)).await.input.expect("input");
    store.add_garbage(vec![object("garbage")], at(9)).await.expect("add");
    let all = vec![object("orphan/1"), artifact, input, object("garbage"), object("orphan/2")];
    assert_eq!(store.unreferenced(all).await.expect("names"), [object("orphan/1"), object("orphan/2")]);
    assert_eq!(store.unreferenced(Vec::new()).await.expect("names"), []);
}
