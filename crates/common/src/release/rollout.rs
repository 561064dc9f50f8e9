//! Which tenants run which version, and how an operator changes that.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ReleaseStage, TenantNumber};
use crate::domain::Domain;
use crate::version::PluginVersion;

/// Which tenants of a product run which version.
///
/// A tenant runs `version` if `from` has come and the tenant belongs to `stage`. All others run
/// `before`.
///
/// ```
/// use tegata_common::release::{Change, Rollout, ReleaseStage};
///
/// let now = "2026-12-05T01:00:00Z".parse()?;
/// let first = Rollout::changed(None, Change::to("1.8.0".parse()?), now)?;
/// let ten = ReleaseStage { percent: Some("10%".parse()?), ..ReleaseStage::default() };
/// let gradual = Change { stage: Some(Some(ten)), ..Change::to("1.9.0".parse()?) };
/// let rollout = Rollout::changed(Some(&first), gradual, now)?;
/// assert_eq!(rollout.before, Some("1.8.0".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The version.
    pub version: PluginVersion,
    /// The instant from which the version counts, by kintone's clock, in whole seconds. `None`: at
    /// once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The tenants that run the version. `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<ReleaseStage>,
    /// The version that everybody runs before `from`, and that tenants outside of the stage run.
    /// `None`: what the plug-in's package brings, because no version was current before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<PluginVersion>,
}

/// A change of a [`Rollout`], as an operator orders it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The version.
    pub version: PluginVersion,
    /// The instant from which it counts. `None`: at once.
    pub from: Option<Timestamp>,
    /// The stage. `None`: nothing was said; `Some(None)`: all tenants.
    pub stage: Option<Option<ReleaseStage>>,
}

impl Change {
    /// Makes a version current for all tenants at once.
    pub fn to(version: PluginVersion) -> Self {
        Self {
            version,
            from: None,
            stage: None,
        }
    }
}

/// Why a rollout cannot be changed as ordered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RolloutError {
    /// An instant that is over.
    #[error("--from {from:.0} is in the past; leave it out to make the version current at once")]
    Past {
        /// The instant.
        from: Timestamp,
    },
    /// The version is released gradually, and no stage was given.
    #[error(
        "{version} is current for {stage}; say which tenants are to run it now: --stage all, or a \
         stage such as --stage 50%"
    )]
    StageMissing {
        /// The version.
        version: PluginVersion,
        /// Its stage.
        stage: ReleaseStage,
    },
    /// All tenants run the version.
    #[error(
        "all tenants run {0} already, and can only be taken back together: publish current with an \
         older version"
    )]
    AllRunIt(PluginVersion),
    /// Some tenants run the version, and would go back until an instant.
    #[error(
        "some tenants run {0} already, and would go back to the version before until then; change \
         the stage at that instant, without --from"
    )]
    SomeRunIt(PluginVersion),
    /// The tenants outside of the stage would run the same version.
    #[error("everybody else runs {0} already; --stage and --from change nothing")]
    SameBefore(PluginVersion),
}

impl Rollout {
    /// The rollout after a change at an instant.
    ///
    /// Another version replaces this one: what everybody outside of the stage runs now becomes
    /// `before`. The same version keeps its `before`, so that its stage can be raised, lowered and
    /// ended. Repeating a change gives the same rollout.
    pub fn changed(
        current: Option<&Self>,
        change: Change,
        now: Timestamp,
    ) -> Result<Self, RolloutError> {
        let Change {
            version,
            from,
            stage,
        } = change;
        let same = current.filter(|current| current.version == version);
        let is_repeated = same.is_some_and(|same| same.from == from);
        if let Some(from) = from
            && from <= now
            && !is_repeated
        {
            return Err(RolloutError::Past { from });
        }
        let before = match same {
            Some(same) => {
                let has_started = same.from.is_none_or(|from| from <= now);
                match (&same.stage, &stage) {
                    (Some(stage), None) => {
                        return Err(RolloutError::StageMissing {
                            version,
                            stage: stage.clone(),
                        });
                    }
                    (None, Some(Some(_))) if has_started => {
                        return Err(RolloutError::AllRunIt(version));
                    }
                    _ => {}
                }
                if has_started && from.is_some() && !is_repeated {
                    return Err(match same.stage {
                        None => RolloutError::AllRunIt(version),
                        Some(_) => RolloutError::SomeRunIt(version),
                    });
                }
                same.before.clone()
            }
            None => current.and_then(|current| current.outside(now)).cloned(),
        };
        let stage = stage.flatten();
        let is_for_all_now = from.is_none() && stage.is_none();
        if !is_for_all_now && before.as_ref() == Some(&version) {
            return Err(RolloutError::SameBefore(version));
        }
        Ok(Self {
            version,
            from,
            stage,
            before: before.filter(|_| !is_for_all_now),
        })
    }

