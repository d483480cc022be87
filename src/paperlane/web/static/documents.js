// Uploading documents and following them.

import { ask, element, mayAct, say, sayCode, sayFault, sayFound, sayProgress, sayTime, sayWait } from "./api.js";
import { filter, linkFilters } from "./filters.js";
import { Follower } from "./following.js";

const list = document.getElementById("tasks");
const more = document.getElementById("more");
const said = document.getElementById("said");
const drop = document.getElementById("drop");
const files = document.getElementById("files");
const profiles = document.getElementById("profiles");
const told = document.getElementById("told");
const OF_THE_FILE = new Set(["unsupported_type", "password_required", "damaged_file", "not_a_pdf", "needs_ocr", "unknown_encoding"]); // another try would end the same
const rows = new Map();
const ended = []; // tasks that are to be read out
const isFiltered = ["status", "batch"].some((name) => filter.get(name));
const follower = new Follower({ moved: (frame) => rows.get(frame.task)?.move(frame), look, ended: watchBatch });
let cursor = "";

class Row {
  constructor(task) {
    this.name = element("a", "name", task.document.name);
    this.name.href = `/tasks/${task.id}`;
    this.when = element("a", "when", sayTime(new Date(task.created_at)));
    this.when.href = `/?${new URLSearchParams({ batch: task.batch })}`;
    this.when.title = say("uploaded together");
    this.status = element("span", "status");
    this.bar = document.createElement("progress");
    this.bar.max = 100;
    this.detail = element("span", "detail");
    this.act = element("button", "plain");
    this.act.type = "button";
    this.act.addEventListener("click", () => this.press());
    this.refused = element("p", "notice");
    this.refused.role = "alert";
    this.refused.hidden = true;
    this.root = element("li", "", this.name, this.when, this.status, this.bar, this.detail, this.act, this.refused);
    this.show(task);
  }

  /** Show the whole task, as the service tells it; what is older than what is shown is passed by. */
  show(task) {
    if (task.seq < this.task?.seq) return;
    this.task = task;
    this.draw();
  }

  get isUnderWay() {
    return ["queued", "running"].includes(this.task.status);
  }

  /** Show what a frame of the WebSocket tells; when the task stops running, ask for the rest. */
  move(frame) {
    if (frame.seq <= this.task.seq) return;
    const waited = this.task.status === "queued";
    Object.assign(this.task, { seq: frame.seq, status: frame.status, step: frame.step, percent: frame.percent, message: frame.message });
    this.task.finished_at = null;
    this.draw();
    if (!this.isUnderWay || (frame.status === "queued" && !waited)) this.settle();
  }

  async settle() {
    try {
      this.show(await ask(`/tasks/${this.task.id}`));
    } catch {
      setTimeout(() => this.settle(), 5_000);
    }
  }

  draw() {
    const { status, percent } = this.task;
    if (this.root.dataset.status && this.root.dataset.status !== status && !this.isUnderWay) announce(this.task);
    this.root.dataset.status = status;
    this.status.textContent = say(status);
    this.bar.value = percent;
    this.bar.hidden = status !== "running";
    this.detail.textContent = this.describe();
    const verb = { queued: "cancel", running: "cancel", failed: "retry", cancelled: "retry" }[status];
    this.act.hidden = !verb || !mayAct || (status === "failed" && OF_THE_FILE.has(this.task.error?.code));
    this.act.dataset.verb = verb ?? "";
    this.act.textContent = verb ? say(verb) : "";
  }

  describe() {
    const task = this.task;
    switch (task.status) {
      case "running":
        return [task.step && say(task.step), sayProgress(task.message)].filter(Boolean).join(" · ");
      case "queued":
        return sayWait(task);
      case "failed":
        return task.error ? sayFault(task.error) : "";
      case "completed":
        if (!task.finished_at) return ""; // what was found is still being asked for
        return [sayFound(task), ...task.warnings.map(sayCode)].join(" · ");
      default:
        return "";
    }
  }

  async press() {
    this.refused.hidden = true;
    try {
      this.show(await ask(`/tasks/${this.task.id}/${this.act.dataset.verb}`, { method: "POST" }));
      watch(this);
    } catch (error) {
      this.refused.textContent = error.message;
      this.refused.hidden = false;
    }
  }
}

function put(task, first = false) {
  const known = rows.get(task.id);
  if (known) {
    known.show(task);
    return known;
  }
  const row = new Row(task);
  rows.set(task.id, row);
  if (first) list.prepend(row.root);
  else list.append(row.root);
  return row;
}

