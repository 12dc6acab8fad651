// What the page shows: one verdict, and what the code says, large, beside the question whether the paper says the same.

import { dated, era, fiscalYear } from "./dates.js";
import { examine, signatureCheck } from "./verdict.js";
import { WORDS } from "./words.js";

const ASKING_MS = 8000;
const STANDINGS = ["in-force", "void", "unknown"];
const TONES = {
  "in-force": "good",
  void: "bad",
  unknown: "bad",
  unasked: "warn",
  forged: "bad",
  "retired-key": "bad",
  "revoked-key": "bad",
  "unknown-key": "bad",
  "other-city": "warn",
  unreadable: "warn",
  "no-keys": "warn",
  unsupported: "warn",
}; // every other: plain

const at = (id) => document.getElementById(id);
const shown = { verdict: "checking", code: null, at: null, language: firstLanguage(), city: null };
let latest = 0; // an answer to an earlier code says nothing about the code of now

const city = fetch("/v/keys.json", { credentials: "same-origin" })
  .then((answer) => (answer.ok ? answer.json() : null))
  .then((told) => (Array.isArray(told?.keys) && told.name?.ja ? told : null))
  .catch(() => null);
const check = signatureCheck();

function firstLanguage() {
  const known = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in WORDS);
  return known ?? "en";
}

// -- the verdict

async function judge() {
  const mine = ++latest;
  const text = location.hash;
  show("checking");
  const tell = (verdict, code) => {
    if (mine === latest) show(verdict, code);
  };
  try {
    await decide(text, tell);
  } catch {
    tell("unsupported");
  }
}

async function decide(text, tell) {
  shown.city = await city;
  if (text.length <= 1) return tell("none");
  if (!shown.city) return tell("no-keys");
  const works = await check;
  if (!works) return tell("unsupported");
  const { found, code } = await examine(text, shown.city, works);
  if (found !== "genuine") return tell(found);
  return tell(await standing(code.uniqueNumber), code);
}

/** Asked with the number alone; "unasked" whatever comes back that is no clear answer. */
async function standing(number) {
  try {
    const answer = await fetch("/v/status", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ number }),
      signal: AbortSignal.timeout(ASKING_MS),
    });
    const said = answer.ok ? (await answer.json()).standing : null;
    return STANDINGS.includes(said) ? said : "unasked";
  } catch {
    return "unasked";
  }
}

// -- on the screen

function show(verdict, code = null) {
  shown.verdict = verdict;
  shown.code = code;
  shown.at = new Date();
  draw();
}

function draw() {
  const { verdict, code, language, city: published } = shown;
  const words = WORDS[language];
  const name = published ? local(published.name) : "";
  const rows = code ? fields(code, published) : []; // first: a verdict never stands there without them
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = words[element.dataset.word];
  }
  drawVerdict(verdict, words, name);
  at("name").textContent = name;
  at("lead").hidden = verdict !== "none";
  at("sheet").hidden = !code;
  at("fields").replaceChildren(...rows);
  at("paste").hidden = at("about").hidden = at("language").hidden = false;
  at("language").textContent = words.other;
  at("language").lang = language === "ja" ? "en" : "ja";
  at("aboutText").replaceChildren(...words.aboutText.map((text) => element("li", text)));
  at("contact").hidden = !published?.contact;
  at("office").replaceChildren(...(published?.contact ? contact(published.contact) : []));
}

function drawVerdict(verdict, words, name) {
  const said = words[verdict];
  at("title").textContent = said.title;
  at("text").textContent = said.text.replace("{city}", name) + moment(verdict, words);
  at("advice").textContent = said.advice ?? "";
  at("verdict").dataset.tone = TONES[verdict] ?? "plain";
  at("verdict").dataset.verdict = verdict;
  document.title = verdict === "none" ? words.service : `${said.title} | ${words.service}`;
}

/** When the city answered, where it did. */
function moment(verdict, words) {
  if (!STANDINGS.includes(verdict)) return "";
  const time = new Intl.DateTimeFormat(words.locale, { dateStyle: "medium", timeStyle: "short" }).format(shown.at);
  return fill(words.moment, { time });
}

function contact({ office, phone, hours }) {
  return [local(office), phone, local(hours)].map((text) => element("span", text));
}

/** A row for each field: large what the paper says, in Japanese as it is there; below it what that means. */
function fields(code, published) {
  const { language } = shown;
  const words = WORDS[language];
  const rows = [
    ["holder", code.holder, "", "name"],
    ["kind", titleOf(code, published, "ja"), titleOf(code, published, language)],
    ["year", code.year !== null && fiscalYear(code.year), fill(words.yearMeaning, code)],
    ["people", code.people !== null && people(code, WORDS.ja), people(code, words)],
    ["number", code.uniqueNumber, "", "number"],
    ["day", era(code.day), dated(code.day, words.locale)],
    ["page", fill("（{page}/{pages}）", code), fill(words.pageMeaning, code)],
    ["city", published.name.ja, local(published.name)],
  ];
  return rows.filter(([, printed]) => printed).flatMap((row) => field(...row));
}

function field(word, printed, meaning, look) {
  const label = element("dt", WORDS[shown.language][word]);
  if (shown.language !== "ja") label.append(" ", element("span", WORDS.ja[word], "ja"));
  const value = element("dd", "");
  value.append(element("b", printed, "ja"));
  if (look) value.classList.add(look);
  if (meaning && meaning !== printed) value.append(" ", element("span", meaning));
  return [label, value];
}

/** The title that held on the day of issue; the kind itself where the city's data do not know it. */
function titleOf(code, { kinds }, language) {
  const held = (entry) => entry.from <= code.day && (!entry.until || code.day <= entry.until);
  const entry = kinds.find((one) => one.kind === code.kind && held(one));
  return entry ? (entry.title[language] ?? entry.title.ja) : code.kind;
}

function people(code, words) {
  return fill(code.whole ? words.whole : words.part, code);
}

const local = (names) => names[shown.language] ?? names.ja;
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

function element(tag, text, lang) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (lang) made.lang = lang;
  return made;
}

// -- what people do

at("language").addEventListener("click", () => {
  shown.language = shown.language === "ja" ? "en" : "ja";
  draw();
});

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("pasted").value.trim();
  const payload = text.slice(text.lastIndexOf("#") + 1);
  at("pasted").value = "";
  if (`#${payload}` === location.hash) judge();
  else location.hash = payload; // hashchange follows
});

addEventListener("hashchange", judge);
addEventListener("pageshow", (event) => {
  if (event.persisted) judge(); // taken out of the browser's cache: the city's answer may be another by now
});
judge();
