// The run, the comparison with the baseline, and the last runs.
function overview() {
  const run = data.run;
  const top = byId("overview");
  top.append(el("h1", {}, `hil: ${run.name}`));
  const counts = VERDICTS.filter((verdict) => run.counts[verdict] > 0);
  const shown = counts.map((verdict) => el("strong", { class: verdict }, `${run.counts[verdict]} ${verdict}`));
  top.append(el("p", { class: "row" }, shown, el("span", { class: "dim" }, `in ${seconds(run.took_us)}`)));
  const began = run.unix_ms ? new Date(run.unix_ms).toISOString().replace("T", " ").slice(0, 19) + " UTC" : "unknown";
  const facts = [["started", began], ["bench", run.bench], ...(run.project ? [["project file", run.project]] : []), ["broker", run.broker], ["hil", run.version]];
  const from = run.provenance || {};
  if (from.host) facts.push(["computer", from.host]);
  if (from.commit) facts.push(["commit", from.commit + (from.dirty ? " with changes" : "")]);
  if (from.branch) facts.push(["branch", from.branch]);
  // Only an address of the web is a link: see `Provenance::job_link`.
  if (from.job_url) facts.push(["job", run.job_link ? el("a", { href: run.job_link, rel: "noreferrer" }, run.job_link) : from.job_url]);
  for (const line of run.repetitions) facts.push(["repeated", line]);
  for (const line of run.hosts) facts.push(["host", line.replace(/^host /, "")]);
  for (const board of run.boards) {
    const firmware = run.firmware.filter((it) => it.board === board.name && it.host === board.host);
    const ran = firmware.map((it) => `${it.firmware}${it.version ? " " + it.version : ""} (${it.hash}, ${it.size} bytes)`);
    const way = board.emulator ? `, emulated by ${board.emulator}` : board.simulated ? ", simulated" : "";
    const kind = `${board.kind} ${board.chip}${way}`;
    facts.push([`board ${board.host ? `${board.host}/` : ""}${board.name}`, [kind, ...ran].join("; ")]);
  }
  for (const line of run.set_aside) facts.push(["set aside", line]);
  if (run.exit_code === null) facts.push(["ended", "killed: the record ends there"]);
  const rows = facts.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)));
  top.append(el("details", { open: window.innerWidth > 640 && !anyBad() }, el("summary", {}, "Boards, firmware, broker"), el("table", { class: "facts" }, rows)));
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
  const plots = el("div", { class: "plots" });
  plots.append(bars(runs));
  for (const metric of data.trend.metrics) if (metric.values.filter((value) => value !== null).length > 1) plots.append(line(metric));
  section.append(el("details", { open: !anyBad() }, el("summary", {}, `The last ${runs.length} runs`), plots));
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
