//! Every state of a delivery has a command that ends it, and a delivery that fails holds up no
//! other.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tegata_common::notice::{
    Announced, Attempt, AudienceRecord, Bounce, BounceKind, Claim, Delivery, Evidence, Facts,
    Outcome, State, ToldOtherwise,
};
use tegata_notices::gate::Announcement;
use tegata_operations::notices::{
    Context, NoticeError, Settlement, resolve, retry_failed, told_otherwise,
};
use tegata_operations::{Caller, Error};
use tegata_storage::ChangeContext;
use tegata_storage::notices::Work;

use crate::evidence::{delivery, document};
use crate::messages::Office;

/// After the instant that the release is planned for.
const LATER: &str = "2026-12-06T00:00:00Z";

fn act(at: Timestamp) -> ChangeContext<'static> {
    ChangeContext {
        at,
        by: "operator",
        change: "resolve",
    }
}

fn operator(now: Timestamp) -> Caller<'static> {
    Caller {
        name: "operator",
        now,
    }
}

/// What is known of a delivery in a state at an instant.
fn facts(state: State, now: Timestamp) -> Facts {
    let before = now - SignedDuration::from_hours(1);
    let mut facts = Facts::default();
    let mut attempted = |attempt: Attempt| facts.attempts.push(attempt);
    let bounced = Bounce {
        kind: BounceKind::Permanent,
        at: before,
        subtype: "General".to_owned(),
    };
    match state {
        State::Pending => {}
        State::Sending => attempted(Attempt {
            claim: Some(Claim {
                at: now,
                until: now + SignedDuration::from_mins(3),
                nonce: 0,
            }),
            ..Attempt::default()
        }),
        State::Sent => facts.record(1, &Evidence::Sent(before)),
        State::Delivered => facts.record(1, &Evidence::Delivered(before)),
        State::Bounced => facts.record(1, &Evidence::Bounced(bounced)),
        State::Complained => facts.record(1, &Evidence::Complained(before)),
        State::Failed => attempted(Attempt {
            outcome: Some(Outcome::Refused {
                at: before,
                reason: "MessageRejected".to_owned(),
            }),
            ..Attempt::default()
        }),
        State::Unknown => attempted(Attempt {
            outcome: Some(Outcome::Lost {
                at: before,
                reason: "503".to_owned(),
            }),
            ..Attempt::default()
        }),
    }
    assert_eq!(facts.state(now), state);
    facts
}

impl Office {
    /// Marks the notice as announced, so that only its deliveries are missing.
    async fn announce(&self) {
        let notices = &self.database.notices;
        let id = delivery().notice_id;
        let stored = notices.get(&id).await.unwrap().unwrap();
        let mut notice = stored.value;
        notice.updates[0].announced = Some(Announced {
            at: self.now,
            recipients: 1,
            unreachable: 0,
        });
        let before = Some(&stored.revision);
        let work = Work::Due(self.now);
        notices
            .put(before, &notice, work, &act(self.now))
            .await
            .unwrap();
    }

    /// Whether the release may become current. Its audience has been calculated.
    async fn gate(&self, now: Timestamp) -> Result<(), String> {
        let notices = &self.database.notices;
        let record = AudienceRecord {
            calculated_at: now,
            unreachable: Vec::new(),
            unnamed: 0,
            withdrawn: BTreeSet::new(),
        };
        notices
            .put_audience(&delivery().notice_id, &record)
            .await
            .unwrap();
        let product = "sheet".parse().unwrap();
        let announcement = Announcement::read(notices, &product, "1.9.0", now)
            .await
            .unwrap();
        let checked = announcement.check(now, now);
        checked.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Records that the customer was told by telephone.
    async fn tell_otherwise(&self, now: Timestamp) -> Result<(), Error> {
        let Delivery {
            delivery: id,
            customers,
            ..
        } = delivery();
        let customer = customers.first().map(|of| of.customer_id.to_string());
        let told = ToldOtherwise {
            who: customer.unwrap_or_else(|| id.to_string()),
            how: "by telephone".to_owned(),
        };
        let context = Context {
            licenses: &self.database.licenses,
            customers: &self.database.customers,
            notices: &self.database.notices,
            zone: &TimeZone::UTC,
            caller: operator(now),
        };
        let recorded = told_otherwise(&context, &delivery().notice_id, &told, false).await;
        recorded.map(|_| ())
    }

    async fn read(&self) -> Delivery {
        let Delivery {
            notice_id,
            delivery,
            ..
        } = delivery();
        let stored = self.database.notices.delivery(&notice_id, &delivery).await;
        stored.unwrap().unwrap().delivery
    }

    async fn resolve(&self, settlement: Settlement, now: Timestamp) -> Result<(), Error> {
        let Delivery {
            notice_id: id,
            delivery,
            ..
        } = delivery();
        let notices = &self.database.notices;
        let delivery = Some(&delivery);
        let resolved = resolve(notices, &id, delivery, settlement, operator(now), false).await;
        resolved.map(|_| ())
    }
}

/// What an operator can do about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    ResolveAsSent,
    ResolveAsResend,
    RetryFailed,
    ToldOtherwise,
}

