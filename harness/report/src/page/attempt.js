// An open scenario: why it did not pass, its steps, and its timeline.
/** `whole`: with its steps and its timeline; else these open by a click. */
function body(scenario, whole) {
  const node = el("div", { class: "body" });
  const strip = data.trend && data.trend.scenarios[scenario.key];
  const runs = strip && strip.length > 1 ? ["last runs: ", el("span", { class: "strip", title: "✓ passed, ✗ failed, ! errored, ~ flaky, - skipped or not run" }, strip)] : [];
  node.append(el("p", { class: "dim row" }, el("span", {}, scenario.tags.map((tag) => el("span", { class: "tag" }, `@${tag}`)), scenario.boards.join(", ")), el("span", {}, runs)));
  if (scenario.quarantine) node.append(el("p", {}, scenario.quarantine));
  scenario.attempts.forEach((attempt, n) => {
    const where = `${attempt.host ? ` on host ${attempt.host}` : ""}${attempt.cast ? `, ${attempt.cast}` : ""}`;
    if (scenario.attempts.length > 1) node.append(el("h3", {}, `Attempt ${n + 1}${where}: `, word(attempt.verdict)));
    else if (attempt.cast) node.append(el("p", {}, `Roles: ${attempt.cast}${attempt.host ? ` of host ${attempt.host}` : ""}`));
    else if (attempt.host) node.append(el("p", { class: "dim" }, `Ran on host ${attempt.host}.`));
    if (attempt.failure) node.append(...reason(scenario, attempt));
    node.append(attemptNode(attempt, whole));
  });
  return node;
}

/** Why an attempt did not pass: the step, and the message. */
function reason(scenario, attempt) {
  const { message, details, hint } = attempt.failure;
  const lines = [message, ...details.map((line) => `  ${line}`)];
  if (hint) lines.push(`hint: ${hint}`);
  const step = attempt.steps.find((step) => step.verdict && step.verdict !== "passed");
  const at = step ? el("p", { class: "culprit" }, word(step.verdict), ` ${step.keyword} ${step.text} `, el("span", { class: "dim" }, `${scenario.path}:${step.line}`)) : null;
  return [at, el("pre", { class: attempt.verdict, role: "group", tabindex: 0, "aria-label": "Why it did not pass" }, lines.join("\n")), ...(attempt.panics || []).map(panicNode)].filter(Boolean);
}

/** The steps and the timeline of an attempt; made when they are opened. */
function attemptNode(attempt, open) {
  const ran = attempt.steps.length === 1 ? "1 step" : `${attempt.steps.length} steps`;
  const node = el("details", { class: "whole" }, el("summary", {}, `${ran}, timeline, console and packets`));
  const make = () => {
    if (node.open && node.children.length === 1) node.append(...attemptNodes(attempt));
  };
  node.addEventListener("toggle", make);
  node.open = open;
  make();
  return node;
}

function attemptNodes(attempt) {
  const nodes = [];
  nodes.push(el("ol", { class: "steps" }, stepNodes(attempt.steps)));
  if (attempt.chunk === null) {
    nodes.push(el("p", { class: "dim" }, attempt.events ? `${attempt.events} events are left out to keep this page small; events.jsonl has them.` : "Nothing was recorded."));
    return nodes;
  }
  const place = el("div", {}, el("p", { class: "dim" }, "…"));
  nodes.push(place);
  unpack(attempt.chunk).then((record) => place.replaceChildren(...new Timeline(attempt, record).nodes),
    () => place.replaceChildren(el("p", {}, "This browser can't unpack the timeline: use a newer one.")));
  return nodes;
}

/** The steps; the parts of a composite step are in a list below it. */
function stepNodes(steps) {
  const nodes = [];
  for (let n = 0; n < steps.length;) {
    const { part_of: whole, line } = steps[n];
    if (!whole) {
      nodes.push(stepNode(steps[n++]));
      continue;
    }
    const parts = [];
    while (n < steps.length && steps[n].part_of && steps[n].part_of.step === whole.step && steps[n].line === line) parts.push(steps[n++]);
    const bad = parts.find((part) => part.verdict !== "passed");
    const took = parts.reduce((sum, part) => sum + part.took_us, 0);
    nodes.push(el("li", { class: "composite" }, word(bad ? bad.verdict || "not run" : "passed"), ` ${whole.step} `,
      el("span", { class: "dim" }, `${took ? seconds(took) + ", " : ""}defined in ${whole.file}`), el("ol", { class: "steps parts" }, parts.map(stepNode))));
  }
  return nodes;
}

function stepNode(step) {
  return el("li", {}, word(step.verdict || "not run"), ` ${step.keyword} ${step.text} `, el("span", { class: "dim" }, step.verdict ? seconds(step.took_us) : ""), ...below(step));
}

/** Where the firmware panicked: functions with file and line, and what it printed. */
function panicNode({ board, frames, output }) {
  const rows = frames.map(([name, place]) => el("tr", {}, el("td", { class: "mono" }, place), el("td", { class: "mono dim" }, name)));
  return el("div", { class: "panic" }, el("p", {}, el("strong", {}, `Panic of ${board}`), frames.length ? "" : ": no file and line, as the firmware's image has no symbols"),
    frames.length ? el("table", { class: "facts" }, el("tbody", {}, rows)) : null,
    el("details", {}, el("summary", { class: "dim" }, "what it printed"), el("pre", { tabindex: 0 }, output)));
}

// The table and the text of a step.
function below(step) {
  const nodes = [];
  if (step.table) nodes.push(el("table", { class: "facts argument" }, el("tbody", {}, step.table.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell)))))));
  if (step.doc !== undefined) nodes.push(el("pre", { class: "argument", tabindex: 0 }, step.doc));
  return nodes;
}

async function unpack(chunk) {
  const bytes = Uint8Array.from(atob(byId(`t${chunk}`).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}
