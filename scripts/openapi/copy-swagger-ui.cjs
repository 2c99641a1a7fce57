// Puts what the documentation page is made with beside it, from its package. Wrangler runs this before it serves or
// deploys, under whatever Node the shell has; what is there already is left alone.
const { copyFileSync, existsSync, statSync } = require("node:fs");
const { join } = require("node:path");

const project = join(__dirname, "../..");
for (const file of ["swagger-ui.css", "swagger-ui-bundle.js"]) {
  const from = join(project, "node_modules/swagger-ui-dist", file);
  const to = join(project, "public/docs", file);
  if (!existsSync(to) || statSync(to).size !== statSync(from).size) copyFileSync(from, to);
}
