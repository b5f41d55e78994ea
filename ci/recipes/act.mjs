// Acts both recipes out: `node act.mjs HIL [FOLDER [github|gitlab]]`. The firmware of the commit runs, a fork's does not, a cancelled job
// ends in order. Needs the packages in HIL_PAGE_PARTS; FOLDER has other recipes than those beside this file.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { GitHub } from "./act/github.mjs";
import { GitLab, evaluate } from "./act/gitlab.mjs";
import { Project } from "./act/project.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(resolve(process.env.HIL_PAGE_PARTS), "package.json");
const { parse } = createRequire(packages)("yaml");
const expressions = await import(pathToFileURL(join(dirname(packages), "node_modules/@actions/expressions/dist/index.js")));
const recipe = (name) => parse(readFileSync(join(process.argv[3] ?? here, name), "utf8"));

const REPORTS = ["events.jsonl", "junit.xml", "cucumber.json", "summary.md", "report.html"];
// In the middle of the scenario: the lamp has connected.
const WHILE_IT_RUNS = { file: "target/hil/report/events.jsonl", text: '"type":"CONNACK"' };

// The properties of junit.xml.
function properties(junit) {
  const found = [...junit.matchAll(/<property name="([^"]*)" value="([^"]*)"/g)];
  return Object.fromEntries(found.map(([, name, value]) => [name, value]));
}

// The reports of a job, which are all there.
function reports(job) {
  const folder = join(job.workspace, "target/hil/report");
  for (const name of REPORTS) assert.ok(existsSync(join(folder, name)), `${name} is missing:\n${job.output}`);
  const read = (name) => readFileSync(join(folder, name), "utf8");
  return { read, of: properties(read("junit.xml")) };
}

// A job passed, and its reports show the commit, the branch, the job, the bench and the firmware that the commit has.
function checkPassed(job, commit, version, url) {
  assert.equal(job.conclusion, "success", job.output);
  const { read, of } = reports(job);
  assert.equal(of["hil.commit"], commit);
  assert.equal(of["hil.branch"], "main");
  assert.equal(of["hil.job-url"], url);
  assert.equal(of["hil.bench"], "rack-3");
  assert.match(of["hil.firmware.lamp.app"], new RegExp(`^version ${version.replaceAll(".", "\\.")}\\b.*, .*SHA-256 [0-9a-f]+`));
  assert.ok(read("report.html").includes(commit) && read("summary.md").includes(commit.slice(0, 12)));
  return of["hil.firmware.lamp.app"].match(/SHA-256 ([0-9a-f]+)/)[1];
}

// A job that was cancelled ended by itself: its record ends, and every report is there.
function checkCancelled(job) {
  assert.equal(job.conclusion, "cancelled", job.output);
  const { read } = reports(job);
  const last = JSON.parse(read("events.jsonl").trim().split("\n").pop());
  assert.deepEqual([last.event, last.exit_code], ["run-finished", 130]);
  assert.ok(read("junit.xml").includes('type="aborted"'));
}

async function github(project) {
  const act = new GitHub(project, recipe("github-actions.yml"), expressions);
  const request = (head) => ({ name: "pull_request", commit: project.commits.second, branch: "quiet", head });
  assert.deepEqual(act.jobs(request("example/lamp")), ["firmware", "bench"]);
  assert.deepEqual(act.jobs(request("stranger/lamp")), ["firmware"], "a fork's pull request must not reach the bench");
  assert.equal((await act.job("bench", request("stranger/lamp"))).conclusion, "skipped");
  assert.ok(!("pull_request_target" in act.workflow.on) && !("workflow_run" in act.workflow.on), "events that give a fork's code secrets");
  const push = (name) => ({ name: "push", commit: project.commits[name], branch: "main" });
  const hashes = [];
  for (const [name, version] of [["first", "2.0.0"], ["second", "3.0.0"]]) {
    const built = await act.job("firmware", push(name));
    assert.equal(built.conclusion, "success", built.output);
    const job = await act.job("bench", push(name));
    hashes.push(checkPassed(job, project.commits[name], version, "https://github.com/example/lamp/actions/runs/7"));
    assert.ok(job.summary.includes(project.commits[name].slice(0, 12)), "the summary of the job");
    assert.ok(job.junit.includes("<testcase"), "the results are published");
    assert.ok(existsSync(join(act.artifacts, "hil-report/report.html")), "the page is published");
    assert.ok(!job.output.includes("not-for-reports"), "a secret");
  }
  assert.notEqual(hashes[0], hashes[1], "each commit has its own firmware");
  await act.job("firmware", push("long"));
  const cancelled = await act.job("bench", push("long"), WHILE_IT_RUNS);
  checkCancelled(cancelled);
  assert.ok(cancelled.summary.includes("aborted") && cancelled.junit.includes("aborted"), "published all the same");
}

async function gitlab(project) {
  assert.equal(evaluate('$A == "x" && $B || $C != null', { A: "x", C: null }), false);
  assert.equal(evaluate('$A == "x" && ($B || $C)', { A: "x", C: "1" }), true);
  const act = new GitLab(project, recipe("gitlab-ci.yml"));
  const request = (from) => ({ source: "merge_request_event", commit: project.commits.second, branch: "quiet", from });
  assert.deepEqual(act.jobs(request("example/lamp")), ["firmware", "hardware"]);
  assert.deepEqual(act.jobs(request("stranger/lamp")), ["firmware"], "a fork's merge request must not reach the bench");
  const push = (name) => ({ source: "push", commit: project.commits[name], branch: "main" });
  const hashes = [];
  for (const [name, version] of [["first", "2.0.0"], ["second", "3.0.0"]]) {
    const built = await act.job("firmware", push(name));
    assert.equal(built.conclusion, "success", built.output);
    const job = await act.job("hardware", push(name));
    const url = act.variables(push(name)).CI_JOB_URL;
    hashes.push(checkPassed(job, project.commits[name], version, url));
    const [link] = JSON.parse(readFileSync(job.reports.annotations, "utf8")).Hardware;
    assert.equal(link.external_link.url, `${url}/artifacts/file/target/hil/report/report.html`);
    assert.ok(existsSync(job.reports.junit) && existsSync(join(act.artifacts, "hardware/target/hil/report/report.html")));
  }
  assert.notEqual(hashes[0], hashes[1], "each commit has its own firmware");
  await act.job("firmware", push("long"));
  checkCancelled(await act.job("hardware", push("long"), WHILE_IT_RUNS));
}

// Each on a Pi of its own, at one time.
const systems = [github, gitlab].filter((act) => [undefined, act.name].includes(process.argv[4]));
const acted = systems.map(async (act) => {
  const project = new Project(resolve(here, "../.."), resolve(process.argv[2]));
  try {
    await act(project);
    const branches = project.history().map((record) => [record.bench, record.provenance.branch]);
    assert.deepEqual(branches, Array(3).fill(["rack-3", "main"]), "the history");
  } finally {
    project.remove();
  }
});
// Both clean up, also if one of them fails.
const failed = (await Promise.allSettled(acted)).filter(({ status }) => status === "rejected");
if (failed.length > 0) throw failed[0].reason;
const names = systems.map((act) => act.name).join(" and ");
console.log(`acted out: ${names}: the firmware of the commit runs, a fork's does not, a cancelled job ends in order`);
