// The support code: what a check saw, for the vendor's support. Its format is in docs/API.md, "The support code".

/** Fields that have no `/`, and a check over them that finds each mistyped or exchanged character. */
export function supportCode(...fields: (string | number)[]): string {
  const text = fields.join("/");
  let check = 0;
  for (const character of text) {
    // A prime below 36^4.
    check = (check * 37 + character.charCodeAt(0)) % 1_679_609;
  }
  return `${text}/${check.toString(36)}`;
}
