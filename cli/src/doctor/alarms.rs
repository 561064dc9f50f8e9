//! Checks of the alarms: they match the template, their metrics exist, and their topic has a
//! subscriber.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::check::{Check, Finding, Read};
use super::stack::Stack;

const GROUP: &str = "alarms";

/// The period in which a metric must have data.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A metric: namespace, name and dimensions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Metric {
    namespace: String,
    name: String,
    dimensions: BTreeMap<String, String>,
}

/// Checks of the stack's alarms.
pub(crate) async fn check(stack: &Stack<'_>) -> Vec<Check> {
    let live = live(stack).await;
    let live = match live {
        Ok(live) => live,
        Err(unread) => return vec![Check::new(GROUP, "alarms", unread.into())],
    };
    let topic = stack.physical("AlarmTopic").ok();
    let promised: Vec<(&str, &Value)> = stack.made("AWS::CloudWatch::Alarm").collect();
    let mut problems = Vec::new();
    for (logical, promised) in &promised {
        let physical = stack.physical(logical).ok();
        let alarm = live
            .iter()
            .find(|alarm| alarm["AlarmName"].as_str() == physical);
        let expected = metrics_of_template(stack, promised);
        problems.extend(judge_alarm(logical, alarm, expected.as_deref(), topic));
    }
    let as_promised = Finding::of(
        &problems,
        format!(
            "{} alarms watch the template's metrics and notify the topic",
            promised.len()
        ),
        "make deploy; if nothing changes, aws cloudformation detect-stack-drift shows what was changed by hand",
    );
    let mut checks = vec![
        Check::new(GROUP, "alarms", as_promised),
        Check::new(
            GROUP,
            "ringing alarms",
            judge_ringing(&live, stack.is_new()),
        ),
    ];
    let with_data = with_data(stack, &live).await;
    let finding = Finding::judge(with_data, |with_data| {
        judge_data(&live, &with_data, stack.is_new())
    });
    checks.push(Check::new(GROUP, "metrics of the alarms", finding));
    checks
}

async fn live(stack: &Stack<'_>) -> Read<Vec<Value>> {
    let alarms = stack.of_type("AWS::CloudWatch::Alarm")?;
    let names = alarms.iter().map(|(_, physical)| *physical);
    let call = ["cloudwatch", "describe-alarms", "--alarm-names"];
    let call: Vec<&str> = call.into_iter().chain(names).collect();
    let read = stack.clients.cli.call(&call).await?;
    Ok(read["MetricAlarms"].as_array().cloned().unwrap_or_default())
}

/// The metrics that an alarm of the template watches. `None` if they cannot be resolved here.
fn metrics_of_template(stack: &Stack<'_>, alarm: &Value) -> Option<Vec<Metric>> {
    let metric = |metric: &Value| {
        let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
        let dimensions: Option<BTreeMap<String, String>> = dimensions
            .map(|of| Some((of["Name"].as_str()?.to_owned(), stack.text(&of["Value"])?)))
            .collect();
        Some(Metric {
            namespace: stack.text(&metric["Namespace"])?,
            name: stack.text(&metric["MetricName"])?,
            dimensions: dimensions?,
        })
    };
    match alarm["Metrics"].as_array() {
        None => Some(vec![metric(alarm)?]),
        Some(metrics) => {
            let stats = metrics.iter().filter(|of| of.get("MetricStat").is_some());
            stats
                .map(|of| metric(&of["MetricStat"]["Metric"]))
                .collect()
        }
    }
}

/// The metrics that a live alarm watches.
fn metrics_of(alarm: &Value) -> Vec<Metric> {
    let metric = |metric: &Value| {
        let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Metric {
            namespace: text(&metric["Namespace"]),
            name: text(&metric["MetricName"]),
            dimensions: dimensions
                .map(|of| (text(&of["Name"]), text(&of["Value"])))
                .collect(),
        }
    };
    match alarm["Metrics"]
        .as_array()
        .filter(|metrics| !metrics.is_empty())
    {
        None => vec![metric(alarm)],
        Some(metrics) => {
            let stats = metrics.iter().filter(|of| of.get("MetricStat").is_some());
            stats
                .map(|of| metric(&of["MetricStat"]["Metric"]))
                .collect()
        }
    }
}

