//! The ledger's addresses are removed after the retention; their hashes and the evidence stay.

use jiff::{SignedDuration, Timestamp};
use tegata_common::notice::{RecipientAddress, State};

use crate::calm;
use crate::world::{INCIDENT, RELEASE, RETENTION, World};

/// The instant for which the release of [`RELEASE`] is planned.
const PLANNED: &str = "2026-12-05T01:00:00Z";

async fn told(file: &str) -> World {
    let mut random = fastrand::Rng::with_seed(0);
    let mut world = World::new(file, 3).await;
    for _ in 0..3 {
        world.round(&mut calm(&mut random)).await;
    }
    world
}

fn addresses(deliveries: &[tegata_common::notice::Delivery]) -> usize {
    let removed = |email: &RecipientAddress| *email == RecipientAddress::Removed;
    deliveries.iter().filter(|of| !removed(&of.email)).count()
}

#[tokio::test]
async fn addresses_of_the_ledger_expire_and_hashes_stay() {
    let announced: Timestamp = crate::world::START.parse().unwrap();
    let planned: Timestamp = PLANNED.parse().unwrap();
    for (file, from) in [(INCIDENT, announced), (RELEASE, planned)] {
        let mut world = told(file).await;
        // The mail that bounced, and no address, keeps a release watched for 14 days.
        world.now = from + SignedDuration::from_hours(15 * 24);
        world.run_announce().await;
        let before = world.deliveries().await;
        let rows = world.ledger().await;
        assert_eq!(addresses(&before), 3);

        world.now = from + RETENTION - SignedDuration::from_secs(1);
        world.run_announce().await;
        assert_eq!(world.deliveries().await, before, "not a second too early");

        world.now = from + RETENTION;
        world.run_announce().await;
        let after = world.deliveries().await;
        assert_eq!(addresses(&after), 0);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.delivery, after.delivery, "the hash of the address");
            assert_eq!(before.facts, after.facts, "the evidence");
            assert_eq!(before.customers, after.customers, "who was told");
        }
        let expired = world.ledger().await;
        for (before, after) in rows.iter().zip(&expired) {
            let mut expected = before.clone();
            expected[3].clear();
            assert_eq!(*after, expected, "the ledger but for its addresses");
        }

        // Nothing is left to do.
        let calls = world.calls().len();
        world.now += SignedDuration::from_hours(24);
        world.run_announce().await;
        let writes = |call: &&(&str, String)| call.1.contains("Put") || call.1.contains("Write");
        assert_eq!(world.calls()[calls..].iter().filter(writes).count(), 0);
    }
}

#[tokio::test]
async fn addresses_of_a_notice_that_never_ends_expire_too() {
    let mut random = fastrand::Rng::with_seed(0);
    let mut world = World::new(INCIDENT, 3).await;
    // Its mails are not sent: an operator paused it.
    world.run_announce().await;
    world.pause().await;
    world.now = crate::world::START.parse::<Timestamp>().unwrap() + RETENTION;
    world.round(&mut calm(&mut random)).await;
    assert_eq!(addresses(&world.deliveries().await), 0);

    // A mail that is to be sent after that is not sent to nobody: it fails, with a reason.
    world.operate().await;
    for _ in 0..2 {
        world.round(&mut calm(&mut random)).await;
    }
    for delivery in world.deliveries().await {
        assert_eq!(delivery.facts.state(world.now), State::Failed);
        let reason = delivery.facts.reason().unwrap();
        assert!(reason.contains("was removed"), "{reason}");
    }
}
