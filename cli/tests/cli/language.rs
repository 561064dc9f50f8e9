//! The operators' language: results, explanations and refusals in Japanese. `-- --nocapture language::` prints
//! the commands with what they print.
#![allow(clippy::disallowed_macros)]

use crate::support::{Tegata, text};

const CUSTOMER: &str = "株式会社見本";

/// What a command prints in Japanese, and its exit code.
fn japanese(tegata: &Tegata, arguments: &[&str]) -> (String, i32) {
    let mut command = tegata.command(arguments);
    let output = command.env("LANG", "ja_JP.UTF-8").output().unwrap();
    let printed = text(&output.stdout) + &text(&output.stderr);
    println!("$ tegata {}\n{printed}", arguments.join(" "));
    (printed, output.status.code().unwrap())
}

/// Two English words in a row that are neither in quotation marks nor in a command to type.
fn english(printed: &str) -> Option<String> {
    for line in printed.lines() {
        let text = line.split("tegata ").next().unwrap();
        let words: Vec<&str> = text.split(['`', '"', '\'']).step_by(2).collect();
        let words = words.join(" | ");
        let words: Vec<&str> = words.split_whitespace().collect();
        let is_word = |word: &str| word.len() > 2 && word.chars().all(|c| c.is_ascii_lowercase());
        if words
            .windows(2)
            .any(|pair| pair.iter().all(|word| is_word(word)))
        {
            return Some(line.to_owned());
        }
    }
    None
}