/// The commands that end a state. `SENT` and `DELIVERED` are ends.
fn commands(state: State) -> &'static [Command] {
    use Command::{ResolveAsResend, ResolveAsSent, RetryFailed, ToldOtherwise};
    match state {
        State::Pending | State::Sending => &[ResolveAsSent],
        State::Sent | State::Delivered => &[],
        // A mail that bounced for a time can be tried again, too.
        State::Bounced | State::Complained => &[ToldOtherwise],
        State::Failed => &[ResolveAsSent, RetryFailed, ToldOtherwise],
        State::Unknown => &[ResolveAsSent, ResolveAsResend, ToldOtherwise],
    }
}

#[tokio::test]
async fn every_state_of_a_delivery_has_a_command_that_ends_it() {
    let now: Timestamp = LATER.parse().unwrap();
    let all = [
        Command::ResolveAsSent,
        Command::ResolveAsResend,
        Command::RetryFailed,
        Command::ToldOtherwise,
    ];
    for (state, command) in State::ALL
        .into_iter()
        .flat_map(|state| all.map(|command| (state, command)))
    {
        let context = format!("{state:?} {command:?}");
        let office = Office::open().await;
        office.announce().await;
        let notices = &office.database.notices;
        let Delivery {
            notice_id,
            delivery,
            ..
        } = delivery();
        let stored = notices.delivery(&notice_id, &delivery).await.unwrap();
        let stored = stored.unwrap();
        notices
            .write_facts(&stored, facts(state, now))
            .await
            .unwrap();
        let is_told = matches!(state, State::Sent | State::Delivered);
        assert_eq!(office.gate(now).await.is_ok(), is_told, "{context}");

        let done = match command {
            Command::ResolveAsSent => office.resolve(Settlement::Sent, now).await,
            Command::ResolveAsResend => office.resolve(Settlement::Resend, now).await,
            Command::RetryFailed => {
                let retried = retry_failed(notices, &notice_id, operator(now), false).await;
                let retried = retried.unwrap();
                match retried.failed.len() {
                    0 => Err(NoticeError::NothingNew.into()),
                    _ => Ok(()),
                }
            }
            Command::ToldOtherwise => office.tell_otherwise(now).await,
        };
        let ends = commands(state).contains(&command);
        assert_eq!(done.is_ok(), ends, "{context}: {done:?}");
        let event = document("delivery-queue.json");
        if !ends {
            assert_eq!(office.gate(now).await.is_ok(), is_told, "{context}");
        } else if matches!(command, Command::ResolveAsResend | Command::RetryFailed) {
            // It is sent once more.
            assert!(office.hand(&event, false).await.is_empty(), "{context}");
            assert_eq!(office.mails(), 1, "{context}");
            assert_eq!(office.gate(now).await, Ok(()), "{context}");
        } else {
            // The gate is open, and what has ended is not sent any more.
            assert_eq!(office.gate(now).await, Ok(()), "{context}");
            assert!(office.hand(&event, false).await.is_empty(), "{context}");
            assert_eq!(office.mails(), 0, "{context}");
        }
    }
}

