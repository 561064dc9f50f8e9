//! What SES says of the account: too fast, paused, errors in a row. Sending stops by itself, and
//! what was not sent for certain is sent later.

use std::collections::BTreeSet;

use tegata_common::notice::State;

use crate::cloud::Answer;
use crate::world::{INCIDENT, RELEASE, Weather, World};

fn calm(random: &mut fastrand::Rng) -> Weather<'_> {
    Weather {
        random,
        duplicates: 0,
        late: 0,
    }
}

fn states(world: &std::collections::BTreeMap<String, (State, usize, usize)>) -> BTreeSet<State> {
    world.values().map(|(state, ..)| *state).collect()
}

#[tokio::test]
async fn too_fast_burns_no_attempt() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new(RELEASE, 3).await;
    world.answer_mails_with(Some(Answer {
        status: 429,
        kind: "TooManyRequestsException",
        message: "Maximum sending rate exceeded.",
    }));
    for _ in 0..4 {
        world.round(&mut calm(&mut random)).await;
    }
    assert_eq!(states(&world.outcomes().await), [State::Pending].into());
    assert_eq!(world.paused().await, None);
    assert!(world.dead_letters.is_empty());
    world.answer_mails_with(None);
    world.round(&mut calm(&mut random)).await;
    let deliveries = world.deliveries().await;
    assert!(
        deliveries
            .iter()
            .all(|of| of.facts.attempts.len() == 1 && of.facts.again.is_empty())
    );
    assert_eq!(
        states(&world.outcomes().await),
        [State::Delivered, State::Bounced].into()
    );
}

/// Lambda stops a function that feeds the queue it is triggered by after about 16 hops.
#[tokio::test]
async fn a_throttled_mail_waits_in_the_table_and_is_queued_once_when_its_time_has_come() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new(RELEASE, 3).await;
    world.answer_mails_with(Some(Answer {
        status: 429,
        kind: "TooManyRequestsException",
        message: "Maximum sending rate exceeded.",
    }));
    for minute in 0..18 {
        let queued = world.minute(&mut calm(&mut random)).await;
        assert_eq!(queued, 3, "minute {minute}");
    }
    let calls = world.calls();
    let sends = |call: &str| call.starts_with("SQS");
    assert!(
        !calls
            .iter()
            .any(|(step, call)| *step == "deliver" && sends(call)),
        "deliver feeds the queue that triggers it"
    );
    assert!(world.dead_letters.is_empty(), "{:?}", world.dead_letters);
    assert_eq!(states(&world.outcomes().await), [State::Pending].into());

    // A day's quota that is used up: a quarter of an hour until the next try, not a minute.
    world.answer_mails_with(Some(Answer {
        status: 429,
        kind: "TooManyRequestsException",
        message: "Daily message quota exceeded.",
    }));
    let mut queued = Vec::new();
    for _ in 0..31 {
        queued.push(world.minute(&mut calm(&mut random)).await);
    }
    let expected = (0..31).map(|minute| if minute % 15 == 0 { 3 } else { 0 });
    assert_eq!(queued, expected.collect::<Vec<_>>());

    world.answer_mails_with(None);
    for _ in 0..16 {
        world.minute(&mut calm(&mut random)).await;
    }
    let outcomes = world.outcomes().await;
    assert!(
        outcomes.values().all(|(_, taken, _)| *taken == 1),
        "{outcomes:?}"
    );
    let deliveries = world.deliveries().await;
    assert!(
        deliveries
            .iter()
            .all(|of| of.facts.attempts.len() == 1 && of.facts.again.is_empty())
    );
}

#[tokio::test]
async fn a_stopped_account_stops_all_sending_and_loses_nothing() {
    for (status, kind) in [
        (400, "SendingPausedException"),
        (400, "AccountSuspendedException"),
        (400, "MailFromDomainNotVerifiedException"),
        (403, "AccessDeniedException"),
        (400, "MessageRejected"),
    ] {
        let mut random = fastrand::Rng::with_seed(1);
        let mut world = World::new(RELEASE, 3).await;
        let message = "not verified: contact0@customer.example";
        world.answer_mails_with(Some(Answer {
            status,
            kind,
            message,
        }));
        world.round(&mut calm(&mut random)).await;
        world.round(&mut calm(&mut random)).await;
        let reason = world.sending_paused().await.unwrap();
        let address = "sha256:4e727d06dd0d3eeaf317bd51d0b1ac47";
        assert_eq!(
            reason,
            format!("{kind} ({status}): not verified: {address}")
        );
        assert_eq!(
            states(&world.outcomes().await),
            [State::Pending].into(),
            "{kind}"
        );
        let asked = world
            .calls()
            .iter()
            .filter(|(_, call)| call.starts_with("SES"))
            .count();
        assert!(asked <= 3, "{kind}: {asked} mails were tried");

        world.answer_mails_with(None);
        world.resume_sending().await;
        world.round(&mut calm(&mut random)).await;
        let outcomes = world.outcomes().await;
        assert_eq!(
            states(&outcomes),
            [State::Delivered, State::Bounced].into(),
            "{kind}"
        );
        assert!(outcomes.values().all(|(_, taken, _)| *taken == 1), "{kind}");
    }
}