fn judge_alarm(
    logical: &str,
    alarm: Option<&Value>,
    expected: Option<&[Metric]>,
    topic: Option<&str>,
) -> Option<String> {
    let Some(alarm) = alarm else {
        return Some(format!("{logical} does not exist"));
    };
    if alarm["ActionsEnabled"].as_bool() == Some(false) {
        return Some(format!("{logical} notifies nobody: its actions are off"));
    }
    let actions = alarm["AlarmActions"].as_array().into_iter().flatten();
    let tells = |topic: &str| actions.clone().any(|action| action.as_str() == Some(topic));
    if topic.is_some_and(|topic| !tells(topic)) {
        return Some(format!("{logical} does not notify the stack's topic"));
    }
    let found: BTreeSet<Metric> = metrics_of(alarm).into_iter().collect();
    let expected: BTreeSet<Metric> = expected?.iter().cloned().collect();
    if found == expected {
        return None;
    }
    let names = |of: &BTreeSet<Metric>| {
        let names: Vec<String> = of
            .iter()
            .map(|of| {
                let dimensions: Vec<String> = of
                    .dimensions
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                format!("{}/{}[{}]", of.namespace, of.name, dimensions.join(","))
            })
            .collect();
        names.join(" and ")
    };
    Some(format!(
        "{logical} watches {} instead of {}",
        names(&found),
        names(&expected)
    ))
}

fn judge_ringing(live: &[Value], is_new: bool) -> Finding {
    let ringing = live
        .iter()
        .filter(|alarm| alarm["StateValue"].as_str() == Some("ALARM"));
    let ringing: Vec<String> = ringing
        .map(|alarm| {
            let text = |name: &str| alarm[name].as_str().unwrap_or_default();
            format!("{}: {}", text("AlarmName"), text("AlarmDescription"))
        })
        .collect();
    match (ringing.is_empty(), is_new) {
        (true, _) => Finding::passed("none"),
        (false, true) => Finding::skipped(format!(
            "the stack is new, and not everything has reported yet: {}",
            ringing.join("; ")
        )),
        (false, false) => Finding::failed(
            ringing.join("; "),
            "docs/operations/emergencies.md, \"Alarms\", says what to do for each",
        ),
    }
}

/// The metrics of the alarms that have data.
async fn with_data(stack: &Stack<'_>, live: &[Value]) -> Read<BTreeSet<Metric>> {
    let metrics: BTreeSet<Metric> = live.iter().flat_map(metrics_of).collect();
    let metrics: Vec<Metric> = metrics.into_iter().collect();
    if metrics.is_empty() {
        return Ok(BTreeSet::new());
    }
    let queries = metrics.iter().enumerate().map(|(index, of)| {
        let dimensions = of.dimensions.iter();
        let dimensions: Vec<Value> =
            dimensions.map(|(name, value)| json!({"Name": name, "Value": value})).collect();
        json!({
            "Id": format!("m{index}"),
            "MetricStat": {
                "Metric": {"Namespace": of.namespace, "MetricName": of.name, "Dimensions": dimensions},
                "Period": 86400,
                "Stat": "SampleCount",
            },
        })
    });
    let queries = Value::Array(queries.collect()).to_string();
    let now = Timestamp::now();
    let from = now.checked_sub(LOOK_BACK).unwrap_or(now);
    let (from, to) = (format!("{from:.0}"), format!("{now:.0}"));
    let call = [
        "cloudwatch",
        "get-metric-data",
        "--start-time",
        &from,
        "--end-time",
        &to,
        "--metric-data-queries",
        &queries,
    ];
    let read = stack.clients.cli.call(&call).await?;
    let results = read["MetricDataResults"].as_array().into_iter().flatten();
    let with_data = results.filter(|of| of["Values"].as_array().is_some_and(|all| !all.is_empty()));
    let indexes =
        with_data.filter_map(|of| of["Id"].as_str()?.strip_prefix('m')?.parse::<usize>().ok());
    Ok(indexes
        .filter_map(|index| metrics.get(index).cloned())
        .collect())
}

