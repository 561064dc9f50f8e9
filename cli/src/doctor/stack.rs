//! Checks of the stack: its state, its template and its functions.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{Stack as Described, StackStatus, TemplateStage};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Clients;
use super::check::{Check, Finding, Read, Unread};
use super::program::sdk;
use super::template::{Template, Values};
use crate::target::Target;

const GROUP: &str = "stack";

/// The age below which a stack may not have reported every metric yet.
const NEW: SignedDuration = SignedDuration::from_hours(6);

/// A deployed stack with what the checks need.
pub(crate) struct Stack<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) target: &'a Target,
    pub(crate) name: String,
    pub(crate) parameters: Values,
    pub(crate) outputs: Values,
    /// The deployed template, or this version's if it cannot be read.
    pub(crate) template: Template,
    read_template: Read<()>,
    described: Described,
    /// Physical names and types by logical names.
    resources: Read<BTreeMap<String, (String, String)>>,
}

impl<'a> Stack<'a> {
    pub(crate) async fn read(clients: &'a Clients, target: &'a Target, name: &str) -> Read<Self> {
        let described = clients
            .cloudformation
            .describe_stacks()
            .stack_name(name)
            .send()
            .await;
        let described = described.map_err(|error| sdk("cloudformation:DescribeStacks", error))?;
        let mut stacks = described.stacks.unwrap_or_default().into_iter();
        let Some(described) = stacks.find(|stack| stack.stack_name() == Some(name)) else {
            return Err(Unread::NotFound(format!("stack {name}")));
        };
        let parameters = described.parameters().iter().filter_map(|of| {
            Some((
                of.parameter_key()?.to_owned(),
                of.parameter_value()?.to_owned(),
            ))
        });
        let outputs = described
            .outputs()
            .iter()
            .filter_map(|of| Some((of.output_key()?.to_owned(), of.output_value()?.to_owned())));
        let (parameters, outputs) = (parameters.collect(), outputs.collect());
        let template = deployed_template(clients, name).await;
        let embedded = || Template::embedded().map_err(|error| Unread::Failed(error.to_string()));
        let (template, read_template) = match template {
            Ok(template) => (template, Ok(())),
            Err(unread) => (embedded()?, Err(unread)),
        };
        Ok(Self {
            clients,
            target,
            name: name.to_owned(),
            parameters,
            outputs,
            template,
            read_template,
            described,
            resources: resources(clients, name).await,
        })
    }

    /// The physical name of a resource.
    pub(crate) fn physical(&self, logical: &str) -> Read<&str> {
        // Outputs have the same names as their resources.
        let output = self.outputs.get(logical);
        match (&self.resources, output) {
            (Ok(resources), _) if resources.contains_key(logical) => Ok(&resources[logical].0),
            (_, Some(output)) => Ok(output),
            (Ok(_), None) => Err(Unread::NotFound(format!("resource {logical}"))),
            (Err(unread), None) => Err(unread.clone()),
        }
    }

    /// The resources of a type: logical and physical names.
    pub(crate) fn of_type(&self, of_type: &str) -> Read<Vec<(&str, &str)>> {
        let resources = self.resources.as_ref().map_err(Clone::clone)?;
        let of_type = resources.iter().filter(|(_, (_, of))| of == of_type);
        Ok(of_type
            .map(|(logical, (physical, _))| (logical.as_str(), physical.as_str()))
            .collect())
    }

    /// The resources of a type that the template creates with the stack's parameters: logical names
    /// and properties.
    pub(crate) fn made(&self, of_type: &str) -> impl Iterator<Item = (&str, &Value)> {
        let values = self.template.with_defaults(&self.parameters);
        let resources = self.template.resources(of_type);
        resources.filter(move |(logical, _)| self.template.is_made(logical, &values))
    }

    /// A parameter's value.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// Resolves references in a text of the template. `None` if that is not possible here.
    pub(crate) fn text(&self, value: &Value) -> Option<String> {
        if let Some(name) = value.get("Ref").and_then(Value::as_str) {
            return self.reference(name);
        }
        if let Some([logical, attribute]) = value
            .get("Fn::GetAtt")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
        {
            let physical = self.physical(logical.as_str()?).ok()?;
            // The physical name of a queue is its URL.
            return match attribute.as_str()? {
                "QueueName" => Some(physical.rsplit('/').next()?.to_owned()),
                _ => None,
            };
        }
        if let Some(text) = value.get("Fn::Sub").and_then(Value::as_str) {
            let mut filled = String::new();
            let mut rest = text;
            while let Some((before, after)) = rest.split_once("${") {
                let (name, after) = after.split_once('}')?;
                filled.push_str(before);
                filled.push_str(&self.reference(name)?);
                rest = after;
            }
            return Some(filled + rest);
        }
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn reference(&self, name: &str) -> Option<String> {
        match name {
            "AWS::StackName" => Some(self.name.clone()),
            "AWS::Region" => Some(self.clients.cli.region.clone()),
            "AWS::AccountId" => self.account().map(str::to_owned),
            _ => {
                let parameter = self.parameters.get(name).cloned();
                parameter.or_else(|| self.physical(name).ok().map(str::to_owned))
            }
        }
    }

    /// The account's number, from the stack's ARN.
    pub(crate) fn account(&self) -> Option<&str> {
        self.described.stack_id()?.split(':').nth(4)
    }

    /// The time of creation.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        let created = self.described.creation_time()?;
        Timestamp::from_second(created.secs()).ok()
    }

