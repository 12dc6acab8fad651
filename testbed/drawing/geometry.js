// What is wrong with the screen that stands in the page, as a list of lines. `floor`: the least sizes in px.
// Furigana and the text within drawings are left out: they are secondary (docs/panel-design.md).
(floor) => {
  const wrong = [];
  const CLOSE = 1.5; // px that do not matter
  const main = document.querySelector("main");
  const forEars = (e) => getComputedStyle(e).clipPath !== "none" && e.offsetWidth <= 1;
  const seen = (e) => {
    for (let it = e; it && it !== main; it = it.parentElement) if (forEars(it)) return false;
    return e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  };
  const short = (words) => words.replace(/\s+/g, " ").trim().slice(0, 24);
  const inside = (box, frame) =>
    box.left >= frame.left - CLOSE && box.top >= frame.top - CLOSE && box.right <= frame.right + CLOSE && box.bottom <= frame.bottom + CLOSE;
  const screen = { left: 0, top: 0, right: innerWidth, bottom: innerHeight };

  const colour = (text) => {
    const found = text.match(/[\d.]+/g).map(Number);
    return found.length < 4 ? [...found, 1] : found;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const it = colour(getComputedStyle(e).backgroundColor);
      if (it[3] > 0) return it;
    }
    return [255, 255, 255, 1];
  };
  const light = ([r, g, b]) => {
    const part = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const contrast = (e) => {
    const [a, b] = [light(colour(getComputedStyle(e).color)), light(ground(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };

  const covered = main.classList.contains("helping") ? document.querySelector(".body") : null;
  const words = [];
  const block = (e) => { while (/^(inline|ruby)/.test(getComputedStyle(e).display)) e = e.parentElement; return e; };
  const walk = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest("rt, svg") || !seen(parent) || covered?.contains(parent)) continue;
    if (main.classList.contains("helping") && parent.closest("main > .foot")) continue;
    const range = document.createRange();
    const text = node.textContent; // without the spaces at its ends: they may hang beyond a line
    range.setStart(node, text.length - text.trimStart().length);
    range.setEnd(node, text.trimEnd().length);
    for (const box of range.getClientRects()) {
      if (box.width < 1) continue;
      words.push({ parent, block: block(parent), box, text: short(text) });
    }
  }

  const least = { text: 1e9, contrast: 1e9, target: 1e9 };
  for (const { parent, box, text } of words) {
    const size = parseFloat(getComputedStyle(parent).fontSize);
    least.text = Math.min(least.text, size);
    if (size < floor.text - 0.05) wrong.push(`small ${size.toFixed(1)} px: ${text}`);
    const much = contrast(parent);
    least.contrast = Math.min(least.contrast, much);
    if (much < floor.contrast - 0.005) wrong.push(`contrast ${much.toFixed(2)}: ${text}`);
    if (!inside(box, screen)) wrong.push(`outside the screen: ${text}`);
    const frame = parent.closest("button, td, th, .notice, .flow, .say, .top");
    const own = frame?.getBoundingClientRect();
    if (own && !(box.left >= own.left - CLOSE && box.right <= own.right + CLOSE)) wrong.push(`beyond its frame: ${text}`);
    // Half of the line spacing may stand out of a box, letters may not.
    const letters = { left: box.left, right: box.right, top: box.top + box.height * 0.14, bottom: box.bottom - box.height * 0.14 };
    for (let e = parent; e && e !== main; e = e.parentElement) {
      if (getComputedStyle(e).overflowY !== "visible" && !inside(letters, e.getBoundingClientRect())) {
        wrong.push(`cut: ${text}`);
        break;
      }
    }
    if (parent.closest("button") && !inside(letters, parent.closest("button").getBoundingClientRect())) wrong.push(`beyond its button: ${text}`);
  }
  for (let n = 0; n < words.length; n++) {
    for (let m = n + 1; m < words.length; m++) {
      const [a, b] = [words[n], words[m]];
      if (a.block === b.block) continue; // pieces of one paragraph, furigana between them
      const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (across > 2 && down > 0.35 * Math.min(a.box.height, b.box.height)) wrong.push(`overlap: ${a.text} / ${b.text}`);
    }
  }

  const buttons = [...main.querySelectorAll("button")].filter((b) => seen(b) && !(main.classList.contains("helping") && b.closest("main > .foot, .body")));
  const boxes = buttons.map((button) => [button, button.getBoundingClientRect(), short(button.textContent)]);
  for (const [button, box, text] of boxes) {
    least.target = Math.min(least.target, box.width, box.height);
    if (Math.min(box.width, box.height) < floor.target - 0.1) wrong.push(`small target ${box.width.toFixed(0)}x${box.height.toFixed(0)} px: ${text}`);
    if (!inside(box, screen)) wrong.push(`a button outside the screen: ${text}`);
    const flow = button.closest(".flow")?.getBoundingClientRect();
    if (flow && !inside(box, flow)) wrong.push(`a button is cut: ${text}`);
    if (floor.half && box.top < innerHeight / 2 - CLOSE) wrong.push(`above the lower half: ${text}`);
    for (const [, other, its] of boxes) {
      if (other === box) break;
      if (Math.min(box.right, other.right) - Math.max(box.left, other.left) > 1 && Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > 1)
        wrong.push(`buttons overlap: ${text} / ${its}`);
    }
    for (const word of words) {
      if (button.contains(word.parent) || word.parent.contains(button)) continue;
      if (Math.min(box.right, word.box.right) - Math.max(box.left, word.box.left) > 2 && Math.min(box.bottom, word.box.bottom) - Math.max(box.top, word.box.top) > 0.3 * word.box.height)
        wrong.push(`a button over words: ${text} / ${word.text}`);
    }
  }
  for (const picture of main.querySelectorAll("svg.picture")) {
    if (!seen(picture)) continue;
    const box = picture.getBoundingClientRect();
    if (box.width && !inside(box, screen)) wrong.push("a picture outside the screen");
    for (const word of words)
      if (Math.min(box.right, word.box.right) - Math.max(box.left, word.box.left) > 4 && Math.min(box.bottom, word.box.bottom) - Math.max(box.top, word.box.top) > 4)
        wrong.push(`a picture over words: ${word.text}`);
  }
  for (const e of [document.documentElement, document.body, main])
    if (e.scrollWidth > innerWidth + 1 || e.scrollHeight > innerHeight + 1) wrong.push(`${e.tagName} is larger than the screen`);
  const forward = document.querySelector("main > .foot > .forward");
  const number = document.querySelector("main > .foot .page-number");
  if (forward && number && seen(number) && forward.querySelector("button") && !covered) {
    const [at, of] = number.textContent.split("/").map(Number);
    if (seen(forward) !== (at === of)) wrong.push("what goes on does not stand beside the last page alone");
  }
  return [[...new Set(wrong)], least];
}
