//! Checks of a file of parameters: everything that a deployment would reject, in one run.

use std::collections::BTreeSet;
use std::path::Path;

use super::check::{Check, Finding};
use super::template::{Template, Values};
use super::yaml;

const GROUP: &str = "parameters";

/// Reads and checks a file of parameters. The values are `None` if the file could not be read.
pub(crate) fn check(file: &Path, template: &Template) -> (Vec<Check>, Option<Values>) {
    let name = format!("parameters of {}", file.display());
    let fix = "copy examples/parameters.yaml, and change what is marked in it";
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            let failed = Finding::failed(error.to_string(), fix);
            return (vec![Check::new(GROUP, name, failed)], None);
        }
    };
    let given = match yaml::parameters(&text) {
        Ok(given) => given,
        Err(error) => {
            let failed = Finding::failed(error.to_string(), fix);
            return (vec![Check::new(GROUP, name, failed)], None);
        }
    };
    let (problems, values) = judge(&given, template);
    let seen = format!(
        "{} of {} are given, and all are accepted",
        given.len(),
        template.parameters().count()
    );
    let fix = format!(
        "change {}; docs/operations/admins.md, \"Parameters\", says what is accepted",
        file.display()
    );
    let check = Check::new(GROUP, name, Finding::of(&problems, seen, fix));
    (vec![check], Some(values))
}

/// The problems of the given parameters, and the values that a new stack would have.
pub(crate) fn judge(given: &[yaml::Given], template: &Template) -> (Vec<String>, Values) {
    let known: BTreeSet<&str> = template.parameters().map(|(name, _)| name).collect();
    let mut problems = Vec::new();
    let mut values = Values::new();
    for of in given {
        let (line, name) = (of.line, &of.name);
        let declared = template.parameters().find(|(known, _)| known == name);
        let refusal = match (&declared, &of.value) {
            (None, _) => Some(match closest(name, &known) {
                Some(close) => format!("is no parameter of this version; {close} is"),
                None => "is no parameter of this version".to_owned(),
            }),
            (Some(_), Err(reason)) => Some(format!("({reason})")),
            (Some((_, parameter)), Ok(value)) => parameter.refuses(value),
        };
        if let Some(refusal) = refusal {
            problems.push(format!("line {line}: {name} {refusal}"));
        }
        if let Ok(value) = &of.value {
            values.insert(name.clone(), value.clone());
        }
    }
    for (name, parameter) in template.parameters() {
        if parameter.default().is_none() && !given.iter().any(|of| of.name == name) {
            problems.push(format!("{name} is missing, and has no default"));
        }
    }
    let values = template.with_defaults(&values);
    problems.extend(template.broken_rules(&values));
    problems.extend(mail_from_outside_of_its_identity(&values));
    (problems, values)
}

/// SES accepts mail from the identity's address, or from any address of the identity's domain.
fn mail_from_outside_of_its_identity(values: &Values) -> Option<String> {
    let (from, identity) = (values.get("MailFrom")?, values.get("MailIdentity")?);
    let (_, domain) = from.rsplit_once('@')?;
    let domain = domain.to_ascii_lowercase();
    let identity_in_lower_case = identity.to_ascii_lowercase();
    let is_of_domain =
        domain == identity_in_lower_case || domain.ends_with(&format!(".{identity_in_lower_case}"));
    (!is_of_domain && from != identity)
        .then(|| format!("MailFrom {from} does not belong to MailIdentity {identity}"))
}

/// The parameter whose name differs in letter case or by a letter or two.
fn closest<'a>(name: &str, known: &BTreeSet<&'a str>) -> Option<&'a str> {
    let same = |of: &&&str| of.eq_ignore_ascii_case(name);
    known.iter().find(same).copied().or_else(|| {
        let distances = known.iter().map(|of| (distance(name, of), *of));
        let (distance, closest) = distances.min()?;
        (distance <= 2).then_some(closest)
    })
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let template = Template::embedded().unwrap();
        judge(&yaml::parameters(text).unwrap(), &template).0
    }

    const ENOUGH: &str = "SenderName: 株式会社サンプル\nMailFrom: notices@example.com\n\
                          MailIdentity: example.com\nSecurityContact: security@example.com\n";

    #[test]
    fn everything_that_a_deployment_would_refuse_is_said_at_once() {
        assert_eq!(problems(ENOUGH), Vec::<String>::new());
        let wrong = "SenderName: Example\nMailFrom: notices@other.example\nMailIdentity: example.com\n\
                     Stage: production\nThrottleRat: 5\nstatuspage: x\nStatusPage: sample\nArchitecture: yes\n\
                     ThrottleBurst: 0\n";
        assert_eq!(
            problems(wrong),
            [
                "line 4: Stage must be one of dev, staging, prod",
                "line 5: ThrottleRat is no parameter of this version; ThrottleRate is",
                "line 6: statuspage is no parameter of this version; StatusPage is",
                "line 8: Architecture (yes is a truth value to YAML: write it in quotes)",
                "line 9: ThrottleBurst must be from 1 to 5000",
                "SecurityContact is missing, and has no default",
                "A status page needs the secret with its API key, StatusPageSecretArn.",
                "MailFrom notices@other.example does not belong to MailIdentity example.com",
            ]
        );
    }

    #[test]
    fn mails_come_from_the_identity_or_its_domain() {
        for (from, identity, belongs) in [
            ("a@example.com", "example.com", true),
            // The template's pattern takes host names in lower case only.
            ("a@Example.com", "example.com", false),
            ("a@mail.example.com", "example.com", true),
            ("a@example.com", "a@example.com", true),
            ("b@example.com", "a@example.com", false),
            ("a@notexample.com", "example.com", false),
        ] {
            let text = ENOUGH.replace("notices@example.com", from).replace(
                "MailIdentity: example.com",
                &format!("MailIdentity: {identity}"),
            );
            assert_eq!(problems(&text).is_empty(), belongs, "{from} {identity}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_failure() {
        let template = Template::embedded().unwrap();
        let (checks, values) = check(Path::new("/no/such/parameters.yaml"), &template);
        assert_eq!(
            checks[0].finding.outcome,
            super::super::check::CheckOutcome::Failed
        );
        assert_eq!(values, None);
    }
}
