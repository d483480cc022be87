// A document beside its issues: each quote is highlighted where it stands.

import { ask, element, follow, say, sayCode, sayFault, sayFound, send } from "./api.js";
import { placesIn } from "./offsets.js";

const task = document.getElementById("beside").dataset.task;
const paper = document.getElementById("paper");
const list = document.getElementById("issues");
const more = document.getElementById("more");
const state = document.getElementById("state");
const filter = new URLSearchParams(location.search);
const marks = new Map();
let cursor = "";
let pieces = []; // {start, end, node}: the text nodes of the document, in order
let chosen = null;

/** The document's text in elements, block by block, in sheets: the browser lays out only those in sight. */
function drawPaper(found) {
  const place = placesIn(found.text);
  const cut = (start, end) => found.text.slice(place(start), place(end));
  const sheets = new Sheets();
  let page = 0;
  let table = null;
  let row = null;
  for (const block of found.blocks) {
    if (block.page && block.page !== page) {
      page = block.page;
      sheets.add(element("p", "page-number", say("at page", { page })));
    }
    const node = document.createTextNode(cut(block.start, block.end));
    pieces.push({ start: block.start, end: block.end, node });
    if (block.kind === "table_cell" && block.table) {
      if (!table || table.number !== block.table) {
        table = { number: block.table, root: element("table") };
        row = null;
        sheets.add(element("div", "wide", table.root));
      }
      if (!row || row.number !== block.row) {
        row = { number: block.row, root: element("tr"), column: 0 };
        table.root.append(row.root);
      }
      if (row.column === block.column) {
        row.root.lastChild.append(element("br"), node); // a cell of several paragraphs
      } else {
        row.column = block.column;
        row.root.append(element("td", "", node));
      }
      continue;
    }
    table = null;
    sheets.add(element(...shape(block), node));
  }
  paper.replaceChildren(...sheets.done());
}

/** Gathers elements into sections of about a screen; each guesses its height until it is laid out. */
class Sheets {
  #made = [];
  #parts = [];