/** One socket a batch, for as long as something in it is under way. */
function watch(row) {
  if (row.isUnderWay) follower.follow(`batch=${row.task.batch}`);
}

/** A task may have been started again just when its batch had ended. */
function watchBatch(query) {
  [...rows.values()].filter((row) => `batch=${row.task.batch}` === query).forEach(watch);
}

/** Ask for the state of all that is listed: of the newest together, of what else is under way one by one. */
async function look() {
  const page = await ask(`/tasks?limit=${Math.min(rows.size, 1_000)}`);
  page.items.forEach((task) => rows.get(task.id)?.show(task));
  const told = new Set(page.items.map((task) => task.id));
  for (const row of [...rows.values()].filter(({ isUnderWay, task }) => isUnderWay && !told.has(task.id))) row.show(await ask(`/tasks/${row.task.id}`));
}

async function load() {
  const unlisted = document.getElementById("unlisted");
  try {
    const page = await ask(`/tasks?${new URLSearchParams({ limit: 50, cursor, status: filter.get("status") ?? "", batch: filter.get("batch") ?? "" })}`);
    page.items.forEach((task) => watch(put(task)));
    if (filter.get("batch") && page.items.length) document.getElementById("batch").textContent = sayTime(new Date(page.items[0].created_at));
    cursor = page.next ?? "";
    more.hidden = !cursor;
    more.textContent = say("more");
    unlisted.hidden = true;
    document.getElementById("filters").hidden = rows.size === 0 && !isFiltered;
    document.getElementById("nothing").hidden = rows.size > 0;
    document.getElementById("nothing").textContent = say(isFiltered ? "nothing such" : "nothing yet");
  } catch (error) {
    unlisted.textContent = error.message;
    unlisted.hidden = false;
    more.hidden = false;
    more.textContent = say("again");
  }
}

/** Read out what ended, not each percent; what ends within a second is told together. */
function announce(task) {
  ended.push(task);
  if (ended.length > 1) return;
  setTimeout(() => {
    const tasks = ended.splice(0);
    told.textContent =
      tasks.length > 3
        ? say("several ended", { count: tasks.length })
        : tasks.map(({ document: { name }, status }) => `${name}: ${say(status)}`).join(", ");
  }, 1_000);
}

function tell(lines) {
  said.replaceChildren(...lines.map((line) => element("p", "notice", line)));
}

async function upload(chosen) {
  if (!chosen.length) return;
  const form = new FormData();
  const boxes = [...profiles.querySelectorAll("input")];
  if (boxes.some((box) => box.checked !== box.defaultChecked)) {
    for (const box of boxes) if (box.checked) form.append("profile", box.value); // before the files
  }
  const model = document.getElementById("model");
  if (model) form.append("model", model.value);
  for (const file of chosen) form.append("files", file, file.name);
  tell([say("uploading")]);
  drop.setAttribute("aria-busy", "true");
  try {
    const batch = await ask("/batches", { method: "POST", body: form });
    batch.tasks.forEach((task) => watch(put(task, true))); // the newest first, as the list tells them
    document.getElementById("nothing").hidden = true;
    document.getElementById("filters").hidden = false;
    tell(rejections(batch.rejected));
  } catch (error) {
    const again = error.retryAfter ? ` ${sayAgain(Number(error.retryAfter))}` : "";
    const reasons = error.problem?.rejected?.length ? rejections(error.problem.rejected) : [];
    tell(reasons.length ? reasons : [(error.status ? error.message : say("upload failed")) + again]);
  } finally {
    drop.removeAttribute("aria-busy");
    files.value = "";
  }
}

/** When a refused upload may be worth another try. */
function sayAgain(seconds) {
  if (seconds <= 120) return say("try again in", { seconds });
  return say("try again at", { time: sayTime(new Date(Date.now() + seconds * 1_000)) });
}

function rejections(rejected) {
  return rejected.map((file) => `${say("rejected")}: ${file.name} – ${sayFault(file)}`);
}

more.addEventListener("click", load);
if (mayAct) takeFiles();
linkFilters();
document.getElementById("filters").hidden = !isFiltered; // also where the address asks for what there is not
load();

function takeFiles() {
  files.addEventListener("change", () => upload(files.files));
  drop.addEventListener("click", () => files.click());
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    upload(event.dataTransfer.files);
  });
}
