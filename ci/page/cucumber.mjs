// Reads cucumber.json with one of Cucumber's own report tools.
//
// node cucumber.mjs FOLDER: checks that the tool counts as many passed and failed scenarios as the run's events.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const parts = createRequire(join(resolve(process.env.HIL_PAGE_PARTS), "package.json"));
const report = parts("multiple-cucumber-html-reporter");
const [, , folder] = process.argv;
const verdicts = new Map();
for (const line of readFileSync(join(folder, "events.jsonl"), "utf8").trimEnd().split("\n")) {
  const event = JSON.parse(line);
  if (event.event === "scenario-finished") verdicts.set(event.scenario, event.verdict);
}
const told = (verdict) => [...verdicts.values()].filter((it) => it === verdict).length;
const [passed, failed] = [told("passed"), told("failed")];
assert.ok(passed > 0 && failed > 0, "both kinds are there");
const place = mkdtempSync(join(tmpdir(), "hil-cucumber-"));
cpSync(join(folder, "cucumber.json"), join(place, "in", "cucumber.json"));
report.generate({ jsonDir: join(place, "in"), reportPath: join(place, "out"), saveCollectedJSON: true, disableLog: true, displayDuration: true });
const read = JSON.parse(readFileSync(join(place, "out", "enriched-output.json"), "utf8"));
rmSync(place, { recursive: true });
const { scenarios } = read;
assert.deepEqual({ passed: scenarios.passed, failed: scenarios.failed }, { passed, failed });
console.log(`${scenarios.total} scenarios read: ${passed} passed, ${failed} failed`);
