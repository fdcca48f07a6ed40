// Answers GET and POST with its version and pid, then what was posted.

import { createServer } from "node:http";

const VERSION = "v0";

const server = createServer((req, res) => {
  const posted = [];
  req.on("data", (chunk) => posted.push(chunk));
  req.on("end", () => {
    const body = Buffer.concat([Buffer.from(`${VERSION} ${process.pid}\n`), ...posted]);
    res.writeHead(200, { "Content-Type": "text/plain", "Content-Length": body.length });
    res.end(body);
  });
});

process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  setInterval(() => server.closeIdleConnections(), 20); // those that have just been answered
});

server.keepAliveTimeout = 0; // the gateway keeps its connections; to close one would race with a request
server.listen(process.env.PORT, "127.0.0.1");