#[test]
fn results_explanations_and_refusals_are_japanese() {
    let tegata = Tegata::new();
    tegata.travel("2026-11-20T10:00:00+09:00");
    let notice = tegata.file(
        "2026-12-05-sheet-1.9.0.toml",
        "kind = \"release\"\nproducts = [\"sheet\"]\nversion = \"1.9.0\"\n\
         planned_at = 2026-11-21T10:00:00+09:00\n\
         title = { ja = \"リリース\", en = \"Release\" }\nbody = { ja = \"本文\", en = \"Text\" }\n",
    );
    let marks = tegata.file(
        "marks.toml",
        "kind = \"information\"\nproducts = [\"sheet\"]\ntitle = { ja = \"\", en = \"Information\" }\n\n\
         body.ja = \"\"\"\n** 速く ** なります\n![x](https://x.example/x.png)\"\"\"\nbody.en = \"Text\"\n",
    );
    let broken = tegata.file("broken.toml", "kind = \"release\"\ntitle\n");
    let information = tegata.file(
        "information.toml",
        "kind = \"information\"\ntitle = { ja = \"ご案内\", en = \"Information\" }\n\
         body = { ja = \"本文\", en = \"Text\" }\n",
    );
    let domain = "example.cybozu.com";
    for (arguments, code, expected) in [
        (
            vec!["customer", "add", "C-0042", "--name", CUSTOMER],
            0,
            CUSTOMER,
        ),
        (
            vec!["customer", "add", "C-0042", "--name", CUSTOMER],
            1,
            "エラー：お客様 C-0042 はすでに登録されています",
        ),
        (
            vec![
                "contact",
                "add",
                "C-0042",
                "taro@customer.example",
                "--role",
                "primary",
                "--language",
                "ja",
            ],
            0,
            "連絡先",
        ),
        (vec!["contact", "list", "C-0042"], 0, "送信可"),
        (
            vec![
                "license",
                "issue",
                domain,
                "sheet",
                "--billing",
                "yearly",
                "--users",
                "50",
                "--customer",
                "C-0042",
            ],
            0,
            "シリアル（表示されるのは今回だけです）：",
        ),
        (
            vec![
                "license",
                "issue",
                domain,
                "sheet",
                "--billing",
                "yearly",
                "--users",
                "50",
            ],
            1,
            "にはすでに sheet のライセンスがあります",
        ),
        (vec!["license", "show", domain, "sheet"], 0, "ユーザー数"),
        (vec!["license", "list"], 0, "エディション"),
        (
            vec!["license", "explain", domain, "sheet"],
            0,
            "までに解約がなければ自動更新",
        ),
        (
            vec![
                "license",
                "change",
                domain,
                "sheet",
                "--users",
                "80",
                "--dry-run",
            ],
            0,
            "確認だけの実行です",
        ),
        (
            vec![
                "license",
                "suspend",
                domain,
                "sheet",
                "--from",
                "2026-11-01",
            ],
            2,
            "過去の日付です。今日は 2026-11-20 です",
        ),
        (
            vec!["license", "suspend", "nowhere.cybozu.com", "sheet"],
            3,
            "nowhere.cybozu.com には sheet のライセンスがありません",
        ),
        (
            vec!["license", "suspend", "https://x", "sheet"],
            2,
            "ホスト名だけを指定してください",
        ),
        (
            vec!["license", "history", domain, "sheet"],
            0,
            "実行者 local:tester",
        ),
        (vec!["license", "issue"], 2, "次の引数が必要です："),
        (vec!["license", "shwo"], 2, "不明なコマンドです"),
        (
            vec!["license", "cancel", domain, "sheet"],
            0,
            "契約は、今の契約期間の終わり",
        ),
        (
            vec!["license", "expiring", "--within", "400d"],
            0,
            "解約済み",
        ),
        (vec!["notice", "check", &notice], 1, "日前の"),
        (
            vec!["notice", "status", "2026-12-05-sheet-1.9.0"],
            3,
            "お知らせ 2026-12-05-sheet-1.9.0 はありません",
        ),
        (
            vec!["publish", "current", "sheet", "1.9.0"],
            3,
            "CDN にありません",
        ),
        (vec!["publish", "list", "sheet"], 0, ""),
        (vec!["usage", "report", "--product", "sheet"], 0, "照会"),
        (
            vec![
                "usage",
                "report",
                "--product",
                "sheet",
                "--from",
                "2026-11-20",
                "--to",
                "2026-11-01",
            ],
            2,
            "より後になっています",
        ),
        (
            vec!["notice", "check", &marks],
            1,
            "body.ja：6 行目：** が強調として働いていません",
        ),
        (vec!["notice", "check", &marks], 1, "7 行目：画像があります"),
        (
            vec!["notice", "check", &marks],
            1,
            "title.ja：空です。このお知らせに必要な言語：日本語（ja）と英語（en）",
        ),
        (
            vec!["notice", "check", &broken],
            1,
            "TOML の 2 行目、6 文字目に誤りがあります",
        ),
        (
            vec!["notice", "check", &broken],
            1,
            "\n値がありません。「=」と値を記載してください",
        ),
        (
            vec!["notice", "check", "2026-12-05-nowhere.toml"],
            1,
            "ファイルまたはディレクトリがありません\n",
        ),
        (
            vec!["notice", "new", "incident", "--to", "m.toml"],
            2,
            "3～64 文字",
        ),
        (
            vec!["notice", "new", "release"],
            1,
            "リリースには --product と --version を指定してください",
        ),
        (
            vec!["notice", "send", &information],
            2,
            "確認を入力できません",
        ),
        (
            vec!["notice", "send", &information, "--yes"],
            0,
            "1 分以内に告知します",
        ),
        (
            vec!["license", "history", domain, "sheet"],
            0,
            "（設定済み）",
        ),
        (
            vec!["notice", "status", "information"],
            0,
            "information（ご案内）：予定",
        ),
        (vec!["key", "rotate"], 1, "交代する次の鍵がありません"),
        (
            vec!["notice", "retry-failed", "information"],
            0,
            "失敗した配信がないため",
        ),
        (
            vec!["license", "change", domain, "sheet", "--users", "abc"],
            2,
            "の値 'abc' に誤りがあります：整数ではありません",
        ),
        (
            vec!["license", "restore", domain, "sheet", "--version", "1"],
            0,
            "example.cybozu.com sheet：復元",
        ),
        (
            vec![
                "license",
                "move",
                domain,
                "sheet",
                "new.cybozu.com",
                "--overlap",
                "0",
            ],
            0,
            "example.cybozu.com sheet：移行",
        ),
        (
            vec!["license", "explain", domain, "sheet", "--at", "2026-12-31"],
            0,
            "このドメインから移行しました",
        ),
        (vec!["product", "list"], 0, "名称（日本語）"),
        (vec!["key", "list"], 0, "署名に使用中"),
        (vec!["history", "verify"], 0, "問題はありません"),
        (vec!["doctor"], 2, "--local には対応していません"),
    ] {
        let (printed, exit) = japanese(&tegata, &arguments);
        assert!(printed.contains(expected), "{arguments:?}: {printed}");
        assert_eq!(exit, code, "{arguments:?}: {printed}");
        assert_eq!(english(&printed), None, "{arguments:?}");
    }
}

