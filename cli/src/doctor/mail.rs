//! Checks of mail and the status page: SES's events arrive, and the status page accepts the key.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sesv2::types::{EventDestination, EventType};
use jiff::Timestamp;
use tegata_common::customer::{EmailAddress, Language};
use tegata_common::notice::{
    Delivery, DeliveryId, Facts, NoticeId, Outcome as MailOutcome, RecipientAddress, RecipientRole,
    State,
};
use tegata_notices::channels::status_page::{API, ApiKey, StatusPage, StatusPageError};
use tegata_notices::mailer::{self, MailTransport, SendResult, Tags};

use super::check::{Check, Finding, Read, Unread};
use super::program::sdk;
use super::stack::Stack;

const GROUP: &str = "mail";

/// The addresses of SES's mailbox simulator, and the state of a mail to each.
const SIMULATOR: [(&str, State); 3] = [
    ("success@simulator.amazonses.com", State::Delivered),
    ("bounce@simulator.amazonses.com", State::Bounced),
    ("complaint@simulator.amazonses.com", State::Complained),
];

/// The time to wait for SES's events.
const WITHIN: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_secs(3);

/// Checks that SES sends its events to the stack's event bus.
pub(crate) async fn events(stack: &Stack<'_>) -> Check {
    let read = async {
        let set = stack.physical("MailConfigurationSet")?;
        let read = stack.clients.ses.get_configuration_set_event_destinations();
        let read = read.configuration_set_name(set).send().await;
        let read = read.map_err(|error| sdk("ses:GetConfigurationSetEventDestinations", error))?;
        Ok(read.event_destinations.unwrap_or_default())
    };
    let finding = Finding::judge(read.await, |destinations| judge_events(&destinations));
    Check::new(GROUP, "SES's reports", finding)
}

fn judge_events(destinations: &[EventDestination]) -> Finding {
    let to_bus = destinations
        .iter()
        .find(|of| of.event_bridge_destination().is_some());
    let Some(to_bus) = to_bus else {
        return Finding::failed("SES sends its events to no event bus", "make deploy");
    };
    if !to_bus.enabled() {
        return Finding::failed("the event destination is disabled", "make deploy");
    }
    let wanted = [
        EventType::Send,
        EventType::Delivery,
        EventType::Bounce,
        EventType::Complaint,
        EventType::Reject,
        EventType::RenderingFailure,
        EventType::DeliveryDelay,
    ];
    let missing = wanted
        .iter()
        .filter(|of| !to_bus.matching_event_types().contains(of));
    let missing: Vec<String> = missing
        .map(|of| format!("no {} is reported", of.as_str()))
        .collect();
    Finding::of(
        &missing,
        "deliveries, bounces and complaints go to the event bus",
        "make deploy",
    )
}

/// Checks the vendor's name in mails and in the news.
pub(crate) fn sender(stack: &Stack<'_>) -> Check {
    let sender = stack.target.sender().map_err(Unread::from);
    let finding = Finding::judge(sender, |sender| {
        judge_sender(&sender.name, stack.parameter("SenderName"))
    });
    Check::new(GROUP, "sender's name", finding)
}

/// CloudFormation replaces each non-ASCII character in outputs by a question mark.
fn judge_sender(name: &str, parameter: &str) -> Finding {
    let fix = "make deploy, with the tegata of the same commit";
    match () {
        () if name.is_empty() => Finding::failed("it is empty", fix),
        () if name.contains("??") || name.contains('\u{fffd}') => {
            Finding::failed(format!("it arrives as {name}"), fix)
        }
        // A non-ASCII parameter is also returned with question marks.
        () if parameter.is_ascii() && !parameter.contains('?') && parameter != name => {
            Finding::failed(
                format!("it arrives as {name}, but the parameter is {parameter}"),
                fix,
            )
        }
        () => Finding::passed(name),
    }
}

/// Sends one mail to each address of SES's mailbox simulator, and waits until `feedback` has
/// recorded the events.
pub(crate) async fn simulator(stack: &Stack<'_>, is_wanted: bool) -> Vec<Check> {
    if !is_wanted {
        let skipped =
            Finding::skipped("not requested; --mail sends three mails to SES's simulator");
        return vec![Check::new(GROUP, "mails to SES's simulator", skipped)];
    }
    let sent = send(stack).await;
    let found = match &sent {
        Ok(notice) => wait(stack, notice).await,
        Err(unread) => Err(unread.clone()),
    };
    SIMULATOR
        .iter()
        .map(|(address, expected)| {
            let finding = Finding::judge(found.as_ref().map_err(Clone::clone), |states| {
                judge_mail(states.get(*address).copied(), *expected)
            });
            Check::new(GROUP, format!("mail to {address}"), finding)
        })
        .collect()
}

