// A proxy that reads what travels by HTTPS too: it ends TLS with a certificate of its own, which the browser is told
// to accept.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { connect } from "node:net";

let pem;
// One for all names.
const certificate = () => (pem ??= execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
  "-nodes", "-days", "2", "-subj", "/CN=test", "-keyout", "-", "-out", "-"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));

// `answer(url, request, response)` gets the whole address. An answer that throws breaks the connection.
export async function startProxy(answer) {
  const listener = (scheme) => async (request, response) => {
    try {
      await answer(new URL(request.url, `${scheme}://${request.headers.host}`).href, request, response);
    } catch {
      response.destroy();
    }
  };
  const inside = https.createServer({ key: certificate(), cert: certificate() }, listener("https"));
  const proxy = http.createServer(listener("http"));
  for (const server of [inside, proxy]) await once(server.listen(0, "127.0.0.1"), "listening");
  proxy.on("connect", (_, socket) => {
    const tls = connect(inside.address().port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.pipe(tls).pipe(socket);
    });
    for (const [end, other] of [[socket, tls], [tls, socket]]) end.on("error", () => {}).on("close", () => other.destroy());
  });
  return {
    address: `http://127.0.0.1:${proxy.address().port}`,
    close() {
      for (const server of [proxy, inside]) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

// Passes a request on to a server on this machine; `prefix` goes before an HTML document.
export function forward(port, url, request, response, prefix = "") {
  const { connection: _, "proxy-connection": __, ...headers } = request.headers;
  const upstream = http.request({ host: "127.0.0.1", port, method: request.method, path: url.slice(new URL(url).origin.length), headers }, (answered) => {
    const { "transfer-encoding": _, "content-length": length, ...headers } = answered.headers;
    const first = headers["content-type"]?.startsWith("text/html") ? prefix : "";
    response.writeHead(answered.statusCode, { ...headers, ...(length && { "Content-Length": Number(length) + Buffer.byteLength(first) }) });
    response.write(first);
    answered.on("error", () => response.destroy()).pipe(response);
  });
  upstream.on("error", () => response.destroy());
  request.pipe(upstream);
}