    /// Whether the stack is so new that some metrics may not have been reported yet.
    pub(crate) fn is_new(&self) -> bool {
        let created = self.created();
        created.is_some_and(|created| self.target.now.duration_since(created) < NEW)
    }

    /// Its ARN.
    pub(crate) fn id(&self) -> Option<&str> {
        self.described.stack_id()
    }
}

async fn deployed_template(clients: &Clients, name: &str) -> Read<Template> {
    let read = clients
        .cloudformation
        .get_template()
        .stack_name(name)
        .template_stage(TemplateStage::Original)
        .send()
        .await
        .map_err(|error| sdk("cloudformation:GetTemplate", error))?;
    let text = read.template_body().unwrap_or_default();
    Template::read(text).map_err(|error| Unread::Failed(format!("the deployed template: {error}")))
}

async fn resources(clients: &Clients, name: &str) -> Read<BTreeMap<String, (String, String)>> {
    let list = clients
        .cloudformation
        .list_stack_resources()
        .stack_name(name);
    let mut pages = list.into_paginator().items().send();
    let mut resources = BTreeMap::new();
    while let Some(resource) = pages.next().await {
        let resource = resource.map_err(|error| sdk("cloudformation:ListStackResources", error))?;
        if let (Some(logical), Some(physical), Some(of_type)) = (
            resource.logical_resource_id,
            resource.physical_resource_id,
            resource.resource_type,
        ) {
            resources.insert(logical, (physical, of_type));
        }
    }
    Ok(resources)
}

/// Checks the stack's status and its termination protection.
pub(crate) fn state(stack: &Stack<'_>) -> Vec<Check> {
    let status = stack.described.stack_status();
    let reason = stack.described.stack_status_reason();
    let is_protected = stack.described.enable_termination_protection();
    vec![
        Check::new(GROUP, "state", judge_state(&stack.name, status, reason)),
        Check::new(
            GROUP,
            "termination protection",
            judge_termination(&stack.name, is_protected),
        ),
    ]
}

fn judge_state(name: &str, status: Option<&StackStatus>, reason: Option<&str>) -> Finding {
    let status = status.map_or("unknown", StackStatus::as_str);
    match status {
        "CREATE_COMPLETE"
        | "UPDATE_COMPLETE"
        | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        | "IMPORT_COMPLETE" => Finding::passed(status),
        "UPDATE_ROLLBACK_COMPLETE" => Finding::failed(
            format!("{status}: the last deployment failed, and the previous one is active"),
            format!(
                "aws cloudformation describe-stack-events --stack-name {name}      (then: make deploy)"
            ),
        ),
        "UPDATE_ROLLBACK_FAILED" => Finding::failed(
            format!("{status} {}", reason.unwrap_or_default()),
            format!("aws cloudformation continue-update-rollback --stack-name {name}"),
        ),
        _ => Finding::failed(
            format!("{status} {}", reason.unwrap_or_default()),
            format!("aws cloudformation describe-stack-events --stack-name {name}"),
        ),
    }
}

fn judge_termination(name: &str, is_protected: Option<bool>) -> Finding {
    match is_protected {
        Some(true) => Finding::passed("on"),
        _ => Finding::failed(
            "off: one command deletes the stack",
            format!(
                "aws cloudformation update-termination-protection --stack-name {name} --enable-termination-protection"
            ),
        ),
    }
}

/// Checks whether the deployed template is that of this version.
pub(crate) fn template(stack: &Stack<'_>, embedded: &Template) -> Check {
    let read = stack.read_template.clone();
    let finding = Finding::judge(read, |()| {
        judge_template(&embedded.differences(&stack.template))
    });
    Check::new(GROUP, "template", finding)
}

fn judge_template(differences: &[String]) -> Finding {
    let version = env!("CARGO_PKG_VERSION");
    let seen = format!("the same as in this tegata {version}");
    let mut shown: Vec<&str> = differences.iter().take(8).map(String::as_str).collect();
    if shown.len() < differences.len() {
        shown.push("…");
    }
    match differences.is_empty() {
        true => Finding::passed(seen),
        false => Finding::failed(
            format!(
                "another version is deployed; it differs in {} places: {}",
                differences.len(),
                shown.join(", ")
            ),
            "make deploy      (or use the tegata of the commit that is deployed)",
        ),
    }
}

