// Cucumber JSON as one of Cucumber's own report tools reads it.
//
// node cucumber.mjs FOLDER PASSED FAILED: FOLDER holds cucumber.json; so many scenarios are told as passed and failed.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const parts = createRequire(join(resolve(process.env.HIL_PAGE_PARTS), "package.json"));
const report = parts("multiple-cucumber-html-reporter");
const [, , folder, passed, failed] = process.argv;
const place = mkdtempSync(join(tmpdir(), "hil-cucumber-"));
cpSync(join(folder, "cucumber.json"), join(place, "in", "cucumber.json"));
report.generate({ jsonDir: join(place, "in"), reportPath: join(place, "out"), saveCollectedJSON: true, disableLog: true, displayDuration: true });
const read = JSON.parse(readFileSync(join(place, "out", "enriched-output.json"), "utf8"));
rmSync(place, { recursive: true });
const { scenarios } = read;
assert.deepEqual({ passed: scenarios.passed, failed: scenarios.failed }, { passed: Number(passed), failed: Number(failed) });
console.log(`${scenarios.total} scenarios read: ${passed} passed, ${failed} failed`);
