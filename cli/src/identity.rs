//! The AWS identity of this shell: its profile, credentials and region.

use std::error::Error;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use aws_config::profile::ProfileSet;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_types::os_shim_internal::{Env, Fs};
use tegata_aws::Trust;

use crate::proxy;
use crate::shell;

/// The region and the credentials, from the environment or the AWS configuration files.
pub(crate) async fn sdk_config() -> anyhow::Result<SdkConfig> {
    let profiles = Profiles::read().await?;
    profiles.check()?;
    let bundle = std::env::var_os("AWS_CA_BUNDLE").map(PathBuf::from);
    let trust = bundle.as_deref().map_or(Trust::System, Trust::Bundle);
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(proxy::https_client(trust)?)
        .load()
        .await;
    if config.region().is_none() {
        bail!(
            "no AWS region: set AWS_REGION, or `region` in profile {} of ~/.aws/config",
            profiles.selected()
        );
    }
    Ok(config)
}

/// The ARN of the caller.
pub(crate) async fn caller(config: &SdkConfig) -> anyhow::Result<String> {
    let identity = aws_sdk_sts::Client::new(config)
        .get_caller_identity()
        .send()
        .await;
    match identity {
        Ok(identity) => identity.arn.context("STS returned no ARN"),
        Err(error) => Err(Profiles::read().await?.explain(&error)),
    }
}

/// The profiles of the AWS configuration files.
struct Profiles {
    set: ProfileSet,
    /// Credentials in the environment take precedence over those of a profile.
    has_credentials: bool,
}

impl Profiles {
    async fn read() -> anyhow::Result<Self> {
        let files = Default::default();
        let set = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await?;
        let is_set = |name| std::env::var_os(name).is_some();
        Ok(Self {
            set,
            has_credentials: is_set("AWS_ACCESS_KEY_ID") && is_set("AWS_SECRET_ACCESS_KEY"),
        })
    }

    /// The profile that the SDK uses.
    fn selected(&self) -> &str {
        self.set.selected_profile()
    }

    /// The selected profile and its source profiles.
    fn chain(&self) -> Vec<&str> {
        let mut chain = Vec::new();
        let mut next = Some(self.selected());
        while let Some(name) = next.filter(|name| !chain.contains(name)) {
            chain.push(name);
            let profile = self.set.get_profile(name);
            next = profile.and_then(|profile| profile.get("source_profile"));
        }
        chain
    }

    fn has(&self, profile: &str, setting: &str) -> bool {
        let profile = self.set.get_profile(profile);
        profile.is_some_and(|profile| profile.get(setting).is_some())
    }

    /// Rejects configuration errors that the SDK ignores silently.
    fn check(&self) -> anyhow::Result<()> {
        let selected = self.selected();
        let is_named = std::env::var_os("AWS_PROFILE").is_some();
        if is_named && self.set.get_profile(selected).is_none() {
            let mut known: Vec<&str> = self.set.profiles().collect();
            known.sort_unstable();
            let known = match known.is_empty() {
                true => "there are no profiles".to_owned(),
                false => format!("the profiles are {}", known.join(", ")),
            };
            bail!(
                "there is no profile {selected} in ~/.aws/config and ~/.aws/credentials, but \
                 AWS_PROFILE names it; {known}"
            );
        }
        let chain = self.chain();
        let asks_for_mfa =
            |name: &&&str| self.has(name, "role_arn") && self.has(name, "mfa_serial");
        if let Some(asking) = chain.iter().find(asks_for_mfa)
            && !self.has_credentials
        {
            bail!(
                "profile {asking} asks for a code of a second factor (mfa_serial), which tegata \
                 cannot ask for; let the AWS CLI do it, in this shell:\n  \
                 eval \"$(aws configure export-credentials --profile {} --format env)\"",
                shell::quote(selected)
            );
        }
        Ok(())
    }

    /// Explains why the caller's identity could not be determined, and how to fix it.
    fn explain(&self, error: &(dyn Error + 'static)) -> anyhow::Error {
        let causes = tegata_aws::causes(error);
        let is_about_credentials = std::iter::successors(Some(error), |&error| error.source())
            .any(|error| error.is::<CredentialsError>());
        if !is_about_credentials {
            let through = proxy::variable()
                .map(|name| format!(", through the proxy that {name} names"))
                .unwrap_or_default();
            return anyhow::anyhow!(
                "cannot determine the caller's identity (STS{through}): {causes}"
            );
        }
        let sign_in = self.chain().into_iter().find_map(|name| {
            let is_sso = self.has(name, "sso_session") || self.has(name, "sso_start_url");
            let command = match (is_sso, self.has(name, "login_session")) {
                (true, _) => "aws sso login",
                (false, true) => "aws login",
                (false, false) => return None,
            };
            Some(format!("{command} --profile {}", shell::quote(name)))
        });
        match sign_in {
            Some(command) => anyhow::anyhow!(
                "no AWS credentials: {causes}\nif the session has expired, sign in: {command}"
            ),
            None => anyhow::anyhow!(
                "no AWS credentials from the environment or profile {}: {causes}",
                self.selected()
            ),
        }
    }
}
