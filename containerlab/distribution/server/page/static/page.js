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
  for (const time of document.querySelectorAll("time[datetime]:not(.fixed)")) {
    const text = age(Math.max(0, (Date.now() - Date.parse(time.dateTime)) / 1000));
    if (time.textContent !== text && Date.parse(time.dateTime) <= Date.now()) time.textContent = text;
  }
}

addCopyButtons(document);
setInterval(growOlder, 20000);
document.querySelectorAll("[data-live]").forEach(follow);

const PIECE = 4 << 20, TRIES = 8;

// An archive goes up in pieces; the server says how much it has, so that a broken connection costs one piece.
function uploads(form) {
  const field = name => form.elements.namedItem(name), stop = field("stop"), send = form.querySelector(".main");
  const output = form.querySelector("output"), bar = form.querySelector("progress"), told = form.querySelector(".told");
  const drop = form.querySelector(".drop");
  let isStopped = false;
  document.getElementById("scriptless").remove();
  send.disabled = false;

  const ask = async (method, path, body, headers = {}) => {
    const answer = await fetch(path, { method, body, cache: "no-store", headers: { "X-CSRF-Token": form.dataset.token, ...headers } });
    if (answer.ok || answer.status === 409) return answer;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const said = page.querySelector(".error")?.textContent ?? "";
    throw Object.assign(new Error(said.replace(/\s+/g, " ").replace(/ Back.*$/, "").trim() || `The server answered ${answer.status}.`), { status: answer.status });
  };
  const post = (path, values = {}) => ask("POST", path, new URLSearchParams(values));
  const show = (done, size, start, began) => {
    bar.value = done / size;
    const rate = (done - began) / Math.max(0.001, (performance.now() - start) / 1000);
    output.textContent = `${megabytes(done)} of ${megabytes(size)} · ${megabytes(rate)}/s`;
  };

  async function transfer(file) {
    const values = { repository: field("repository").value.trim(), tag: field("tag").value.trim(), size: file.size };
    const upload = await (await post("/ui/uploads", values)).json();
    const start = performance.now(), began = upload.received;
    let offset = upload.received, tries = 0;
    while (offset < file.size && !isStopped) {
      show(offset, file.size, start, began);
      try {
        const answer = await ask("PATCH", `/ui/uploads/${upload.id}/content`, file.slice(offset, offset + PIECE),
          { "Upload-Offset": String(offset), "Content-Type": "application/octet-stream" });
        offset = Number(answer.headers.get("Upload-Offset"));
        tries = 0;
      } catch (error) {
        if (error.status && error.status < 500 || ++tries === TRIES) throw error;
        output.textContent = "The connection broke; trying again …";
        await new Promise(done => setTimeout(done, 500 * 2 ** tries));
        offset = (await (await ask("GET", `/ui/uploads/${upload.id}`)).json()).received;
      }
    }
    if (isStopped) return null;
    show(offset, file.size, start, began);
    output.textContent = "Reading the archive …";
    return (await post(`/ui/uploads/${upload.id}/finish`)).json();
  }

  form.addEventListener("submit", async event => {
    event.preventDefault();
    const file = field("archive").files[0];
    isStopped = false; told.textContent = ""; send.disabled = true; stop.hidden = bar.hidden = false;
    try {
      const done = await transfer(file);
      if (done?.status === "failed") throw new Error(done.detail);
      if (done) location.assign(`/ui/repositories/${done.repository}`);
      else output.textContent = "Paused. Press Upload to go on.";
    } catch (error) {
      output.textContent = "";
      told.textContent = error.message;
      told.className = "told notice bad";
    }
    send.disabled = false; stop.hidden = true;
  });
  stop.addEventListener("click", () => { isStopped = true; });

  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, event => { event.preventDefault(); drop.classList.toggle("over", kind === "dragover"); });
  }
  drop.addEventListener("drop", event => {
    if (event.dataTransfer.files.length) field("archive").files = event.dataTransfer.files;
  });
}

const megabytes = bytes => bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;

document.querySelectorAll("#upload").forEach(uploads);
