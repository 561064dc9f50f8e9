//! `tegata notice list`.

use tegata_operations::notices;

use super::status::state_words;
use crate::messages::{self, value};
use crate::output::{self, Output};
use crate::target::Target;

pub(super) async fn run(target: &Target, output: Output) -> anyhow::Result<()> {
    let listed = notices::list(&target.notice_context()?).await?;
    if output == Output::Json {
        return output::json(&listed);
    }
    let language = messages::language().into();
    let rows = listed.iter().map(|status| {
        let notice = &status.notice;
        let local = |at: Option<_>| at.map(|at| target.local_time(at)).unwrap_or_default();
        vec![
            notice.notice_id.to_string(),
            notice.kind.as_str().to_owned(),
            state_words(status.state()).to_owned(),
            local(status.send_at()),
            local(notice.kind.planned_at()),
            status.tally(None).total().to_string(),
            (status.not_told().len() + status.unnamed()).to_string(),
            value(notice.title.get(language)).to_string(),
        ]
    });
    let header = [
        "notice",
        "kind",
        "state",
        "sent at",
        "planned for",
        "deliveries",
        "not told",
        "title",
    ];
    output::table(&header, &["kind", "state"], rows.collect());
    Ok(())
}
