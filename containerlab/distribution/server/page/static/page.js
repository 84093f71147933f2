// What needs a script: copying, lists that follow what happens, uploads. All else works without.
"use strict";

const say = text => { document.getElementById("said").textContent = text; };

function addCopyButtons(root) {
  for (const command of root.querySelectorAll(".command:not(:has(.copy))")) {
    const button = document.createElement("button");
    const text = command.querySelector("code").textContent;
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy: ${text}`);
    button.addEventListener("click", async () => {
      const isDone = await copy(text, command.querySelector("code"));
      button.textContent = isDone ? "Copied" : "Press Ctrl-C";
      say(isDone ? "Copied" : "Selected: press Control C");
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    command.append(button);
  }
}

// Browsers give the clipboard only to pages over TLS or from this machine.
async function copy(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}

const PERIOD_MS = 3000, LONGEST_MS = 60000;

// Ask for a list again and again; the server answers 304 while nothing has changed. What the visitor is at
// stays as it is: a list is put in place only when it differs, and the focus goes back to the same link.
function follow(list) {
  let etag = list.dataset.etag, wait = PERIOD_MS;
  const ask = async () => {
    if (document.hidden) return;
    const headers = { "X-Live": "1", "If-None-Match": etag };
    const answer = await fetch(list.dataset.live, { headers, cache: "no-store" });
    if (answer.status === 401 || answer.status === 403 || answer.status === 404) return location.reload();
    if (answer.status === 200) {
      replace(list, await answer.text());
      etag = answer.headers.get("ETag");
    }
    wait = answer.ok || answer.status === 304 ? PERIOD_MS : Math.min(2 * wait, LONGEST_MS);
  };
  const again = async () => {
    try { await ask(); } catch { wait = Math.min(2 * wait, LONGEST_MS); }
    setTimeout(again, wait);
  };
  setTimeout(again, wait);
  document.addEventListener("visibilitychange", () => ask().catch(() => {}));
}

function replace(list, html) {
  const known = new Map([...list.querySelectorAll("[data-key]")].map(row => [row.dataset.key, row.textContent]));
  const focused = list.contains(document.activeElement) && document.activeElement.getAttribute("href");
  list.innerHTML = html;
  for (const row of list.querySelectorAll("[data-key]")) {
    if (!known.has(row.dataset.key)) {
      row.classList.add("fresh");
      say(row.dataset.said);
    }
  }
  if (focused) [...list.querySelectorAll("a")].find(link => link.getAttribute("href") === focused)?.focus();
  addCopyButtons(list);
}

const AGES = [[60, 1, "second"], [3600, 60, "minute"], [172800, 3600, "hour"], [5184000, 86400, "day"], [Infinity, 2592000, "month"]];

function age(seconds) {
  const [, length, unit] = AGES.find(([limit]) => seconds < limit);
  const count = Math.floor(seconds / length);
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
}

// As the server writes them (units.format_age); a page stays open for hours.
function growOlder() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const text = age(Math.max(0, (Date.now() - Date.parse(time.dateTime)) / 1000));
    if (time.textContent !== text && Date.parse(time.dateTime) <= Date.now()) time.textContent = text;
  }
}

addCopyButtons(document);
setInterval(growOlder, 20000);
document.querySelectorAll("[data-live]").forEach(follow);
