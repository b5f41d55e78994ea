// Takes a picture of a failure on the page of a run, with its timeline.
//
// node screenshot.mjs REPORT PICTURE SCENARIO
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const { chromium } = createRequire(join(resolve(process.env.HIL_PAGE_PARTS), "package.json"))("playwright-core");
const [report, picture, scenario] = process.argv.slice(2);
const size = { width: 1000, height: 720 };

const browser = await chromium.launch({ executablePath: process.env.HIL_CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage({ viewport: size });
page.setDefaultTimeout(10_000);
await page.goto(`file://${resolve(report)}`);
const node = page.locator("details.scenario", { hasText: scenario });
const whole = node.locator("details.whole").first();
if (!(await whole.evaluate((it) => it.open))) await whole.locator("> summary").click();
await node.locator(".timeline svg .lane").first().waitFor();
// No button has the focus, and nothing is pointed at.
await page.evaluate(() => document.activeElement.blur());
await page.mouse.move(0, 0);
const { y } = await node.boundingBox();
await page.screenshot({ path: picture, fullPage: true, clip: { x: 0, y: y + 1, ...size } });
await browser.close();
