//! The template: its parameters, rules and resources.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::yaml::{self, YamlError};

/// The template of this version.
const TEXT: &str = include_str!("../../../template.yaml");

/// The SHA-256 of this version's template, in hexadecimal.
pub(crate) fn sha256() -> String {
    HEXLOWER.encode(&Sha256::digest(TEXT))
}

/// A template: this version's, or that of a deployed stack.
#[derive(Clone, Debug)]
pub(crate) struct Template(Value);

/// The values of a stack's parameters, by name.
pub(crate) type Values = BTreeMap<String, String>;

impl Template {
    /// The template of this version.
    pub(crate) fn embedded() -> Result<Self, YamlError> {
        Self::read(TEXT)
    }

    /// Reads a template in YAML or JSON.
    pub(crate) fn read(text: &str) -> Result<Self, YamlError> {
        yaml::template(text).map(Self)
    }

    fn section(&self, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.0
            .get(name)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    }

    /// Its parameters, by name.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&str, Parameter<'_>)> {
        let parameters = self.section("Parameters");
        parameters.map(|(name, value)| (name.as_str(), Parameter(value)))
    }

    /// Its resources of a type: logical name and properties.
    pub(crate) fn resources(&self, of_type: &str) -> impl Iterator<Item = (&str, &Value)> {
        let resources = self.section("Resources");
        resources
            .filter(move |(_, of)| of.get("Type").and_then(Value::as_str) == Some(of_type))
            .map(|(name, of)| (name.as_str(), of.get("Properties").unwrap_or(&Value::Null)))
    }

    /// A resource's properties.
    pub(crate) fn properties(&self, logical: &str) -> Option<&Value> {
        self.0.get("Resources")?.get(logical)?.get("Properties")
    }

    /// Whether a resource is created with these values.
    pub(crate) fn is_made(&self, logical: &str, values: &Values) -> bool {
        let resource = self.0.get("Resources").and_then(|all| all.get(logical));
        let condition = resource.and_then(|of| of.get("Condition")?.as_str());
        condition.is_none_or(|name| self.holds(name, values))
    }

    /// Whether a condition of the template holds with these values.
    pub(crate) fn holds(&self, condition: &str, values: &Values) -> bool {
        let conditions = self.0.get("Conditions");
        let expression = conditions.and_then(|all| all.get(condition));
        expression.is_some_and(|expression| self.evaluate(expression, values) == Ok(true))
    }

    /// The given values, with defaults for the other parameters.
    pub(crate) fn with_defaults(&self, given: &Values) -> Values {
        let mut values = given.clone();
        for (name, parameter) in self.parameters() {
            if let Some(default) = parameter.default() {
                values.entry(name.to_owned()).or_insert(default);
            }
        }
        values
    }

    /// The executions that functions reserve with these values.
    pub(crate) fn reserved_executions(&self, values: &Values) -> i64 {
        let functions = self.resources("AWS::Serverless::Function");
        let reserved = functions.filter_map(|(_, of)| {
            let of = of.get("ReservedConcurrentExecutions")?;
            self.resolve(of, values).as_i64()
        });
        reserved.sum()
    }

    /// Resolves `Fn::If` and references to parameters in a value. Other functions stay as they are.
    pub(crate) fn resolve(&self, value: &Value, values: &Values) -> Value {
        if let Some([condition, then, otherwise]) = function(value, "Fn::If") {
            let condition = condition.as_str().unwrap_or_default();
            let branch = match self.holds(condition, values) {
                true => then,
                false => otherwise,
            };
            return self.resolve(branch, values);
        }
        let name = value.get("Ref").and_then(Value::as_str);
        match name.and_then(|name| values.get(name)) {
            Some(given) => Value::String(given.clone()),
            None => value.clone(),
        }
    }

    /// The messages of the rules that these values break, as written in the template.
    pub(crate) fn broken_rules(&self, values: &Values) -> Vec<String> {
        let mut broken = Vec::new();
        for (name, rule) in self.section("Rules") {
            let applies = match rule.get("RuleCondition") {
                Some(condition) => self.evaluate(condition, values),
                None => Ok(true),
            };
            if applies == Ok(false) {
                continue;
            }
            let assertions = rule.get("Assertions").and_then(Value::as_array);
            for assertion in assertions.into_iter().flatten() {
                let holds = applies.clone().and_then(|_| {
                    let assert = assertion.get("Assert").unwrap_or(&Value::Null);
                    self.evaluate(assert, values)
                });
                let words = assertion.get("AssertDescription").and_then(Value::as_str);
                match holds {
                    Ok(true) => {}
                    Ok(false) => broken.push(words.unwrap_or(name).to_owned()),
                    Err(unknown) => broken.push(format!("rule {name}: {unknown}")),
                }
            }
        }
        broken
    }

    /// A condition: `Fn::Equals`, `Fn::Not`, `Fn::And`, `Fn::Or`, `Condition`.
    fn evaluate(&self, expression: &Value, values: &Values) -> Result<bool, String> {
        if let Some([left, right]) = function(expression, "Fn::Equals") {
            return Ok(text(&self.resolve(left, values)) == text(&self.resolve(right, values)));
        }
        if let Some([of]) = function(expression, "Fn::Not") {
            return self.evaluate(of, values).map(|holds| !holds);
        }
        for (name, wanted) in [("Fn::Or", true), ("Fn::And", false)] {
            if let Some(all) = expression.get(name).and_then(Value::as_array) {
                let all: Result<Vec<bool>, _> =
                    all.iter().map(|of| self.evaluate(of, values)).collect();
                let has_wanted = all?.contains(&wanted);
                return Ok(has_wanted == wanted);
            }
        }
        match expression.get("Condition").and_then(Value::as_str) {
            Some(name) => Ok(self.holds(name, values)),
            None => Err(format!(
                "a condition that `tegata doctor` does not know: {expression}"
            )),
        }
    }

    /// The differences between a deployed template and this one. Changes made by packaging (the
    /// functions' code, SAM's metadata) are ignored.
    pub(crate) fn differences(&self, deployed: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        for section in [
            "Transform",
            "Globals",
            "Parameters",
            "Mappings",
            "Rules",
            "Conditions",
            "Resources",
            "Outputs",
        ] {
            let ours = comparable(self.0.get(section), section);
            let theirs = comparable(deployed.0.get(section), section);
            compare(section, &ours, &theirs, &mut differences);
        }
        differences
    }
}

