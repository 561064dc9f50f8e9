//! Line breaks inside a paragraph.
//!
//! Markdown shows a line break of the source as a blank. That suits English and not Japanese, which
//! has no blanks between words:
//!
//! - Between two wide characters, and next to wide punctuation, a line break is removed. (CSS Text 3
//!   has the rule for two wide characters; mail programs and Chromium do not implement it.)
//! - A paragraph with a line that begins with ・, ※, ■, 【, ① or （1）, or with a label (`日時：`),
//!   keeps all its line breaks: in Japanese business documents such lines are lists.
//! - Elsewhere it stays a blank.

use comrak::nodes::{Node, NodeValue};

/// What a line of a list begins with in Japanese documents.
const MARKS: &str = "・･•●○◯◎◆◇■□▲△▼▽▶▷★☆※＊→⇒➡✓✔☑－【［〔＜〈《≪";

/// The maximum length of a label, in characters.
const LABEL: usize = 12;

/// Removes the line breaks of paragraphs and headings that are not to be shown, and makes those hard
/// that are.
pub(super) fn join(root: Node<'_>) {
    let blocks: Vec<Node<'_>> = root
        .descendants()
        .filter(|node| {
            matches!(
                node.data().value,
                NodeValue::Paragraph | NodeValue::Heading(_)
            )
        })
        .collect();
    for block in blocks {
        join_lines(block);
    }
}

fn join_lines(block: Node<'_>) {
    let mut shown = String::new();
    let mut breaks = Vec::new();
    for node in block.descendants() {
        match &node.data().value {
            NodeValue::Text(text) => shown.push_str(text),
            NodeValue::Code(code) => shown.push_str(&code.literal),
            NodeValue::HtmlInline(html) => shown.push_str(html),
            NodeValue::SoftBreak => {
                breaks.push((node, shown.len()));
                shown.push('\n');
            }
            NodeValue::LineBreak => shown.push('\n'),
            _ => {}
        }
    }
    let is_list = shown
        .lines()
        .any(|line| is_marked(line) || is_labelled(line));
    for (node, at) in breaks {
        let (before, after) = shown.split_at(at);
        let (before, after) = (before.chars().next_back(), after.chars().nth(1));
        let is_japanese = before.zip(after).is_some_and(|(before, after)| {
            is_wide(before) && is_wide(after)
                || is_wide_punctuation(before)
                || is_wide_punctuation(after)
        });
        if is_list {
            node.data_mut().value = NodeValue::LineBreak;
        } else if is_japanese {
            node.detach();
        }
    }
}

/// Whether a line begins with a mark of a list, a number in parentheses, or a URL.
fn is_marked(line: &str) -> bool {
    let line = line.trim_start();
    let is_digit = |c: char| c.is_ascii_digit() || ('０'..='９').contains(&c);
    let number = line.trim_start_matches(['(', '（']);
    let rest = number.trim_start_matches(is_digit);
    let is_numbered = rest.len() < number.len()
        && (rest.starts_with(['）', '．']) || number.len() < line.len() && rest.starts_with(')'));
    line.starts_with(|c: char| MARKS.contains(c))
        || line.starts_with(|c: char| matches!(c, '①'..='⓿' | '❶'..='➓'))
        || line.starts_with("https://")
        || is_numbered
}

/// Whether a line begins with a Japanese label: `日時：`.
fn is_labelled(line: &str) -> bool {
    line.trim_start()
        .split_once(['：', ':'])
        .is_some_and(|(label, _)| {
            label.chars().count() <= LABEL
                && label.contains(is_wide)
                && !label.contains(['、', '。'])
        })
}

/// Whether a character is as wide as a Chinese character and belongs to Japanese or Chinese text
/// (East Asian Width `F`, `W` or `H`, without Hangul).
fn is_wide(character: char) -> bool {
    matches!(character,
        '\u{2e80}'..='\u{312f}' | '\u{3190}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}' | '\u{ff01}'..='\u{ff9f}' | '\u{ffe0}'..='\u{ffe6}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Whether a character is punctuation that brings its own space: 、。「」（） and others.
fn is_wide_punctuation(character: char) -> bool {
    matches!(character,
        '\u{3000}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '・'
        | '！' | '（' | '）' | '，' | '．' | '：' | '；' | '？' | '［' | '］' | '｛' | '｝')
}

#[cfg(test)]
mod tests {
    use super::super::{html, text};

    /// The HTML of one paragraph.
    fn paragraph(markdown: &str) -> String {
        let page = html(markdown, 2);
        let inner = page.trim().strip_prefix("<p>").unwrap();
        inner.strip_suffix("</p>").unwrap().to_owned()
    }

    #[test]
    fn japanese_lines_are_joined_without_a_blank() {
        for (written, shown) in [
            ("本日、\n公開します。", "本日、公開します。"),
            ("速く\nなります", "速くなります"),
            ("**速く**\nなります", "<strong>速く</strong>なります"),
            (
                "ご覧ください。\nkintone の設定",
                "ご覧ください。kintone の設定",
            ),
            ("ﾌﾟﾗｸﾞｲﾝの\n更新", "ﾌﾟﾗｸﾞｲﾝの更新"),
            ("シート\nfor kintone", "シート\nfor kintone"),
            ("two\nlines", "two\nlines"),
            ("두 줄\n입니다", "두 줄\n입니다"),
        ] {
            assert_eq!(paragraph(written), shown, "{written}");
            let plain = shown.replace("<strong>", "").replace("</strong>", "");
            assert_eq!(text(written), plain, "{written}");
        }
    }

    #[test]
    fn lists_of_japanese_documents_keep_their_lines() {
        for written in [
            "変更点は次のとおりです。\n・一覧の表示\n・集計\nお客様の作業はございません。",
            "※ 例外があります\n※ 設定による",
            "①一覧\n②集計",
            "（1）一覧\n（2）集計",
            "(1) 一覧\n(2) 集計",
            "１．一覧\n２．集計",
            "■日時\n12月19日",
            "　・一覧\n　・集計",
            "日時：2026年12月19日 22時\n対象：ライセンスサーバー",
            "**日時**: 22時から\n**対象**: すべての製品",
            "詳しくは次のページをご覧ください。\n<https://example.com/a>",
        ] {
            let (page, plain) = (html(written, 2), text(written));
            let lines = written.matches('\n').count();
            assert_eq!(page.matches("<br />").count(), lines, "{page}");
            assert_eq!(plain.matches('\n').count(), lines, "{plain}");
        }
        for written in [
            "Note: this is\nan English text",
            "2026\nと 2027",
            "変更点は、次のとおりです: 一覧\nと集計",
        ] {
            assert!(!html(written, 2).contains("<br"), "{written}");
        }
    }
}
