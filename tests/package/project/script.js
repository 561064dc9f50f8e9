// The same without a bundler: the scripts before this one define `tegata` and `tegataLoader`.
if (typeof tegataLoader.loadPlugin !== "function") throw new Error("no loader");
globalThis.outcome = tegata.checkLicense({
  product: "sheet",
  endpoint: "https://license.example.com",
  keys: [{ kty: "EC", crv: "P-256", x: "x", y: "y", kid: "1" }],
  serial: tegata.normalizeSerial("ＡＢＣＤ－ＥＦＧＨ－ＩＪＫＬ－２３４５"),
});
