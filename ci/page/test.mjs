// Tests report.html in a real Chromium.
//
// node test.mjs FOLDER: the folder contains `small` (a real run with a failure), `hostile` and `large` (both synthetic),
// each with its reports; screenshots go to FOLDER/screenshots.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

const parts = createRequire(join(resolve(process.env.HIL_PAGE_PARTS), "package.json"));
const { chromium } = parts("playwright-core");
const axe = readFileSync(parts.resolve("axe-core/axe.min.js"), "utf8");
const folder = resolve(process.argv[2]);
const shots = join(folder, "screenshots");
mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.HIL_CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
});

/** Opens a page of a run; whatever the browser complains of, or the page loads, fails the test. */
async function open(run, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => page.complaints.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("dialog", (dialog) => { page.complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => { if (!/^(file|data|blob):/.test(request.url())) page.complaints.push(`request: ${request.url()}`); });
  const start = performance.now();
  await page.goto(`file://${join(folder, run, "report.html")}`);
  await page.locator("#shown").filter({ hasText: "scenario" }).waitFor();
  page.took = performance.now() - start;
  return page;
}

async function close(page) {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}

/** The events of each scenario of a run. */
function scenarios(run) {
  const all = new Map();
  for (const line of readFileSync(join(folder, run, "events.jsonl"), "utf8").split("\n").filter(Boolean)) {
    const event = JSON.parse(line);
    if (event.event === "scenario-started") all.set(event.scenario, { info: event.info, events: [] });
    if (event.scenario !== undefined) all.get(event.scenario)?.events.push(event);
  }
  return [...all.values()];
}

async function openScenario(page, locator) {
  if (!(await locator.evaluate((node) => node.open))) await locator.locator("> summary").click();
  // What failed is open already, with its message; its timeline is not.
  const whole = locator.locator("details.whole").first();
  if (!(await whole.evaluate((node) => node.open))) await whole.locator("> summary").click();
  await locator.locator(".timeline svg .lane").first().waitFor();
}

async function packetsDrawn(locator) {
  return locator.locator(".timeline svg .mark.packet").evaluateAll((marks) => marks.reduce((sum, mark) => sum + Number(mark.dataset.count), 0));
}

const tests = {
  async "it opens, filters, and shows each packet of a failure"() {
    const page = await open("small");
    const recorded = scenarios("small");
    assert.equal(await page.locator("details.scenario").count(), recorded.length);
    const failed = page.locator('details.scenario[data-verdict="failed"]');
    const failures = await failed.count();
    assert.ok(failures > 0, "the run has a failure to look at");
    assert.equal(await page.locator("details.scenario").first().getAttribute("data-verdict"), "failed", "what broke comes first");

    await page.getByRole("button", { name: /^failed/ }).click();
    assert.equal(await page.locator("details.scenario:visible").count(), failures);
    await page.getByRole("button", { name: /^failed/ }).click();
    await page.keyboard.press("/");
    await page.keyboard.type("without a will");
    assert.equal(await page.locator("details.scenario:visible").count(), 1);
    await page.locator("#search").fill("");
    await page.locator("#board").selectOption("lamp");
    assert.ok((await page.locator("details.scenario:visible").count()) > 0);
    await page.locator("#board").selectOption("");
    await page.locator("#tag").selectOption({ index: 1 });
    await page.locator("#tag").selectOption("");

    const name = "a lamp that never acknowledges";
    const node = page.locator("details.scenario", { hasText: name });
    await openScenario(page, node);
    const packets = recorded.find((it) => it.info.name === name).events.filter((event) => event.event === "packet");
    assert.ok(packets.length > 4);
    assert.equal(await packetsDrawn(node), packets.length);
    assert.equal(await node.locator(".mark-line").count(), 1, "the mark of the step that failed");
    assert.equal(await node.locator(".deadline-line").count(), 1, "and its deadline");
    await close(page);
  },

  async "what failed is open, and several fit on one screen"() {
    const page = await open("small");
    const failed = await page.locator('details.scenario[data-verdict="failed"]').all();
    for (const node of failed) {
      assert.ok(await node.evaluate((node) => node.open), "it is open at once");
      assert.ok(await node.locator("pre.failed").isVisible(), "with its message");
      assert.match(await node.locator(".culprit").textContent(), /^failed (Given|When|Then|And) .*\.feature:\d+$/, "and its step");
      assert.equal(await node.locator(".timeline").count(), 0, "a timeline is drawn when it is opened");
    }
    assert.equal(await page.locator('details.scenario[data-verdict="passed"][open]').count(), 0);
    const why = failed[0].locator("> summary .why");
    const message = await failed[0].locator("pre.failed").textContent();
    await failed[0].locator("> summary").click();
    assert.ok(await why.isVisible(), "closed, the list has the first line of its message");
    assert.equal(await why.textContent(), message.split("\n")[0]);
    await close(page);
    const large = await open("large");
    const onScreen = await large.locator("details.scenario pre").evaluateAll((all) => all.filter((pre) => pre.getBoundingClientRect().bottom <= innerHeight).length);
    assert.ok(onScreen >= 3, `${onScreen} messages can be read without scrolling`);
    assert.equal(await large.locator("details.scenario[open]").count(), 20, "not all of many");
    assert.equal(await large.locator("details.scenario > summary .why").count(), 40, "but each has its message");
    await close(large);
  },

  async "scenarios are grouped by feature, with counts"() {
    const page = await open("large");
    const recorded = scenarios("large");
    const features = new Set(recorded.map(({ info }) => info.feature));
    assert.equal(await page.locator("details.feature").count(), features.size);
    const group = page.locator("details.feature", { has: page.locator("h3", { hasText: /^Feature 1$/ }) });
    const own = recorded.filter(({ info }) => info.feature === "Feature 1");
    assert.equal(await group.locator("details.scenario").count(), own.length);
    assert.match(await group.locator("> summary .counts").textContent(), new RegExp(`^5 failed, 5 errored, ${own.length - 10} passed$`));
    assert.ok(!(await group.locator("details.scenario[data-verdict=passed]").first().isVisible()), "what passed is folded beside failures");
    await group.locator("details.rest > summary").click();
    assert.ok(await group.locator("details.scenario[data-verdict=passed]").first().isVisible());
    await page.locator("#search").fill("scenario 51");
    assert.equal(await page.locator("details.scenario:visible").count(), 1, "a search looks into what is folded");
    assert.equal(await page.locator("details.feature:visible").count(), 1, "features without a hit are hidden");
    await page.locator("#search").fill("");
    assert.equal(await page.locator("details.feature:visible").count(), features.size);
    await close(page);
  },

  async "payloads open, and say where the rest of a long one is"() {
    const page = await open("hostile");
    const node = page.locator('details.scenario[data-verdict="failed"]').first();
    await openScenario(page, node);
    const payloads = node.locator(".packets details.payload");
    const json = payloads.filter({ hasText: "field79" }).first();
    assert.ok(!(await json.locator("pre").isVisible()));
    await json.locator("summary").click();
    assert.equal(JSON.parse(await json.locator("pre").innerText()).field79, 79, "all of it is there");
    assert.match(await json.locator("pre").innerText(), /\n {2}"field1": 1,\n/, "a line per field");
    await node.getByRole("button", { name: "Zoom in" }).click();
    await node.getByRole("button", { name: "Whole scenario" }).click();
    assert.ok(await json.locator("pre").isVisible(), "it stays open when the table is drawn again");
    const long = payloads.filter({ hasText: "70000 bytes" }).first();
    await long.locator("summary").focus();
    await page.keyboard.press("Enter");
    assert.equal((await long.locator("pre").innerText()).length, 65536);
    assert.match(await long.locator("p").innerText(), /^The first 64 KiB of 70000 bytes: events\.jsonl and traffic\.pcapng have all of it\.$/);
    assert.deepEqual(await long.locator("a").evaluateAll((links) => links.map((link) => link.getAttribute("href"))), ["events.jsonl", "traffic.pcapng"]);
    const hostile = payloads.filter({ hasText: "window.broken" }).first();
    await hostile.locator("summary").click();
    assert.match(await hostile.locator("pre").innerText(), /<script>window\.broken = 1<\/script>.*\\u\{1b\}/);
    assert.equal(await page.evaluate(() => window.broken), undefined);
    await close(page);
  },

  async "a panic is shown with file and line"() {
    const page = await open("hostile");
    const panic = page.locator('details.scenario[data-verdict="failed"]').first().locator(".panic");
    assert.ok(await panic.isVisible(), "without a click");
    assert.equal(await panic.locator("td").first().innerText(), "src/lamp.rs:31");
    assert.equal(await panic.locator("td").last().innerText(), "lamp::switch");
    await panic.locator("summary").click();
    assert.match(await panic.locator("pre").innerText(), /panicked at 'no lamp' <\/script>/);
    await close(page);
  },

  async "the parts of a composite step are indented below it"() {
    const page = await open("hostile");
    const node = page.locator('details.scenario[data-verdict="failed"]').first();
    await openScenario(page, node);
    const composite = node.locator(".steps > li.composite");
    assert.equal(await composite.count(), 1);
    assert.match(await composite.innerText(), /the lamp is ready <\/script>.*defined in lamp\.steps/);
    const parts = composite.locator("ol.parts > li");
    assert.deepEqual(await parts.evaluateAll((all) => all.map((part) => /"lamp" is [a-z ]+/.exec(part.textContent)[0].trim())), ['"lamp" is switched on', '"lamp" is connected']);
    const left = async (locator) => (await locator.boundingBox()).x;
    assert.ok((await left(parts.first())) > (await left(composite)) + 10);
    await close(page);
  },

  async "each board's console is a table of its own, in its scenario"() {
    const page = await open("hostile");
    const node = page.locator('details.scenario[data-verdict="failed"]').first();
    await openScenario(page, node);
    assert.deepEqual((await node.locator(".console h3").allInnerTexts()).map((title) => title.replace(/ \(.*/, "")), ["Console of lamp", "Console of heater"]);
    assert.deepEqual(await node.locator(".console").last().locator("td:last-child").allInnerTexts(), ["I (1) heater: warm"]);
    await close(page);
  },

  async "it speaks plain English and names the project file"() {
    const page = await open("hostile");
    await page.locator("header details > summary").click();
    assert.match(await page.locator("header table").innerText(), /project file\s+hil\.toml/);
    const node = page.locator('details.scenario[data-verdict="failed"]').first();
    await openScenario(page, node);
    const text = await page.locator("main").innerText();
    assert.match(text, /app started: it runs/);
    assert.doesNotMatch(text, /AppStarted|Backtrace:|\b(step|scenario|run)-(started|finished)|\b(from|to)-board\b/);
    await close(page);
  },

  async "mark, table and keys are linked by time"() {
    const page = await open("small");
    const node = page.locator("details.scenario", { hasText: "a lamp that never acknowledges" });
    await openScenario(page, node);
    const svg = node.locator(".timeline svg");
    await node.locator(".packets tr", { hasText: "CONNACK" }).first().click();
    assert.equal(await node.locator('tr[aria-selected="true"]').count(), 1);
    assert.equal(await svg.locator(".chosen").count(), 1);
    await svg.focus();
    await page.keyboard.press("n");
    assert.match(await node.locator(".told").textContent(), / s, lamp: /, "a screen reader hears of it");
    const lines = node.locator(".console .scroll");
    const chosen = () => lines.locator('tr[aria-selected="true"] td').last().textContent();
    await lines.focus();
    await page.keyboard.press("ArrowDown");
    const first = await chosen();
    await page.keyboard.press("ArrowDown");
    assert.notEqual(await chosen(), first, "from line to line by keyboard");
    assert.ok((await node.locator(".told").textContent()).endsWith(await chosen()), "and it is said");
    await page.keyboard.press("ArrowUp");
    assert.equal(await chosen(), first);
    await svg.focus();
    const all = await packetsDrawn(node);
    // Zoomed in so far that not all of them can be visible, wherever in the scenario they are.
    for (let n = 0; n < 12; n++) await page.keyboard.press("+");
    for (const key of ["ArrowLeft", "ArrowRight", "ArrowLeft"]) await page.keyboard.press(key);
    assert.ok((await packetsDrawn(node)) < all, "a part is shown");
    await page.keyboard.press("0");
    assert.equal(await packetsDrawn(node), all);
    await node.getByRole("button", { name: "Zoom in" }).click();
    await node.getByRole("button", { name: "Whole scenario" }).click();
    // The last one is drawn on top: no other mark covers it, however close in time they are.
    await node.locator(".mark.packet").last().hover();
    assert.match(await node.locator(".tip").textContent(), /\b(CONN|SUB|PUB|PING|DISCONN)[A-Z]+/);
    await close(page);
  },

  async "what a device says is inert"() {
    const page = await open("hostile");
    const node = page.locator('details.scenario[data-verdict="failed"]').first();
    await openScenario(page, node);
    assert.match(await node.locator(".packets").textContent(), /<script>window\.broken = 1<\/script>/, "it is shown as it is");
    assert.match(await node.locator(".packets").textContent(), /0xfffe003c/, "what is no text is shown in hex");
    for (const argument of await node.locator(".steps .argument").all()) {
      assert.match(await argument.textContent(), /<script>window\.broken = 1<\/script>/, "nor is what a step says");
    }
    assert.ok((await node.locator(".steps table.argument").count()) > 0 && (await node.locator(".steps pre.argument").count()) > 0);
    await node.locator(".mark.console").last().hover();
    assert.equal(await page.evaluate(() => window.broken), undefined);
    assert.equal(await page.locator("img").count(), 0);
    await close(page);
  },

  async "200 scenarios and 200,000 events are no burden"() {
    // The best of three, to exclude other load on this machine.
    let page = await open("large");
    for (let again = 0; again < 2 && page.took >= 2000; again++) {
      await close(page);
      page = await open("large");
    }
    console.log(`  opened in ${page.took.toFixed(0)} ms, ${(statSync(join(folder, "large", "report.html")).size / 1e6).toFixed(1)} MB`);
    assert.ok(page.took < 2000, `${page.took} ms`);
    assert.ok(statSync(join(folder, "large", "report.html")).size < 15e6);
    assert.equal(await page.locator("details.scenario").count(), 200);
    const node = page.locator('details.scenario[data-verdict="failed"]').first();
    await openScenario(page, node);
    const name = await node.locator("summary .name").textContent();
    const events = scenarios("large").find((it) => it.info.name === name).events;
    assert.equal(await packetsDrawn(node), events.filter((event) => event.event === "packet").length);
    await close(page);
  },

  async "it can be used by keyboard and screen reader, in every colour and width"() {
    const phone = { viewport: { width: 390, height: 844 } };
    for (const [name, run, options] of [
      ["light", "small", { colorScheme: "light" }],
      ["dark", "small", { colorScheme: "dark" }],
      ["phone", "small", { colorScheme: "light", ...phone }],
      ["all", "hostile", { colorScheme: "dark" }],
      ["all-phone", "hostile", { colorScheme: "light", ...phone }],
    ]) {
      const page = await open(run, options);
      const node = page.locator('details.scenario[data-verdict="failed"]').first();
      await node.locator("details.whole > summary").first().focus();
      await page.keyboard.press("Enter");
      await node.locator(".timeline svg .lane").first().waitFor();
      for (const summary of await node.locator(".payload > summary, .panic summary").all()) await summary.press("Enter");
      const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(width <= 0, `${name}: nothing sticks out`);
      await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      assert.deepEqual(violations.map((it) => `${it.id}: ${it.nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")}`), [], name);
      await close(page);
    }
  },

  async "an address opens its scenario"() {
    const page = await open("small");
    const id = await page.locator('details.scenario[data-verdict="failed"]').last().getAttribute("id");
    await page.evaluate((id) => { location.hash = id; }, id);
    await page.locator(`#${id}[open] .steps`).waitFor();
    await close(page);
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}
await browser.close();
console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