/// The arguments of an intrinsic function, if the value is that function with N arguments.
fn function<'a, const N: usize>(value: &'a Value, name: &str) -> Option<&'a [Value; N]> {
    let arguments = value.get(name)?.as_array()?;
    arguments.as_slice().try_into().ok()
}

/// A value as CloudFormation compares it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn comparable(section: Option<&Value>, name: &str) -> Value {
    let mut section = section.cloned().unwrap_or(Value::Null);
    if name == "Resources" {
        let resources = section.as_object_mut().into_iter().flatten();
        for (_, resource) in resources {
            if let Some(resource) = resource.as_object_mut() {
                resource.remove("Metadata");
            }
            let is_function =
                resource.get("Type").and_then(Value::as_str) == Some("AWS::Serverless::Function");
            let properties = resource
                .get_mut("Properties")
                .and_then(Value::as_object_mut);
            if let (true, Some(properties)) = (is_function, properties) {
                properties.remove("CodeUri");
            }
        }
    }
    section
}

/// CloudFormation replaces each non-ASCII character by a question mark.
fn as_read_back(value: &Value) -> String {
    let text = text(value);
    let letters = text.chars();
    letters
        .map(|letter| if letter.is_ascii() { letter } else { '?' })
        .collect()
}

/// Collects differences down to a readable depth: `Resources.ArchiveBucket.Properties.Tags`.
fn compare(path: &str, ours: &Value, theirs: &Value, differences: &mut Vec<String>) {
    const DEPTH: usize = 4;
    if as_read_back(ours) == as_read_back(theirs) {
        return;
    }
    match (ours.as_object(), theirs.as_object()) {
        (Some(ours), Some(theirs)) if path.matches('.').count() < DEPTH => {
            let names = ours
                .keys()
                .chain(theirs.keys().filter(|name| !ours.contains_key(*name)));
            for name in names {
                let (ours, theirs) = (ours.get(name), theirs.get(name));
                let null = Value::Null;
                let path = format!("{path}.{name}");
                compare(
                    &path,
                    ours.unwrap_or(&null),
                    theirs.unwrap_or(&null),
                    differences,
                );
            }
        }
        _ => differences.push(path.to_owned()),
    }
}

