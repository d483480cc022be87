// Uploading documents and following them.

import { ask, element, follow, say, sayCode, sayFault, sayFound, sayProgress } from "./api.js";

const list = document.getElementById("tasks");
const more = document.getElementById("more");
const said = document.getElementById("said");
const drop = document.getElementById("drop");
const files = document.getElementById("files");
const rows = new Map();
const following = new Set();
let cursor = "";

class Row {
  constructor(task) {
    this.name = element("a", "name", task.document.name);
    this.name.href = `/tasks/${task.id}`;
    this.status = element("span", "status");
    this.bar = document.createElement("progress");
    this.bar.max = 100;
    this.detail = element("span", "detail");
    this.act = element("button", "plain");
    this.act.type = "button";
    this.act.addEventListener("click", () => this.press());
    this.root = element("li", "", this.name, this.status, this.bar, this.detail, this.act);
    this.show(task);
  }

  /** Show the whole task, as the service tells it. */
  show(task) {
    this.task = task;
    this.draw();
  }

  /** Show what a frame of the WebSocket tells; at the end, ask for the rest. */
  async move(frame) {
    if (frame.seq < this.task.seq) return;
    Object.assign(this.task, { seq: frame.seq, status: frame.status, step: frame.step, percent: frame.percent, message: frame.message });
    this.draw();
    if (["completed", "failed", "cancelled"].includes(frame.status)) this.show(await ask(`/tasks/${this.task.id}`));
  }

  draw() {
    const { status, percent } = this.task;
    this.root.dataset.status = status;
    this.status.textContent = say(status);
    this.bar.value = percent;
    this.bar.hidden = status !== "running";
    this.detail.textContent = this.describe();
    const verb = { queued: "cancel", running: "cancel", failed: "retry", cancelled: "retry" }[status];
    this.act.hidden = !verb;
    this.act.dataset.verb = verb ?? "";
    this.act.textContent = verb ? say(verb) : "";
  }

  describe() {
    const task = this.task;
    switch (task.status) {
      case "running":
        return [task.step && say(task.step), sayProgress(task.message)].filter(Boolean).join(" · ");
      case "queued":
        return task.attempt ? say("waits for retry", { attempt: task.attempt }) : "";
      case "failed":
        return task.error ? sayFault(task.error) : "";
      case "completed":
        return [sayFound(task), ...task.warnings.map(sayCode)].join(" · ");
      default:
        return "";
    }
  }

  async press() {
    try {
      this.show(await ask(`/tasks/${this.task.id}/${this.act.dataset.verb}`, { method: "POST" }));
      watch(this.task);
    } catch (error) {
      tell([error.message]);
    }
  }
}

function put(task, first = false) {
  const known = rows.get(task.id);
  if (known) {
    known.show(task);
    return;
  }
  const row = new Row(task);
  rows.set(task.id, row);
  if (first) list.prepend(row.root);
  else list.append(row.root);
}

/** One socket a batch, for as long as something in it is under way. */
function watch(task) {
  if (!["queued", "running"].includes(task.status) || following.has(task.batch)) return;
  following.add(task.batch);
  follow(`batch=${task.batch}`, (frame) => rows.get(frame.task)?.move(frame));
}

async function load() {
  const page = await ask(`/tasks?limit=50${cursor ? `&cursor=${cursor}` : ""}`);
  page.items.forEach((task) => put(task));
  [...new Map(page.items.filter((task) => ["queued", "running"].includes(task.status)).map((task) => [task.batch, task])).values()]
    .slice(0, 8) // a user has few sockets
    .forEach(watch);
  cursor = page.next ?? "";
  more.hidden = !cursor;
  document.getElementById("nothing").hidden = rows.size > 0;
}

function tell(lines) {
  said.replaceChildren(...lines.map((line) => element("p", "notice", line)));
}

async function upload(chosen) {
  if (!chosen.length) return;
  const form = new FormData();
  for (const file of chosen) form.append("files", file, file.name);
  tell([say("uploading")]);
  drop.classList.add("busy");
  try {
    const batch = await ask("/batches", { method: "POST", body: form });
    [...batch.tasks].reverse().forEach((task) => put(task, true));
    document.getElementById("nothing").hidden = true;
    tell(rejections(batch.rejected));
    watch(batch.tasks[0]);
  } catch (error) {
    const again = error.retryAfter ? ` ${say("try again in", { seconds: error.retryAfter })}` : "";
    const reasons = error.problem?.rejected?.length ? rejections(error.problem.rejected) : [];
    tell(reasons.length ? reasons : [(error.problem ? error.message : say("upload failed")) + again]);
  } finally {
    drop.classList.remove("busy");
    files.value = "";
  }
}

function rejections(rejected) {
  return rejected.map((file) => `${say("rejected")}: ${file.name} – ${sayFault(file)}`);
}

files.addEventListener("change", () => upload(files.files));
more.addEventListener("click", load);
drop.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    files.click();
  }
});
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
load();