/// The refusal of a name in quarantine has the offset of the product's zone, in each language.
#[test]
fn instants_have_the_products_offset() {
    let tegata = Tegata::new();
    tegata.travel("2026-11-20T10:00:00+09:00");
    let paid = ["--billing", "monthly", "--users", "50"];
    tegata.text(&[&["license", "issue", "old.cybozu.com", "sheet"], &paid[..]].concat());
    let moved = [
        "license",
        "move",
        "old.cybozu.com",
        "sheet",
        "new.cybozu.com",
        "--overlap",
        "0",
    ];
    tegata.text(&moved);
    tegata.travel("2026-12-01T10:00:00+09:00");
    let again = [&["license", "issue", "old.cybozu.com", "sheet"], &paid[..]].concat();
    let (code, refusal) = tegata.failure(&again);
    assert_eq!(code, 1, "{refusal}");
    assert!(
        refusal.contains("is in quarantine until 2027-02-") && refusal.contains("+09:00"),
        "{refusal}"
    );
    let (printed, _) = japanese(&tegata, &again);
    assert!(
        printed.contains("使用制限中です。2027-02-") && printed.contains("+09:00"),
        "{printed}"
    );
}

#[test]
fn the_option_decides_before_the_locale_and_json_stays_as_it_is() {
    let tegata = Tegata::new();
    let run = |arguments: &[&str], lang: &str| {
        let output = tegata
            .command(arguments)
            .env("LANG", lang)
            .output()
            .unwrap();
        text(&output.stdout)
    };
    assert_eq!(
        run(&["--language", "ja", "customer", "list"], "C"),
        "ありません\n"
    );
    assert_eq!(
        run(&["--language=en", "customer", "list"], "ja_JP.UTF-8"),
        "none\n"
    );
    assert_eq!(run(&["customer", "list"], "en_US.UTF-8"), "none\n");
    let json = ["product", "list", "--output", "json"];
    assert_eq!(run(&json, "ja_JP.UTF-8"), run(&json, "C"));
    assert_eq!(run(&["--help"], "ja_JP.UTF-8"), run(&["--help"], "C"));
}