#[tokio::test]
async fn a_mail_that_is_refused_is_failed_and_can_be_tried_again() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new(RELEASE, 2).await;
    world.answer_mails_with(Some(Answer {
        status: 400,
        kind: "MessageRejected",
        message: "Local address contains control or whitespace: a@b.example",
    }));
    world.round(&mut calm(&mut random)).await;
    assert_eq!(states(&world.outcomes().await), [State::Failed].into());
    for delivery in world.deliveries().await {
        let reason = delivery.facts.reason().unwrap();
        assert_eq!(
            reason,
            "MessageRejected (400): Local address contains control or whitespace: sha256:ebb18a030bf15174f5714e24d63af1a8"
        );
    }
    world.answer_mails_with(None);
    world.retry_failed().await;
    world.round(&mut calm(&mut random)).await;
    assert_eq!(
        states(&world.outcomes().await),
        [State::Delivered, State::Bounced].into()
    );
}

#[tokio::test]
async fn errors_in_a_row_stop_a_notice() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new(INCIDENT, 40).await;
    world.answer_mails_with(Some(Answer {
        status: 503,
        kind: "ServiceUnavailable",
        message: "",
    }));
    world.round(&mut calm(&mut random)).await;
    let reason = world.paused().await.unwrap();
    assert!(
        reason.contains("in a row had no certain outcome"),
        "{reason}"
    );
    let outcomes = world.outcomes().await;
    let unknown = outcomes
        .values()
        .filter(|(state, ..)| *state == State::Unknown)
        .count();
    // A batch is sent side by side; the next one is not begun.
    assert!((3..=10).contains(&unknown), "{unknown}");
    world.answer_mails_with(None);
    world.operate().await;
    for _ in 0..9 {
        world.round(&mut calm(&mut random)).await;
    }
    let outcomes = world.outcomes().await;
    assert_eq!(states(&outcomes), [State::Delivered, State::Bounced].into());
    // An incident's unknown mails are sent again after the window, and counted.
    let resent: usize = outcomes.values().map(|(_, _, resends)| *resends).sum();
    assert_eq!(resent, unknown);
}

#[tokio::test]
async fn many_bounces_stop_a_notice_until_an_operator_lets_it_go_on() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new(RELEASE, 60).await;
    world.bounce_all();
    world.run_announce().await;
    // A part of the mails is on its way when the bounces come in.
    world.deliver_some(&mut calm(&mut random), 30).await;
    world.run_feedback(&mut calm(&mut random)).await;
    world.run_announce().await;
    let reason = world.paused().await.unwrap();
    assert!(
        reason.starts_with("of 30 mails 30 went wrong (30 PENDING, 30 BOUNCED"),
        "{reason}"
    );
    for _ in 0..3 {
        world.round(&mut calm(&mut random)).await;
    }
    let sent = |outcomes: &std::collections::BTreeMap<String, (State, usize, usize)>| {
        outcomes.values().map(|(_, taken, _)| *taken).sum::<usize>()
    };
    assert_eq!(sent(&world.outcomes().await), 30);
    world.operate().await;
    for _ in 0..3 {
        world.round(&mut calm(&mut random)).await;
    }
    assert_eq!(sent(&world.outcomes().await), 60);
}

#[tokio::test]
async fn refusals_in_a_row_stop_a_notice_and_what_was_refused_counts_as_not_sent() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new(RELEASE, 40).await;
    world.answer_mails_with(Some(Answer {
        status: 400,
        kind: "BadRequestException",
        message: "Missing final '@domain'",
    }));
    world.round(&mut calm(&mut random)).await;
    let reason = world.paused().await.unwrap();
    assert!(reason.contains("mails in a row were refused"), "{reason}");
    let outcomes = world.outcomes().await;
    let failed = outcomes
        .values()
        .filter(|(state, ..)| *state == State::Failed)
        .count();
    assert!((10..=20).contains(&failed), "{failed}");
}

#[tokio::test]
async fn the_bounces_of_an_update_do_not_stop_the_next_one() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new(INCIDENT, 30).await;
    world.round(&mut calm(&mut random)).await;
    // All mails of the first update have left when a third of them bounces, for a time.
    world.bounce_later("Transient", 10).await;
    let more = format!(
        "{INCIDENT}\n[[updates]]\nstage = 'resolved'\nbody = {{ ja = '復旧。', en = 'Over.' }}\n"
    );
    world.send(&more).await;
    world.round(&mut calm(&mut random)).await;
    assert_eq!(world.paused().await, None);
    assert_eq!(world.told(2).await.len(), 29);
}

#[tokio::test]
async fn sending_that_stopped_and_went_on_between_two_runs_goes_on_at_once() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new(RELEASE, 3).await;
    world.run_announce().await;
    world.pause_sending().await;
    // The messages are passed over.
    world.deliver_some(&mut calm(&mut random), 3).await;
    world.tick();
    world.resume_sending().await;
    world.tick();
    world.round(&mut calm(&mut random)).await;
    let outcomes = world.outcomes().await;
    assert_eq!(states(&outcomes), [State::Delivered, State::Bounced].into());
}
