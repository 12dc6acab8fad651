// The signed code on a sheet: its text into bytes, its bytes into fields. Strict; docs/verification.md has the format.
// The rules are those of firmware/link/sheet_code.py, and a test compares the two.

export class CodeError extends Error {}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; // RFC 4648
const LEFT_OVER = new Set([0, 2, 4, 5, 7]); // characters of the last group of eight
const START = [0x4d, 0x47, 2]; // "MG", version
const HEADER_SIZE = 12;
const SIGNATURE_SIZE = 64;
const DOMAIN = "madoguchi code v2";

const number = (bytes) => bytes.reduce((sum, byte) => sum * 256 + byte, 0);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// Every tag: what its value says, in how many bytes when that is fixed, and whether it must be there.
const FIELDS = new Map([
  [1, { required: true, read: (value) => ({ kind: ascii(value) }) }],
  [2, { required: true, read: (value) => ({ uniqueNumber: ascii(value) }) }],
  [3, { required: true, size: 2, read: ([page, pages]) => ({ page, pages }) }],
  [4, { required: true, read: (value) => ({ holder: utf8(value) }) }],
  [5, { size: 2, read: (value) => ({ year: number(value) }) }],
  [6, { size: 2, read: ([people, whole]) => ({ people, whole }) }],
  [7, { required: true, size: 16, read: (value) => ({ digest: hex(value) }) }],
]);

/** The payload in an address, or in the part behind its last `#`. Throws CodeError. */
export function payloadOf(text) {
  const body = text.slice(text.lastIndexOf("#") + 1);
  if (!LEFT_OVER.has(body.length % 8)) throw new CodeError("not base32");
  const payload = new Uint8Array(Math.floor((body.length * 5) / 8));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const letter of body) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) throw new CodeError("not base32");
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      payload[at] = (held >> bits) & 0xff;
      at += 1;
    }
  }
  if (held & ((1 << bits) - 1)) throw new CodeError("stray bits at the end");
  return payload;
}

/** Head and signature. Throws CodeError. */
export function split(payload) {
  if (payload.length <= HEADER_SIZE + SIGNATURE_SIZE) throw new CodeError("cut short");
  return [payload.slice(0, -SIGNATURE_SIZE), payload.slice(-SIGNATURE_SIZE)];
}

/** What the code says; `year`, `people` and `whole` are null where the sheet has none. Throws CodeError. */
export function decode(head) {
  if (head.length < HEADER_SIZE || START.some((byte, at) => head[at] !== byte)) {
    throw new CodeError("not a code of a sheet");
  }
  const code = {
    key: hex(head.slice(3, 7)),
    city: String(number(head.slice(7, 10))).padStart(6, "0"),
    day: dayOf(number(head.slice(10, 12))),
    year: null,
    people: null,
    whole: null,
    ...fieldsOf(head.slice(HEADER_SIZE)),
  };
  const counted = code.page >= 1 && code.page <= code.pages;
  if (code.city.length !== 6 || !counted || code.whole > 1) throw new CodeError("not a code of a sheet");
  return { ...code, whole: code.whole === null ? null : code.whole === 1 };
}

/** What the issuing key signed: every part behind its length in four bytes. */
export function signingInput(head) {
  const parts = [new TextEncoder().encode(DOMAIN), head];
  const framed = parts.flatMap((part) => [0, 0, part.length >> 8, part.length & 0xff, ...part]);
  return Uint8Array.from(framed);
}

function fieldsOf(message) {
  const found = {};
  const tags = new Set();
  let last = 0;
  let at = 0;
  while (at < message.length) {
    const [tag, size] = [message[at], message[at + 1]];
    const value = message.slice(at + 2, at + 2 + size);
    const field = FIELDS.get(tag);
    if (!field || tag <= last) throw new CodeError("not a field of a code");
    if (!size || value.length !== size || size !== (field.size ?? size)) throw new CodeError("not a field of a code");
    Object.assign(found, field.read(value));
    tags.add(tag);
    last = tag;
    at += 2 + size;
  }
  for (const [tag, field] of FIELDS) {
    if (field.required && !tags.has(tag)) throw new CodeError("a field is missing");
  }
  return found;
}

/** ISO 8601, from the days since 2000-01-01. */
function dayOf(days) {
  return new Date(Date.UTC(2000, 0, 1 + days)).toISOString().slice(0, 10);
}

function ascii(value) {
  if (value.some((byte) => byte > 0x7f)) throw new CodeError("not text");
  return String.fromCharCode(...value);
}

function utf8(value) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw new CodeError("not text");
  }
}
