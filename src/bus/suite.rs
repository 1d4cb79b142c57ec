//! The conformance suite of the status bus, over `dyn StatusBus`, and what is particular to the local one.

use super::{LocalBus, LocalBusLimits};
use crate::system::SystemIds;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use sottovoce_actors::ports::bus::{BusItem, BusMessage, StatusBus, Subscription, Topic};
use sottovoce_actors::ports::clock::Ids;
use sottovoce_protocol::ids::{AccountId, JobId};
use std::sync::Arc;
use std::time::Duration;

/// Small enough to be reached by a test.
const BACKLOG: u64 = 8;
const RECENT: u64 = 4;
const RETIRED_FOR: Duration = Duration::from_secs(30);
const ABANDONED_AFTER: Duration = Duration::from_secs(300);

fn local() -> Arc<LocalBus> {
    Arc::new(LocalBus::new(LocalBusLimits {
        backlog_messages: 8,
        recent_messages: 4,
        recent_bytes: 1000,
        retired_for: RETIRED_FOR,
        abandoned_after: ABANDONED_AFTER,
    }))
}

fn job() -> JobId {
    JobId::from_uuid(SystemIds.uuid())
}

fn message(seq: u64) -> BusMessage {
    BusMessage { seq, body: Bytes::from(format!("{{\"seq\":{seq}}}")) }
}

fn item(seq: u64) -> Option<BusItem> {
    Some(BusItem::Message(message(seq)))
}

async fn publish(bus: &dyn StatusBus, topic: Topic, seqs: impl IntoIterator<Item = u64>) {
    for seq in seqs {
        bus.publish(topic, message(seq)).await.expect("publish");
    }
}

async fn subscribe(bus: &dyn StatusBus, topic: Topic, since: Option<u64>) -> Box<dyn Subscription> {
    bus.subscribe(topic, since).await.expect("subscribe")
}

/// Reads what has come by now.
async fn drain(subscription: &mut dyn Subscription) -> Vec<Option<BusItem>> {
    let mut items = Vec::new();
    while let Some(item) = subscription.next().now_or_never() {
        let is_end = item.is_none();
        items.push(item);
        if is_end {
            break;
        }
    }
    items
}

/// Runs every function of the suite on one bus.
macro_rules! conformance {
    ($bus:expr; $($test:ident),* $(,)?) => {
        mod conformance {
            $(#[tokio::test(start_paused = true)]
            async fn $test() {
                super::$test($bus).await;
            })*
        }
    };
}

conformance!(
    super::local();
    every_subscriber_reads_every_message_in_order,
    topics_do_not_mix,
    a_slow_subscriber_reads_a_gap,
    late_subscribers_read_recent_captions,
    forgotten_captions_are_a_gap,
    status_is_not_replayed,
    replay_and_live_join_without_a_seam,
    a_retired_topic_ends_after_what_was_said,
    recent_captions_outlive_the_stream_for_a_while,
    a_cancelled_wait_loses_nothing,
);

async fn every_subscriber_reads_every_message_in_order(bus: Arc<dyn StatusBus>) {
    let topic = Topic::Job(job());
    publish(&*bus, topic, [1]).await;
    let mut first = subscribe(&*bus, topic, None).await;
    publish(&*bus, topic, [2]).await;
    let mut second = subscribe(&*bus, topic, None).await;
    publish(&*bus, topic, [3, 5]).await;
    assert_eq!(drain(&mut *first).await, [item(2), item(3), item(5)]);
    assert_eq!(drain(&mut *second).await, [item(3), item(5)]);
    drop(first);
    publish(&*bus, topic, [6]).await;
    assert_eq!(drain(&mut *second).await, [item(6)]);
}

async fn topics_do_not_mix(bus: Arc<dyn StatusBus>) {
    let id = job();
    let topics = [
        Topic::Job(id),
        Topic::Captions(id),
        Topic::Account(AccountId::from_uuid(id.as_uuid())),
        Topic::Job(job()),
    ];
    let mut subscriptions = Vec::new();
    for topic in topics {
        subscriptions.push(subscribe(&*bus, topic, None).await);
    }
    for (topic, seq) in topics.into_iter().zip(1..) {
        publish(&*bus, topic, [seq]).await;
    }
    for (subscription, seq) in subscriptions.iter_mut().zip(1..) {
        assert_eq!(drain(&mut **subscription).await, [item(seq)]);
    }
}

async fn a_slow_subscriber_reads_a_gap(bus: Arc<dyn StatusBus>) {
    let topic = Topic::Job(job());
    let mut slow = subscribe(&*bus, topic, None).await;
    let mut quick = subscribe(&*bus, topic, None).await;
    for seq in 1..=3 * BACKLOG {
        publish(&*bus, topic, [seq]).await;
        assert_eq!(drain(&mut *quick).await, [item(seq)], "nobody waits for the slow one");
    }
    let read = drain(&mut *slow).await;
    assert_eq!(read[0], Some(BusItem::Gap));
    let newest: Vec<_> = (2 * BACKLOG + 1..=3 * BACKLOG).map(item).collect();
    assert_eq!(read[1..], newest, "then the newest, in order");
}

async fn late_subscribers_read_recent_captions(bus: Arc<dyn StatusBus>) {
    let topic = Topic::Captions(job());
    publish(&*bus, topic, 1..=3).await;
    for (since, expected) in
        [(None, vec![1, 2, 3]), (Some(0), vec![1, 2, 3]), (Some(1), vec![2, 3]), (Some(3), vec![])]
    {
        let mut late = subscribe(&*bus, topic, since).await;
        let expected: Vec<_> = expected.into_iter().map(item).collect();
        assert_eq!(drain(&mut *late).await, expected, "{since:?}");
    }
}

