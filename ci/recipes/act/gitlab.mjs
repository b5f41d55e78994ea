// Acts a job of a GitLab pipeline out, as far as the recipe needs it.
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "./process.mjs";

// A shell runner kills a job so long after SIGTERM; this is the shortest that it can be set to be useful.
const AFTER_SIGTERM = 10_000;

// The value of an expression of `rules`: variables, texts, null, == and !=, && and ||.
export function evaluate(text, variables) {
  const tokens = text.match(/\$\w+|"[^"]*"|'[^']*'|==|!=|&&|\|\||\(|\)|null/g);
  if (tokens.join("") !== text.replace(/\s+/g, "")) throw new Error(`an expression that is not understood: ${text}`);
  const value = () => {
    const token = tokens.shift();
    if (token === "(") {
      const inner = either();
      tokens.shift();
      return inner;
    }
    if (token === "null") return null;
    return token.startsWith("$") ? (variables[token.slice(1)] ?? null) : token.slice(1, -1);
  };
  const compared = () => {
    const left = value();
    if (tokens[0] !== "==" && tokens[0] !== "!=") return left !== null && left !== "" && left !== false;
    const isSame = tokens.shift() === "==";
    return (left === value()) === isSame;
  };
  const both = () => {
    let holds = compared();
    while (tokens[0] === "&&") {
      tokens.shift();
      const right = compared();
      holds = holds && right;
    }
    return holds;
  };
  const either = () => {
    let holds = both();
    while (tokens[0] === "||") {
      tokens.shift();
      const right = both();
      holds = holds || right;
    }
    return holds;
  };
  return either();
}

// Whether the first rule that applies lets something run; without rules it does.
function admits(rules, variables) {
  if (!rules) return true;
  const rule = rules.find((it) => it.if === undefined || evaluate(it.if, variables));
  return rule !== undefined && rule.when !== "never";
}

export class GitLab {
  constructor(project, pipeline) {
    Object.assign(this, { project, pipeline, artifacts: join(project.folder, "gitlab-artifacts") });
  }

  // The variables of a pipeline; one of a merge request has a source project.
  variables({ source, commit, branch, from = "example/lamp" }) {
    const common = {
      CI: "true", GITLAB_CI: "true", CI_COMMIT_SHA: commit, CI_COMMIT_REF_NAME: branch, CI_DEFAULT_BRANCH: "main", CI_PIPELINE_SOURCE: source,
      CI_PROJECT_PATH: "example/lamp", CI_JOB_URL: "https://gitlab.example/example/lamp/-/jobs/7",
    };
    if (source !== "merge_request_event") return { ...common, CI_COMMIT_BRANCH: branch };
    return { ...common, CI_MERGE_REQUEST_SOURCE_PROJECT_PATH: from, CI_MERGE_REQUEST_SOURCE_BRANCH_NAME: branch, CI_MERGE_REQUEST_TARGET_BRANCH_NAME: "main" };
  }

  // The jobs that a pipeline has.
  jobs(event) {
    const variables = this.variables(event);
    if (!admits(this.pipeline.workflow?.rules, variables)) return [];
    const names = Object.keys(this.pipeline).filter((name) => Array.isArray(this.pipeline[name].script));
    return names.filter((name) => admits(this.pipeline[name].rules, variables));
  }

  async job(name, event, cancel) {
    const job = this.pipeline[name];
    const variables = this.variables(event);
    if (!this.jobs(event).includes(name)) return { conclusion: "skipped" };
    const workspace = join(this.project.folder, `gitlab-${name}`);
    this.project.checkout(workspace, event.commit);
    for (const needed of job.needs ?? []) this.copy(this.pipeline[needed].artifacts.paths, join(this.artifacts, needed), workspace);
    const own = Object.entries(job.variables ?? {}).map(([key, value]) => [key, this.project.onThePi(value)]);
    const env = this.project.environment({ ...variables, CI_PROJECT_DIR: workspace, ...Object.fromEntries(own) });
    // The runner gives the job a process group and ends that.
    const signal = (child) => process.kill(-child.pid, "SIGTERM");
    const cancelling = cancel && { file: join(workspace, cancel.file), text: cancel.text, within: AFTER_SIGTERM, signal };
    const script = (lines) => ["-c", `set -eo pipefail\n${lines.join("\n")}`];
    const ended = await run("bash", script(job.script), { cwd: workspace, env, cancel: cancelling });
    const after = job.after_script ? await run("bash", script(job.after_script), { cwd: workspace, env }) : { output: "" };
    const conclusion = ended.cancelled ? "cancelled" : ended.code === 0 ? "success" : "failure";
    if (conclusion === "success" || job.artifacts.when === "always") this.copy(job.artifacts.paths, workspace, join(this.artifacts, name));
    const reports = Object.entries(job.artifacts.reports ?? {}).map(([kind, path]) => [kind, join(workspace, path)]);
    return { conclusion, workspace, output: ended.output + after.output, reports: Object.fromEntries(reports) };
  }

  copy(paths, from, to) {
    for (const path of paths) {
      rmSync(join(to, path), { recursive: true, force: true });
      mkdirSync(dirname(join(to, path)), { recursive: true });
      if (existsSync(join(from, path))) cpSync(join(from, path), join(to, path), { recursive: true });
    }
  }
}
