"use strict";
// The dock's page: the bench's state comes in over a WebSocket, what the mouse does goes out as POST.

const FAULTS = [
  ["reader-lost", "読み取り機が抜けた", "Reader lost"],
  ["phone-sleeps", "スマホの画面が消えた", "Phone asleep"],
  ["line-cut", "回線の切断", "Line cut"],
  ["line-stall", "回線の無応答", "Line silent"],
  ["paper-out", "用紙切れ", "Paper out"],
  ["printer-mute", "プリンタ無応答", "Printer mute"],
  ["printer-cover", "プリンタのふた", "Cover open"],
  ["printer-jam", "紙づまり", "Paper jam"],
  ["printer-gone", "プリンタ切断", "Printer unplugged"],
  ["printer-reports", "プリンタ自動通知", "Printer reports by itself"],
  ["printer-late", "プリンタ応答遅延", "Printer answers late"],
  ["printer-hangs-up", "カット毎に切断", "Printer hangs up"],
  ["printer-holds-port", "ポート保持", "Printer holds its port"],
  ["paper-out-behind-next", "次の用紙で終わり", "Paper ends behind the next"],
  ["receipt-paper-out", "レシート紙切れ", "Receipt paper out"],
  ["receipt-mute", "レシート無応答", "Receipt mute"],
  ["coin-jam", "硬貨づまり", "Coin jam"],
  ["coins-mute", "硬貨機無応答", "Coin unit mute"],
  ["terminal-mute", "決済端末の無応答", "Terminal mute"],
  ["terminal-declines", "決済を断る", "Payment declined"],
  ["terminal-forgets", "決済の結果が不明", "Payment unknown"],
  ["reversal-unknown", "取消の結果が不明", "Reversal unknown"],
  ["hoppers-empty", "釣り銭切れ", "No change left"],
];

const $ = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children);
  return node;
};
const bilingual = (ja, en) => [ja, " ", make("small", { lang: "en", textContent: en })];

// --- doing

