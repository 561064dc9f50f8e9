/**
 * The serial as it is sent: full-width characters become ASCII (NFKC), dashes become `-`, blanks
 * and invisible characters are removed. For a settings screen, before it saves the serial.
 *
 * The empty text if nothing was typed; `null` if the text is not a serial: 16 to 64 letters and
 * digits, with optional hyphens, 128 characters at most.
 */
export declare function normalizeSerial(text: string): string | null;
