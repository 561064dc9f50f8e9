// The main part, which the CDN serves: the total of a number field.

import type { Words } from "./words";

export type Records = Array<Record<string, { value: unknown }>>;

/** What the package calls. Its form stays: packages and main parts are of different ages. */
export interface Main {
  show(
    element: HTMLElement,
    records: Records,
    field: string,
    words: Words,
  ): void;
}

window.TegataSheet = {
  show(element, records, field, words) {
    const values = records.map((record) => Number(record[field]?.value ?? 0));
    const total = values.reduce((sum, value) => sum + (value || 0), 0);
    const paragraph = document.createElement("p");
    paragraph.className = "tegata-sheet-total";
    const strong = document.createElement("strong");
    strong.textContent = total.toLocaleString(kintone.getLoginUser().language);
    paragraph.append(
      `${words.total} `,
      strong,
      ` (${records.length} ${words.records})`,
    );
    element.append(paragraph);
  },
};
