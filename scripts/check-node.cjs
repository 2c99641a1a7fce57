// Loaded before a script in TypeScript: an older Node would only say that it does not know the file extension.
"use strict";

if (!process.features.typescript) {
  process.stderr.write(
    `This needs Node 22.18 or newer, and this is ${process.version}. On Linux x64 "npm ci" brings Node 24 along and ` +
      '"npm run" uses it; elsewhere install a newer Node.\n',
  );
  process.exit(1);
}
