// A project with commits whose firmware differs, a Pi's folders, and `hil` on the PATH of a runner.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SHORT = `Feature: the lamp
  Scenario: it connects
    Given the board "lamp" runs the firmware "app"
    Then "lamp" connects within 30 s
`;
const LONG = `${SHORT}    And "lamp" does not reboot for 60 s\n`;
const FIRMWARE = `[firmware.app]
image = "build/app.elf"
nvs = { "wifi.ssid" = "{wifi.ssid}", "wifi.password" = "{wifi.password}", "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
ready = "mqtt: starting"
`;
const BENCH = 'name = "rack-3"\n\n[boards.lamp]\nkind = "virtual"\n';

// Writes the first digit of the version into the descriptor of the app (esp_app_desc_t), as a build does.
const makefile = (lamp, version) => `firmware:
\tmkdir -p build
\tperl -0777 -pe 's/(\\x32\\x54\\xcd\\xab.{12})\\d/$\${1}${version}/s or die' ${lamp} > build/app.elf
`;

export class Project {
  constructor(root, hil) {
    this.folder = mkdtempSync(join(tmpdir(), "hil-recipes-"));
    this.repository = join(this.folder, "origin");
    for (const folder of ["origin/features", "bin", "etc/hil", "var/lib/hil", "locks"]) mkdirSync(join(this.folder, folder), { recursive: true });
    writeFileSync(join(this.folder, "etc/hil/bench.toml"), BENCH);
    this.install(hil);
    this.git("init", "--quiet", "--initial-branch=main");
    const lamp = join(root, "fixtures/images/lamp-esp32c3");
    this.commits = {};
    const commits = [["first", "2", SHORT], ["second", "3", SHORT], ["long", "4", LONG]];
    for (const [name, version, feature] of commits) this.commit(name, { Makefile: makefile(lamp, version), "hil.toml": FIRMWARE, "features/lamp.feature": feature, ".gitignore": "build\ntarget\n" });
  }

  // `hil` on the PATH; one that lacks --firmware gets a bench file with the firmware.
  install(hil) {
    const knows = execFileSync(hil, ["run", "--help"], { encoding: "utf8" }).includes("--firmware");
    const old = `#!/usr/bin/env bash
args=()
while [ $# -gt 0 ]; do
  if [ "$1" = --firmware ]; then
    { cat "$HIL_BENCH"; sed "s|build/app.elf|$PWD/\${2#app=}|" hil.toml; } > "$PWD/.bench.toml"
    export HIL_BENCH=$PWD/.bench.toml
    shift
  else
    args+=("$1")
  fi
  shift
done
exec ${hil} "\${args[@]}"
`;
    writeFileSync(join(this.folder, "bin/hil"), knows ? `#!/bin/sh\nexec ${hil} "$@"\n` : old);
    chmodSync(join(this.folder, "bin/hil"), 0o755);
  }

  git(...words) {
    const who = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
    return execFileSync("git", [...who, ...words], { cwd: this.repository, encoding: "utf8", env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null" } }).trim();
  }

  commit(name, files) {
    for (const [path, text] of Object.entries(files)) writeFileSync(join(this.repository, path), text);
    this.git("add", "--all");
    this.git("commit", "--quiet", "--message", name);
    this.commits[name] = this.git("rev-parse", "HEAD");
  }

  // The workspace of a job: the checkout of a commit, without what earlier jobs left.
  checkout(workspace, commit) {
    rmSync(workspace, { recursive: true, force: true });
    execFileSync("git", ["clone", "--quiet", this.repository, workspace]);
    execFileSync("git", ["checkout", "--quiet", "--detach", commit], { cwd: workspace });
  }

  // Paths of the Pi are below the folder of this test.
  onThePi(text) {
    return text.replaceAll("/etc/hil/", `${this.folder}/etc/hil/`).replaceAll("/var/lib/hil/", `${this.folder}/var/lib/hil/`);
  }

  // What every job sees, without variables of the CI that runs this test.
  environment(more) {
    const kept = Object.entries(process.env).filter(([name]) => !/^(CI|CI_.*|GITHUB_.*|GITLAB_.*|RUNNER_.*|HIL_.*|GIT_.*)$/.test(name));
    const own = { PATH: `${this.folder}/bin:${process.env.PATH}`, HIL_LOCKS: `${this.folder}/locks`, TMPDIR: tmpdir() };
    return { ...Object.fromEntries(kept), ...own, ...more };
  }

  history() {
    const text = readFileSync(join(this.folder, "var/lib/hil/history.jsonl"), "utf8");
    return text.trim().split("\n").map((line) => JSON.parse(line));
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
