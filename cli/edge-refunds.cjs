#!/usr/bin/env node
// Starts the command line under a Node that runs TypeScript: this one, or the Node 24 that `npm ci` brings along.
// CommonJS, and nothing newer than Node 20 has, so that an older Node gets this far and is told what it needs.
"use strict";

const { spawn } = require("node:child_process");
const { existsSync } = require("node:fs");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");

const project = join(__dirname, "..");
const main = join(__dirname, "main.ts");

if (process.features.typescript) {
  import(pathToFileURL(main).href);
} else {
  const node = join(project, "node_modules", ".bin", "node");
  if (!existsSync(node)) {
    process.stderr.write(
      `edge-refunds needs Node 22.18 or newer, and this is ${process.version}. On Linux x64 "npm ci" brings Node 24 along; ` +
        "elsewhere install a newer Node.\n",
    );
    process.exit(1);
  }
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.once("error", (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
  child.once("exit", (code) => {
    process.exitCode = code === null ? 1 : code;
  });
}
