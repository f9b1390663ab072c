// Keeps a page as the controller has it: everything is there without this script, only not by itself.
"use strict";

const AGAIN = 10000;   // until a stream that was refused is asked for again
const TOGETHER = 50;   // changes that come close together are one look; the stream sends them together already
const LEAST = 250, MOST = 2000; // between two looks: four times as long as one takes

// ── times: "3 minutes ago" stays true ─────────────────────────────────────────────────────────────────────────────
const UNITS = [[60, "second"], [60, "minute"], [24, "hour"], [365, "day"]];

function relative(seconds) {
  let left = Math.abs(seconds);
  if (left < 5) return "just now";
  for (const [size, unit] of UNITS) {
    if (left < size || unit === "day") {
      const count = Math.floor(left);
      const words = `${count} ${unit}${count === 1 ? "" : "s"}`;
      return seconds > 0 ? `${words} ago` : `in ${words}`;
    }
    left /= size;
  }
}

function tell(root) {
  for (const time of root.querySelectorAll("time[title][datetime]")) {
    const words = relative((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (words && time.textContent !== words) time.textContent = words;
  }
}

// ── parts of a page that are taken from a newer one ───────────────────────────────────────────────────────────────
function bare(node) {
  const copy = node.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) time.textContent = "";
  for (const details of copy.querySelectorAll("details")) details.open = false;
  return copy.outerHTML;
}

const served = new Map(); // part → how it was served, without what moves by itself

function replace(old, now) {
  const open = new Map([...old.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const way = focused && (focused.id || focused.getAttribute("href"));
  for (const details of now.querySelectorAll("details[id]")) {
    if (open.has(details.id)) details.open = open.get(details.id);
  }
  old.replaceWith(now);
  unify(now);
  if (way) {
    const again = [...now.querySelectorAll("a, summary, button, input")].find((one) => (one.id || one.getAttribute("href")) === way);
    if (again) again.focus();
  }
}

// Differences stand side by side, or one line below the other: as it was chosen last in this tab.
function unify(root) {
  for (const box of root.querySelectorAll("input[name=unified]")) box.checked = sessionStorage.getItem("unified") === "yes";
}

async function load(root) {
  for (const place of root.querySelectorAll("[data-load]")) {
    const answer = await fetch(place.dataset.load, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById(place.dataset.pick);
    if (found && place.isConnected) place.replaceChildren(found);
    unify(place);
  }
}

let looking = false, again = false, last = 0, pause = LEAST;

async function look() {
  if (!served.size) return; // nothing here follows what happens
  if (looking) { again = true; return; }
  if (document.querySelector(".act[open]")) { again = true; setTimeout(look, LEAST); return; } // somebody writes there
  looking = true; again = false;
  const began = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const names = new Set();
    for (const now of page.querySelectorAll("[data-part]")) {
      const name = now.dataset.part, old = document.querySelector(`[data-part="${name}"]`);
      names.add(name);
      const text = bare(now);
      if (!old) { location.reload(); return; } // a part that was not there before
      if (served.get(name) === text) continue;
      served.set(name, text);
      replace(old, now);
      await load(now);
      tell(now);
    }
    for (const old of document.querySelectorAll("[data-part]")) {
      if (!names.has(old.dataset.part)) old.remove();
    }
    document.title = page.title;
  } catch {
    // The connection is away: the stream says so, and we look again when it is back.
  } finally {
    looking = false;
    last = Date.now();
    pause = Math.min(Math.max(4 * (last - began), LEAST), MOST);
    if (again || document.querySelector("[data-again]")) setTimeout(look, pause); // nobody tells when it is answered
  }
}

let timer = 0;
function soon() {
  if (timer) return; // what comes without end must not put it off without end
  timer = setTimeout(() => { timer = 0; look(); }, Math.max(TOGETHER, last + pause - Date.now()));
}

// ── the stream ────────────────────────────────────────────────────────────────────────────────────────────────────
const pulse = document.getElementById("pulse"), pulseText = document.getElementById("pulse-text");
let wasOff = false;

function say(text, off) {
  if (!pulse) return;
  pulse.hidden = false;
  pulse.classList.toggle("off", off);
  if (pulseText.textContent !== text) pulseText.textContent = text;
  wasOff = off;
}

function concerns(event) {
  const one = document.querySelector("[data-application]");
  if (!one || event.type === "reset") return true;
  return JSON.parse(event.data).application === one.dataset.application;
}

function follow() {
  const stream = new EventSource("/api/v1/stream");
  stream.onopen = () => { if (wasOff) soon(); say("live", false); };
  stream.onerror = () => {
    say("not connected", true);
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN);
  };
  for (const name of ["application", "gone", "reset"]) {
    stream.addEventListener(name, (event) => { if (concerns(event)) soon(); });
  }
  addEventListener("pagehide", () => stream.close());
}

// ── a log that is followed ────────────────────────────────────────────────────────────────────────────────────────
const MOST_LINES = 5000;
const button = document.getElementById("follow"), list = document.getElementById("log"), lines = list?.parentElement;

function put(line, several) {
  const item = document.createElement("li"), time = document.createElement("time");
  time.dateTime = line.at;
  time.textContent = line.at.slice(11, 23);
  const parts = [["pod", several ? `${line.pod} ${line.container}` : line.pod], ["text", line.text]];
  item.append(time, ...parts.flatMap(([name, text]) => {
    const part = document.createElement("span");
    part.className = name === "text" ? `text ${line.level}`.trim() : name;
    part.textContent = text;
    return [" ", part];
  }));
  list.append(item);
}

let log = null;
function stopLog(why) {
  if (log) log.close();
  log = null;
  button.setAttribute("aria-pressed", "false");
  button.textContent = "Follow";
  const ended = document.getElementById("log-ended");
  ended.hidden = !why;
  ended.textContent = why;
}

function followLog() {
  stopLog("");
  button.setAttribute("aria-pressed", "true");
  button.textContent = "Stop";
  list.replaceChildren(); // the stream begins with the last lines itself
  document.getElementById("log-empty")?.remove();
  const several = document.querySelectorAll("select[name=container] option").length > 2;
  log = new EventSource(button.dataset.follow);
  log.addEventListener("lines", (event) => {
    const found = JSON.parse(event.data);
    const isAtEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 20;
    for (const line of found.lines) put(line, several);
    while (list.childElementCount > MOST_LINES) list.firstElementChild.remove();
    document.getElementById("log-errors").replaceChildren(...found.errors.map((one) => {
      const told = document.createElement("p");
      told.className = "banner wait";
      told.textContent = `${one.pod}, container ${one.container}: ${one.why}`;
      return told;
    }));
    if (isAtEnd) lines.scrollTop = lines.scrollHeight;
  });
  log.addEventListener("ended", (event) => stopLog(JSON.parse(event.data).why));
  log.onerror = () => { if (log && log.readyState === EventSource.CLOSED) stopLog("It cannot be followed now."); };
}

if (button) {
  button.hidden = false;
  lines.scrollTop = lines.scrollHeight;
  button.addEventListener("click", () => { if (log) stopLog(""); else followLog(); });
}

// ── filters that need no button, and a key for the search ─────────────────────────────────────────────────────────
for (const form of document.querySelectorAll("[data-filter]")) {
  form.addEventListener("change", () => form.requestSubmit());
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  });
}
addEventListener("keydown", (event) => {
  const search = document.querySelector('input[type="search"]');
  const writes = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key === "/" && search && !writes) { event.preventDefault(); search.focus(); }
  if (event.key === "Escape") {
    for (const act of document.querySelectorAll(".act[open]")) { act.open = false; act.querySelector("summary").focus(); }
  }
});
addEventListener("change", (event) => {
  if (event.target.name !== "unified") return;
  sessionStorage.setItem("unified", event.target.checked ? "yes" : "no");
  unify(document);
});
addEventListener("click", (event) => {
  for (const act of document.querySelectorAll(".act[open]")) if (!act.contains(event.target)) act.open = false;
});

for (const part of document.querySelectorAll("[data-part]")) served.set(part.dataset.part, bare(part));
unify(document);
tell(document);
setInterval(() => tell(document), 5000);
load(document);
if (document.querySelector("[data-again]")) soon();
if (document.body.hasAttribute("data-live")) {
  follow();
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
}
