// The list of scenarios, and its filters.
/** So many of those that did not pass are open at once; the list shows the message of each. */
const OPEN_AT_ONCE = 20;
const IS_BAD = new Set(["failed", "errored", "flaky", "aborted"]);

/** Then the facts of the run are folded: failures are near the top. */
function anyBad() {
  return data.scenarios.some((scenario) => IS_BAD.has(scenario.verdict));
}

/** The line of a scenario; what is inside is made when it is opened. */
function entry(scenario, n) {
  const why = firstLine(scenario);
  const summary = el("summary", {}, word(scenario.verdict), el("span", { class: "name" }, scenario.name),
    el("span", { class: "took" }, `${scenario.path}:${scenario.line}`), el("span", { class: "took" }, seconds(scenario.attempts[scenario.attempts.length - 1].took_us)),
    why ? el("span", { class: "why" }, why) : null);
  const node = el("details", { class: "scenario", id: `s${n}`, "data-verdict": scenario.verdict }, summary);
  node.addEventListener("toggle", () => {
    if (node.open && !node.querySelector(".body")) node.append(body(scenario, true));
  });
  const failures = scenario.attempts.flatMap((attempt) => attempt.failure ? [attempt.failure.message, ...attempt.failure.details] : []);
  const steps = scenario.attempts[0].steps.map((step) => step.text);
  const text = [scenario.name, scenario.feature, scenario.path, ...steps, ...failures].join("\n").toLowerCase();
  return { scenario, node, text };
}

/** The first line of why it did not pass: of the attempt that decided it. */
function firstLine(scenario) {
  const told = scenario.attempts.filter((attempt) => attempt.failure);
  const decided = told.filter((attempt) => attempt.verdict === scenario.verdict);
  const attempt = (decided.length ? decided : told).pop();
  return attempt ? attempt.failure.message.split("\n", 1)[0] : null;
}

/** Shows why the first ones did not pass, without their timelines: several fit on one screen. */
function openFailures() {
  for (const { scenario, node } of entries.filter(({ scenario }) => IS_BAD.has(scenario.verdict)).slice(0, OPEN_AT_ONCE)) {
    node.append(body(scenario, false));
    node.open = true;
  }
}

function filters() {
  const chosen = new Set();
  const row = byId("verdicts");
  for (const verdict of VERDICTS.filter((verdict) => data.run.counts[verdict] > 0)) {
    const button = el("button", { type: "button", "aria-pressed": "false", class: verdict }, `${verdict} ${data.run.counts[verdict]}`);
    button.addEventListener("click", () => {
      if (!chosen.delete(verdict)) chosen.add(verdict);
      button.setAttribute("aria-pressed", String(chosen.has(verdict)));
      apply();
    });
    row.append(button);
  }
  const choice = (id, none, values) => {
    byId(id).append(el("option", { value: "" }, none), ...values.map((value) => el("option", { value }, value)));
    byId(id).addEventListener("change", apply);
  };
  const all = (of) => [...new Set(data.scenarios.flatMap(of))].sort();
  choice("board", "every board", all((scenario) => scenario.boards));
  choice("tag", "every tag", all((scenario) => scenario.tags));
  byId("search").addEventListener("input", apply);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
      event.preventDefault();
      byId("search").focus();
    }
  });
  function apply() {
    const text = byId("search").value.trim().toLowerCase(), board = byId("board").value, tag = byId("tag").value;
    let count = 0;
    for (const { scenario, node, text: own } of entries) {
      const fits = (chosen.size === 0 || chosen.has(scenario.verdict)) && (!board || scenario.boards.includes(board))
        && (!tag || scenario.tags.includes(tag)) && (!text || own.includes(text));
      node.hidden = !fits;
      count += fits ? 1 : 0;
    }
    byId("shown").textContent = count === entries.length ? `${count} scenarios` : `${count} of ${entries.length} scenarios`;
  }
  apply();
}

function openFromAddress() {
  const open = () => {
    const node = /^#s\d+$/.test(location.hash) ? document.querySelector(location.hash) : null;
    if (node) {
      node.open = true;
      node.querySelectorAll("details.whole").forEach((whole) => { whole.open = true; });
      node.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();
}
