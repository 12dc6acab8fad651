// What is too much for the panel takes several pages, turned with large buttons: nothing scrolls, and no part is cut.
// Each region is read to its end: the button that goes on stands beside its last page only.
"use strict";
const Pages = (() => {
  const CLOSE = 0.5; // px that do not matter
  const LEAST_MM = 4.9;
  const STEP = 0.04; // from one size to the next
  const TALL = 0.17; // of a small panel: a heading that is higher takes too much
  const TINY = 0.1; // of the panel: a picture that is lower shows nothing
  const [MOST_PAGES, MOST_ZOOMED] = [3, 8]; // from there on large text gives way
  const at = new Map(); // the page of each region, as long as its screen stands
  let of = ""; // which screen these pages are of

  const name = (region) => region.dataset.pages;

  // The parts of a region that stay whole: its children, or those of a child that may be split.
  const parts = (region) =>
    [...heading(region), ...region.children].filter((child) => !child.classList.contains("spared")).flatMap((child) => ("split" in child.dataset ? rows(child) : [child]));
  const rows = (list) => [...list.querySelectorAll(":scope > *, :scope > tbody > *")].filter((e) => e.tagName !== "TBODY");

  const isSmall = () => document.body.classList.contains("small");
  const isLow = (main) => main.classList.contains("low") && !isSmall();
  const isLarge = (region) => region.closest(".large, .zoomed");

  const saying = (region) => region.parentElement.querySelector(":scope > .say");

  // A heading that leaves too little room for a part, and on a small panel one that takes much or stands over much,
  // stands on the first page alone.
  function heading(region) {
    const say = saying(region);
    const much = say && (say.classList.contains("tall") || (isSmall() && (region.classList.contains("fitted") || say.offsetHeight > TALL * innerHeight)));
    return much ? [say] : [];
  }

  function fits(region, low) {
    if (region.scrollHeight > region.clientHeight + CLOSE) return false;
    if (!low) return true;
    const half = innerHeight / 2 - CLOSE;
    return [...region.querySelectorAll("button")].every((b) => !b.offsetParent || b.getBoundingClientRect().top >= half);
  }

  // The sizes that a region may take, from its own down to the least. Large text may become ordinary, but no smaller,
  // unless it would not be shown whole otherwise.
  function* sizes(region, must) {
    const given = (name) => Number(getComputedStyle(region).getPropertyValue(name));
    const least = (isLarge(region) && !must ? 1 : LEAST_MM / given("--body-mm")) / given("--scale") / given("--zoom");
    for (let size = 1; ; size = Math.max(size - STEP, least)) {
      region.style.setProperty("--fit", size.toFixed(3));
      yield size;
      if (size <= least) return;
    }
  }

  // Whether something holds at one of the sizes; the region stays at the first of them, or else at the least.
  function shrunk(region, holds, must = false) {
    for (const _ of sizes(region, must)) if (holds()) return true;
    return false;
  }

  // Some regions become smaller before they take a second page; large ones, before they take too many.
  function fitted(region, low) {
    region.style.setProperty("--fit", "1");
    const holds = () => fits(region, low);
    const one = region.classList.contains("fitted") && (!isLarge(region) || region.closest(".pin"));
    const fit = one ? shrunk(region, holds) : holds();
    if (!fit) region.style.setProperty("--fit", "1");
    return fit;
  }

  function starts(region, low) {
    const say = saying(region);
    if (!region.classList.contains("fitted")) {
      const found = paged(region, low);
      if (found[2] || !say || say.classList.contains("tall")) return found;
      say.classList.add("tall");
      return paged(region, low);
    }
    let found;
    const most = region.closest(".zoomed:not(.small)") ? MOST_ZOOMED : MOST_PAGES;
    shrunk(region, () => (found = paged(region, low))[1].length <= most);
    return found;
  }

  // The parts, the first of each page, and whether each page holds what is on it.
  function paged(region, low) {
    const all = parts(region);
    const show = (from, to) => all.forEach((part, n) => part.classList.toggle("off", n < from || n >= to));
    const found = [0];
    let whole = true;
    for (let from = 0; from < all.length; ) {
      let to = from + 1;
      for (show(from, to); to < all.length; to++) {
        show(from, to + 1);
        if (!fits(region, low)) break;
      }
      if (to === from + 1) {
        show(from, to);
        whole &&= fits(region, low);
      }
      from = to;
      if (from < all.length) found.push(from);
    }
    return [all, found, whole];
  }

  // Whether a region holds without what can be spared; the last of it gives way first.
  function spared(region, low) {
    return [...region.querySelectorAll(":scope > .spare")].reverse().some((part) => {
      part.classList.add("spared");
      return fits(region, low);
    });
  }

  // A region that has one page alone.
  function squeeze(region, low) {
    for (const part of region.querySelectorAll(".spared")) part.classList.remove("spared");
    region.style.setProperty("--fit", "1");
    const fit = fits(region, low) || spared(region, low) || shrunk(region, () => fits(region, low));
    const picture = region.querySelector(":scope > .picture");
    if (picture?.getBoundingClientRect().height < TINY * innerHeight) picture.classList.add("spared");
    return fit;
  }

  function overlap(one, other) {
    const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
    return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  }

  // The tools at the side: no word of them is broken.
  function holds(rail, low) {
    return fits(rail, low) && [...rail.children].every((tool) => tool.scrollWidth <= tool.clientWidth);
  }

  // A region that needs one page only.
  function alone(region) {
    at.delete(name(region));
    return true;
  }

  // Show one page of a region; whether each of its pages is whole, and they are not too many.
  function arrange(region, main) {
    const foot = region.closest(".help") ?? main;
    const [pager, forward] = [foot.querySelector(":scope > .foot > .pager"), foot.querySelector(":scope > .foot > .forward")];
    const low = isLow(main);
    const say = saying(region);
    say?.classList.remove("off", "tall");
    if (heading(region).length) say.classList.add("tall");
    for (const part of region.querySelectorAll(".off, .spared")) part.classList.remove("off", "spared");
    pager.hidden = true;
    forward.hidden = false;
    pager.parentElement.classList.remove("turned");
    const body = region.closest(".body");
    body?.classList.remove("artless");
    if (fitted(region, low)) return alone(region);
    if (body?.querySelector(":scope > .art") && !document.body.classList.contains("portrait")) {
      body.classList.add("artless");
      if (fits(region, low)) return alone(region);
    }
    if (spared(region, low)) return alone(region);
    pager.hidden = false;
    const [earlier, number, later] = pager.children;
    number.textContent = "8 / 8"; // as wide as it will be
    const [all, found, whole] = starts(region, low);
    const page = Math.min(at.get(name(region)) ?? 0, found.length - 1);
    at.set(name(region), page);
    const [from, to] = [found[page], found[page + 1] ?? all.length];
    all.forEach((part, n) => part.classList.toggle("off", n < from || n >= to));
    if (!fits(region, low)) { // one part that is too much for a page by itself
      if (isSmall()) say?.classList.add("off");
      shrunk(region, () => fits(region, low), true);
    }
    const last = page === found.length - 1;
    pager.hidden = found.length === 1;
    forward.hidden = !last;
    earlier.classList.toggle("unseen", page === 0);
    later.hidden = last;
    pager.parentElement.classList.toggle("turned", page > 0);
    number.textContent = `${page + 1} / ${found.length}`;
    return whole && found.length <= MOST_ZOOMED;
  }

  return {
    // Lay out every region of this screen that is to be seen; whether all of it is whole.
    lay(main) {
      const now = `${main.dataset.screen} ${main.dataset.part}`;
      if (now !== of) at.clear();
      of = now;
      const seen = (regions) => [...main.querySelectorAll(regions)].filter((region) => region.offsetParent);
      const whole = [
        ...seen(":scope > .rail").map((rail) => shrunk(rail, () => holds(rail, isLow(main)))),
        ...seen("[data-pages]").map((region) => arrange(region, main)),
        ...seen("[data-fitted]").map((region) => squeeze(region, isLow(main))),
        ...[main, ...seen(".body, .help")].map((frame) => frame.scrollHeight <= frame.clientHeight + CLOSE),
        ...seen(".say").map((say) => say.scrollWidth <= say.clientWidth),
        ...seen(".keypad").flatMap((pad) => seen(".top, .say").map((other) => !overlap(pad, other))),
      ];
      return whole.every(Boolean);
    },
    turn(main, region, by) {
      at.set(name(region), Math.max(0, (at.get(name(region)) ?? 0) + by));
      arrange(region, main);
    },
    forget() {
      at.clear();
      of = "";
    },
  };
})();
