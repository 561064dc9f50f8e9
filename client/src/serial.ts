// Serials as people type and paste them.

/** Blanks and invisible characters: soft hyphen, zero-width and direction marks, joiners. */
const BLANKS = /[\s\x85\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f]/g;

/** Dashes, minus, and what a Japanese keyboard gives for the key of the hyphen. */
const DASHES = /[\u2010-\u2015\u2043\u2212\u2500\u2501\u30fc]/g;

/**
 * The serial as it is sent: full-width characters become ASCII (NFKC), dashes become `-`, blanks
 * and invisible characters are removed. For a settings screen, before it saves the serial.
 *
 * The empty text if nothing was typed; `null` if the text is not a serial: 16 to 64 letters and
 * digits, with optional hyphens, 128 characters at most.
 */
export function normalizeSerial(text: string): string | null {
  const serial = text.normalize("NFKC").replace(BLANKS, "").replace(DASHES, "-");
  const isSerial = serial.length <= 128 && /^[A-Za-z\d]{16,64}$/.test(serial.replace(/-/g, ""));
  return isSerial || !serial ? serial : null;
}
