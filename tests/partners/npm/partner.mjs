// Signs and verifies with the npm package web-bot-auth: one JSON object a line in, one a line out.

import { webcrypto } from "node:crypto";
import { createInterface } from "node:readline";
import { verify as verifyMessage } from "http-message-sig";
import { directoryResponseHeaders, helpers, jwkToKeyID, signatureHeaders, verify } from "web-bot-auth";
import { signerFromJWK, verifierFromJWK } from "web-bot-auth/crypto";

// Node 18, which Debian 12 has, knows it by no global name.
globalThis.crypto ??= webcrypto;

const thumbprint = (jwk) => jwkToKeyID(jwk, helpers.WEBCRYPTO_SHA256, helpers.BASE64URL_DECODE);

const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
const signer = await signerFromJWK(await crypto.subtle.exportKey("jwk", pair.privateKey));
const { kty, crv, x } = await crypto.subtle.exportKey("jwk", pair.publicKey);
const key = { kty, crv, x };

const times = () => ({ created: new Date(), expires: new Date(Date.now() + 60_000) });

// The key that a signature names, among those given.
const among = (keys) => async (data, signature, parameters) => {
  for (const jwk of keys) {
    if ((await thumbprint(jwk)) === parameters.keyid) {
      return (await verifierFromJWK(jwk))(data, signature, parameters);
    }
  }
  throw new Error("no such key");
};

const component = ([name, parameters]) =>
  parameters ? { name, parameters: new Map(Object.entries(parameters)) } : name;

const does = {
  key: async () => ({ key }),
  sign: async ({ message, covered }) => ({
    fields: await signatureHeaders(message, signer, { ...times(), components: covered?.map(component) }),
  }),
  verify: async ({ message, keys }) => (await verify(message, among(keys)), {}),
  signDirectory: async ({ request }) => ({
    fields: await directoryResponseHeaders({ request, response: { status: 200, headers: {} } }, [signer], times()),
  }),
  verifyDirectory: async ({ request, response, keys }) =>
    (await verifyMessage({ request, response }, among(keys)), {}),
};

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  const answer = await does[task.do](task).catch((error) => ({ refused: String(error.message ?? error) }));
  console.log(JSON.stringify(answer));
}
