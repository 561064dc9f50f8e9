//! Whoever joins the audience of a release before its planned instant is told too, and the gate waits
//! for them.

use jiff::Timestamp;
use tegata_common::notice::State;

use crate::announcement::{Options, simulate};
use crate::calm;
use crate::world::{RELEASE, World};

/// The instant that the release is planned for.
const PLANNED: &str = "2026-12-05T01:00:00Z";

#[tokio::test]
async fn who_orders_after_the_announcement_is_told_before_the_gate_opens() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new(RELEASE, 1).await;
    world.bounce_none();
    world.round(&mut calm(&mut random)).await;
    assert_eq!(world.told(1).await.len(), 1);
    // A customer orders; nobody announces anything again.
    world.sign_up(7, "late@customer.example").await;
    world.round(&mut calm(&mut random)).await;
    world.round(&mut calm(&mut random)).await;
    let told = world.told(1).await;
    assert!(
        told.contains(&"late@customer.example".to_owned()),
        "{told:?}"
    );
    assert_eq!(told.len(), 2, "nobody is told twice: {told:?}");

    let planned: Timestamp = PLANNED.parse().unwrap();
    world.now = planned;
    // It is not known yet who joined in the last minutes.
    let refused = world.gate().await.unwrap_err();
    assert!(refused.contains("was last calculated at"), "{refused}");
    world.sign_up(8, "last@customer.example").await;
    world.run_announce().await;
    let refused = world.gate().await.unwrap_err();
    assert!(refused.starts_with("1 of 3 mails"), "{refused}");
    world.round(&mut calm(&mut random)).await;
    assert_eq!(world.gate().await, Ok(()));
    // Nothing is left to do: the notice is not looked at any more.
    world.round(&mut calm(&mut random)).await;
    world.round(&mut calm(&mut random)).await;
    assert!(!world.is_due().await);
}

#[tokio::test]
async fn a_corrected_address_gets_the_notice_and_a_bounced_one_does_not_count() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new(RELEASE, 1).await;
    for _ in 0..3 {
        world.round(&mut calm(&mut random)).await;
    }
    world.now = PLANNED.parse().unwrap();
    world.round(&mut calm(&mut random)).await;
    let refused = world.gate().await.unwrap_err();
    let expected = "1 customer has not been told of notice 2026-12-05-sheet-1.9.0:\n  C-0: mail to \
                    the primary contacts cannot be delivered\n";
    assert!(refused.starts_with(expected), "{refused}");
    world
        .replace_contact(0, "bounce@customer.example", "right@customer.example")
        .await;
    world.round(&mut calm(&mut random)).await;
    world.round(&mut calm(&mut random)).await;
    let outcomes = world.outcomes().await;
    assert_eq!(outcomes["right@customer.example"].0, State::Delivered);
    assert_eq!(world.gate().await, Ok(()));
}

#[tokio::test]
async fn contracts_that_are_suspended_or_not_started_are_told_and_ended_ones_are_not() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new(RELEASE, 2).await;
    world.bounce_none();
    world.suspend("tenant0.cybozu.com").await;
    world
        .sign_up_from(5, "soon@customer.example", "2027-02-01T00:00:00Z")
        .await;
    world.end_contract("tenant1.cybozu.com").await;
    world.round(&mut calm(&mut random)).await;
    let told = world.told(1).await;
    assert_eq!(told, ["contact0@customer.example", "soon@customer.example"]);
    // A contract that is continued in time is told.
    world.continue_contract("tenant1.cybozu.com").await;
    world.round(&mut calm(&mut random)).await;
    assert_eq!(world.told(1).await.len(), 3);
}

/// The short form of `cargo test --workspace --test announcement`.
#[tokio::test(flavor = "multi_thread")]
async fn at_the_planned_instant_everyone_was_told_once_or_is_listed() {
    for seed in 0..3 {
        let options = Options {
            seed,
            contracts: 60,
            runs: 36,
        };
        let counts = simulate(options).await;
        let counts = counts.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        println!("seed {seed}: {counts:?}");
        assert!(
            counts.mails > 20 && counts.listed > 0 && counts.judged > 1,
            "{counts:?}"
        );
    }
}
