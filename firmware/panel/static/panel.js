// The panel's page: shows what it is sent, sends what is touched. It remembers nothing of what it showed.
"use strict";
(() => {
  const RETRY_MS = 300;
  const REPLACED = 4000; // close code of hal/panel/web.py: another page shows now
  const UNLOCK_MS = 2000; // a touch that changed nothing may be made again after this
  const ASIDE = ["repeat", "volume", "hear"]; // touches that change no screen
  const TYPED = ["digit", "clear", "enter"]; // typed faster than screens come: they wait for their turn
  const MOST_TYPED = 6;
  const REPORT_MS = 500;
  const PRESSED_MS = 150;
  const [STEP, SWITCH] = ["0", " "]; // go to the next button: of a ten-key pad, of a single switch
  const HELD_MS = 800; // a switch that is held so long presses what was stepped to
  const ORDINARY_PX = 16; // the size of text that browsers begin with
  const [MOST_ZOOM, ZOOM_STEP] = [2, 0.1];
  const MOST_LINES = 2.6; // of a warning, its margin counted
  const STEP_OF_KEY = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

  const [stage, said, waiting, elsewhere] = ["stage", "said", "waiting", "elsewhere"].map((id) => document.getElementById(id));
  let wire = null;
  let screen = -1;
  let touched = false; // this screen has been touched already
  let unlock = 0;
  let typed = [];
  let deadline = "";
  let ends = 0; // of the countdown, in performance.now() milliseconds
  let held = 0; // the timer of a switch that is held
  let down = ""; // what the finger went down on: it presses nothing else when it comes up
  let helping = false; // the view of modes and languages is open

  function connect() {
    elsewhere.hidden = true;
    // What stands behind the # of an address is sent to nobody: there the browser has the key (hal/panel/web.py).
    wire = new WebSocket(`ws://${location.host}/panel/wire?key=${location.hash.slice(1)}`);
    wire.onmessage = (message) => show(JSON.parse(message.data));
    wire.onclose = (event) => {
      clear();
      if (event.code === REPLACED) elsewhere.hidden = false;
      else setTimeout(connect, RETRY_MS);
    };
  }

  // Without a wire nobody knows what holds, and what was shown is somebody's.
  function clear() {
    release();
    stage.replaceChildren();
    said.textContent = "";
    waiting.hidden = false;
    typed = [];
    screen = -1;
    deadline = "";
    helping = false;
    Pages.forget();
  }

  const main = () => stage.firstElementChild;
  const named = () => main()?.dataset.screen;
  const place = () => main() && `${named()} ${main().dataset.part}`;
  const lives = () => [...stage.querySelectorAll("[data-live], [role=alert]")].filter((e) => e.offsetParent).map((e) => e.getAttribute("aria-label") ?? plain(e));

  // The words without their furigana.
  function plain(element) {
    const copy = element.cloneNode(true);
    copy.querySelectorAll("rt, svg").forEach((e) => e.remove());
    return copy.textContent.replace(/\s+/g, " ").trim();
  }

  function show(sent) {
    const [before, stood, heard] = [named(), place(), lives()];
    const focus = document.activeElement?.closest("#stage button")?.dataset;
    const language = main()?.dataset.language;
    release();
    screen = sent.screen;
    stage.innerHTML = sent.html;
    waiting.hidden = true;
    clearTimeout(unlock);
    touched = false;
    document.documentElement.lang = main().lang;
    const same = place() === stood;
    helping = helping && same && main().dataset.language === language;
    lay();
    if (!same || (focus && types())) leave();
    else if (focus) find(focus)?.focus({ preventScroll: true });
    if (same) tell(lives().filter((words) => !heard.includes(words)));
    else said.textContent = "";
    if (deadline !== main().dataset.deadline + before) {
      ends = performance.now() + 1000 * (sent.left ?? Number(main().dataset.limit));
    }
    deadline = main().dataset.deadline + named();
    tick();
    if (named() !== before) typed = [];
    else if (typed.length) send(...typed.shift());
  }

  // What has changed while the screen stayed, for somebody who hears the page.
  function tell(words) {
    if (words.length) said.textContent = words.join(" ");
  }

  // The sizes of text to try: what the browser is set to, twice the ordinary one together with the mode at most, and
  // then smaller ones. A small panel is full at the ordinary size: there it is what large text is.
  function* zooms() {
    const set = parseFloat(getComputedStyle(document.documentElement).fontSize) / ORDINARY_PX;
    const most = document.body.classList.contains("small") ? 1 : MOST_ZOOM / Number(getComputedStyle(main()).getPropertyValue("--scale"));
    if (set > 1) for (let zoom = Math.min(set, most); zoom > 1; zoom -= ZOOM_STEP) yield [zoom, true];
    if (set > 1) yield [1, true];
    yield [1, false];
  }

  // The largest of them at which everything is seen whole.
  function fit() {
    for (const [zoom, zoomed] of zooms()) {
      document.documentElement.style.setProperty("--zoom", String(zoom));
      document.body.classList.toggle("zoomed", zoomed);
      shorten();
      if (Pages.lay(main())) return;
    }
  }

  function lay() {
    if (!main()) return;
    for (const heading of stage.querySelectorAll("h1, h2")) heading.tabIndex = -1;
    for (const group of stage.querySelectorAll("[role=radiogroup]")) rove([...group.querySelectorAll("[role=radio]")]);
    const [help, body] = [stage.querySelector("#help"), stage.querySelector(".body")];
    if (help) {
      help.hidden = !helping;
      body.inert = helping;
      main().querySelector(":scope > .foot").inert = helping;
      main().classList.toggle("helping", helping);
      stage.querySelector("[data-page=help]").setAttribute("aria-expanded", String(helping));
    }
    fit();
  }

  // Where the steps do not fit beside the clock, only the present one is named, and then it alone is shown.
  // Beside a long warning the clock is a number alone.
  function shorten() {
    const [steps, list] = [stage.querySelector(".steps"), main().classList];
    const warning = stage.querySelector(".running-out");
    list.remove("brief", "terse");
    for (const less of ["brief", "terse"]) {
      if (steps && steps.scrollWidth > steps.clientWidth + 1) list.add(less);
    }
    if (warning && warning.offsetHeight > MOST_LINES * parseFloat(getComputedStyle(warning).lineHeight)) list.add("terse");
  }

  // One radio of a group is reached by Tab, the others by the arrow keys.
  function rove(radios) {
    const chosen = radios.find((radio) => radio.ariaChecked === "true") ?? radios[0];
    for (const radio of radios) radio.tabIndex = radio === chosen ? 0 : -1;
  }

  // Where nothing changes a browser draws nothing, and would not notice that its display takes no picture any more.
  const speck = document.body.appendChild(document.createElement("i"));
  speck.ariaHidden = "true";
  Object.assign(speck.style, { position: "fixed", top: 0, left: 0, width: "1px", height: "1px", pointerEvents: "none" });
  let odd = false;

  // Tells which screen stands there, once a picture was drawn: a page that draws nothing is noticed.
  function report() {
    const styled = getComputedStyle(document.documentElement).getPropertyValue("--mm");
    const drawn = main()?.getBoundingClientRect();
    if (screen < 0 || !styled || !drawn?.width || !drawn.height) return;
    if (!stage.contains(document.elementFromPoint(drawn.left + drawn.width / 2, drawn.top + drawn.height / 2))) return;
    const seen = screen;
    speck.style.backgroundColor = `rgb(0 0 0 / ${(odd = !odd) ? 0.02 : 0.04})`;
    const report = () => { if (seen === screen) post("shown", ""); };
    if (document.hidden) report(); // a screen that is switched off draws nothing
    else requestAnimationFrame(report);
  }

  const isSeen = (element) => element.offsetParent && getComputedStyle(element).visibility === "visible";
  const isDead = (element) => element.closest("[inert], [hidden]");
  const types = () => stage.querySelector(".body:not([inert]) .keypad"); // a PIN is typed now

  // No button has the focus any more: where it stood would tell which digit was typed.
  function leave() {
    document.activeElement?.blur();
    stage.querySelector("h1")?.focus({ preventScroll: true });
  }

  const find = ({ action, value, page }) =>
    [...stage.querySelectorAll("button")].find((b) => b.offsetParent && b.dataset.action === action && b.dataset.value === value && b.dataset.page === page);

  function press(button) {
    const { action, value = "", page } = button.dataset;
    if (page) turn(button, page);
    else if (ASIDE.includes(action)) post(action, value);
    else if (!touched) send(action, value);
    else if (TYPED.includes(action) && typed.length < MOST_TYPED) typed.push([action, value]);
    if (types()) leave();
  }

  // Touches that the page answers by itself: another page of this screen, or the view of modes and languages.
  function turn(button, page) {
    if (page === "help" || page === "close") {
      helping = page === "help" && !helping;
      lay();
      stage.querySelector(helping ? "#help-title" : "[data-page=help]").focus({ preventScroll: true });
      post("hear", helping ? "page.opened" : "page.closed");
      return;
    }
    const region = (button.closest(".help") ?? stage.querySelector(".body")).querySelector("[data-pages]");
    Pages.turn(main(), region, page === "later" ? 1 : -1);
    const heading = stage.querySelector(helping ? "#help-title" : "h1");
    region.tabIndex = -1;
    (heading.offsetParent && !heading.closest(".off") ? heading : region).focus({ preventScroll: true });
    tell(lives().slice(-1));
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

  // The keys that choose among radios: the next one is focused and chosen.
  function choose(event) {
    const radio = document.activeElement?.closest("[role=radio]");
    const step = STEP_OF_KEY[event.key];
    if (!radio || !step) return false;
    const all = [...radio.closest("[role=radiogroup]").querySelectorAll("[role=radio]:not(.off)")];
    const next = all[(all.indexOf(radio) + step + all.length) % all.length];
    next.focus();
    press(next);
    return true;
  }

  stage.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const began = down;
    down = "";
    if (!button || (event.detail && began && began !== what(button))) return;
    press(button);
  });
  stage.addEventListener("pointerdown", (event) => {
    const button = event.target.closest("button");
    down = button ? what(button) : "nothing";
    if (!button || button.closest(".keypad")) return; // a lit key would tell the neighbour
    button.classList.add("pressed");
    setTimeout(() => button.classList.remove("pressed"), PRESSED_MS);
  });
  // A button, and the place where it stands: on another screen it means something else.
  function what(button) {
    const { action, value, page } = button.dataset;
    return [place(), action, value, page].join(" ");
  }

  // A finger or a mouse leaves no focus behind, so that Enter never repeats the button touched last.
  stage.addEventListener("mousedown", (event) => event.preventDefault());
  document.addEventListener("contextmenu", (event) => event.preventDefault());
  elsewhere.addEventListener("click", connect);
  document.addEventListener("keydown", (event) => {
    if (event.repeat) return event.preventDefault(); // a key that stays down is one press
    release();
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const named = keyOf(event);
    if (helping && ["Escape", "Backspace"].includes(named)) {
      event.preventDefault();
      return turn(stage.querySelector("[data-page=close]"), "close");
    }
    if (choose(event)) event.preventDefault();
    if (named === "Enter" && document.activeElement?.closest("#stage button")) return;
    if (named === STEP || named === SWITCH) return step(event, named);
    const later = stage.querySelector(".body:not([inert])") && main()?.querySelector(":scope > .foot > .pager .later");
    const button = named === "Enter" && later?.offsetParent ? later : [...stage.querySelectorAll(`button[data-key~="${CSS.escape(named)}"]`)].find((b) => !b.closest("[inert]"));
    if (button) {
      event.preventDefault();
      document.activeElement?.closest("#stage button")?.blur(); // Enter goes on again
      press(button);
      if (button === later) post("hear", "page.later");
    }
  });

  // A pad without NumLock, and one in another country, send other names for the same keys.
  function keyOf(event) {
    if (/^Numpad\d$/.test(event.code)) return event.code.at(-1);
    return event.code === "NumpadDecimal" ? "." : event.key;
  }

  // What can be pressed, one after the other, each said: Enter presses it, or a longer press of the switch.
  // While a PIN is typed it begins anywhere for each digit: how many steps there were tells nothing.
  function step(event, key) {
    event.preventDefault();
    const digit = key === STEP && types() && stage.querySelector(`.keypad [data-key~="${STEP}"]`);
    if (digit) return press(digit); // on the keypad it is a digit
    const all = [...stage.querySelectorAll("button:not(:disabled)")].filter((b) => !isDead(b) && isSeen(b));
    const at = all.indexOf(document.activeElement);
    const next = all[at < 0 && types() ? anywhere(all.length) : (at + 1) % all.length];
    next?.focus({ preventScroll: true });
    if (!next || document.activeElement !== next) return;
    post("hear", next.dataset.action ? [next.dataset.action, next.dataset.value].filter(Boolean).join(".") : `page.${next.dataset.page}`);
    if (key === SWITCH) hold(next);
  }

  const anywhere = (length) => crypto.getRandomValues(new Uint32Array(1))[0] % length;

  // What was stepped to is pressed, if it still stands there by then.
  function hold(button) {
    const on = screen;
    held = setTimeout(() => {
      if (on === screen && stage.contains(button) && document.activeElement === button) press(button);
    }, HELD_MS);
  }

  const release = () => clearTimeout(held);

  document.addEventListener("keyup", (event) => { if (keyOf(event) === SWITCH) release(); });
  addEventListener("blur", release);
  addEventListener("resize", lay);
  setInterval(tick, 250);
  setInterval(report, REPORT_MS);
  connect();
})();
