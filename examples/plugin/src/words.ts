// Words on the screens, in the login user's language. The licence's own messages come from the client.

const WORDS = {
  ja: {
    title: "「シート」の設定",
    field: "合計する数値フィールドのフィールドコード（必須）",
    fieldHelp: "レコード一覧に表示されている数値フィールドを指定してください。",
    fieldMissing: "フィールドコードを入力してください。",
    serial: "シリアル",
    serialHelp:
      "契約時にお送りしたシリアルを入力してください。全角でも半角でも入力できます。",
    serialMalformed:
      "シリアルの形式が正しくありません。英数字 16 文字以上で、ハイフン以外の記号は使えません。",
    save: "保存",
    check: "ライセンスを確認",
    cancel: "キャンセル",
    total: "合計",
    records: "件",
    copy: "サポートコードをコピー",
    copied: "コピーしました",
    noMain:
      "プラグインのファイルを読み込めませんでした。ネットワークを確認し、画面を再読み込みしてください。",
  },
  en: {
    title: "Settings of “Sheet”",
    field: "Field code of the number field to total (required)",
    fieldHelp: "A number field that the list of records shows.",
    fieldMissing: "Please enter a field code.",
    serial: "Serial",
    serialHelp: "The serial that you received with your contract.",
    serialMalformed:
      "The serial is malformed: 16 letters and digits or more, with hyphens only between them.",
    save: "Save",
    check: "Check the licence",
    cancel: "Cancel",
    total: "Total",
    records: "records",
    copy: "Copy the support code",
    copied: "Copied",
    noMain:
      "The plug-in’s files could not be loaded. Please check the network and reload the page.",
  },
};

export type Words = typeof WORDS.en;

/** The words in the login user's language: Japanese, or else English. */
export function words(): Words {
  return WORDS[kintone.getLoginUser().language === "ja" ? "ja" : "en"];
}
