// A step of a job: a script in a shell, which may be cancelled while it runs.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const later = (ms) => new Promise((done) => setTimeout(done, ms));

// Whether the file has this text.
const has = (file, text) => existsSync(file) && readFileSync(file, "utf8").includes(text);

// Runs a command in a process group of its own. `cancel` is { file, text, signal(child), within }: the signal comes once the file has the text, and the
// command must end in that many milliseconds.
export async function run(command, words, { cwd, env, cancel }) {
  const child = spawn(command, words, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const ended = new Promise((done) => child.on("close", (code, signal) => done({ code, signal })));
  let cancelled = false;
  if (cancel) {
    const watch = async () => {
      while (child.exitCode === null && !has(cancel.file, cancel.text)) await later(50);
      if (child.exitCode !== null) return;
      cancelled = true;
      cancel.signal(child);
      if ((await Promise.race([ended, later(cancel.within)])) === undefined) {
        process.kill(-child.pid, "SIGKILL");
        throw new Error(`it did not end within ${cancel.within} ms after it was cancelled:\n${output}`);
      }
    };
    await watch();
  }
  return { ...(await ended), output, cancelled };
}
