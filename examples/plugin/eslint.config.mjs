import typescript from "@cybozu/eslint-config/flat/presets/typescript-prettier.js";

export default [...typescript, { languageOptions: { globals: { kintone: "readonly" } } }];
