// Runs a bundled handler on Node.js as Lambda does: `node node.cjs FILE`, FILE exporting `handler`. Less
// work than Lambda's own runtime interface client does, in the peer's favour.
const http = require("node:http");

const { handler } = require(require("node:path").resolve(process.argv[2]));
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

const ask = (method, path, body) =>
  new Promise((resolve, reject) => {
    const request = http.request({ agent, host, method, path: `/2018-06-01/runtime/invocation/${path}`, port }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part) => (text += part));
      response.on("end", () => resolve({ headers: response.headers, text }));
    });
    request.on("error", reject);
    request.end(body);
  });

(async () => {
  for (;;) {
    const { headers, text } = await ask("GET", "next");
    const id = headers["lambda-runtime-aws-request-id"];
    await ask("POST", `${id}/response`, JSON.stringify(await handler(JSON.parse(text))));
  }
})();