/// Sends the mails in the same way as `deliver`. Their deliveries stay in the table, under an id
/// that no notice has, so that late events are matched.
async fn send(stack: &Stack<'_>) -> Read<NoticeId> {
    let target = stack.target;
    let MailTransport::Ses(client) = &target.mail_transport() else {
        return Err(Unread::Unavailable("this target has no SES".into()));
    };
    let failed = |error: &dyn std::fmt::Display| Unread::Failed(error.to_string());
    let now = Timestamp::now();
    let notice = format!("doctor-{}", now.as_second());
    let notice: NoticeId = notice.parse().map_err(|error| failed(&error))?;
    let set = stack.physical("MailConfigurationSet")?;
    for (address, _) in SIMULATOR {
        let email: EmailAddress = address.parse().map_err(|error| failed(&error))?;
        let delivery = Delivery {
            notice_id: notice.clone(),
            delivery: DeliveryId::of(1, &email),
            email: RecipientAddress::Valid(email.clone()),
            language: Language::En,
            why: RecipientRole::Additional,
            customers: Vec::new(),
            facts: Facts::default(),
        };
        target
            .notices()?
            .create_delivery(&delivery)
            .await
            .map_err(|error| failed(&error))?;
        let tags = Tags {
            notice: notice.clone(),
            delivery: delivery.delivery.clone(),
            attempt: 1,
        };
        let from = target.sender()?.from;
        let message = format!(
            "From: {}\r\nTo: {address}\r\nSubject: tegata doctor\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\nA mail to SES's simulator.\r\n",
            from.as_str()
        );
        let sent = mailer::send(
            client,
            Some(set),
            &from,
            &email,
            message.into_bytes(),
            Some(&tags),
        )
        .await;
        let message_id = match sent {
            SendResult::Accepted { message_id } => message_id,
            SendResult::Refused { reason }
            | SendResult::Throttled { reason, .. }
            | SendResult::Stopped { reason }
            | SendResult::Lost { reason } => {
                return Err(match reason.contains("AccessDenied") {
                    true => Unread::Denied(format!("ses:SendEmail ({reason})")),
                    false => Unread::Failed(format!("SES did not send: {reason}")),
                });
            }
        };
        let stored = target
            .notices()?
            .delivery(&notice, &delivery.delivery)
            .await;
        if let Some(stored) = stored.map_err(|error| failed(&error))? {
            let accepted = |facts: &mut Facts| {
                facts.attempt_mut(1).outcome = Some(MailOutcome::Accepted {
                    at: now,
                    message_id: message_id.clone(),
                });
            };
            target
                .notices()?
                .change_facts(stored, accepted)
                .await
                .map_err(|error| failed(&error))?;
        }
    }
    Ok(notice)
}