/// Checks that metrics which are reported regularly have data. Other metrics are reported only when
/// something happens.
fn judge_data(live: &[Value], with_data: &BTreeSet<Metric>, is_new: bool) -> Finding {
    let mut missing = Vec::new();
    let mut waiting = Vec::new();
    let mut count = 0;
    for alarm in live {
        for metric in metrics_of(alarm) {
            count += 1;
            if with_data.contains(&metric) {
                continue;
            }
            match alarm["TreatMissingData"].as_str() {
                Some("breaching") => missing.push(metric.name),
                _ => waiting.push(metric.name),
            }
        }
    }
    waiting.sort();
    waiting.dedup();
    let days = LOOK_BACK.as_hours() / 24;
    let seen = match waiting.is_empty() {
        true => format!("all {count} have data"),
        false => format!(
            "{} of {count} have data; the others are only reported when something happens: {}",
            count - missing.len() - waiting.len().min(count),
            waiting.join(", ")
        ),
    };
    match (missing.is_empty(), is_new) {
        (true, _) => Finding::passed(seen),
        (false, true) => Finding::skipped(format!(
            "the stack is new, and these have not been reported yet: {}",
            missing.join(", ")
        )),
        (false, false) => Finding::failed(
            format!(
                "no data for {days} days, though something reports regularly: {}",
                missing.join(", ")
            ),
            "look into the logs of the functions that report them: docs/operations/emergencies.md, \"Alarms\"",
        ),
    }
}

/// Checks that the alarms' topic has a confirmed subscriber.
pub(crate) async fn address(stack: &Stack<'_>) -> Check {
    let read = async {
        let topic = stack.physical("AlarmTopic")?;
        let call = ["sns", "list-subscriptions-by-topic", "--topic-arn", topic];
        Ok((topic, stack.clients.cli.call(&call).await?))
    };
    let address = stack.parameter("AlarmAddress");
    let finding = Finding::judge(read.await, |(topic, read)| {
        judge_address(topic, address, &read)
    });
    Check::new(GROUP, "address of the alarms", finding)
}

