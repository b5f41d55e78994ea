// Acts a job of a GitHub workflow out, as far as the recipe needs it. Expressions are evaluated by GitHub's own library.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "./process.mjs";

// How long the runner waits between SIGINT and SIGTERM.
const AFTER_SIGINT = 7500;

export class GitHub {
  constructor(project, workflow, expressions) {
    Object.assign(this, { project, workflow, expressions, artifacts: join(project.folder, "github-artifacts") });
  }

  // The value of an expression.
  evaluate(text, contexts, status = "success") {
    const { Lexer, Parser, Evaluator, data } = this.expressions;
    const functions = { success: status === "success", failure: status === "failure", cancelled: status === "cancelled", always: true };
    const infos = Object.entries(functions).map(([name, value]) => ({ name, minArgs: 0, maxArgs: 0, call: () => new data.BooleanData(value) }));
    const context = JSON.parse(JSON.stringify(contexts), data.reviver);
    const tokens = new Lexer(text).lex().tokens;
    const parsed = new Parser(tokens, Object.keys(contexts), infos).parse();
    return new Evaluator(parsed, context, new Map(infos.map((info) => [info.name, info]))).evaluate();
  }

  // A condition; without a function of its own it asks for success too.
  holds(condition, contexts, status) {
    if (condition === undefined) return status === "success";
    const text = String(condition).replace(/^\$\{\{(.*)\}\}$/s, "$1");
    const asks = /\b(success|failure|cancelled|always)\(\)/.test(text);
    return (asks || status === "success") && isTrue(this.evaluate(text, contexts, status));
  }

  filled(text, contexts) {
    return String(text).replace(/\$\{\{(.*?)\}\}/g, (_, inner) => this.evaluate(inner, contexts).coerceString());
  }

  // The contexts and variables of an event; a pull request has a head repository.
  event({ name, commit, branch, head = "example/lamp" }) {
    const isRequest = name === "pull_request";
    const payload = { repository: { default_branch: "main" } };
    if (isRequest) payload.pull_request = { head: { ref: branch, repo: { full_name: head } } };
    const github = { event_name: name, repository: "example/lamp", sha: commit, event: payload };
    const file = join(this.project.folder, `event-${commit}-${name}.json`);
    writeFileSync(file, JSON.stringify(payload));
    const variables = {
      CI: "true", GITHUB_ACTIONS: "true", GITHUB_EVENT_NAME: name, GITHUB_EVENT_PATH: file, GITHUB_SHA: commit, GITHUB_REPOSITORY: "example/lamp",
      GITHUB_SERVER_URL: "https://github.com", GITHUB_RUN_ID: "7", GITHUB_RUN_ATTEMPT: "1", GITHUB_REF_TYPE: "branch",
      GITHUB_REF_NAME: isRequest ? "4/merge" : branch, GITHUB_HEAD_REF: isRequest ? branch : "", GITHUB_BASE_REF: isRequest ? "main" : "",
      RUNNER_TRACKING_ID: "github_7",
    };
    return { github, variables };
  }

  // Whether the workflow starts, and which of its jobs would run if those before them succeed.
  jobs(event) {
    const { github } = this.event(event);
    if (!(github.event_name in this.workflow.on)) return [];
    return Object.keys(this.workflow.jobs).filter((name) => this.holds(this.workflow.jobs[name].if, { github }, "success"));
  }

  // Runs a job; `cancel` is { file, text }, relative to its workspace. Returns its conclusion and what it left.
  async job(name, event, cancel) {
    const job = this.workflow.jobs[name];
    const { github, variables } = this.event(event);
    const contexts = { github, secrets: { WIFI_PASSWORD: "not-for-reports" } };
    if (!this.holds(job.if, contexts, "success")) return { conclusion: "skipped" };
    const workspace = join(this.project.folder, `github-${name}`);
    const summary = join(this.project.folder, "summary.md");
    rmSync(summary, { force: true });
    const result = { conclusion: "success", workspace, output: "", junit: undefined };
    const base = { ...variables, GITHUB_WORKSPACE: workspace, GITHUB_STEP_SUMMARY: summary };
    for (const step of job.steps) {
      if (!this.holds(step.if, contexts, result.conclusion)) continue;
      if (step.uses) {
        this.use(step, workspace, github.sha, result);
        continue;
      }
      const own = Object.entries({ ...job.env, ...step.env }).map(([key, value]) => [key, this.project.onThePi(this.filled(value, contexts))]);
      const script = join(this.project.folder, `${name}.sh`);
      writeFileSync(script, this.filled(step.run, contexts));
      // The runner signals the shell of the step, not what the shell started.
      const may = cancel && step.run.includes("hil run");
      const cancelling = may ? { file: join(workspace, cancel.file), text: cancel.text, within: AFTER_SIGINT, signal: (child) => child.kill("SIGINT") } : undefined;
      const env = this.project.environment({ ...base, ...Object.fromEntries(own) });
      const ended = await run("bash", ["-e", script], { cwd: workspace, env, cancel: cancelling });
      result.output += ended.output;
      if (ended.cancelled) result.conclusion = "cancelled";
      else if (ended.code !== 0 && result.conclusion === "success") result.conclusion = "failure";
    }
    result.summary = existsSync(summary) ? readFileSync(summary, "utf8") : "";
    return result;
  }

  // The actions that the recipe uses.
  use(step, workspace, commit, result) {
    const action = step.uses.split("@")[0];
    const stored = () => join(this.artifacts, step.with.name);
    if (action === "actions/checkout") return this.project.checkout(workspace, commit);
    if (action === "actions/upload-artifact") {
      const from = join(workspace, step.with.path);
      if (!existsSync(from)) {
        if (step.with["if-no-files-found"] === "error") result.conclusion = "failure";
        return undefined;
      }
      rmSync(stored(), { recursive: true, force: true });
      // One file is stored by its name, a folder by what it contains.
      return cpSync(from, from.includes(".") && !from.endsWith("report") ? join(stored(), from.split("/").pop()) : stored(), { recursive: true });
    }
    if (action === "actions/download-artifact") {
      mkdirSync(dirname(join(workspace, step.with.path)), { recursive: true });
      return cpSync(stored(), join(workspace, step.with.path), { recursive: true });
    }
    if (action === "mikepenz/action-junit-report") {
      const report = join(workspace, step.with.report_paths);
      result.junit = existsSync(report) ? readFileSync(report, "utf8") : "";
      return undefined;
    }
    throw new Error(`the action ${action} can't be acted out`);
  }
}

function isTrue(value) {
  return value.coerceString() === "true";
}
