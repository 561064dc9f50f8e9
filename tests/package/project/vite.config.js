export default { build: { lib: { entry: "main.ts", formats: ["iife"], name: "plugin", fileName: () => "plugin.js" } } };
