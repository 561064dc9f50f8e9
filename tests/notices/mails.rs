//! The mails, read by a parser that is not the one that made them.

use mailparse::{MailHeaderMap as _, ParsedMail, parse_mail};
use proptest::prelude::*;
use tegata_common::customer::Language;
use tegata_common::notice::{CustomerName, Delivery, Notice, RecipientRole};
use tegata_notices::render::mail::{mail, message};

use crate::evidence::delivery;
use crate::world::{INCIDENT, RELEASE, START, notice, sender};

fn to(language: Language, why: RecipientRole, customer: &str) -> Delivery {
    let customer = CustomerName {
        customer_id: "C-1".parse().unwrap(),
        name: customer.to_owned(),
    };
    Delivery {
        language,
        why,
        customers: vec![customer],
        ..delivery()
    }
}

fn raw(notice: &Notice, delivery: &Delivery) -> Vec<u8> {
    let parts = mail(notice, &notice.updates[0], delivery, &sender()).unwrap();
    message(parts, notice, delivery, &sender(), START.parse().unwrap()).unwrap()
}

fn text<'a>(mail: &'a ParsedMail<'a>) -> String {
    mail.subparts[0].get_body().unwrap().replace("\r\n", "\n")
}

#[test]
fn a_mail_reads_as_text() {
    let release = notice(RELEASE, None, START.parse().unwrap());
    let raw_release = raw(
        &release,
        &to(Language::Ja, RecipientRole::Primary, "株式会社サンプル"),
    );
    insta::assert_snapshot!("release_ja", text(&parse_mail(&raw_release).unwrap()));
    let incident = notice(INCIDENT, None, START.parse().unwrap());
    let raw_incident = raw(
        &incident,
        &to(Language::En, RecipientRole::Additional, "Example, Inc."),
    );
    insta::assert_snapshot!("incident_en", text(&parse_mail(&raw_incident).unwrap()));
}

#[test]
fn a_mail_has_what_it_must_have() {
    let release = notice(RELEASE, None, START.parse().unwrap());
    let delivery = to(Language::Ja, RecipientRole::Primary, "株式会社サンプル");
    let raw_mail = raw(&release, &delivery);
    let parsed = parse_mail(&raw_mail).unwrap();
    let header = |name: &str| parsed.headers.get_first_value(name).unwrap();
    assert_eq!(header("From"), "Example <notice@vendor.example>");
    assert_eq!(header("To"), "it@sample.example");
    assert_eq!(header("Subject"), "【Example】シート 1.9.0 のリリース");
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert_eq!(
        header("X-Auto-Response-Suppress"),
        "DR, RN, NRN, OOF, AutoReply"
    );
    assert_eq!(
        header("Message-ID"),
        format!(
            "<2026-12-05-sheet-1.9.0.{}@vendor.example>",
            delivery.delivery
        )
    );
    assert_eq!(header("Date"), "Thu, 26 Nov 2026 01:00:00 +0000");
    // The same delivery makes the same Message-ID, whenever it is made.
    let again = raw(&release, &delivery);
    let again = parse_mail(&again).unwrap();
    assert_eq!(
        again.headers.get_first_value("Message-ID"),
        Some(header("Message-ID"))
    );
    assert_eq!(parsed.ctype.mimetype, "multipart/alternative");
    let types: Vec<&str> = parsed
        .subparts
        .iter()
        .map(|of| of.ctype.mimetype.as_str())
        .collect();
    assert_eq!(types, ["text/plain", "text/html"]);
    let html = parsed.subparts[1].get_body().unwrap();
    assert!(html.contains("<strong>速く</strong>"), "{html}");
    assert!(html.contains("security@vendor.example"), "{html}");
    for remote in ["<img", "<script", "<link", "url(", "@import"] {
        assert!(!html.contains(remote), "{remote} in {html}");
    }
    // SMTP's limit of a line, in octets.
    assert!(
        raw_mail
            .split(|byte| *byte == b'\n')
            .all(|line| line.len() <= 999)
    );
}

/// Texts that try to be more than a text.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("\r\nBcc: victim@example.com\r\n\r\n"),
        Just("\n\n--boundary\nContent-Type: text/html\n\n<script>"),
        Just("=?utf-8?q?=0D=0ABcc:_x?="),
        Just("\u{2028}\u{85}\u{b}"),
        Just("\"><img src=https://evil.example/x.png>"),
        Just("{{ 71 * 71 }}{% raw %}"),
        Just("</title></style>&lt;"),
        Just("障害 🚨"),
        Just("."),
    ];
    let random = "\\PC{0,12}";
    prop::collection::vec(prop_oneof![pieces.prop_map(str::to_owned), random], 1..5)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_in_a_notice_becomes_a_header_a_part_or_markup(
        title in hostile(), body in hostile(), customer in hostile(), product in hostile(),
    ) {
        let mut notice = notice(RELEASE, None, START.parse().unwrap());
        notice.title.ja = title.clone();
        notice.updates[0].body.ja = body;
        notice.products[0].name.ja = product;
        let delivery = to(Language::Ja, RecipientRole::Primary, &customer);
        let raw_mail = raw(&notice, &delivery);
        let parsed = parse_mail(&raw_mail).unwrap();
        let mut names: Vec<String> =
            parsed.headers.iter().map(|header| header.get_key().to_lowercase()).collect();
        names.sort();
        prop_assert_eq!(names, [
            "auto-submitted", "content-type", "date", "from", "message-id", "mime-version",
            "subject", "to", "x-auto-response-suppress",
        ]);
        prop_assert_eq!(parsed.headers.get_first_value("To").unwrap(), "it@sample.example");
        prop_assert_eq!(parsed.subparts.len(), 2);
        prop_assert!(parsed.subparts.iter().all(|part| part.subparts.is_empty()));
        let html = parsed.subparts[1].get_body().unwrap();
        let (lower, styles) = (html.to_lowercase(), html.matches("<style").count());
        for tag in ["<script", "<img", "<iframe", "<link"] {
            prop_assert!(!lower.contains(tag), "{} in {}", tag, html);
        }
        prop_assert_eq!(styles, 1);
        prop_assert!(!html.contains("5041"), "a template within a text");
    }
}