/// Checks the functions' state, architecture and runtime.
pub(crate) async fn functions(stack: &Stack<'_>) -> Check {
    let names: Vec<&str> = stack
        .made("AWS::Serverless::Function")
        .map(|(name, _)| name)
        .collect();
    let architecture = stack.parameter("Architecture");
    let reads = names.iter().map(async |name| {
        let physical = stack.physical(name)?;
        let call = [
            "lambda",
            "get-function-configuration",
            "--function-name",
            physical,
        ];
        let read = stack.clients.cli.call(&call).await?;
        Ok(judge_function(name, &read, architecture))
    });
    let reads = futures_util::future::join_all(reads).await;
    let problems: Read<Vec<Option<String>>> = reads.into_iter().collect();
    let finding = Finding::judge(problems, |problems| {
        let count = problems.len();
        let problems: Vec<String> = problems.into_iter().flatten().collect();
        Finding::of(
            &problems,
            format!("{count} functions are active, for {architecture}"),
            "make deploy      (it builds for the parameter Architecture)",
        )
    });
    Check::new(GROUP, "functions", finding)
}

fn judge_function(name: &str, read: &Value, architecture: &str) -> Option<String> {
    let text = |name: &str| read[name].as_str();
    let of = read["Architectures"][0].as_str().unwrap_or("x86_64");
    if of != architecture {
        return Some(format!(
            "{name} is for {of}, but the stack is for {architecture}"
        ));
    }
    for (field, good) in [("State", "Active"), ("LastUpdateStatus", "Successful")] {
        if let Some(value) = text(field).filter(|value| *value != good) {
            let reason = text("StateReason").or_else(|| text("LastUpdateStatusReason"));
            return Some(format!(
                "{name}: {field} is {value} {}",
                reason.unwrap_or_default()
            ));
        }
    }
    match text("Runtime") {
        Some("provided.al2023") => None,
        runtime => Some(format!(
            "{name} has the runtime {}",
            runtime.unwrap_or("unknown")
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::check::CheckOutcome::{Failed, Passed};
    use super::*;

    #[test]
    fn a_stack_is_complete_and_protected() {
        for (status, outcome) in [
            (StackStatus::CreateComplete, Passed),
            (StackStatus::UpdateComplete, Passed),
            (StackStatus::UpdateRollbackComplete, Failed),
            (StackStatus::UpdateRollbackFailed, Failed),
            (StackStatus::RollbackComplete, Failed),
            (StackStatus::DeleteFailed, Failed),
        ] {
            let finding = judge_state("tegata", Some(&status), None);
            assert_eq!(finding.outcome, outcome, "{status:?}");
        }
        assert_eq!(judge_state("tegata", None, None).outcome, Failed);
        assert_eq!(judge_termination("tegata", Some(true)).outcome, Passed);
        assert_eq!(judge_termination("tegata", Some(false)).outcome, Failed);
        assert_eq!(judge_termination("tegata", None).outcome, Failed);
    }

    #[test]
    fn another_template_is_named_by_what_differs() {
        assert_eq!(judge_template(&[]).outcome, Passed);
        let differences: Vec<String> = (0..10).map(|n| format!("Resources.R{n}")).collect();
        let finding = judge_template(&differences);
        assert_eq!(finding.outcome, Failed);
        assert!(
            finding.seen.contains("in 10 places: ") && finding.seen.ends_with("Resources.R7, …"),
            "{}",
            finding.seen
        );
    }

    #[test]
    fn functions_are_active_and_for_the_stacks_processor() {
        let function = |architecture: &str, state: &str, update: &str, runtime: &str| json!({"Architectures": [architecture], "State": state, "LastUpdateStatus": update, "Runtime": runtime});
        let well = function("arm64", "Active", "Successful", "provided.al2023");
        assert_eq!(judge_function("F", &well, "arm64"), None);
        for (read, expected) in [
            (well.clone(), "F is for arm64, but the stack is for x86_64"),
            (
                function("x86_64", "Inactive", "Successful", "provided.al2023"),
                "F: State is Inactive ",
            ),
            (
                function("x86_64", "Active", "Failed", "provided.al2023"),
                "F: LastUpdateStatus is Failed ",
            ),
            (
                function("x86_64", "Active", "Successful", "provided.al2"),
                "F has the runtime provided.al2",
            ),
        ] {
            assert_eq!(
                judge_function("F", &read, "x86_64").as_deref(),
                Some(expected)
            );
        }
    }
}
