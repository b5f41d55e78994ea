// The list of scenarios, and its filters.
/** So many of those that did not pass are open at once; the list shows the message of each. */
const OPEN_AT_ONCE = 20;
const ORDER = ["failed", "errored", "flaky", "aborted", "quarantined", "passed", "skipped"];
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
  const failing = scenario.attempts.filter((attempt) => attempt.failure);
  const decided = failing.filter((attempt) => attempt.verdict === scenario.verdict);
  const attempt = (decided.length ? decided : failing).pop();
  return attempt ? attempt.failure.message.split("\n", 1)[0] : null;
}

/** The scenarios of each feature, those with failures first; what passed beside a failure is folded. */
function features() {
  const byFeature = new Map();
  for (const entry of entries) {
    const key = JSON.stringify([entry.scenario.path, entry.scenario.feature]);
    if (!byFeature.has(key)) byFeature.set(key, []);
    byFeature.get(key).push(entry);
  }
  return [...byFeature.values()].map((own) => {
    const bad = own.filter(({ scenario }) => IS_BAD.has(scenario.verdict));
    const others = own.filter(({ scenario }) => !IS_BAD.has(scenario.verdict));
    const { feature, path } = own[0].scenario;
    const node = el("details", { class: "feature" }, el("summary", {}, el("h3", {}, feature || path), counted(own), el("span", { class: "took" }, path)));
    const rest = bad.length && others.length ? el("details", { class: "rest" }, el("summary", {}, counted(others))) : null;
    (rest || node).append(...others.map(({ node }) => node));
    node.append(...bad.map(({ node }) => node), ...(rest ? [rest] : []));
    // A run without failures opens as a list of features if it is long.
    node.open = bad.length > 0 || !anyBad() && entries.length <= 100;
    return { node, rest, own, open: node.open };
  });
}

/** How many have each verdict. */
function counted(some) {
  const counts = ORDER.map((verdict) => [verdict, some.filter(({ scenario }) => scenario.verdict === verdict).length]).filter(([, count]) => count > 0);
  return el("span", { class: "counts" }, counts.flatMap(([verdict, count], n) => [n ? ", " : "", el("span", { class: verdict }, `${count} ${verdict}`)]));
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
    // What a filter finds is visible.
    const filtered = count < entries.length;
    for (const { node, rest, own, open } of groups) {
      node.hidden = own.every(({ node }) => node.hidden);
      node.open = filtered || open;
      if (rest) {
        rest.hidden = [...rest.children].slice(1).every((node) => node.hidden);
        rest.open = filtered;
      }
    }
    byId("shown").textContent = count === entries.length ? `${count} scenarios` : `${count} of ${entries.length} scenarios`;
  }
  apply();
}

function openFromAddress() {
  const open = () => {
    const node = /^#s\d+$/.test(location.hash) ? document.querySelector(location.hash) : null;
    if (node) {
      for (let around = node; around; around = around.parentElement.closest("details")) around.open = true;
      node.querySelectorAll("details.whole").forEach((whole) => { whole.open = true; });
      node.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();
}