#[tokio::test]
async fn a_delivery_that_cannot_be_rendered_fails_with_the_reason_and_alone() {
    for (address, is_readable) in [
        // An earlier version stored it so.
        ("\r\n <it@sample.example>", true),
        ("it@sample.example\r\nBcc: other@customer.example", false),
        ("it", false),
    ] {
        let office = Office::open().await;
        office.announce().await;
        let Delivery {
            notice_id,
            delivery,
            ..
        } = delivery();
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let stored = office.database.client.update_item();
        let stored = stored
            .table_name("Notices")
            .key("notice_id", text(notice_id.as_str()))
            .key("item", text(&format!("delivery#{delivery}")))
            .update_expression("SET email = :email")
            .expression_attribute_values(":email", text(address));
        stored.send().await.unwrap();

        let event = document("delivery-queue.json");
        assert!(office.hand(&event, false).await.is_empty(), "{address:?}");
        let facts = office.read().await.facts;
        if is_readable {
            assert_eq!((facts.state(office.now), office.mails()), (State::Sent, 1));
            continue;
        }
        assert_eq!(
            (facts.state(office.now), office.mails()),
            (State::Failed, 0),
            "{address:?}"
        );
        assert_eq!(
            facts.reason().unwrap(),
            "the mail could not be rendered: the recipient's address is malformed: correct the \
             contact"
        );
        let now: Timestamp = LATER.parse().unwrap();
        let refused = office.gate(now).await.unwrap_err();
        let expected = ": the mail could not be sent";
        assert!(refused.contains(expected), "{refused}");
        // Tried again, it fails again; told otherwise, it is over.
        let notices = &office.database.notices;
        let retried = retry_failed(notices, &notice_id, operator(now), false).await;
        assert_eq!(retried.unwrap().failed.len(), 1);
        assert!(office.hand(&event, false).await.is_empty());
        assert_eq!(office.read().await.facts.state(now), State::Failed);
        office.resolve(Settlement::Sent, now).await.unwrap();
        assert_eq!(office.gate(now).await, Ok(()));
    }
}

/// Whatever is taken for an address can be written into a mail's header.
#[test]
fn what_is_taken_for_an_address_can_be_rendered() {
    use tegata_common::customer::EmailAddress;
    use tegata_notices::render::mail::{mail, message};

    use crate::world::{RELEASE, START, notice, sender};
    let release = notice(RELEASE, None, START.parse().unwrap());
    let pieces = [
        "",
        " ",
        "\t",
        "\r\n",
        "\r\n ",
        "<",
        ">",
        "\"",
        "'",
        ".",
        "..",
        "@",
        ",",
        ";",
        "\\",
        "(c)",
        "user",
        "USER",
        "o'brien",
        "a+b",
        "!#$%&'*/=?^_`{|}~-",
        "customer.example",
        "Customer.Example",
        "localhost",
        "[127.0.0.1]",
        "xn--eckwd4c7c.xn--zckzah",
        "-a.example",
        "例え.jp",
        "\u{feff}",
        "\u{0}",
    ];
    let mut random = fastrand::Rng::with_seed(1);
    let mut rendered = 0;
    for _ in 0..200_000 {
        let count = random.usize(1..7);
        let parts = (0..count).map(|_| pieces[random.usize(..pieces.len())]);
        let parts: String = parts.collect();
        let text = match random.bool() {
            true => format!("user@{parts}"),
            false => format!("{parts}@customer.example"),
        };
        let Ok(address) = text.parse::<EmailAddress>() else {
            continue;
        };
        let again: EmailAddress = address.as_str().parse().unwrap();
        assert_eq!(again, address, "{text:?} has two forms");
        assert!(text.eq_ignore_ascii_case(address.as_str()), "{text:?}");
        if random.u8(..20) == 0 {
            let delivery = Delivery {
                email: address.into(),
                ..delivery()
            };
            let parts = mail(&release, &release.updates[0], &delivery, &sender()).unwrap();
            let now = START.parse().unwrap();
            let raw = message(parts, &release, &delivery, &sender(), now);
            raw.unwrap_or_else(|error| panic!("{text:?}: {error}"));
            rendered += 1;
        }
    }
    assert!(rendered > 50, "{rendered}");
}