/// A parameter's declaration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter<'a>(&'a Value);

impl Parameter<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn number(&self, name: &str) -> Option<f64> {
        let number = self.0.get(name)?;
        number.as_f64().or_else(|| number.as_str()?.parse().ok())
    }

    /// Its default; `None` if it is required.
    pub(crate) fn default(&self) -> Option<String> {
        self.0.get("Default").map(text)
    }

    /// The reason why CloudFormation would reject a value. `None` if it is accepted.
    pub(crate) fn refuses(&self, value: &str) -> Option<String> {
        let must = |otherwise: String| {
            let constraint = self.text("ConstraintDescription").map(str::to_owned);
            Some(constraint.unwrap_or(otherwise))
        };
        if let Some(allowed) = self.0.get("AllowedValues").and_then(Value::as_array) {
            let allowed: Vec<String> = allowed.iter().map(text).collect();
            if !allowed.iter().any(|allowed| allowed == value) {
                return must(format!("must be one of {}", allowed.join(", ")));
            }
        }
        if self.text("Type") == Some("Number") {
            let Ok(number) = value.trim().parse::<f64>() else {
                return must("must be a number".to_owned());
            };
            let (least, most) = (self.number("MinValue"), self.number("MaxValue"));
            if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
                let bound =
                    |bound: Option<f64>| bound.map_or_else(|| "…".to_owned(), |of| of.to_string());
                return must(format!("must be from {} to {}", bound(least), bound(most)));
            }
        }
        let length = value.chars().count() as f64;
        if self.number("MaxLength").is_some_and(|most| length > most)
            || self.number("MinLength").is_some_and(|least| length < least)
        {
            return must("has a length that is not accepted".to_owned());
        }
        let pattern = self.text("AllowedPattern")?;
        match regex_lite::Regex::new(&format!("^(?:{pattern})$")) {
            Ok(pattern_of_all) if pattern_of_all.is_match(value) => None,
            Ok(_) => must(format!("must match {pattern}")),
            Err(error) => Some(format!("has a pattern that cannot be read: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(given: &[(&str, &str)]) -> Values {
        let given = given.iter();
        given
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_template_of_this_version_is_understood() {
        let template = Template::embedded().unwrap();
        let defaults = template.with_defaults(&Values::new());
        // Each rule and condition has a form that is evaluated, and the defaults break none.
        assert_eq!(template.broken_rules(&defaults), Vec::<String>::new());
        for (name, expression) in template.section("Conditions") {
            let evaluated = template.evaluate(expression, &defaults);
            assert!(evaluated.is_ok(), "{name}: {evaluated:?}");
        }
        // Each default is a value that is accepted, and each pattern can be read.
        for (name, parameter) in template.parameters() {
            if let Some(default) = parameter.default() {
                assert_eq!(parameter.refuses(&default), None, "{name}");
            }
            let refusal = parameter.refuses("\u{7}").unwrap_or_default();
            assert!(
                !refusal.contains("pattern that cannot"),
                "{name}: {refusal}"
            );
        }
        assert_eq!(template.differences(&template), Vec::<String>::new());
    }

    #[test]
    fn rules_speak_in_the_words_of_the_template() {
        let template = Template::embedded().unwrap();
        let broken =
            |given: &[(&str, &str)]| template.broken_rules(&template.with_defaults(&values(given)));
        assert_eq!(
            broken(&[
                ("StatusPage", "sample"),
                ("ApiDomain", "license.example.com")
            ]),
            [
                "A domain of the API needs its certificate, ApiCertificateArn.",
                "A status page needs the secret with its API key, StatusPageSecretArn.",
            ]
        );
        let unknown =
            Template::read("Rules: {R: {Assertions: [{Assert: {Fn::Contains: [a, b]}}]}}");
        let [words] = &unknown.unwrap().broken_rules(&Values::new())[..] else {
            panic!("a rule that is not understood has to be named");
        };
        assert!(words.starts_with("rule R: a condition that"), "{words}");
    }

    #[test]
    fn reservations_follow_the_parameters() {
        let template = Template::read(
            "Conditions: {Reserves: !Equals [!Ref Reserve, \"yes\"]}\n\
             Resources:\n\
             \x20 A: {Type: AWS::Serverless::Function, Properties: {ReservedConcurrentExecutions: !If [Reserves, 2, !Ref AWS::NoValue]}}\n\
             \x20 B: {Type: AWS::Serverless::Function, Properties: {ReservedConcurrentExecutions: 1}}\n",
        )
        .unwrap();
        assert_eq!(
            template.reserved_executions(&values(&[("Reserve", "yes")])),
            3
        );
        assert_eq!(
            template.reserved_executions(&values(&[("Reserve", "no")])),
            1
        );
    }

    #[test]
    fn a_deployed_template_differs_only_where_packaging_does_not_explain_it() {
        let ours = "Resources:\n  A: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions/a, Timeout: 5, Description: 答}}\n\
                    \x20 B: {Type: AWS::CloudWatch::Alarm, Properties: {MetricName: Right, Threshold: \"0\"}}\n";
        let packaged = r#"{"Resources": {
            "A": {"Type": "AWS::Serverless::Function", "Metadata": {"SamResourceId": "A"},
                  "Properties": {"CodeUri": "s3://bucket/1", "Timeout": 5, "Description": "?"}},
            "B": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Right", "Threshold": 0}}}}"#;
        let ours = Template::read(ours).unwrap();
        let differences = |text: &str| ours.differences(&Template::read(text).unwrap());
        assert_eq!(differences(packaged), Vec::<String>::new());
        assert_eq!(
            differences(
                &packaged
                    .replace("\"Right\"", "\"Wrong\"")
                    .replace("\"Timeout\": 5", "\"Timeout\": 6")
            ),
            [
                "Resources.A.Properties.Timeout",
                "Resources.B.Properties.MetricName"
            ]
        );
        let other = Template::read("Resources: {C: {Type: AWS::SNS::Topic}}").unwrap();
        assert_eq!(
            ours.differences(&other),
            ["Resources.A", "Resources.B", "Resources.C"]
        );
    }

    #[test]
    fn values_are_refused_as_cloudformation_refuses_them() {
        let template = Template::embedded().unwrap();
        for (name, value, expected) in [
            ("Stage", "production", "must be one of dev, staging, prod"),
            ("ThrottleRate", "0", "must be from 1 to 10000"),
            ("ThrottleRate", "many", "must be a number"),
            ("LogRetentionDays", "30", "must be one of 400, 545, 731"),
            (
                "CdnCertificateArn",
                "arn:aws:acm:ap-northeast-1:123456789012:certificate/1",
                "us-east-1",
            ),
            (
                "MailFrom",
                "Example <notices@example.com>",
                "must be a plain mail address",
            ),
            ("SenderName", "Example \"Inc.\"", "without quotes"),
            ("SenderName", "", "1 to 64 characters"),
            ("AllowedSourceRanges", "103.79.14.0", "must be CIDR ranges"),
        ] {
            let parameter = template.parameters().find(|(of, _)| *of == name);
            let refusal = parameter.and_then(|(_, parameter)| parameter.refuses(value));
            let refusal = refusal.unwrap_or_default();
            assert!(refusal.contains(expected), "{name}={value}: {refusal}");
        }
        for (name, value) in [
            ("SenderName", "株式会社サンプル"),
            ("MailFrom", "notices@example.com"),
            ("AllowedSourceRanges", "103.79.14.0/24,2001:db8::/32"),
            ("ThrottleRate", "10000"),
            ("LogRetentionDays", "731"),
        ] {
            let parameter = template.parameters().find(|(of, _)| *of == name);
            let refusal = parameter.and_then(|(_, parameter)| parameter.refuses(value));
            assert_eq!(refusal, None, "{name}={value}");
        }
    }
}
