// Answers GET and POST with its version and pid, then what was posted.
// /events is a stream of server-sent events, /ws a WebSocket: one each 100 ms.

import { createHash } from "node:crypto";
import { createServer } from "node:http";

const VERSION = "v0";
const me = `${VERSION} ${process.pid}`;
const streams = new Set(); // functions that end one

const server = createServer((req, res) => {
  if (req.url === "/events") return events(res);
  const posted = [];
  req.on("data", (chunk) => posted.push(chunk));
  req.on("end", () => {
    const body = Buffer.concat([Buffer.from(me + "\n"), ...posted]);
    res.writeHead(200, { "Content-Type": "text/plain", "Content-Length": body.length });
    res.end(body);
  });
});

function events(res) {
  res.writeHead(200, { "Content-Type": "text/event-stream" });
  repeat(res, () => res.write(`data: ${me}\n\n`), () => res.end());
}

server.on("upgrade", (req, socket) => {
  const accept = createHash("sha1")
    .update(req.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
    .digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const text = Buffer.concat([Buffer.from([0x81, me.length]), Buffer.from(me)]);
  const close = () => socket.end(Buffer.from([0x88, 2, 0x03, 0xe9])); // 1001, going away
  repeat(socket, () => socket.write(text), close);
  socket.on("data", close); // whatever the client sends is the end
  socket.on("end", close);
  socket.on("error", () => {}); // it has left; "close" follows
});

// Sends each 100 ms until the stream closes, or is to end.
function repeat(stream, send, end) {
  const timer = setInterval(send, 100);
  streams.add(end);
  stream.on("close", () => {
    clearInterval(timer);
    streams.delete(end);
  });
}

process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  for (const end of streams) end();
  setInterval(() => server.closeIdleConnections(), 20); // those that have just been answered
});

server.keepAliveTimeout = 0; // the gateway keeps its connections; to close one would race with a request
server.listen(process.env.PORT, "127.0.0.1");
