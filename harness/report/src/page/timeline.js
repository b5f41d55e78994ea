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
    this.rows = record.rows.map(([at, board, kind, text, extra, whole]) => ({ at, board, kind: KINDS[kind], text, extra, whole }));
    this.wills = record.wills;
    this.whole = [0, Math.max(attempt.took_us, 1000)];
    this.view = [...this.whole];
    this.chosen = null;
    this.lanes = this.layOut();
    this.picture = svg("svg", { tabindex: 0, role: "img", height: AXIS + this.lanes.length * LANE + 6, "aria-label": this.describe() });
    this.tables = eventTables(this);
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
