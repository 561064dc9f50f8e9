// Checks a kintone plug-in's licence, and keeps the customer working when the network does not.

export { checkLicense } from "./check.js";
export { normalizeSerial } from "./serial.js";
export type {
  Code,
  Flaw,
  Grant,
  Key,
  Kintone,
  Language,
  License,
  Missing,
  Options,
  ProxyAnswer,
  Reason,
  Transport,
} from "./types.js";