    /// The version that a tenant runs at an instant. `None`: what the plug-in's package brings.
    pub fn version_for(&self, tenant: &Domain, at: Timestamp) -> Option<&PluginVersion> {
        match is_for(&self.version, self.from, self.stage.as_ref(), tenant, at) {
            true => Some(&self.version),
            false => self.before.as_ref(),
        }
    }

    /// The version that every tenant runs that is in no stage.
    fn outside(&self, now: Timestamp) -> Option<&PluginVersion> {
        let is_for_all = self.stage.is_none() && self.from.is_none_or(|from| from <= now);
        match is_for_all {
            true => Some(&self.version),
            false => self.before.as_ref(),
        }
    }
}

/// Whether a version counts for a tenant at an instant.
pub(super) fn is_for(
    version: &PluginVersion,
    from: Option<Timestamp>,
    stage: Option<&ReleaseStage>,
    tenant: &Domain,
    at: Timestamp,
) -> bool {
    from.is_none_or(|from| from <= at)
        && stage.is_none_or(|stage| stage.has(TenantNumber::of(version, tenant)))
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;
    use crate::domain::BaseDomains;

    fn now() -> Timestamp {
        "2026-12-05T01:00:00Z".parse().unwrap()
    }

    fn version(text: &str) -> PluginVersion {
        text.parse().unwrap()
    }

    fn stage(share: &str) -> Option<ReleaseStage> {
        Some(ReleaseStage {
            percent: Some(share.parse().unwrap()),
            ..ReleaseStage::default()
        })
    }

    fn rollout(
        current: &str,
        from: Option<Timestamp>,
        stage: Option<ReleaseStage>,
        before: &str,
    ) -> Rollout {
        Rollout {
            version: version(current),
            from,
            stage,
            before: (!before.is_empty()).then(|| version(before)),
        }
    }

    #[test]
    fn a_version_follows_another() {
        let (soon, ago) = (now() + 1.hour(), now() - 1.hour());
        let all = rollout("1.8.0", None, None, "");
        let reached = rollout("1.8.0", Some(ago), None, "1.7.0");
        let ahead = rollout("1.8.0", Some(soon), None, "1.7.0");
        let gradual = rollout("1.8.0", None, stage("10%"), "1.7.0");
        let first_ahead = rollout("1.8.0", Some(soon), None, "");
        for (current, from, given, expected) in [
            // At once, for all: nothing before is needed, whatever was there.
            (None, None, None, rollout("1.9.0", None, None, "")),
            (Some(&all), None, None, rollout("1.9.0", None, None, "")),
            (Some(&gradual), None, None, rollout("1.9.0", None, None, "")),
            (
                Some(&ahead),
                None,
                Some(None),
                rollout("1.9.0", None, None, ""),
            ),
            // Gradually, or from an instant: others keep what they run.
            (
                Some(&all),
                None,
                Some(stage("10%")),
                rollout("1.9.0", None, stage("10%"), "1.8.0"),
            ),
            (
                Some(&all),
                Some(soon),
                None,
                rollout("1.9.0", Some(soon), None, "1.8.0"),
            ),
            (
                Some(&reached),
                Some(soon),
                None,
                rollout("1.9.0", Some(soon), None, "1.8.0"),
            ),
            // A version that not all run gives way, and what all others run stays.
            (
                Some(&gradual),
                None,
                Some(stage("1%")),
                rollout("1.9.0", None, stage("1%"), "1.7.0"),
            ),
            (
                Some(&ahead),
                Some(soon),
                Some(stage("1%")),
                rollout("1.9.0", Some(soon), stage("1%"), "1.7.0"),
            ),
            // The first one of all.
            (
                None,
                Some(soon),
                None,
                rollout("1.9.0", Some(soon), None, ""),
            ),
            (
                None,
                None,
                Some(stage("10%")),
                rollout("1.9.0", None, stage("10%"), ""),
            ),
            (
                Some(&first_ahead),
                Some(soon),
                None,
                rollout("1.9.0", Some(soon), None, ""),
            ),
        ] {
            let change = Change {
                version: version("1.9.0"),
                from,
                stage: given,
            };
            let after = Rollout::changed(current, change.clone(), now());
            assert_eq!(after.as_ref(), Ok(&expected), "{current:?} {change:?}");
            // Repeated, also after its instant has come.
            let again = Rollout::changed(Some(&expected), change, now() + 2.hours());
            assert_eq!(again, Ok(expected));
        }
    }

    #[test]
    fn a_stage_is_raised_lowered_and_ended() {
        let soon = now() + 1.hour();
        let ten = rollout("1.9.0", None, stage("10%"), "1.8.0");
        let half = rollout("1.9.0", None, stage("50%"), "1.8.0");
        let all = rollout("1.9.0", None, None, "");
        let back = rollout("1.8.0", None, None, "");
        let ahead = rollout("1.9.0", Some(soon), stage("10%"), "1.8.0");
        let at_once = |to: &str, stage: Option<Option<ReleaseStage>>| Change {
            stage,
            ..Change::to(version(to))
        };
        for (current, change, expected) in [
            (&ten, at_once("1.9.0", Some(stage("50%"))), &half),
            (&half, at_once("1.9.0", Some(stage("10%"))), &ten),
            (&half, at_once("1.9.0", Some(None)), &all),
            (&half, at_once("1.8.0", None), &back),
            (&all, at_once("1.9.0", None), &all),
            (&all, at_once("1.8.0", None), &back),
            // Earlier than it was signed for.
            (&ahead, at_once("1.9.0", Some(stage("10%"))), &ten),
            (&ahead, at_once("1.9.0", Some(None)), &all),
        ] {
            let after = Rollout::changed(Some(current), change.clone(), now());
            assert_eq!(after.as_ref(), Ok(expected), "{current:?} {change:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let (soon, ago) = (now() + 1.hour(), now() - 1.hour());
        let all = rollout("1.9.0", None, None, "");
        let ten = rollout("1.9.0", None, stage("10%"), "1.8.0");
        for (current, to, from, given, message) in [
            (&all, "1.10.0", Some(ago), None, "is in the past"),
            (&all, "1.10.0", Some(now()), None, "is in the past"),
            (
                &ten,
                "1.9.0",
                None,
                None,
                "is current for 10% of the tenants",
            ),
            (
                &all,
                "1.9.0",
                None,
                Some(stage("10%")),
                "all tenants run 1.9.0",
            ),
            (&all, "1.9.0", Some(soon), None, "all tenants run 1.9.0"),
            (
                &ten,
                "1.9.0",
                Some(soon),
                Some(None),
                "some tenants run 1.9.0",
            ),
            (
                &ten,
                "1.8.0",
                None,
                Some(stage("10%")),
                "everybody else runs 1.8.0",
            ),
            (&ten, "1.8.0", Some(soon), None, "everybody else runs 1.8.0"),
        ] {
            let change = Change {
                version: version(to),
                from,
                stage: given,
            };
            let refused = Rollout::changed(Some(current), change, now()).unwrap_err();
            assert!(refused.to_string().contains(message), "{refused}");
        }
    }

    #[test]
    fn a_tenant_runs_the_version_from_its_instant_on_and_within_the_stage() {
        let bases = BaseDomains::default();
        // Its number in 1.9.0 begins with 9ffcc6e6: 62.4 %.
        let tenant = bases.canonicalize("example.cybozu.com").unwrap();
        let number = TenantNumber::of(&version("1.9.0"), &tenant);
        let named = Some(ReleaseStage {
            percent: None,
            tenants: [number].into(),
        });
        let at = now();
        let later = Some(at + 1.second());
        for (from, stage, before, expected) in [
            (None, None, "", Some("1.9.0")),
            (Some(at), None, "1.8.0", Some("1.9.0")),
            (later, None, "1.8.0", Some("1.8.0")),
            (later, None, "", None),
            (None, stage("62%"), "1.8.0", Some("1.8.0")),
            (None, stage("63%"), "1.8.0", Some("1.9.0")),
            (None, stage("62%"), "", None),
            (None, named.clone(), "1.8.0", Some("1.9.0")),
            (later, named, "1.8.0", Some("1.8.0")),
        ] {
            let rollout = rollout("1.9.0", from, stage, before);
            let runs = rollout.version_for(&tenant, at).map(PluginVersion::as_str);
            assert_eq!(runs, expected, "{rollout:?}");
        }
    }
}
