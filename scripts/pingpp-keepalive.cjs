// Preload for programs that use Ping++'s Node SDK on Node 19 or newer: node --require ./scripts/pingpp-keepalive.cjs
// The SDK writes a request's body when its socket connects. Since Node 19 the global agents keep sockets alive and hand
// out connected ones, which never connect again: the second request waits for ever. A server could answer with
// "Connection: close", but Cloudflare's runtime strips that header, so the cure has to be on the client's side.
"use strict";

for (const name of ["node:http", "node:https"]) {
  const { globalAgent } = require(name);
  globalAgent.keepAlive = false;
  globalAgent.options.keepAlive = false;
}