  add(part) {
    if (this.#parts.length === 40) this.#close();
    this.#parts.push(part);
  }

  done() {
    if (this.#parts.length) this.#close();
    return this.#made;
  }

  #close() {
    const sheet = element("section", "", ...this.#parts);
    const lines = this.#parts.reduce((sum, part) => sum + Math.ceil(part.textContent.length / 80) + 0.6, 0);
    sheet.style.containIntrinsicBlockSize = `auto ${Math.round(lines * 1.55)}rem`;
    this.#made.push(sheet);
    this.#parts = [];
  }
}

function shape(block) {
  switch (block.kind) {
    case "heading":
      return [`h${Math.min(block.level + 1, 6)}`, ""];
    case "code":
      return ["pre", ""];
    case "list_item":
      return ["p", "item"];
    case "footnote":
      return ["p", "footnote"];
    default:
      return ["p", ""];
  }
}

/** Mark a span of the text; several marks where it crosses blocks. */
function mark(issue) {
  const { start, end } = issue.location;
  const made = [];
  for (const piece of touched(start, end)) {
    const text = piece.node.data;
    const place = placesIn(text);
    const from = place(Math.max(start - piece.start, 0));
    const to = place(Math.min(end, piece.end) - piece.start);
    if (to <= from) continue;
    const middle = piece.node.splitText(from);
    const rest = middle.splitText(to - from);
    const box = element("mark", issue.severity);
    box.dataset.issue = issue.id;
    middle.replaceWith(box);
    box.append(middle);
    split(piece, middle, rest, Math.max(start, piece.start), Math.min(end, piece.end));
    made.push(box);
  }
  marks.set(issue.id, made);
}

/** A piece was cut in three: the list of pieces follows. */
function split(piece, middle, rest, start, end) {
  const at = pieces.indexOf(piece);
  pieces.splice(
    at,
    1,
    { start: piece.start, end: start, node: piece.node },
    { start, end, node: middle },
    { start: end, end: piece.end, node: rest },
  );
}

function touched(start, end) {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (pieces[middle].end <= start) low = middle + 1;
    else high = middle;
  }
  const found = [];
  for (let at = low; at < pieces.length && pieces[at].start < end; at += 1) found.push(pieces[at]);
  return found;
}

function choose(issue, item) {
  chosen?.classList.remove("chosen");
  paper.querySelectorAll("mark.chosen").forEach((box) => box.classList.remove("chosen"));
  chosen = item;
  item.classList.add("chosen");
  const boxes = marks.get(issue.id) ?? [];
  boxes.forEach((box) => box.classList.add("chosen"));
  boxes[0]?.scrollIntoView({ block: "center" }); // at once: a smooth scroll ends where the guessed heights said
}

function card(issue) {
  const head = element("button", "plain issue-head", element("span", `tag ${issue.severity}`, say(issue.severity)), element("span", "", issue.message));
  head.type = "button";
  const quote = element("blockquote", "", issue.quote);
  const { section, page, line } = issue.location;
  const where = [page ? say("at page", { page }) : say("at line", { line }), section.join(" › "), issue.rule].filter(Boolean).join(" · ");
  const actions = element("div", "actions");
  const item = element("li", "issue", head, quote, element("p", "suggestion", issue.suggestion), element("p", "soft", where), actions);
  item.dataset.issue = issue.id;
  head.addEventListener("click", () => choose(issue, item));
  drawReview(issue, item, actions);
  return item;
}

function drawReview(issue, item, actions) {
  item.dataset.status = issue.status;
  const review = async (content) => {
    Object.assign(issue, await send("PATCH", `/issues/${issue.id}`, content));
    drawReview(issue, item, actions);
  };
  if (issue.status !== "open") {
    const verdict = element("span", "verdict", [say(issue.status), issue.reason].filter(Boolean).join(": "));
    actions.replaceChildren(verdict, button("reopen", () => review({ status: "open", reason: "" })));
    return;
  }
  const reason = element("input");
  reason.placeholder = say("reason");
  reason.setAttribute("aria-label", say("reason"));
  reason.maxLength = 2000;
  actions.replaceChildren(
    button("accept", () => review({ status: "accepted", reason: reason.value })),
    button("dismiss", () => review({ status: "dismissed", reason: reason.value })),
    reason,
  );
}

function button(word, press) {
  const made = element("button", "small", say(word));
  made.type = "button";
  made.dataset.verb = word;
  made.addEventListener("click", press);
  return made;
}

async function loadIssues() {
  const query = new URLSearchParams({ limit: 200, severity: filter.get("severity") ?? "", status: filter.get("status") ?? "" });
  if (cursor) query.set("cursor", cursor);
  const page = await ask(`/tasks/${task}/issues?${query}`);
  for (const issue of page.items) {
    if (pieces.length) mark(issue);
    list.append(card(issue));
  }
  cursor = page.next ?? "";
  more.hidden = !cursor;
}

function drawState(found) {
  document.getElementById("name").textContent = found.document.name;
  document.title = `${found.document.name} · Paperlane`;
  const parts = [say(found.status)];
  if (found.status === "running") parts.push(found.step ? say(found.step) : "", `${Math.round(found.percent)} %`);
  if (found.status === "completed") parts.push(sayFound(found));
  if (found.error) parts.push(sayFault(found.error));
  parts.push(...found.warnings.map(sayCode));
  state.textContent = parts.filter(Boolean).join(" · ");
  state.dataset.status = found.status;
}

for (const link of document.querySelectorAll("#filters a")) {
  const [name] = Object.keys(link.dataset);
  const query = new URLSearchParams(filter);
  if (link.dataset[name]) query.set(name, link.dataset[name]);
  else query.delete(name);
  link.href = `?${query}`;
  if ((filter.get(name) ?? "") === link.dataset[name]) link.setAttribute("aria-current", "true");
}

async function show() {
  let found;
  try {
    found = await ask(`/tasks/${task}`);
  } catch (error) {
    document.getElementById("name").textContent = error.status === 404 ? say("no such") : error.message;
    return;
  }
  drawState(found);
  if (["queued", "running"].includes(found.status)) {
    follow(`task=${task}`, (frame) => {
      if (["completed", "failed", "cancelled"].includes(frame.status)) location.reload();
      else drawState({ ...found, ...frame });
    });
    return;
  }
  if (found.status !== "completed") return;
  drawPaper(await ask(`/tasks/${task}/document`));
  await loadIssues();
}

paper.addEventListener("click", (event) => {
  const box = event.target.closest("mark");
  const item = box && list.querySelector(`[data-issue="${CSS.escape(box.dataset.issue)}"]`);
  if (!item) return;
  item.querySelector(".issue-head").click();
  item.scrollIntoView({ block: "nearest" });
});
more.addEventListener("click", loadIssues);
show();
