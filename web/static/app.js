// Saves reloading the page, and adds what a form cannot: dropping, pasting, drawing a part, a live
// status. Every answer is HTML made by the server; this script only puts it in its place.
"use strict";

const $ = (id) => document.getElementById(id);
const STATUS_MS = 3000;
const LEAST_PART = 0.02; // of a side; a drag below it was a click
const STEP = 0.02;

/** The person's picture, {file, address, thumbnail}; null for an indexed one. */
let query = null;
/** Pictures of this visit, so that "back" finds them again. */
const visits = [];
let running = null;
let box = null; // {x, y, width, height} in fractions

document.documentElement.classList.add("js");

// ---- asking -------------------------------------------------------------------------------

function askFile(file, options = {}) {
  const most = Number($("ask").dataset.mostMegabytes);
  if (file.size > most * 1e6) return fail(`The picture has more than ${most} MB, the most taken here.`);
  if (query?.file !== file) search(file);
  const form = new FormData();
  form.append("image", file, "picture"); // its name is nobody's business
  for (const name of ["k", "under", "box"]) if (options[name]) form.append(name, options[name]);
  return ask("/", { method: "POST", body: form }, { file, options });
}

/** From now on the query is this picture of the person's; null: an indexed one. */
function search(file) {
  if (query) URL.revokeObjectURL(query.address);
  query = file && { file, address: URL.createObjectURL(file), thumbnail: null };
}

function askAddress(address) {
  search(null);
  return ask(address, {}, null);
}

/** Ask again with other terms; what is not named stays as it is. */
function askAgain(changes) {
  const now = { under: $("under")?.value.trim(), box: $("crop")?.dataset.box, ...changes };
  if (query) return askFile(query.file, now);
  const address = new URL(location.href);
  for (const name of ["k", "under", "box"]) {
    address.searchParams.delete(name);
    if (now[name]) address.searchParams.set(name, now[name]);
  }
  return askAddress(address.href);
}

async function ask(address, request, visit, { remember = true, focus = true } = {}) {
  running?.abort();
  const mine = (running = new AbortController());
  document.body.classList.add("busy");
  $("answer").setAttribute("aria-busy", "true");
  try {
    const response = await fetch(address, { ...request, signal: mine.signal });
    const html = await response.text();
    if (!response.headers.get("content-type")?.startsWith("text/html")) {
      throw new Error(JSON.parse(html).error);
    }
    if (remember) remembered(response, visit);
    show(new DOMParser().parseFromString(html, "text/html"), focus);
  } catch (error) {
    if (error.name === "AbortError") return;
    fail(error instanceof TypeError ? "The server cannot be reached." : error.message);
  } finally {
    if (running === mine) {
      running = null;
      document.body.classList.remove("busy");
      $("answer").removeAttribute("aria-busy");
    }
  }
}

function remembered(response, visit) {
  if (visit) {
    visits.push(visit);
    history.pushState({ visit: visits.length - 1 }, "", "/");
  } else if (response.url !== location.href) {
    history.pushState({}, "", response.url);
  }
}

addEventListener("popstate", (event) => {
  const visit = visits[event.state?.visit];
  if (visit) {
    search(visit.file);
    const form = new FormData();
    form.append("image", visit.file, "picture");
    for (const [name, value] of Object.entries(visit.options)) if (value) form.append(name, value);
    ask("/", { method: "POST", body: form }, null, { remember: false });
  } else {
    search(null);
    ask(location.href, {}, null, { remember: false });
  }
});

// ---- showing ------------------------------------------------------------------------------

function show(page, focus) {
  const byKeyboard = document.activeElement?.className === "box";
  $("answer").replaceWith(document.adoptNode(page.getElementById("answer")));
  swapStatus(page);
  document.title = page.title;
  dress();
  const heading = $("heading");
  $("announce").textContent = heading ? announcement(heading) : "";
  if (byKeyboard && $("crop")?.firstElementChild) $("crop").querySelector(".box")?.focus();
  else if (focus) heading?.focus({ preventScroll: true });
  if (heading && innerWidth > 736) scrollTo({ top: 0 });
}

function announcement(heading) {
  const first = document.querySelector(".card > a");
  const nearest = first ? `, the closest: ${first.getAttribute("aria-label").replace("Search with ", "")}` : "";
  return heading.textContent.trim() + nearest;
}

function fail(sentence) {
  const page = document.implementation.createHTMLDocument(document.title);
  page.body.innerHTML =
    '<div id="answer" class="answer" data-state="error"><div class="error" role="alert">' +
    '<h2 id="heading" tabindex="-1">That did not work</h2><p></p></div></div>';
  page.querySelector("p").textContent = sentence;
  show(page, true);
}

/** Wires up what the answer holds. */
function dress() {
  const crop = $("crop");
  box = null;
  if (!crop) return;
  const whole = $("whole");
  if (query) {
    if (!whole.hidden) query.thumbnail = whole.getAttribute("src");
    // The browser's own copy is sharper; formats that it cannot show keep the server's thumbnail.
    whole.addEventListener("error", () => query?.thumbnail && whole.src !== query.thumbnail && (whole.src = query.thumbnail));
    whole.src = query.address;
    whole.hidden = false;
  }
  if (crop.dataset.box) {
    const [x, y, width, height] = crop.dataset.box.split(",").map(Number);
    drawBox({ x, y, width, height });
  }
}

document.addEventListener("click", (event) => {
  const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  const target = event.target.closest("a, button");
  if (!target || !plain) return;
  if (target.matches(".card > a, a#more, #share")) {
    event.preventDefault();
    askAddress(target.href);
  } else if (target.id === "more") askAgain({ k: target.dataset.k });
  else if (target.id === "mark") markPart();
  else if (target.id === "unmark") askAgain({ box: null });
});

