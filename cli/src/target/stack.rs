//! A deployed stack: its outputs name its stores.

use std::collections::HashMap;

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use data_encoding::BASE64;
use tegata_archive::objects::Objects;

/// The stack outputs that name the stores, and the zone of their days.
pub(super) const LICENSES_OUTPUT: &str = "LicensesTable";
pub(super) const CUSTOMERS_OUTPUT: &str = "CustomersTable";
pub(super) const USAGE_OUTPUT: &str = "UsageTable";
pub(super) const ARCHIVE_OUTPUT: &str = "ArchiveBucket";
pub(super) const ZONE_OUTPUT: &str = "TimeZone";
pub(super) const NOTICES_OUTPUT: &str = "NoticesTable";
pub(super) const TRAIL_OUTPUT: &str = "TrailBucket";

/// The stack outputs that say where mails and files of the CDN go, and who speaks.
pub(super) const CDN_OUTPUT: &str = "CdnBucket";
pub(super) const CDN_URL_OUTPUT: &str = "CdnUrl";
pub(super) const MAIL_FROM_OUTPUT: &str = "MailFrom";
const SENDER_OUTPUT: &str = "SenderNameBase64";
pub(super) const SECURITY_OUTPUT: &str = "SecurityContact";

/// The sender's name as stacks of earlier versions have it. CloudFormation gives every character of
/// an output that is not ASCII back as `?`.
const LEGACY_SENDER: &str = "SenderName";

/// The stack output with the development base domains that the lookup function accepts.
pub(super) const BASE_DOMAINS_OUTPUT: &str = "DevelopmentBaseDomains";

/// A stack's outputs, and the AWS configuration that its stores are reached with.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) name: String,
    pub(super) config: SdkConfig,
    outputs: HashMap<String, String>,
}

impl Stack {
    /// Reads the outputs of a stack.
    pub(super) async fn read(name: &str, config: SdkConfig) -> anyhow::Result<Self> {
        let outputs = outputs(&config, name).await?;
        Ok(Self {
            name: name.to_owned(),
            config,
            outputs,
        })
    }

    /// An output that every stack of this version has.
    pub(super) fn output(&self, name: &str) -> anyhow::Result<&str> {
        self.optional(name).with_context(|| {
            format!(
                "stack {} has no output {name}; deploy it again with this version",
                self.name
            )
        })
    }

    /// An output that depends on the stack's parameters.
    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.outputs.get(name).map(String::as_str)
    }

    /// The bucket that an output names.
    pub(super) fn bucket(&self, output: &str) -> anyhow::Result<Objects> {
        Ok(self.objects(self.output(output)?))
    }

    pub(super) fn objects(&self, bucket: &str) -> Objects {
        Objects::S3 {
            client: s3(&self.config),
            bucket: bucket.to_owned(),
        }
    }

    /// A client of DynamoDB.
    pub(super) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// The sender's name in mails and on the news page.
    pub(super) fn sender_name(&self) -> anyhow::Result<String> {
        sender_name(&self.outputs).with_context(|| format!("stack {}", self.name))
    }
}

/// The sender's name, which may have any characters, from an output, which has ASCII only.
fn sender_name(outputs: &HashMap<String, String>) -> anyhow::Result<String> {
    let name = match (outputs.get(SENDER_OUTPUT), outputs.get(LEGACY_SENDER)) {
        (Some(encoded), _) => {
            let bytes = BASE64.decode(encoded.as_bytes());
            let bytes = bytes.with_context(|| format!("output {SENDER_OUTPUT} is not Base64"))?;
            let name = String::from_utf8(bytes);
            name.with_context(|| format!("output {SENDER_OUTPUT} is not UTF-8"))?
        }
        (None, Some(name)) => name.clone(),
        (None, None) => {
            bail!("there is no output {SENDER_OUTPUT}; deploy the stack again with this version")
        }
    };
    if name.contains("??") || name.trim_matches(['?', ' ']).is_empty() {
        bail!(
            "its sender's name reads {name:?}: CloudFormation has replaced characters; \
             deploy the stack again with this version"
        );
    }
    Ok(name)
}

/// A local AWS, which another endpoint means, has no host names of its own for buckets.
pub(crate) fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let is_local = std::env::var_os("AWS_ENDPOINT_URL").is_some()
        || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(is_local);
    aws_sdk_s3::Client::from_conf(config.build())
}

async fn outputs(config: &SdkConfig, stack: &str) -> anyhow::Result<HashMap<String, String>> {
    let described = aws_sdk_cloudformation::Client::new(config)
        .describe_stacks()
        .stack_name(stack)
        .send()
        .await
        .map_err(|error| {
            let causes = tegata_aws::causes(&error);
            anyhow::anyhow!("cannot read stack {stack}: CloudFormation: {causes}")
        })?;
    let stacks = described.stacks.unwrap_or_default();
    // Another stack's stores must never be written to.
    let found = match <[_; 1]>::try_from(stacks) {
        Ok([found]) => found,
        Err(stacks) if stacks.is_empty() => {
            bail!("cannot read stack {stack}: CloudFormation described no stack")
        }
        Err(stacks) => bail!(
            "cannot read stack {stack}: CloudFormation described {} stacks",
            stacks.len()
        ),
    };
    let (name, arn) = (found.stack_name(), found.stack_id());
    if name != Some(stack) && arn != Some(stack) {
        let name = name.unwrap_or("without a name");
        bail!("cannot read stack {stack}: CloudFormation described stack {name}");
    }
    let outputs = found.outputs.unwrap_or_default().into_iter();
    Ok(outputs
        .filter_map(|output| Some((output.output_key?, output.output_value?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output as DescribeStacks tells it: with `?` for each character that is not ASCII.
    fn told(name: &str, value: &str) -> HashMap<String, String> {
        let value = value.chars().map(|c| if c.is_ascii() { c } else { '?' });
        HashMap::from([(name.to_owned(), value.collect())])
    }

    #[test]
    fn a_japanese_sender_survives_describe_stacks() {
        for name in [
            "株式会社サンプル",
            "Sample 株式会社",
            "Example Inc.",
            "Who?",
        ] {
            let encoded = BASE64.encode(name.as_bytes());
            let read = sender_name(&told(SENDER_OUTPUT, &encoded)).unwrap();
            assert_eq!(read, name);
        }
    }

    #[test]
    fn a_sender_that_lost_its_characters_is_refused() {
        let refused = |name: &str, value: &str| {
            let error = sender_name(&told(name, value)).unwrap_err();
            format!("{error:#}")
        };
        for (name, value, reason) in [
            (LEGACY_SENDER, "株式会社サンプル", "has replaced characters"),
            (LEGACY_SENDER, "Sample 株式会社", "has replaced characters"),
            (LEGACY_SENDER, "社", "has replaced characters"),
            (SENDER_OUTPUT, "Pz8/Pw==", "has replaced characters"), // "????"
            (SENDER_OUTPUT, "Example Inc.", "is not Base64"),
            (SENDER_OUTPUT, "ilSOrg==", "is not UTF-8"), // CP932
            (
                "MailFrom",
                "notice@example.com",
                "no output SenderNameBase64",
            ),
        ] {
            assert!(refused(name, value).contains(reason), "{value}");
        }
    }

    #[test]
    fn an_ascii_sender_of_an_earlier_stack_is_read() {
        let read = sender_name(&told(LEGACY_SENDER, "Example Inc.")).unwrap();
        assert_eq!(read, "Example Inc.");
    }
}
