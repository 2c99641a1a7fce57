// Puts what the documentation page is made with beside it, from its package, and the licences that go with it. Wrangler
// runs this before it serves or deploys, under whatever Node the shell has; what is there already is left alone.
const { copyFileSync, existsSync, statSync } = require("node:fs");
const { join } = require("node:path");

const project = join(__dirname, "../..");
const files = {
  "swagger-ui.css": "swagger-ui.css",
  "swagger-ui-bundle.js": "swagger-ui-bundle.js",
  // The comment at the top of the bundle names it.
  "swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-bundle.js.LICENSE.txt",
  LICENSE: "swagger-ui.LICENSE.txt",
  NOTICE: "swagger-ui.NOTICE.txt",
};
for (const [file, name] of Object.entries(files)) {
  const from = join(project, "node_modules/swagger-ui-dist", file);
  const to = join(project, "public/docs", name);
  if (!existsSync(to) || statSync(to).size !== statSync(from).size) copyFileSync(from, to);
}
