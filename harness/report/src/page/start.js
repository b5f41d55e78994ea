// Builds the page, after all definitions.
overview();
comparison();
trend();
// What broke comes first.
const numbered = data.scenarios.map((scenario, n) => [scenario, n]);
const entries = numbered.sort(([a, m], [b, n]) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict) || m - n).map(([scenario, n]) => entry(scenario, n));
const groups = features();
byId("list").append(...groups.map(({ node }) => node));
openFailures();
filters();
openFromAddress();