async function act(action, body = {}) {
  const answer = await fetch(`/api/${action}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  }).catch(() => null);
  if (!answer) return notice("稽古台につながりません / The dock is gone", true);
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) notice(said.error || `${answer.status}`, true);
  return said.answer;
}

let fading;
function notice(text, bad = false) {
  const box = $("notice");
  box.textContent = text;
  box.className = bad ? "bad" : "";
  box.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { box.hidden = true; }, 5000);
}

for (const action of ["card-off", "present", "take-coins", "take-sheets", "take-receipt", "load-paper", "mend"]) {
  $(action).addEventListener("click", () => act(action));
}
$("reconcile").addEventListener("click", async () => {
  const said = await act("reconcile");
  if (said !== undefined) notice(said || "照合しました / Reconciled");
});

// --- paper

function enlarge(id) {
  const closer = $("closer");
  closer.querySelector("img").src = `/api/sheets/${id}.png`;
  closer.showModal();
}
$("closer").addEventListener("click", (event) => { if (event.target === $("closer")) $("closer").close(); });

function showPaper(box, papers) {
  const there = new Map([...box.children].map((image) => [Number(image.dataset.id), image]));
  box.replaceChildren(...papers.map(({ id }) => {
    if (there.has(id)) return there.get(id);
    const image = make("img", { src: `/api/sheets/${id}.png`, alt: `紙 ${id}`, tabIndex: 0, onclick: () => enlarge(id) });
    image.dataset.id = id;
    image.addEventListener("keydown", (event) => { if (event.key === "Enter") enlarge(id); });
    return image;
  }));
}

// --- voice

const player = new Audio();
let heard = null;  // id of the newest utterance seen
const queue = [];

function playNext() {
  const next = queue.shift();
  if (next === undefined) return;
  player.src = `/api/spoken/${next}.wav`;
  player.play().catch(() => playNext());  // no sound before the first click: the browser's rule
}
player.addEventListener("ended", playNext);
player.addEventListener("error", playNext);

function speak(spoken) {
  const fresh = spoken.filter(({ id }) => heard !== null && id > heard).reverse();
  heard = Math.max(heard ?? 0, ...spoken.map(({ id }) => id));
  for (const { id, text } of fresh) {
    if (text) queue.push(id);
    else { queue.length = 0; player.pause(); }
  }
  if (!$("sound").checked) queue.length = 0;
  else if (player.paused || player.ended) playNext();
  $("spoken").replaceChildren(...utterances(spoken).map((textContent) => make("li", { textContent })));
}
// What was said without a pause in between, newest first; an empty text is the command to be quiet.
function utterances(spoken) {
  const said = [[]];
  for (const { text } of spoken) text ? said.at(-1).unshift(text) : said.push([]);
  return said.filter((phrases) => phrases.length).map((phrases) => phrases.join(" "));
}
$("sound").addEventListener("change", () => { if (!$("sound").checked) { queue.length = 0; player.pause(); } });

// --- showing

let cards = new Map();

function showCards({ on_reader: on, tries }) {
  for (const item of $("cards").children) {
    const name = item.dataset.name;
    item.toggleAttribute("aria-current", name === on);
    item.firstChild.disabled = on !== null;
    const locked = tries[name] === 0;
    item.querySelector(".pin").textContent = locked ? "ロック" : cards.get(name).pin;
    item.querySelector(".pin").classList.toggle("locked", locked);
  }
}

function showReader({ on_reader: on, apdus, tries }) {
  $("pad").classList.toggle("full", on !== null);
  $("card-off").disabled = on === null;
  const card = on === null ? null : cards.get(on) ?? { holder: on, pin: "", kind: "card" };
  $("pad").replaceChildren(card
    ? make("div", { className: card.kind === "card" ? "plastic" : "plastic phone" }, make("b", { textContent: card.holder }),
      make("small", { textContent: `暗証番号 ${card.pin}　残り ${tries[on] ?? "?"} 回` }),
      make("span", { textContent: `${apdus} APDU` }))
    : make("span", { textContent: "左のカードを選ぶと、ここに置かれます" }));
}

function showFaults(faults) {
  for (const box of $("faults").querySelectorAll("input")) box.checked = faults[box.name];
}

function showMoney({ cup, box, hoppers }, paper) {
  const total = cup.reduce((sum, value) => sum + value, 0);
  const foreign = cup.filter((value) => value === 0).length;
  $("cup").textContent = cup.length ? `${total}円${foreign ? ` ＋${foreign}` : ""}` : "空";
  $("take-coins").disabled = cup.length === 0;
  $("stock").textContent = `用紙 ${paper.sheets}　レシート ${paper.receipts}　金庫 ${box}円　釣り銭 `
    + hoppers.map(({ value, coins }) => `${value}円×${coins}`).join(" ");
}

function showTerminal({ due, waiting }) {
  $("due").textContent = due ? `${due}円` : "";
  $("present").disabled = !waiting;
}

function show(state) {
  showCards(state.card);
  showReader(state.card);
  showFaults(state.faults);
  showTerminal(state.terminal);
  showMoney(state.coins, state.paper);
  for (const [printer, box, button] of [["sheets", "sheets", "take-sheets"], ["receipts", "receipts", "take-receipt"]]) {
    const waiting = state.waiting.filter((paper) => paper.printer === printer);
    showPaper($(box), waiting);
    $(button).disabled = waiting.length === 0;
  }
  showPaper($("taken"), state.taken);
  speak(state.spoken);
}

function watch() {
  const wire = new WebSocket(`ws://${location.host}/api/wire`);
  wire.onmessage = (message) => show(JSON.parse(message.data));
  wire.onclose = () => setTimeout(watch, 1000);
}

async function begin() {
  const setup = await (await fetch("/api/setup")).json();
  cards = new Map(setup.cards.map((card) => [card.name, card]));
  $("cards").replaceChildren(...setup.cards.map((card) => {
    const button = make("button", { onclick: () => act("card", { name: card.name }) },
      make("span", { textContent: card.holder }), make("span", { className: "pin", textContent: card.pin, title: "暗証番号 PIN" }),
      make("span", { className: "note", textContent: card.note }));
    const item = make("li", {}, button);
    item.dataset.name = card.name;
    return item;
  }));
  $("coins").replaceChildren(...setup.coins.map((value) => {
    const button = make("button", { textContent: value || "異物", title: value ? `${value}円` : "硬貨でないもの / not a coin",
      onclick: () => act("coin", { value }) });
    button.dataset.value = value;
    return button;
  }));
  $("faults").replaceChildren(...FAULTS.map(([name, ja, en]) => {
    const box = make("input", { type: "checkbox", name, onchange: (event) => act("fault", { name, on: event.target.checked }) });
    return make("li", {}, make("label", {}, box, make("span", {}, ...bilingual(ja, en))));
  }));
  $("reconcile").hidden = !setup.reconcile;
  watch();
}
begin();
