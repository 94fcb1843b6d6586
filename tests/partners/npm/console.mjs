// Opens the console in Chromium, as people do, by a passkey that CDP's virtual authenticator holds. The one argument is
// JSON: { origin, site, link, journey, folder }. What went wrong is thrown; otherwise `done` is printed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const { origin, site, link, journey, folder, chromiumPath } = JSON.parse(process.argv[2]);
const PAGES = ["", "requests", "identities", "policy", "record", "keys", "health"];
const AXE = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const WCAG_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

const root = process.getuid() === 0 ? ["--no-sandbox"] : [];
const browser = await chromium.launch({ executablePath: chromiumPath, args: root });

// A browser with a passkey holder, and all that its pages complain of.
async function visitor(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => complaints.push(`dialog: ${dialog.message()}`) && dialog.dismiss());
  await page.addInitScript(() =>
    document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective}`)),
  );
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const authenticator = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true };
  await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: { ...authenticator, isUserVerified: true, automaticPresenceSimulation: true },
  });
  const open = (path) => page.goto(`${origin}/console/${path}`);
  return { context, page, complaints, open };
}

async function enrol({ page }) {
  await page.goto(link);
  await page.click("#enrol");
  await page.waitForURL(`${origin}/console/`);
}

// A request to the site behind the gateway.
const visit = (agent, path = "/") =>
  new Promise((done, failed) => {
    const url = new URL(path, site);
    const headers = { Host: "www.shop.example", "User-Agent": agent, "X-Forwarded-For": "198.51.100.9" };
    request(url, { headers }, (answer) => answer.resume().on("end", done)).on("error", failed).end();
  });

const text = (page, selector = "main") => page.textContent(selector);

const journeys = {
  // Enrols, signs out and in, sees traffic come, opens a request, tries a draft, looks a name up, signs out.
  async operator() {
    const { page, complaints, open } = await visitor();
    await enrol({ page });
    assert.match(await text(page, ".user"), /ada\s+operator/);
    await page.click("text=Sign out");
    await page.waitForURL(`${origin}/console/sign-in`);
    await open("policy");
    assert.equal(page.url(), `${origin}/console/sign-in`, "nobody is signed in");
    await page.click("#sign-in");
    await page.waitForURL(`${origin}/console/`);

    await page.waitForSelector("#chart canvas");
    await visit("while-somebody-looks/1");
    await page.waitForSelector("#live >> text=while-somebody-looks/1", { timeout: 15_000 });
    const drawn = await page.evaluate(() => {
      const canvas = document.querySelector("#chart canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.some((octet) => octet > 0);
    });
    assert.ok(drawn, "the chart is drawn");

    await page.click("nav >> text=Requests");
    await page.selectOption("#class", "3");
    await page.click("text=Find");
    await page.click("table.requests tbody a");
    assert.match(await text(page, "h1"), /Class 3, verified/);
    assert.match(await text(page), /bot@acme\.example/);
    assert.deepEqual(await page.locator(".steps h3").allTextContents(), [
      "request", "claim", "evidence", "verdict", "decision", "answer",
    ]);

    await page.click("nav >> text=Policy");
    await page.fill("#draft", `[[rule]]\nname = "none"\nthen = { action = "reject" }\n`);
    await page.click("text=Compare");
    assert.match(await text(page, "#outcome ~ .about"), /remembered requests would have been treated in another way/);
    assert.match(await text(page, ".changes"), /accept → reject/);
    await page.fill("#draft", `[[rule]]\nname = "none"\nthen = { action = "rejekt" }\n`);
    await page.click("text=Compare");
    assert.match(await text(page, ".said-list"), /line 3/);

    await page.click("nav >> text=Record");
    await page.fill("#who", "bot@acme.example");
    await page.click("text=Look up");
    assert.match(await text(page), /bot\._saip\.acme\.example/);

    await page.click("nav >> text=Health");
    await page.click("text=Sign out");
    await page.waitForURL(`${origin}/console/sign-in`);
    await page.goBack();
    await page.waitForURL(`${origin}/console/sign-in`);
    assert.deepEqual(complaints, []);
  },

  // Looks, and does nothing else: neither by the pages nor past them.
  async viewer() {
    const { page, complaints, open } = await visitor();
    await enrol({ page });
    for (const path of PAGES) {
      assert.equal((await open(path)).status(), 200, path);
    }
    await open("policy");
    assert.equal(await page.locator("textarea").count(), 0);
    const statuses = await page.evaluate(async () => {
      const csrf = document.querySelector("[name=csrf]").value;
      const send = (path, fields) =>
        fetch(path, { method: "POST", body: new URLSearchParams({ csrf, ...fields }), redirect: "manual" });
      const tried = [send("/console/policy", { draft: "" }), send("/console/record", { who: "acme.example" })];
      return (await Promise.all(tried)).map((answer) => answer.status);
    });
    assert.deepEqual(statuses, [403, 403]);
    assert.deepEqual(complaints.filter((said) => !said.includes("403")), []);
  },

  // A page of another origin on this machine posts forms with the visitor's cookies.
  async elsewhere() {
    const { page, open } = await visitor();
    await enrol({ page });
    const form = (path) =>
      `<!doctype html><form method="post" action="${origin}/console/${path}"><input name="csrf" value="x"></form>
       <script>document.forms[0].submit()</script>`;
    const server = createServer((asked, answer) =>
      answer.setHeader("Content-Type", "text/html").end(form(asked.url.slice(1))),
    );
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    for (const host of ["localhost", "127.0.0.1"]) {
      for (const path of ["sign-out", "policy", "record"]) {
        const posted = page.waitForResponse((answer) => answer.request().method() === "POST");
        await page.goto(`http://${host}:${server.address().port}/${path}`);
        assert.equal((await posted).status(), 403, `${host} ${path}`);
      }
    }
    server.close();
    assert.equal((await open("")).url(), `${origin}/console/`, "still signed in");
    const other = origin.replace("localhost", "127.0.0.1");
    assert.equal((await page.goto(`${other}/console/`)).status(), 421);
  },

  // What strangers sent is text, wherever it stands.
  async hostile() {
    const { page, complaints, open } = await visitor();
    await enrol({ page });
    const markup = `<script>alert(1)</script>"><img src=x onerror=alert(2)><svg/onload=alert(3)>`;
    await visit(markup, "/%22%3E%3Cimg%20src=x%3E?'\"");
    await visit(`Googlebot ${markup}`);
    for (const path of [...PAGES, `requests?who=${encodeURIComponent(markup)}&class=${encodeURIComponent(markup)}`]) {
      await open(path);
      assert.equal(await page.locator("img, main script, [onerror], [onload]").count(), 0, path);
    }
    await open("requests");
    await page.click("table.requests tbody a");
    assert.ok((await text(page)).includes("<script>alert(1)</script>"), "it is shown as it came");
    assert.equal(await page.locator("img, main script, [onerror], [onload]").count(), 0);
    await open("policy");
    await page.fill("#draft", markup);
    await page.click("text=Compare");
    await open("record");
    await page.fill("#who", markup);
    await page.click("text=Look up");
    assert.match(await text(page, "#problem"), /write a domain/);
    assert.equal(await page.inputValue("#who"), markup);
    assert.deepEqual(complaints, []);
  },

  // Every page at a desk and on a telephone, by day and by night, by the rules of WCAG AA.
  async looks() {
    const { context, page, complaints, open } = await visitor();
    await page.goto(`${origin}/console/sign-in`);
    await looked(page, "sign-in");
    await enrol({ page });
    for (const path of PAGES) {
      await open(path);
      if (path === "") await page.waitForSelector("#chart canvas");
      await looked(page, path || "traffic");
    }
    await open("requests?class=3");
    await page.click("table.requests tbody a");
    await looked(page, "request");
    await open("policy");
    await page.fill("#draft", `[[rule]]\nname = "no-liars"\nwhen = { standing = "invalid" }\nthen = { action = "reject" }\n`);
    await page.click("text=Compare");
    await looked(page, "what-if");
    await open("record");
    await page.fill("#who", "bot@acme.example");
    await page.click("text=Look up");
    await looked(page, "record-found");
    assert.deepEqual(complaints, []);

    const cookies = await context.cookies();
    const plain = await visitor({ javaScriptEnabled: false });
    await plain.context.addCookies(cookies);
    await plain.open("policy");
    await plain.page.fill("#draft", "[[rule]]\n");
    await plain.page.click("text=Compare");
    assert.match(await text(plain.page, ".said-list"), /line 1/, "a draft needs no JavaScript");
    await plain.open("");
    assert.match(await text(plain.page, "#live"), /requests\./);
  },
};

