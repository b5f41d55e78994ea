"use strict";
// Everything that came from a device, a feature file or a bench reaches the page through textContent and setAttribute
// only; nothing here makes markup of text.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);

  /** An element with attributes and children; strings become text. */
  function el(name, attributes = {}, ...children) {
    const node = document.createElement(name);
    return fill(node, attributes, children);
  }
  function svg(name, attributes = {}, ...children) {
    return fill(document.createElementNS(SVG, name), attributes, children);
  }
  function fill(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== undefined && value !== null && value !== false) node.setAttribute(key, String(value));
    }
    for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
    return node;
  }

  function seconds(us) {
    return us >= 1e6 ? `${(us / 1e6).toFixed(2)} s` : `${(us / 1e3).toFixed(us < 1e4 ? 2 : 0)} ms`;
  }
  function stamp(us) {
    return (us / 1e6).toFixed(4);
  }
  const VERDICTS = ["passed", "flaky", "failed", "errored", "skipped", "aborted", "quarantined"];
  function word(verdict) {
    return el("span", { class: `word ${verdict}` }, verdict);
  }

  overview();
  comparison();
  trend();
  // What broke comes first.
  const order = ["failed", "errored", "flaky", "aborted", "quarantined", "passed", "skipped"];
  const numbered = data.scenarios.map((scenario, n) => [scenario, n]);
  const entries = numbered.sort(([a, m], [b, n]) => order.indexOf(a.verdict) - order.indexOf(b.verdict) || m - n).map(([scenario, n]) => entry(scenario, n));
  filters();
  openFromAddress();

  function overview() {
    const run = data.run;
    const top = byId("overview");
    top.append(el("h1", {}, `hil: ${run.name}`));
    const counts = VERDICTS.filter((verdict) => run.counts[verdict] > 0);
    const shown = counts.map((verdict) => el("strong", { class: verdict }, `${run.counts[verdict]} ${verdict}`));
    top.append(el("p", { class: "row" }, shown, el("span", { class: "dim" }, `in ${seconds(run.took_us)}`)));
    const began = run.unix_ms ? new Date(run.unix_ms).toISOString().replace("T", " ").slice(0, 19) + " UTC" : "unknown";
    const facts = [["started", began], ["bench", run.bench], ["broker", run.broker], ["hil", run.version]];
    const from = run.provenance || {};
    if (from.host) facts.push(["computer", from.host]);
    if (from.commit) facts.push(["commit", from.commit + (from.dirty ? " with changes" : "")]);
    if (from.branch) facts.push(["branch", from.branch]);
    // Only an address of the web is a link: see `Provenance::job_link`.
    if (from.job_url) facts.push(["job", run.job_link ? el("a", { href: run.job_link, rel: "noreferrer" }, run.job_link) : from.job_url]);
    for (const line of run.repetitions) facts.push(["repeated", line]);
    for (const board of run.boards) {
      const firmware = run.firmware.filter((it) => it.board === board.name);
      const ran = firmware.map((it) => `${it.firmware}${it.version ? " " + it.version : ""} (${it.hash}, ${it.size} bytes)`);
      const way = board.emulator ? `, emulated by ${board.emulator}` : board.simulated ? ", simulated" : "";
      const kind = `${board.kind} ${board.chip}${way}`;
      facts.push([`board ${board.name}`, [kind, ...ran].join("; ")]);
    }
    if (run.exit_code === null) facts.push(["ended", "killed: the record ends there"]);
    const rows = facts.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)));
    top.append(el("details", { open: window.innerWidth > 640 }, el("summary", {}, "Boards, firmware, broker"), el("table", { class: "facts" }, rows)));
  }

  function comparison() {
    const it = data.comparison;
    if (!it) return;
    const section = byId("comparison");
    section.append(el("h2", {}, "Since the baseline"));
    section.append(el("p", { class: it.regression ? "failed" : "" }, el("strong", {}, it.conclusion)));
    section.append(el("details", { open: it.regression }, el("summary", {}, "What changed"), el("pre", { class: it.regression ? "failed" : "" }, it.text)));
  }

  function trend() {
    const runs = data.trend ? data.trend.runs : [];
    if (runs.length < 2) return;
    const section = byId("trend");
    section.append(el("h2", {}, `The last ${runs.length} runs`));
    const plots = el("div", { class: "plots" });
    plots.append(bars(runs));
    for (const metric of data.trend.metrics) if (metric.values.filter((value) => value !== null).length > 1) plots.append(line(metric));
    section.append(plots);
  }
  function bars(runs) {
    const width = 10, height = 48;
    const picture = svg("svg", { width: runs.length * width, height, role: "img", "aria-label": "Verdicts of the last runs" });
    runs.forEach((run, n) => {
      const all = VERDICTS.reduce((sum, verdict) => sum + run.counts[verdict], 0) || 1;
      let y = height;
      for (const verdict of VERDICTS) {
        const tall = (run.counts[verdict] / all) * height;
        if (tall === 0) continue;
        y -= tall;
        const title = svg("title", {}, `${run.run}: ${VERDICTS.filter((v) => run.counts[v]).map((v) => `${run.counts[v]} ${v}`).join(", ")}`);
        picture.append(svg("rect", { class: verdict, x: n * width, y, width: width - 2, height: tall }, title));
      }
    });
    return el("figure", { class: "plot" }, el("figcaption", {}, "verdicts"), picture);
  }
  function line(metric) {
    const width = 150, height = 40;
    const known = metric.values.map((value, n) => [n, value]).filter(([, value]) => value !== null);
    const values = known.map(([, value]) => value);
    const low = Math.min(...values), high = Math.max(...values);
    const x = (n) => (n / Math.max(1, metric.values.length - 1)) * width;
    const y = (value) => (high === low ? height / 2 : height - ((value - low) / (high - low)) * height);
    const path = known.map(([n, value], k) => `${k ? "L" : "M"}${x(n).toFixed(1)} ${y(value).toFixed(1)}`).join(" ");
    const last = known[known.length - 1];
    const unit = metric.name.startsWith("gauge: ") ? "" : " ms";
    const label = `${metric.name}: ${values.map((value) => value.toFixed(1)).join(", ")}${unit}`;
    const picture = svg("svg", { width, height, role: "img", "aria-label": label }, svg("path", { d: path }), svg("circle", { cx: x(last[0]), cy: y(last[1]), r: 3 }));
    return el("figure", { class: "plot" }, el("figcaption", {}, `${metric.name} `, el("span", { class: "dim" }, `${last[1].toFixed(1)}${unit}`)), picture);
  }

  /** The values of a gauge over the time of an attempt. */
  function gaugePlot({ board, name, points }) {
    const width = 300, height = 60;
    const times = points.map(([at]) => at), values = points.map(([, value]) => value);
    const low = Math.min(...values), high = Math.max(...values), from = Math.min(...times), to = Math.max(...times);
    const x = (at) => (to === from ? width / 2 : ((at - from) / (to - from)) * width);
    const y = (value) => (high === low ? height / 2 : height - ((value - low) / (high - low)) * height);
    const path = points.map(([at, value], k) => `${k ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join(" ");
    const [at, last] = points[points.length - 1];
    const label = `${name} of ${board}: ${points.length} values from ${low} to ${high}, the last is ${last}`;
    const picture = svg("svg", { width, height, role: "img", "aria-label": label }, svg("path", { d: path }), svg("circle", { cx: x(at), cy: y(last), r: 3 }), svg("title", {}, label));
    return el("figure", { class: "plot gauge" }, el("figcaption", {}, `${name} of ${board} `, el("span", { class: "dim" }, `${last}; ${low} to ${high} from ${seconds(from)} to ${seconds(to)}`)), picture);
  }

  /** One line of the list; what is inside is made when it is opened. */
  function entry(scenario, n) {
    const summary = el("summary", {}, word(scenario.verdict), el("span", { class: "name" }, scenario.name),
      el("span", { class: "took" }, `${scenario.path}:${scenario.line}`), el("span", { class: "took" }, seconds(scenario.attempts[scenario.attempts.length - 1].took_us)));
    const node = el("details", { class: "scenario", id: `s${n}`, "data-verdict": scenario.verdict }, summary);
    node.addEventListener("toggle", () => {
      if (node.open && !node.querySelector(".body")) node.append(body(scenario));
    });
    byId("list").append(node);
    const failures = scenario.attempts.flatMap((attempt) => attempt.failure ? [attempt.failure.message, ...attempt.failure.details] : []);
    const steps = scenario.attempts[0].steps.map((step) => step.text);
    const text = [scenario.name, scenario.feature, scenario.path, ...steps, ...failures].join("\n").toLowerCase();
    return { scenario, node, text };
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
        node.scrollIntoView();
      }
    };
    addEventListener("hashchange", open);
    open();
  }

  function body(scenario) {
    const node = el("div", { class: "body" });
    node.append(el("p", { class: "dim" }, `${scenario.feature} `, scenario.tags.map((tag) => el("span", { class: "tag" }, `@${tag}`)), scenario.boards.join(", ")));
    if (scenario.quarantine) node.append(el("p", {}, scenario.quarantine));
    const strip = data.trend && data.trend.scenarios[scenario.key];
    if (strip && strip.length > 1) node.append(el("p", { class: "dim" }, "last runs: ", el("span", { class: "strip" }, strip), "  (✓ passed, ✗ failed, ! errored, ~ flaky, - skipped or not run)"));
    scenario.attempts.forEach((attempt, n) => {
      if (scenario.attempts.length > 1) node.append(el("h3", {}, `Attempt ${n + 1}: `, word(attempt.verdict)));
      node.append(...attemptNodes(attempt));
    });
    return node;
  }

  function attemptNodes(attempt) {
    const nodes = [];
    if (attempt.failure) {
      const lines = [attempt.failure.message, ...attempt.failure.details.map((line) => `  ${line}`)];
      if (attempt.failure.hint) lines.push(`hint: ${attempt.failure.hint}`);
      nodes.push(el("pre", { class: attempt.verdict, role: "note", "aria-label": "Why it did not pass" }, lines.join("\n")));
    }
    nodes.push(el("ol", { class: "steps" }, attempt.steps.map((step) => el("li", {}, word(step.verdict || "not run"), ` ${step.keyword} ${step.text} `,
      el("span", { class: "dim" }, step.verdict ? seconds(step.took_us) : ""), ...below(step)))));
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

  // The table and the text of a step.
  function below(step) {
    const nodes = [];
    if (step.table) nodes.push(el("table", { class: "facts argument" }, el("tbody", {}, step.table.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell)))))));
    if (step.doc !== undefined) nodes.push(el("pre", { class: "argument" }, step.doc));
    return nodes;
  }

  async function unpack(chunk) {
    const bytes = Uint8Array.from(atob(byId(`t${chunk}`).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  const LABEL = innerWidth < 640 ? 84 : 120, LANE = 18, AXIS = 20;
  function shortened(label) {
    const most = Math.floor(LABEL / 6.8);
    return label.length > most ? label.slice(0, most - 1) + "…" : label;
  }
  const KINDS = ["console", "from", "to", "power", "pin", "fault", "note", "broker"];
  const LANES = { from: "→ sends", to: "← receives", console: "console", fault: "faults", note: "bench" };

  /** Power, pins, console, packets, faults and steps of one attempt on one axis. */
  class Timeline {
    constructor(attempt, record) {
      this.attempt = attempt;
      this.boards = record.boards;
      this.rows = record.rows.map(([at, board, kind, text, extra]) => ({ at, board, kind: KINDS[kind], text, extra }));
      this.wills = record.wills;
      this.whole = [0, Math.max(attempt.took_us, 1000)];
      this.view = [...this.whole];
      this.chosen = null;
      this.lanes = this.layOut();
      this.picture = svg("svg", { tabindex: 0, role: "img", height: AXIS + this.lanes.length * LANE + 6, "aria-label": this.describe() });
      this.tables = ["console", "packets"].map((name) => new EventTable(this, name));
      this.tip = el("div", { class: "tip", hidden: true });
      this.told = el("p", { class: "mono told", role: "status" });
      this.gauges = el("div", { class: "plots" }, record.gauges.map(gaugePlot));
      this.nodes = [
        el("div", { class: "row" }, this.button("Zoom in", "+", () => this.zoom(0.5)), this.button("Zoom out", "−", () => this.zoom(2)),
          this.button("Whole scenario", "whole", () => this.show(...this.whole)),
          el("span", { class: "dim hint-keys" }, "drag to move, Ctrl and wheel to zoom; keys: ← → + − 0, n and p for events"),
          record.left_out ? el("span", { class: "dim" }, `${record.left_out} events in the middle are left out`) : null),
        el("div", { class: "timeline" }, this.picture), this.tip, this.told, this.gauges,
        el("div", { class: "tables" }, this.tables.map((table) => table.node)),
      ];
      this.listen();
      new ResizeObserver(() => this.draw()).observe(this.picture);
      this.draw();
    }

    button(label, text, action) {
      const node = el("button", { type: "button", "aria-label": label, title: label }, text);
      node.addEventListener("click", action);
      return node;
    }

    describe() {
      const packets = this.rows.filter((row) => row.kind === "from" || row.kind === "to").length;
      const lines = this.rows.filter((row) => row.kind === "console").length;
      return `Timeline of ${seconds(this.whole[1])}: ${packets} packets and ${lines} console lines of ${this.boards.join(", ") || "no board"}; the tables below hold them`;
    }

    /** Lanes from top to bottom; those with nothing on them are left out. */
    layOut() {
      const lanes = [{ label: "steps", kind: "step" }];
      this.boards.forEach((name, board) => {
        const mine = this.rows.filter((row) => row.board === board);
        const bands = new Set(mine.filter((row) => row.kind === "power" || row.kind === "pin").map((row) => `${row.kind}\u0000${row.extra[0]}`));
        const own = [];
        for (const band of bands) {
          const [kind, subject] = band.split("\u0000");
          own.push({ label: `${kind} ${subject}`, kind, subject, board });
        }
        for (const kind of Object.keys(LANES)) if (mine.some((row) => row.kind === kind)) own.push({ label: LANES[kind], kind, board });
        if (own.length) {
          own[0].heading = name;
          lanes.push(...own);
        }
      });
      if (this.rows.some((row) => row.kind === "broker")) lanes.push({ label: "broker", kind: "broker" });
      return lanes;
    }

    x(at) {
      // Room for names on the left.
      return LABEL + ((at - this.view[0]) / (this.view[1] - this.view[0])) * (this.width - LABEL);
    }
    at(x) {
      return this.view[0] + ((x - LABEL) / (this.width - LABEL)) * (this.view[1] - this.view[0]);
    }

    draw() {
      this.width = Math.max(this.picture.clientWidth, LABEL + 50);
      this.picture.replaceChildren(this.shades(), this.axis(), ...this.lanes.map((lane, n) => this.lane(lane, AXIS + n * LANE)), this.deadlines(), this.selection());
      this.tables.forEach((table) => table.draw());
    }

    axis() {
      const group = svg("g", { class: "axis" });
      const span = this.view[1] - this.view[0];
      const rough = span / Math.max(2, (this.width - LABEL) / 90);
      const power = 10 ** Math.floor(Math.log10(rough));
      const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
      for (let at = Math.ceil(this.view[0] / step) * step; at <= this.view[1]; at += step) {
        group.append(svg("line", { x1: this.x(at), x2: this.x(at), y1: 14, y2: AXIS + this.lanes.length * LANE }));
        group.append(svg("text", { class: "dim", x: this.x(at) + 2, y: 11 }, step >= 1e6 ? `${at / 1e6} s` : step >= 1e3 ? `${Math.round(at / 1e3)} ms` : `${at} µs`));
      }
      return group;
    }

    clip(from, to) {
      const left = Math.max(this.x(from), LABEL), right = Math.min(this.x(to), this.width);
      return right > left ? { x: left, width: Math.max(right - left, 1) } : null;
    }

    shades() {
      const group = svg("g");
      const height = AXIS + this.lanes.length * LANE;
      for (const [from, to, text] of this.wills) {
        const band = this.clip(from, Math.max(to, from + 1));
        if (!band) continue;
        group.append(svg("rect", { class: "will", y: AXIS, height: height - AXIS, ...band }, svg("title", {}, text)));
        if (this.x(to) <= this.width && this.x(to) >= LABEL) group.append(svg("line", { class: "will-edge", x1: this.x(to), x2: this.x(to), y1: AXIS, y2: height }));
      }
      return group;
    }

    lane(lane, y) {
      const group = svg("g", { class: `lane ${lane.kind}` });
      group.append(svg("line", { class: "lane-line", x1: 0, x2: this.width, y1: y + LANE, y2: y + LANE }));
      const label = lane.heading && lane.heading !== lane.label ? `${lane.heading}: ${lane.label}` : lane.label;
      group.append(svg("text", { x: 4, y: y + 13 }, shortened(label), svg("title", {}, label)));
      if (lane.kind === "step") group.append(...this.steps(y));
      else if (lane.kind === "power" || lane.kind === "pin") group.append(...this.bands(lane, y));
      else group.append(...this.marks(lane, y));
      return group;
    }

    steps(y) {
      return this.attempt.steps.filter((step) => step.from_us !== null).map((step) => {
        const band = this.clip(step.from_us, Math.max(step.to_us, step.from_us + 1));
        return band && svg("rect", { class: `band step ${step.verdict || ""}`, y: y + 3, height: LANE - 6, ...band }, svg("title", {}, `${step.keyword} ${step.text} (${step.verdict || "not finished"}, ${seconds(step.took_us)})`));
      }).filter(Boolean);
    }

    bands(lane, y) {
      const changes = this.rows.filter((row) => row.board === lane.board && row.kind === lane.kind && row.extra[0] === lane.subject);
      const nodes = [];
      changes.forEach((row, n) => {
        const to = n + 1 < changes.length ? changes[n + 1].at : this.whole[1];
        const band = row.extra[1] ? this.clip(row.at, to) : null;
        if (band) nodes.push(svg("rect", { class: `band ${lane.kind}`, y: y + 4, height: LANE - 8, ...band }, svg("title", {}, `${lane.subject} on from ${stamp(row.at)} s to ${stamp(to)} s`)));
      });
      return nodes.concat(this.marks({ ...lane, only: changes }, y));
    }

    /** Marks that fall on one pixel are one mark that knows how many it stands for. */
    marks(lane, y) {
      const rows = lane.only || this.rows.filter((row) => row.kind === lane.kind && (lane.kind === "broker" || row.board === lane.board));
      const bins = new Map();
      for (const row of rows) {
        if (row.at < this.view[0] || row.at > this.view[1]) continue;
        const pixel = Math.round(this.x(row.at));
        if (bins.has(pixel)) bins.get(pixel).push(row);
        else bins.set(pixel, [row]);
      }
      const packet = lane.kind === "from" || lane.kind === "to" ? " packet" : "";
      return [...bins].map(([pixel, here]) => {
        const node = svg("rect", { class: `mark ${lane.kind}${packet}`, x: pixel - 1.5, y: y + 3, width: 3, height: LANE - 6, rx: 1, "data-count": here.length });
        node.rows = here;
        return node;
      });
    }

    deadlines() {
      const group = svg("g");
      const failed = this.attempt.steps.find((step) => step.verdict && step.verdict !== "passed");
      if (!failed) return group;
      const height = AXIS + this.lanes.length * LANE;
      for (const [at, name, text] of [[failed.mark_us, "mark-line", "mark"], [failed.deadline_us, "deadline-line", "deadline"]]) {
        if (at === null || this.x(at) < LABEL || this.x(at) > this.width) continue;
        group.append(svg("line", { class: name, x1: this.x(at), x2: this.x(at), y1: AXIS, y2: height }, svg("title", {}, `${text} of the step that did not pass, at ${stamp(at)} s`)));
        group.append(svg("text", { class: "dim", x: Math.min(this.x(at) + 3, this.width - 48), y: height + 4 }, text));
      }
      return group;
    }

    selection() {
      if (!this.chosen) return svg("g");
      const x = this.x(this.chosen.at);
      return x < LABEL || x > this.width ? svg("g") : svg("rect", { class: "chosen", x: x - 4, width: 8, y: AXIS, height: this.lanes.length * LANE });
    }

    show(from, to) {
      const span = Math.min(Math.max(to - from, 200), this.whole[1] - this.whole[0]);
      const start = Math.min(Math.max(from, this.whole[0]), this.whole[1] - span);
      this.view = [start, start + span];
      this.draw();
    }
    zoom(factor, around = (this.view[0] + this.view[1]) / 2) {
      this.show(around - (around - this.view[0]) * factor, around + (this.view[1] - around) * factor);
    }
    move(share) {
      const span = this.view[1] - this.view[0];
      this.show(this.view[0] + span * share, this.view[1] + span * share);
    }

    choose(row) {
      this.chosen = row;
      const span = this.view[1] - this.view[0];
      if (row.at < this.view[0] || row.at > this.view[1]) this.show(row.at - span / 2, row.at + span / 2);
      else this.draw();
    }
    /** The next or the previous event, of all or of these. */
    next(by, rows = this.rows) {
      if (rows.length === 0) return;
      // What is chosen may be none of these: then it is the one beside it.
      const place = this.chosen ? rows.findIndex((row) => row.at >= this.chosen.at) : by > 0 ? 0 : -1;
      const beside = place < 0 ? rows.length : place;
      const at = rows.includes(this.chosen) ? rows.indexOf(this.chosen) + by : by > 0 ? beside : beside - 1;
      const row = rows[Math.min(Math.max(at, 0), rows.length - 1)];
      this.choose(row);
      this.told.textContent = `${stamp(row.at)} s, ${row.board === null ? "broker" : this.boards[row.board]}: ${row.text}`;
    }

    listen() {
      const keys = { ArrowLeft: () => this.move(-0.2), ArrowRight: () => this.move(0.2), "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), 0: () => this.show(...this.whole), n: () => this.next(1), p: () => this.next(-1) };
      this.picture.addEventListener("keydown", (event) => {
        if (keys[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
          event.preventDefault();
          keys[event.key]();
        }
      });
      this.picture.addEventListener("wheel", (event) => {
        if (!event.ctrlKey) return;
        event.preventDefault();
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.at(event.offsetX));
      }, { passive: false });
      let grab = null;
      this.picture.addEventListener("pointerdown", (event) => { grab = { x: event.clientX, view: [...this.view], moves: false }; });
      for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { grab = null; });
      this.picture.addEventListener("pointermove", (event) => {
        // A hand that clicks is never quite still.
        if (grab && Math.abs(event.clientX - grab.x) > 4) grab.moves = true;
        if (grab && grab.moves) {
          const by = ((grab.x - event.clientX) / (this.width - LABEL)) * (grab.view[1] - grab.view[0]);
          this.show(grab.view[0] + by, grab.view[1] + by);
        }
        this.hover(event);
      });
      this.picture.addEventListener("pointerleave", () => { this.tip.hidden = true; });
      this.picture.addEventListener("click", (event) => {
        if (event.target.rows) this.choose(event.target.rows[0]);
      });
    }

    hover(event) {
      const rows = event.target.rows;
      this.tip.hidden = !rows;
      if (!rows) return;
      const lines = rows.slice(0, 8).map((row) => `${stamp(row.at)} s  ${row.text}`);
      if (rows.length > 8) lines.push(`… and ${rows.length - 8} more: zoom in`);
      this.tip.textContent = lines.join("\n");
      this.tip.style.left = `${Math.min(event.clientX + 12, innerWidth - 260)}px`;
      this.tip.style.top = `${event.clientY + 14}px`;
    }
  }

  /** Console lines, or packets and other events, of the stretch that is shown. */
  class EventTable {
    constructor(timeline, name) {
      this.timeline = timeline;
      this.rows = timeline.rows.filter((row) => (row.kind === "console") === (name === "console"));
      this.title = el("h3", {});
      this.name = name === "console" ? "Console" : "Packets and other events";
      this.table = el("tbody", {});
      this.box = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${this.name}; arrow keys go from one to the next` }, el("table", { class: "events" }, this.table));
      this.box.addEventListener("keydown", (event) => {
        const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        timeline.next(by, this.rows);
      });
      this.node = el("div", { class: name }, this.title, this.box);
    }

    draw() {
      const MOST = 300;
      const { view, chosen, boards } = this.timeline;
      const within = this.rows.filter((row) => row.at >= view[0] && row.at <= view[1]);
      // Around what is chosen, else from the beginning.
      const near = chosen ? within.findIndex((row) => row.at >= chosen.at) : 0;
      const start = Math.min(Math.max(near - MOST / 2, 0), Math.max(within.length - MOST, 0));
      const shown = within.slice(start, start + MOST);
      this.title.textContent = shown.length === within.length ? `${this.name} (${within.length})` : `${this.name} (${shown.length} of ${within.length}: zoom in for others)`;
      this.table.replaceChildren(...shown.map((row) => {
        const node = el("tr", { "aria-selected": String(row === chosen) }, el("td", { class: "at" }, stamp(row.at)), el("td", { class: "who" }, row.board === null ? "broker" : boards[row.board]), el("td", {}, row.text));
        node.addEventListener("click", () => this.timeline.choose(row));
        return node;
      }));
      const nearest = chosen && this.table.children[Math.max(0, shown.findIndex((row) => row.at >= chosen.at))];
      if (nearest) this.box.scrollTop = nearest.offsetTop - this.box.clientHeight / 2;
    }
  }
})();