document.addEventListener("submit", (event) => {
  if (event.target.id === "filter") {
    event.preventDefault();
    askAgain({});
  } else if (event.target.id === "by-path") {
    event.preventDefault();
    askAddress("/?" + new URLSearchParams(new FormData(event.target)));
  }
});

// ---- ways to bring a picture ----------------------------------------------------------------

for (const id of ["image", "photo"]) {
  $(id).addEventListener("change", (event) => {
    const file = event.target.files[0];
    if (file) askFile(file);
    event.target.value = ""; // or choosing the same file again would do nothing
  });
}

document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files][0];
  if (!file) return;
  event.preventDefault();
  askFile(file);
});

let inside = 0; // dragenter and dragleave come for every element on the way
addEventListener("dragenter", (event) => {
  event.preventDefault();
  inside += 1;
  $("overlay").hidden = false;
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("dragleave", () => {
  inside -= 1;
  if (inside <= 0) $("overlay").hidden = true;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  inside = 0;
  $("overlay").hidden = true;
  const file = event.dataTransfer.files[0];
  if (file) askFile(file);
  else fail("What was dropped is no picture file.");
});

// ---- a part of the picture ------------------------------------------------------------------

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
const boxText = () => [box.x, box.y, box.width, box.height].map((n) => +n.toFixed(4)).join(",");

function drawBox(next) {
  const width = clamp(next.width, LEAST_PART, 1);
  const height = clamp(next.height, LEAST_PART, 1);
  box = { width, height, x: clamp(next.x, 0, 1 - width), y: clamp(next.y, 0, 1 - height) };
  let element = $("crop").querySelector(".box");
  if (!element) {
    element = document.createElement("div");
    element.className = "box";
    element.tabIndex = 0;
    element.setAttribute("role", "application");
    element.setAttribute("aria-roledescription", "part of the picture");
    $("crop").append(element);
  }
  for (const [side, value] of [["left", box.x], ["top", box.y], ["width", width], ["height", height]]) {
    element.style[side] = `${value * 100}%`;
  }
  const percent = (value) => `${Math.round(value * 100)} %`;
  element.setAttribute(
    "aria-label",
    `From the left ${percent(box.x)}, from the top ${percent(box.y)}, ${percent(width)} wide, ` +
      `${percent(height)} high. Arrow keys move, with Shift resize, Enter searches, Escape ends.`,
  );
  return element;
}

function markPart() {
  $("crop").classList.add("marking");
  drawBox(box ?? { x: 0.25, y: 0.25, width: 0.5, height: 0.5 }).focus();
  $("mark").textContent = "Drag over the picture, or press Enter";
}

function pointAt(event) {
  const frame = $("crop").getBoundingClientRect();
  return {
    x: clamp((event.clientX - frame.left) / frame.width, 0, 1),
    y: clamp((event.clientY - frame.top) / frame.height, 0, 1),
  };
}

document.addEventListener("pointerdown", (event) => {
  const crop = event.target.closest("#crop");
  if (!crop || event.button !== 0) return;
  if (event.pointerType === "touch" && !crop.classList.contains("marking")) return; // scrolls
  event.preventDefault();
  crop.setPointerCapture(event.pointerId);
  const start = pointAt(event);
  const held = event.target.className === "box" ? { ...box } : null;
  let moved = false;
  const move = (now) => {
    const at = pointAt(now);
    moved ||= Math.max(Math.abs(at.x - start.x), Math.abs(at.y - start.y)) > LEAST_PART;
    if (!moved) return;
    if (held) drawBox({ ...held, x: held.x + at.x - start.x, y: held.y + at.y - start.y });
    else {
      drawBox({
        x: Math.min(at.x, start.x),
        y: Math.min(at.y, start.y),
        width: Math.abs(at.x - start.x),
        height: Math.abs(at.y - start.y),
      });
    }
  };
  crop.addEventListener("pointermove", move);
  const end = (last) => {
    crop.removeEventListener("pointermove", move);
    if (last.type === "pointerup" && moved) askAgain({ box: boxText() });
  };
  crop.addEventListener("pointerup", end, { once: true });
  crop.addEventListener("pointercancel", end, { once: true });
});

document.addEventListener("keydown", (event) => {
  if (event.target.className !== "box") return;
  const [dx, dy] = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key] ?? [0, 0];
  if (dx || dy) {
    if (event.shiftKey) drawBox({ ...box, width: Math.min(box.width + dx, 1 - box.x), height: Math.min(box.height + dy, 1 - box.y) });
    else drawBox({ ...box, x: box.x + dx, y: box.y + dy });
  } else if (event.key === "Enter") askAgain({ box: boxText() });
  else if (event.key === "Escape") {
    if ($("crop").dataset.box) return void askAgain({ box: null });
    event.target.remove();
    box = null;
    $("crop").classList.remove("marking");
    $("mark").textContent = "Search with a part";
    $("mark").focus();
  } else return;
  event.preventDefault();
});

// ---- status -----------------------------------------------------------------------------------

function swapStatus(page) {
  const fresh = page.getElementById("status");
  const held = $("status").contains(document.activeElement); // nobody loses the focus
  if (fresh && !held && fresh.innerHTML !== $("status").innerHTML) {
    $("status").replaceWith(document.adoptNode(fresh));
  }
}

async function lookAtStatus() {
  if (document.hidden) return;
  try {
    const response = await fetch("/status");
    if (response.ok) swapStatus(new DOMParser().parseFromString(await response.text(), "text/html"));
  } catch {
    $("status").querySelector(".dot").className = "dot unknown";
  }
}
setInterval(lookAtStatus, STATUS_MS);
document.addEventListener("visibilitychange", lookAtStatus);

dress();
