// The events of a timeline as curves and tables.
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

/** The text of an event; a long payload or line opens by a click. */
function eventText(row) {
  if (!row.whole) return [row.text];
  const [text, bytes, isTraffic] = row.whole;
  const nodes = text ? [el("pre", { tabindex: 0 }, readable(text))] : [];
  if (bytes) {
    const link = (file) => el("a", { href: file }, file);
    const all = isTraffic ? [link("events.jsonl"), " and ", link("traffic.pcapng"), " have"] : [link("events.jsonl"), " has"];
    nodes.push(el("p", { class: "dim" }, text ? `The first 64 KiB of ${bytes} bytes: ` : `${bytes} bytes, left out to keep this page small: `, ...all, " all of it."));
  }
  const node = el("details", { class: "payload", open: row.isOpen }, el("summary", {}, row.text), ...nodes);
  // The table is drawn again and again.
  node.addEventListener("toggle", () => { row.isOpen = node.open; });
  for (const name of ["click", "keydown"]) node.addEventListener(name, (event) => event.stopPropagation());
  return [node];
}

/** JSON with a line per field; other text as it is. */
function readable(text) {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    const parsed = JSON.parse(text);
    // A number that JavaScript would round stays as the device wrote it.
    return JSON.stringify(parsed) === text.replace(/\s+/g, "") ? JSON.stringify(parsed, null, 2) : text;
  } catch {
    return text;
  }
}

/** The console of each board, and packets and other events. */
function eventTables(timeline) {
  const consoles = timeline.boards.map((name, board) => [name, timeline.rows.filter((row) => row.kind === "console" && row.board === board)]);
  const spoken = consoles.filter(([, rows]) => rows.length > 0).map(([name, rows]) => new EventTable(timeline, "console", `Console of ${name}`, rows));
  return [...spoken, new EventTable(timeline, "packets", "Packets and other events", timeline.rows.filter((row) => row.kind !== "console"))];
}

/** Events of one kind, of the stretch that is shown. */
class EventTable {
  constructor(timeline, kind, name, rows) {
    this.timeline = timeline;
    this.rows = rows;
    this.title = el("h3", {});
    this.name = name;
    this.table = el("tbody", {});
    this.box = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${this.name}; arrow keys go from one to the next` }, el("table", { class: "events" }, this.table));
    this.box.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      timeline.next(by, this.rows);
    });
    this.node = el("div", { class: kind }, this.title, this.box);
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
      const node = el("tr", { "aria-selected": String(row === chosen) }, el("td", { class: "at" }, stamp(row.at)), el("td", { class: "who" }, row.board === null ? "broker" : boards[row.board]), el("td", {}, ...eventText(row)));
      node.addEventListener("click", () => this.timeline.choose(row));
      return node;
    }));
    const nearest = chosen && this.table.children[Math.max(0, shown.findIndex((row) => row.at >= chosen.at))];
    if (nearest) this.box.scrollTop = nearest.offsetTop - this.box.clientHeight / 2;
  }
}
