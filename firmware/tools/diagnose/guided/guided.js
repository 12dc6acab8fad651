// Shows what it is sent, and sends what a finger goes down on.
"use strict";
(() => {
  const RETRY_MS = 300;
  const REPORT_MS = 500; // kiosk browser takes a page that reports nothing for dead
  const REPLACED = 4000; // close code of hal/panel/web.py: another page shows now
  const stage = document.getElementById("stage");
  let wire = null;
  let screen = -1;

  function post(action) {
    if (wire.readyState === WebSocket.OPEN) wire.send(JSON.stringify({ screen, action }));
  }

  function connect() {
    wire = new WebSocket(`ws://${location.host}/panel/wire?key=${location.hash.slice(1)}`);
    wire.onmessage = (message) => {
      const sent = JSON.parse(message.data);
      screen = sent.screen;
      stage.innerHTML = sent.html;
    };
    wire.onclose = (event) => {
      screen = -1;
      stage.replaceChildren();
      if (event.code !== REPLACED) setTimeout(connect, RETRY_MS);
    };
  }

  stage.addEventListener("pointerdown", (event) => {
    const felt = event.target.closest("[data-action]");
    if (felt) post(felt.dataset.action);
  });
  document.addEventListener("contextmenu", (event) => event.preventDefault());
  setInterval(() => { if (screen >= 0) post("shown"); }, REPORT_MS);
  connect();
})();
