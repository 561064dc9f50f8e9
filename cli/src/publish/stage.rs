//! The tenants of a gradual release, as operators type them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use tegata_common::domain::BaseDomains;
use tegata_common::release::{MAX_TENANTS, Percent, ReleaseStage, TenantNumber};
use tegata_common::version::PluginVersion;

use crate::failure::UsageError;
use crate::text_file;

/// The stage that `--stage` options give together: `all`, a share such as `10%`, or files of domains.
/// `None` if there is none; `Some(None)` for all tenants.
pub(super) fn read(
    options: &[String],
    version: &PluginVersion,
    bases: &BaseDomains,
) -> anyhow::Result<Option<Option<ReleaseStage>>> {
    if options.is_empty() {
        return Ok(None);
    }
    let mut stage = ReleaseStage::default();
    for option in options {
        if option == "all" {
            return match options.len() {
                1 => Ok(Some(None)),
                _ => refuse("--stage all stands alone: it is everybody"),
            };
        }
        if option.ends_with('%') {
            let share: Percent = match option.parse() {
                Ok(share) => share,
                Err(error) => return refuse(format!("--stage {option}: {error}")),
            };
            if stage.percent.replace(share).is_some() {
                return refuse(
                    "--stage: give one share; a greater one has the tenants of a smaller",
                );
            }
        } else {
            stage.tenants.extend(tenants(option, version, bases)?);
        }
    }
    if stage.tenants.len() > MAX_TENANTS {
        let number = stage.tenants.len();
        return refuse(format!(
            "--stage: {number} tenants are named; at most {MAX_TENANTS} are accepted: use a share"
        ));
    }
    Ok(Some(Some(stage)))
}

fn refuse<T>(problem: impl Into<String>) -> anyhow::Result<T> {
    Err(UsageError(problem.into()).into())
}

/// The tenants of a file: a domain a line. Empty lines and lines that begin with `#` are left out.
fn tenants(
    file: &str,
    version: &PluginVersion,
    bases: &BaseDomains,
) -> anyhow::Result<BTreeSet<TenantNumber>> {
    let text = text_file::read_utf8(Path::new(file)).with_context(|| {
        format!(
            "--stage {file}: expected all, a share such as 10%, or a file of domains, one a line"
        )
    })?;
    let mut tenants = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match bases.canonicalize(line) {
            Ok(domain) => tenants.insert(TenantNumber::of(version, &domain)),
            Err(error) => return refuse(format!("{file} line {number}: {error}")),
        };
    }
    match tenants.is_empty() {
        true => refuse(format!("{file}: no domains; write one a line")),
        false => Ok(tenants),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(options: &[&str]) -> Result<Option<Option<ReleaseStage>>, String> {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let version = "1.9.0".parse().unwrap();
        let read = read(&options, &version, &BaseDomains::default());
        read.map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn stages_are_combined() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let two = file(
            "two.txt",
            "# pilot\nexample.cybozu.com\n\nExample.s.cybozu.com\nabc.kintone.com\r\n",
        );
        let one = file("one.txt", "def.cybozu.com");
        assert_eq!(read_all(&[]), Ok(None));
        assert_eq!(read_all(&["all"]), Ok(Some(None)));
        let share = read_all(&["10%"]).unwrap().unwrap().unwrap();
        assert_eq!(share.to_string(), "10% of the tenants");
        let both = read_all(&[&two, "10%", &one]).unwrap().unwrap().unwrap();
        assert_eq!(both.to_string(), "10% of the tenants, and 3 named tenants");

        let bad = file("bad.txt", "example.cybozu.com\nexample.com\n");
        let empty = file("empty.txt", "\n# nobody\n");
        let many: String = (0..1001)
            .map(|n| format!("tenant-{n}.cybozu.com\n"))
            .collect();
        let many = file("many.txt", &many);
        for (options, reason) in [
            (vec!["all", "10%"], "stands alone"),
            (vec!["10%", "all"], "stands alone"),
            (vec!["10%", "20%"], "give one share"),
            (vec!["100%"], "all tenants are `all`"),
            (vec!["0%"], "from 1% to 99%"),
            (vec!["10"], "expected all, a share such as 10%, or a file"),
            (
                vec![bad.as_str()],
                "bad.txt line 2: the domain is not a subdomain",
            ),
            (vec![empty.as_str()], "empty.txt: no domains"),
            (vec![many.as_str()], "1001 tenants are named"),
        ] {
            let refused = read_all(&options).unwrap_err();
            assert!(refused.contains(reason), "{options:?}: {refused}");
        }
    }
}
