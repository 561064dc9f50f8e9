// What is kept of a product's release between pages, in Cache Storage: documents and files.
//
// Documents and files are verified again whenever they are read. The rest is not signed, and any script
// of the page can write it: a wrong value delays a request by two hours at most. Storage may be blocked,
// full or corrupt.

import type { LoadProblem } from "./file.js";
import { type Document, type Signer, verifyRelease } from "./release.js";

/** What is known of the current release. */
export interface Known {
  /** The newest authentic document; and the one before it while files of the newest are missing. */
  documents: Document[];
  /** When the CDN was asked, by kintone's clock; in milliseconds; NaN if that could not be read. */
  asked: number;
  /** What the PC's clock said then, likewise. */
  pc: number;
  /** How that failed; empty if it did not. */
  problem: LoadProblem | "";
}

/** Reads what is kept under an address; blank if there is nothing valid. */
export async function recall(cache: Promise<Cache>, url: string, signer: Signer): Promise<Known> {
  const documents: Document[] = [];
  const known: Known = { documents, asked: 0, pc: 0, problem: "" };
  try {
    const kept = (await (await (await cache).match(url))!.json()) as Known;
    known.asked = kept.asked;
    known.pc = kept.pc;
    // It is shown to people: a word, and not a text that somebody wrote into the storage.
    known.problem = /^[a-z_]{0,13}/.exec(kept.problem)![0] as LoadProblem;
    for (const { text } of kept.documents) {
      documents.push(await verifyRelease(text, signer));
    }
  } catch {
    // Blocked, absent, corrupt, or signed by other keys.
  }
  return known;
}
