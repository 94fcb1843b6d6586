// What pages of the console do beside showing what they were sent: passkeys, and the chart of traffic.
"use strict";

// base64url without padding, as it travels.
const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const decode = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (octet) => octet.charCodeAt(0));

// Posts JSON, and gives the answer; what is refused is told in the answer's own words.
async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body ?? null),
  });
  if (!answer.ok) throw new Error((await answer.text()) || "The gateway did not answer as it should.");
  return answer.status === 204 ? null : answer.json();
}

// Has a passkey sign a challenge: one of these, or any that is there for this host.
async function show(asked, id) {
  const shown = await navigator.credentials.get({
    publicKey: {
      challenge: decode(asked.challenge),
      rpId: asked.host,
      userVerification: "required",
      allowCredentials: id ? [{ type: "public-key", id }] : [],
    },
  });
  const { clientDataJSON, authenticatorData, signature } = shown.response;
  return {
    id: encode(shown.rawId),
    client_data: encode(clientDataJSON),
    authenticator_data: encode(authenticatorData),
    signature: encode(signature),
  };
}

async function signIn() {
  await post("/console/sign-in", await show(await post("/console/sign-in/ask")));
}

// The ticket stands behind the `#`, which no log gets to see.
async function enrol() {
  const ticket = location.hash.slice(1);
  const asked = await post("/console/enrol/ask", { ticket });
  const made = await navigator.credentials.create({
    publicKey: {
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      rp: { id: asked.host, name: "avouch console" },
      user: { id: crypto.getRandomValues(new Uint8Array(16)), name: asked.name, displayName: asked.name },
      pubKeyCredParams: [{ type: "public-key", alg: -8 }, { type: "public-key", alg: -7 }],
      authenticatorSelection: { residentKey: "required", userVerification: "required" },
      attestation: "none",
    },
  });
  const key = made.response.getPublicKey();
  if (!key) throw new Error("This kind of passkey is not taken: choose one with ES256 or Ed25519.");
  const shown = await show(asked, made.rawId);
  await post("/console/enrol", { ticket, key: encode(key), shown });
}

// A button that does something with passkeys, and says what came of it.
function wire(name, work) {
  const button = document.getElementById(name);
  button?.addEventListener("click", async () => {
    const said = document.getElementById("said");
    button.disabled = true;
    said.textContent = "";
    try {
      if (!window.PublicKeyCredential) throw new Error("This browser has no passkeys here: open the console at its origin.");
      await work();
      location.replace("/console/");
    } catch (error) {
      const quiet = error.name === "NotAllowedError";
      said.textContent = quiet ? "No passkey was chosen, or it took too long. Try again." : error.message;
      button.disabled = false;
    }
  });
}

// Seconds between two counts.
const STEP = 5;

const KINDS = ["verified", "partial", "anonymous", "undetermined", "invalid", "unjudged"];

// The paces stand in the part that is put in place of the old one every few seconds.
let chart = null;
function draw() {
  const place = document.getElementById("chart");
  const points = document.getElementById("points");
  if (!place || !points || !window.uPlot) return;
  const [times, paces] = JSON.parse(points.dataset.points);
  // Stacked: those at the foot of the chart can be compared best, and lies are what one looks for.
  const order = [4, 3, 2, 1, 0, 5];
  const sums = times.map(() => 0);
  const stacked = order.map((kind) => paces[kind].map((pace, at) => (sums[at] += pace)));
  // What is drawn first is covered by what comes after it.
  const data = [times, ...stacked.toReversed()];
  const shape = JSON.stringify([place.clientWidth, matchMedia("(prefers-color-scheme: dark)").matches]);
  if (chart && chart.shape === shape) {
    chart.setData(data);
    return;
  }
  chart?.destroy();
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
  // A bar for each step, which ends where it was counted.
  const paths = uPlot.paths.bars({ size: [1, Infinity], align: -1, gap: 0 });
  const clock = (_, seconds) => seconds.map((second) => new Date(second * 1000).toISOString().slice(11, 16));
  chart = new uPlot(
    {
      width: place.clientWidth,
      height: place.clientHeight,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        // What is known, and five minutes at least.
        x: { range: (_, first, last) => [Math.min(first - STEP, last - 300), last] },
        y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] },
      },
      axes: [{ ...axis, values: clock, incrs: [60, 120, 300, 600] }, { ...axis, size: 46 }],
      series: [
        {},
        ...order.toReversed().map((kind) => ({ fill: colour(KINDS[kind]), stroke: colour(KINDS[kind]), width: 0, paths, points: { show: false } })),
      ],
    },
    data,
    place,
  );
  chart.shape = shape;
}

// Whether the figures are unfolded outlasts the part that they stand in.
let unfolded = false;

document.addEventListener("DOMContentLoaded", () => {
  wire("sign-in", signIn);
  wire("enrol", enrol);
  draw();
  window.addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.body.addEventListener("htmx:beforeSwap", () => {
    unfolded = document.getElementById("minutes")?.open ?? false;
  });
  document.body.addEventListener("htmx:afterSwap", () => {
    const minutes = document.getElementById("minutes");
    if (minutes) minutes.open = unfolded;
    draw();
  });
});
