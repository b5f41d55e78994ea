// Builds the page, after all definitions.
overview();
comparison();
trend();
// What broke comes first.
const order = ["failed", "errored", "flaky", "aborted", "quarantined", "passed", "skipped"];
const numbered = data.scenarios.map((scenario, n) => [scenario, n]);
const entries = numbered.sort(([a, m], [b, n]) => order.indexOf(a.verdict) - order.indexOf(b.verdict) || m - n).map(([scenario, n]) => entry(scenario, n));
byId("list").append(...entries.map(({ node }) => node));
openFailures();
filters();
openFromAddress();