fn judge_address(topic: &str, address: &str, read: &Value) -> Finding {
    let subscriptions = read["Subscriptions"].as_array().into_iter().flatten();
    let is_confirmed = |of: &Value| {
        let arn = of["SubscriptionArn"].as_str();
        arn.is_some_and(|arn| arn.starts_with("arn:"))
    };
    let confirmed = subscriptions.clone().filter(|of| is_confirmed(of));
    let is_ours = |of: &&Value| of["Endpoint"].as_str() == Some(address);
    let subscribe = format!(
        "aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint ADDRESS      \
         (then follow the link in the mail, within 48 hours)"
    );
    match (address, confirmed.clone().count()) {
        ("", 0) => Finding::failed(
            "nobody is notified: AlarmAddress is empty, and the topic has no subscriber",
            subscribe,
        ),
        ("", count) => Finding::passed(format!("{count} subscribers of the topic")),
        (_, _) if confirmed.clone().any(|of| is_ours(&of)) => Finding::passed("confirmed"),
        _ if subscriptions.clone().any(|of| is_ours(&of)) => {
            Finding::failed("AlarmAddress has not confirmed its subscription", subscribe)
        }
        _ => Finding::failed(
            "AlarmAddress is not subscribed: SNS deletes unconfirmed subscriptions",
            subscribe,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::CheckOutcome::{Failed, Passed, Skipped};
    use super::*;

    fn alarm(metric: &str, missing: &str, state: &str) -> Value {
        json!({
            "AlarmName": format!("tegata-{metric}"), "AlarmDescription": "Something is wrong.",
            "Namespace": "tegata", "MetricName": metric, "Dimensions": [{"Name": "Stack", "Value": "tegata"}],
            "TreatMissingData": missing, "StateValue": state, "ActionsEnabled": true,
            "AlarmActions": ["arn:topic"],
        })
    }

    fn metric(name: &str) -> Metric {
        Metric {
            namespace: "tegata".into(),
            name: name.into(),
            dimensions: BTreeMap::from([("Stack".into(), "tegata".into())]),
        }
    }

    #[test]
    fn an_alarm_watches_its_metric_and_tells_the_topic() {
        let well = alarm("RenewalsFailed", "notBreaching", "OK");
        let expected = [metric("RenewalsFailed")];
        let judge =
            |alarm: Option<&Value>| judge_alarm("A", alarm, Some(&expected), Some("arn:topic"));
        assert_eq!(judge(Some(&well)), None);
        let renamed = alarm("RenewalsFaild", "notBreaching", "OK");
        assert_eq!(
            judge(Some(&renamed)).as_deref(),
            Some(
                "A watches tegata/RenewalsFaild[Stack=tegata] instead of tegata/RenewalsFailed[Stack=tegata]"
            )
        );
        let mut silent = well.clone();
        silent["ActionsEnabled"] = json!(false);
        assert!(judge(Some(&silent)).unwrap().contains("actions are off"));
        let mut elsewhere = well.clone();
        elsewhere["AlarmActions"] = json!(["arn:other"]);
        assert!(judge(Some(&elsewhere)).unwrap().contains("does not notify"));
        assert_eq!(judge(None).as_deref(), Some("A does not exist"));
        // An alarm on an expression watches each metric of it.
        let expression = json!({"AlarmActions": ["arn:topic"], "Metrics": [
            {"Id": "e", "Expression": "a + b"},
            {"Id": "a", "MetricStat": {"Metric": {"Namespace": "tegata", "MetricName": "RenewalsFailed",
                "Dimensions": [{"Name": "Stack", "Value": "tegata"}]}}}]});
        assert_eq!(judge(Some(&expression)), None);
    }

    #[test]
    fn a_metric_that_is_always_reported_has_data() {
        let live = [
            alarm("OldestLeaseLeft", "breaching", "OK"),
            alarm("MailsRefused", "notBreaching", "OK"),
        ];
        let both = BTreeSet::from([metric("OldestLeaseLeft"), metric("MailsRefused")]);
        let regular = BTreeSet::from([metric("OldestLeaseLeft")]);
        assert_eq!(
            judge_data(&live, &both, false),
            Finding::passed("all 2 have data")
        );
        let waiting = judge_data(&live, &regular, false);
        assert_eq!(waiting.outcome, Passed);
        assert!(waiting.seen.contains("MailsRefused"), "{}", waiting.seen);
        assert_eq!(judge_data(&live, &BTreeSet::new(), false).outcome, Failed);
        assert_eq!(judge_data(&live, &BTreeSet::new(), true).outcome, Skipped);
    }

    #[test]
    fn alarms_that_ring_are_named() {
        let ok = [
            alarm("A", "breaching", "OK"),
            alarm("B", "breaching", "INSUFFICIENT_DATA"),
        ];
        assert_eq!(judge_ringing(&ok, false).outcome, Passed);
        let rings = [alarm("A", "breaching", "ALARM")];
        assert_eq!(judge_ringing(&rings, false).outcome, Failed);
        assert_eq!(judge_ringing(&rings, true).outcome, Skipped);
    }

    #[test]
    fn the_address_has_confirmed() {
        let read = |arn: &str, address: &str| json!({"Subscriptions": [{"SubscriptionArn": arn, "Endpoint": address}]});
        let none = json!({"Subscriptions": []});
        for (address, read, outcome) in [
            (
                "a@example.com",
                read("arn:aws:sns:x", "a@example.com"),
                Passed,
            ),
            (
                "a@example.com",
                read("PendingConfirmation", "a@example.com"),
                Failed,
            ),
            (
                "a@example.com",
                read("arn:aws:sns:x", "b@example.com"),
                Failed,
            ),
            ("a@example.com", none.clone(), Failed),
            ("", read("arn:aws:sns:x", "b@example.com"), Passed),
            ("", none, Failed),
        ] {
            let finding = judge_address("arn:topic", address, &read);
            assert_eq!(finding.outcome, outcome, "{address} {read}");
            // Addresses are personal data: they are in no document.
            assert!(!finding.seen.contains('@') && !finding.fix.unwrap_or_default().contains('@'));
        }
    }
}
