//! The report as a self-contained HTML page.

use clap::ValueEnum;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use tegata_common::customer::Language;
use tegata_operations::usage::UsageReport;

/// The name of the template. Its extension turns on HTML escaping.
const NAME: &str = "report.html.jinja";
const TEMPLATE: &str = include_str!("report.html.jinja");

/// The language of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum PageLanguage {
    /// 日本語
    #[default]
    Ja,
    /// English
    En,
}

impl From<PageLanguage> for Language {
    fn from(language: PageLanguage) -> Self {
        match language {
            PageLanguage::Ja => Self::Ja,
            PageLanguage::En => Self::En,
        }
    }
}

impl PageLanguage {
    fn code(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }
}

/// Renders a report.
pub(super) fn page(report: &UsageReport, language: PageLanguage) -> anyhow::Result<String> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.add_template(NAME, TEMPLATE)?;
    let report = minijinja::Value::from(Serde(report));
    let language = context! { language => language.code() };
    let page = templates
        .get_template(NAME)?
        .render(context! { ..language, ..report })?;
    Ok(page)
}
