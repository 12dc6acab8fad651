// What a sheet's code proves. "genuine" is said of one thing only: a signature, checked here, of a published key that
// signed on the code's day of issue.

import { CodeError, decode, payloadOf, signingInput, split } from "./sheet_code.js";

// RFC 8032, section 7.1, test 2: a browser that gets this wrong checks nothing.
const KNOWN_KEY = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const KNOWN_MESSAGE = Uint8Array.of(0x72);
const KNOWN_SIGNATURE =
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

/** A function (key, message, signature) -> Promise<boolean>, or null when this browser cannot check a signature. */
export async function signatureCheck() {
  for (const candidate of [async () => ofTheBrowser, ofTheLibrary]) {
    try {
      const check = await candidate();
      if (await works(check)) return check;
    } catch {
      // the next one
    }
  }
  return null;
}

async function ofTheBrowser(key, message, signature) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
}

async function ofTheLibrary() {
  const { verifyAsync } = await import("./noble-ed25519.js");
  return (key, message, signature) => verifyAsync(signature, message, key, { zip215: false });
}

async function works(check) {
  const signature = bytes(KNOWN_SIGNATURE);
  const right = await check(bytes(KNOWN_KEY), KNOWN_MESSAGE, signature);
  const wrong = await check(bytes(KNOWN_KEY), Uint8Array.of(0x73), signature);
  return right === true && wrong === false;
}

/**
 * { found, code }: "genuine" with what the code says, or why it proves nothing: "unreadable", "other-city",
 * "unknown-key", "forged", "revoked-key", "retired-key". `city`: keys.json. `check`: of `signatureCheck`.
 */
export async function examine(text, city, check) {
  let head;
  let signature;
  let code;
  try {
    [head, signature] = split(payloadOf(text));
    code = decode(head);
  } catch (error) {
    if (error instanceof CodeError) return { found: "unreadable" };
    throw error;
  }
  if (code.city !== city.code) return { found: "other-city" };
  const named = city.keys.filter((key) => key.reference === code.key);
  if (!named.length) return { found: "unknown-key" };
  const key = await signer(named, signingInput(head), signature, check);
  if (!key) return { found: "forged" };
  if (key.revoked) return { found: "revoked-key" };
  if (code.day < key.from || (key.until && code.day > key.until)) return { found: "retired-key" };
  return { found: "genuine", code };
}

async function signer(keys, message, signature, check) {
  for (const key of keys) {
    if ((await check(bytes(key.key), message, signature)) === true) return key;
  }
  return null;
}

function bytes(text) {
  return Uint8Array.from(text.match(/../g), (pair) => Number.parseInt(pair, 16));
}