async fn forgotten_captions_are_a_gap(bus: Arc<dyn StatusBus>) {
    let topic = Topic::Captions(job());
    publish(&*bus, topic, 1..=RECENT + 2).await;
    let kept: Vec<_> = (3..=RECENT + 2).map(item).collect();
    for since in [0, 1] {
        let mut late = subscribe(&*bus, topic, Some(since)).await;
        let read = drain(&mut *late).await;
        assert_eq!(read[0], Some(BusItem::Gap));
        assert_eq!(read[1..], kept);
    }
    for since in [None, Some(2)] {
        assert_eq!(drain(&mut *subscribe(&*bus, topic, since).await).await, kept, "{since:?}");
    }
}

async fn status_is_not_replayed(bus: Arc<dyn StatusBus>) {
    let topic = Topic::Account(AccountId::from_uuid(SystemIds.uuid()));
    let _first = subscribe(&*bus, topic, None).await;
    publish(&*bus, topic, 1..=3).await;
    let mut late = subscribe(&*bus, topic, Some(1)).await;
    assert_eq!(drain(&mut *late).await, [], "the row is the truth");
}

async fn replay_and_live_join_without_a_seam(bus: Arc<dyn StatusBus>) {
    let topic = Topic::Captions(job());
    publish(&*bus, topic, 1..=2).await;
    let readers = (0..4).map(|_| {
        let bus = Arc::clone(&bus);
        tokio::spawn(async move {
            let mut subscription = subscribe(&*bus, topic, Some(0)).await;
            let mut seqs = Vec::new();
            while let Some(item) = subscription.next().await {
                match item {
                    BusItem::Message(message) => seqs.push(message.seq),
                    BusItem::Gap => panic!("within the limits nothing is lost"),
                }
            }
            seqs
        })
    });
    let readers: Vec<_> = readers.collect();
    for seq in 3..=4 {
        tokio::task::yield_now().await;
        publish(&*bus, topic, [seq]).await;
    }
    for seq in 5..=100 {
        // Lets the readers keep up.
        tokio::task::yield_now().await;
        publish(&*bus, topic, [seq]).await;
    }
    bus.retire(topic).await;
    for seqs in join_all(readers).await {
        assert_eq!(seqs.expect("reader"), (1..=100).collect::<Vec<_>>());
    }
}

async fn a_retired_topic_ends_after_what_was_said(bus: Arc<dyn StatusBus>) {
    for topic in [Topic::Job(job()), Topic::Captions(job())] {
        let mut subscription = subscribe(&*bus, topic, None).await;
        publish(&*bus, topic, [1, 2]).await;
        bus.retire(topic).await;
        publish(&*bus, topic, [3]).await;
        assert_eq!(drain(&mut *subscription).await, [item(1), item(2), None]);
    }
    bus.retire(Topic::Job(job())).await;
}

async fn recent_captions_outlive_the_stream_for_a_while(bus: Arc<dyn StatusBus>) {
    let topic = Topic::Captions(job());
    publish(&*bus, topic, [1, 2]).await;
    bus.retire(topic).await;
    tokio::time::advance(RETIRED_FOR / 2).await;
    let mut late = subscribe(&*bus, topic, Some(1)).await;
    assert_eq!(drain(&mut *late).await, [item(2), None]);
}

async fn a_cancelled_wait_loses_nothing(bus: Arc<dyn StatusBus>) {
    let topic = Topic::Captions(job());
    publish(&*bus, topic, [1]).await;
    let mut subscription = subscribe(&*bus, topic, None).await;
    assert_eq!(subscription.next().await, item(1));
    for seq in 2..50 {
        // Begun while nothing is there, dropped before something comes.
        assert!(subscription.next().now_or_never().is_none());
        publish(&*bus, topic, [seq]).await;
        assert_eq!(subscription.next().await, item(seq));
    }
}

#[tokio::test(start_paused = true)]
async fn topics_take_no_memory_once_nobody_wants_them() {
    let bus = local();
    publish(&*bus, Topic::Job(job()), 1..=9).await;
    assert_eq!(bus.topics(), 0, "nobody listens");
    let (status, captions, silent) = (Topic::Job(job()), Topic::Captions(job()), Topic::Captions(job()));
    let mut subscriptions = Vec::new();
    for topic in [status, status, captions, silent] {
        subscriptions.push(subscribe(&*bus, topic, None).await);
    }
    publish(&*bus, captions, [1]).await;
    assert_eq!(bus.topics(), 3);
    subscriptions.clear();
    assert_eq!(bus.topics(), 1, "captions are kept for late subscribers");
    bus.retire(captions).await;
    assert_eq!(bus.topics(), 1);
    tokio::time::advance(RETIRED_FOR).await;
    drop(subscribe(&*bus, captions, None).await);
    assert_eq!(bus.topics(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_never_retired_is_forgotten() {
    let bus = local();
    let (abandoned, watched, spoken) =
        (Topic::Captions(job()), Topic::Captions(job()), Topic::Captions(job()));
    for topic in [abandoned, watched, spoken] {
        publish(&*bus, topic, [1]).await;
    }
    let _watcher = subscribe(&*bus, watched, None).await;
    tokio::time::advance(ABANDONED_AFTER).await;
    publish(&*bus, spoken, [2]).await;
    publish(&*bus, Topic::Captions(job()), [1]).await;
    assert_eq!(bus.topics(), 3, "all but the abandoned one");
}

#[tokio::test]
async fn a_stopped_bus_ends_its_subscriptions() {
    let bus = local();
    let topic = Topic::Job(job());
    let mut subscription = subscribe(&*bus, topic, None).await;
    publish(&*bus, topic, [1]).await;
    drop(bus);
    assert_eq!(drain(&mut *subscription).await, [item(1), None]);
}