/// The states of the mails, as soon as all are final or the time is over.
async fn wait(stack: &Stack<'_>, notice: &NoticeId) -> Read<BTreeMap<String, State>> {
    let end = tokio::time::Instant::now() + WITHIN;
    loop {
        let deliveries = stack.target.notices()?.deliveries(notice, None).await;
        let deliveries = deliveries.map_err(|error| Unread::Failed(error.to_string()))?;
        let now = Timestamp::now();
        let states: BTreeMap<String, State> = deliveries
            .iter()
            .map(|of| {
                (
                    of.delivery.email.as_str().to_owned(),
                    of.delivery.facts.state(now),
                )
            })
            .collect();
        let is_done = SIMULATOR
            .iter()
            .all(|(address, expected)| states.get(*address) == Some(expected));
        if is_done || tokio::time::Instant::now() >= end {
            return Ok(states);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn judge_mail(state: Option<State>, expected: State) -> Finding {
    let fix = "look at MailEvents and MailEventsRule, and into the log of FeedbackFunction: \
               docs/operations/admins.md, \"Setting up e-mail\"";
    match state {
        Some(state) if state == expected => Finding::passed(state.as_str()),
        Some(state) => Finding::failed(
            format!(
                "is {} after {} s; expected {}",
                state.as_str(),
                WITHIN.as_secs(),
                expected.as_str()
            ),
            fix,
        ),
        None => Finding::failed("its delivery is not in the table", fix),
    }
}

/// Checks that the status page accepts the stack's API key.
pub(crate) async fn status_page(stack: &Stack<'_>) -> Check {
    let (page, secret) = (
        stack.parameter("StatusPage"),
        stack.parameter("StatusPageSecretArn"),
    );
    let finding = match (page, secret) {
        ("", _) => Finding::skipped("no StatusPage"),
        (page, secret) => {
            let key = ApiKey::Secret {
                client: stack.clients.secrets.clone(),
                arn: secret.to_owned(),
            };
            let api = api_of_announce(stack).await;
            let probed = match StatusPage::new(api, page, Vec::new(), key) {
                Ok(page) => page.probe().await,
                Err(error) => Err(error),
            };
            judge_status_page(page, probed)
        }
    };
    Check::new(GROUP, "key of the status page", finding)
}

/// The address at which `announce` reaches Statuspal.
async fn api_of_announce(stack: &Stack<'_>) -> String {
    let announce = stack.template.properties("AnnounceFunction");
    let api = announce.map(|of| &of["Environment"]["Variables"]["STATUS_PAGE_API"]);
    api.and_then(|api| stack.text(api))
        .unwrap_or_else(|| API.to_owned())
}

fn judge_status_page(page: &str, probed: Result<(), StatusPageError>) -> Finding {
    match probed {
        Ok(()) => Finding::passed(format!("{page} takes it")),
        Err(StatusPageError::Key(why)) if why.contains("AccessDenied") => {
            Finding::skipped("no permission: secretsmanager:GetSecretValue")
        }
        Err(error) => Finding::failed(
            error.to_string(),
            "put the page's API key into the secret: aws secretsmanager put-secret-value --secret-id ARN \
             --secret-string file://key",
        ),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sesv2::types::EventBridgeDestination;

    use super::super::check::CheckOutcome::{Failed, Passed, Skipped};
    use super::*;

    #[test]
    fn ses_reports_everything_that_feedback_records() {
        let all = [
            "SEND",
            "DELIVERY",
            "BOUNCE",
            "COMPLAINT",
            "REJECT",
            "RENDERING_FAILURE",
            "DELIVERY_DELAY",
        ];
        let destination = |enabled: bool, types: &[&str]| {
            let bus = EventBridgeDestination::builder()
                .event_bus_arn("arn")
                .build()
                .unwrap();
            let types = types.iter().map(|name| EventType::from(*name)).collect();
            EventDestination::builder()
                .name("event-bus")
                .enabled(enabled)
                .set_matching_event_types(Some(types))
                .event_bridge_destination(bus)
                .build()
                .unwrap()
        };
        assert_eq!(judge_events(&[destination(true, &all)]).outcome, Passed);
        assert_eq!(judge_events(&[destination(false, &all)]).outcome, Failed);
        let fewer = judge_events(&[destination(true, &all[..3])]);
        assert!(
            fewer.seen.contains("no COMPLAINT is reported"),
            "{}",
            fewer.seen
        );
        assert_eq!(judge_events(&[]).outcome, Failed);
    }

    #[test]
    fn the_senders_name_arrives_whole() {
        for (name, parameter, outcome) in [
            ("Example", "Example", Passed),
            ("株式会社サンプル", "????????", Passed),
            ("????????", "????????", Failed),
            ("Other", "Example", Failed),
            ("", "Example", Failed),
        ] {
            assert_eq!(
                judge_sender(name, parameter).outcome,
                outcome,
                "{name} {parameter}"
            );
        }
    }

    #[test]
    fn each_simulator_address_ends_in_its_own_state() {
        for (_, expected) in SIMULATOR {
            assert_eq!(judge_mail(Some(expected), expected).outcome, Passed);
            assert_eq!(judge_mail(Some(State::Sent), expected).outcome, Failed);
            assert_eq!(judge_mail(None, expected).outcome, Failed);
        }
    }

    #[test]
    fn the_status_page_takes_the_key() {
        let denied = StatusPageError::Key("AccessDeniedException: no".into());
        let missing = StatusPageError::Key("ResourceNotFoundException".into());
        let refused = StatusPageError::Refused {
            status: reqwest::StatusCode::UNAUTHORIZED,
            body: String::new(),
        };
        assert_eq!(judge_status_page("p", Ok(())).outcome, Passed);
        assert_eq!(judge_status_page("p", Err(denied)).outcome, Skipped);
        assert_eq!(judge_status_page("p", Err(missing)).outcome, Failed);
        assert_eq!(judge_status_page("p", Err(refused)).outcome, Failed);
    }
}