// Looks at a page by day and night, wide and narrow; and keeps it, where there is a folder.
async function looked(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of [1180, 375]) {
      await page.setViewportSize({ width, height: width === 375 ? 800 : 900 });
      const what = `${name}, ${colorScheme}, ${width}`;
      const { scrollWidth, clientWidth } = await page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return { scrollWidth, clientWidth };
      });
      assert.ok(scrollWidth <= clientWidth, `${what}: ${scrollWidth} wide`);
      await page.evaluate(AXE);
      const { violations, passes } = await page.evaluate(
        (values) => window.axe.run(document, { runOnly: { type: "tag", values } }),
        WCAG_AA,
      );
      const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join("\n  ")}`);
      assert.deepEqual(told, [], what);
      assert.ok(passes.some(({ id }) => id === "color-contrast"), `${what}: contrast was measured`);
      if (folder && KEPT.includes(`${name}-${colorScheme}-${width}`)) {
        await page.screenshot({ path: `${folder}/${name}-${colorScheme}-${width}.png` });
      }
    }
  }
}

// What is worth a picture.
const KEPT = [
  "sign-in-light-375", "traffic-light-1180", "traffic-dark-1180", "traffic-light-375", "requests-light-1180",
  "request-light-1180", "request-dark-375", "identities-light-1180", "what-if-light-1180", "record-found-light-1180",
  "health-dark-1180",
];

try {
  await journeys[journey]();
  console.log("done");
} finally {
  await browser.close();
}