/// Names and reasons that are words or messages of the program are printed as they are: a customer, a notice
/// and what operators write.
#[test]
fn what_is_stored_is_never_translated() {
    for hostile in ["incident", "suspended", "x has no licence of cancelled"] {
        let tegata = Tegata::new();
        tegata.travel("2026-11-20T10:00:00+09:00");
        let id = hostile.split(' ').next_back().unwrap();
        let notice_id = format!("{id}.notice");
        let file = tegata.file(
            &format!("{notice_id}.toml"),
            &format!(
                "kind = \"information\"\nproducts = [\"sheet\"]\n\
                 title = {{ ja = \"{hostile}\", en = \"{hostile}\" }}\nbody = {{ ja = \"本文\", en = \"Text\" }}\n"
            ),
        );
        let rows = tegata.file(
            "none",
            &format!(
                "customer_id,name,email,role,language\n{id},other,taro@customer.example,primary,ja\n"
            ),
        );
        let domain = "example.cybozu.com";
        let all = |arguments: &[&str]| japanese(&tegata, arguments).0;
        for (arguments, places) in [
            (&["customer", "add", id, "--name", hostile][..], 1),
            (&["customer", "list"], 1),
            (&["customer", "show", id], 1),
            (&["contact", "add", id, "taro@customer.example"], 0),
            (&["customer", "change", id, "--name", "x", "--dry-run"], 1),
            (
                &[
                    "license",
                    "issue",
                    domain,
                    "sheet",
                    "--billing",
                    "yearly",
                    "--users",
                    "50",
                    "--customer",
                    id,
                    "--edition",
                    id,
                    "--quota",
                    &format!("{}=1", id.replace('-', "_")),
                ],
                0,
            ),
            (&["import", &rows], 1),
            (&["notice", "check", &file], 0),
            (&["notice", "send", &file, "--yes"], 2),
            (&["notice", "list"], 1),
            (&["notice", "status", &notice_id], 2),
            (&["notice", "pause", &notice_id, "--reason", hostile], 0),
            (&["notice", "status", &notice_id], 3),
            (&["notice", "resume", &notice_id], 1),
        ] {
            let printed = all(arguments);
            assert!(
                printed.matches(hostile).count() >= places,
                "{arguments:?}: {printed}"
            );
        }
        // The edition, the customer and the quota.
        for arguments in [
            &["license", "show", domain, "sheet"][..],
            &["license", "list"],
            &["license", "history", domain, "sheet"],
        ] {
            let printed = all(arguments);
            assert!(printed.matches(id).count() >= 2, "{arguments:?}: {printed}");
        }
    }
}

/// A refused row is told with its column, whether or not the file has it, and in Japanese.
#[test]
fn refused_rows_are_japanese_and_name_their_column() {
    let tegata = Tegata::new();
    tegata.travel("2026-11-24T12:00:00+09:00");
    let header = "domain,product,kind,users,usable_from";
    let start = "abc.cybozu.com,sheet";
    for (columns, row, refusal) in [
        (
            ",serial",
            "trial,5,2026-11-01,AAAA-BBBB-CCCC-DDDD",
            "：ends_on：試用では必須です。最終日を記載してください（abc.cybozu.com）",
        ),
        (
            ",serial",
            "paid,5,2026-11-01,AAAA-BBBB-CCCC-DDDD",
            "：billing：有償契約では monthly（月払い）か yearly（年払い）を指定してください（abc.cybozu.com）",
        ),
        (
            ",billing,serial",
            "trial,5,2026-11-01,monthly,AAAA-BBBB-CCCC-DDDD",
            "（billing）：試用では空にしてください（abc.cybozu.com）",
        ),
        (
            ",billing,first_term_on,serial",
            "paid,5,2026-11-05,monthly,2026-11-05,AAAA-BBBB-CCCC-DDDD",
            "（first_term_on）：2026-12-01 以降の、月の 1 日を指定してください（abc.cybozu.com）",
        ),
        (
            ",billing,ends_on,serial",
            "paid,5,2026-11-01,monthly,2026-12-15,AAAA-BBBB-CCCC-DDDD",
            "（ends_on）：契約期間の最終日を指定してください。2026-12-31、またはその後の契約期間の最終日",
        ),
        (
            ",billing",
            "paid,5,2026-11-01,monthly",
            "：serial：新しいライセンスにはシリアルが必要です。この列に記載するか、--serials FILE を",
        ),
    ] {
        let file = tegata.file("l.csv", &format!("{header}{columns}\n{start},{row}\n"));
        let (printed, status) = japanese(&tegata, &["import", &file, "--dry-run"]);
        assert_eq!(status, 1, "{printed}");
        assert!(printed.contains(refusal), "{refusal}\n{printed}");
        assert!(printed.contains("l.csv の 2 行目"), "{printed}");
    }
}
