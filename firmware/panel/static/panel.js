// The panel's page: shows what it is sent, sends what is touched. It remembers nothing of what it showed.
"use strict";
(() => {
  const RETRY_MS = 300;
  const REPLACED = 4000; // close code of hal/panel/web.py: another page shows now
  const UNLOCK_MS = 2000; // a touch that changed nothing may be made again after this
  const ASIDE = ["repeat", "volume"]; // touches that change no screen
  const TYPED = ["digit", "clear", "enter"]; // typed faster than screens come: they wait for their turn
  const MOST_TYPED = 6;

  const [stage, waiting, elsewhere] = ["stage", "waiting", "elsewhere"].map((id) => document.getElementById(id));
  let wire = null;
  let screen = -1;
  let touched = false; // this screen has been touched already
  let unlock = 0;
  let typed = [];
  let deadline = "";
  let ends = 0; // of the countdown, in performance.now() milliseconds

  function connect() {
    elsewhere.hidden = true;
    wire = new WebSocket(`ws://${location.host}/panel/wire`);
    wire.onmessage = (message) => show(JSON.parse(message.data));
    wire.onclose = (event) => {
      clear();
      if (event.code === REPLACED) elsewhere.hidden = false;
      else setTimeout(connect, RETRY_MS);
    };
  }

  // Without a wire nobody knows what holds, and what was shown is somebody's.
  function clear() {
    stage.replaceChildren();
    waiting.hidden = false;
    typed = [];
    screen = -1;
    deadline = "";
  }

  const named = () => stage.firstElementChild?.dataset.screen;

  function show(sent) {
    const before = named();
    const focus = document.querySelector("button:focus-visible")?.dataset;
    const list = stage.querySelector("[data-scroll]");
    const [scrolled, top] = [list?.dataset.scroll, list?.scrollTop];
    screen = sent.screen;
    stage.innerHTML = sent.html;
    waiting.hidden = true;
    touched = false;
    const main = stage.firstElementChild;
    document.documentElement.lang = main.lang;
    const again = stage.querySelector("[data-scroll]");
    if (again && again.dataset.scroll === scrolled) again.scrollTop = top;
    if (focus && named() === before) find(focus.action, focus.value)?.focus();
    if (deadline !== main.dataset.deadline + before) {
      ends = performance.now() + 1000 * Number(main.dataset.limit);
    }
    deadline = main.dataset.deadline + named();
    tick();
    if (named() !== before) typed = [];
    else if (typed.length) send(...typed.shift());
  }

  const find = (action, value) =>
    [...stage.querySelectorAll("button")].find((b) => b.dataset.action === action && b.dataset.value === value);

  function press(button) {
    const { action, value = "" } = button.dataset;
    if (ASIDE.includes(action)) post(action, value);
    else if (!touched) send(action, value);
    else if (TYPED.includes(action) && typed.length < MOST_TYPED) typed.push([action, value]);
  }

  // One touch a screen: a second one could only mean what the next screen will say.
  function send(action, value) {
    touched = true;
    clearTimeout(unlock);
    unlock = setTimeout(() => { touched = false; typed = []; }, UNLOCK_MS);
    post(action, value);
  }

  function post(action, value) {
    if (wire.readyState === WebSocket.OPEN) wire.send(JSON.stringify({ screen, action, value }));
  }

  function tick() {
    const seconds = stage.querySelector("[data-seconds]");
    if (!seconds) return;
    const left = Math.max(0, Math.ceil((ends - performance.now()) / 1000));
    seconds.textContent = left;
    seconds.closest(".clock").classList.toggle("soon", left <= 10);
  }

  stage.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) press(button);
  });
  // A finger or a mouse leaves no focus behind, so that Enter never repeats the button touched last.
  stage.addEventListener("mousedown", (event) => event.preventDefault());
  document.addEventListener("contextmenu", (event) => event.preventDefault());
  elsewhere.addEventListener("click", connect);
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Enter" && document.activeElement?.closest("button")) return;
    const button = stage.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
    if (button) {
      event.preventDefault();
      press(button);
    }
  });
  setInterval(tick, 250);
  connect();
})();
