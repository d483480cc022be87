// A document beside its issues: each quote is highlighted where it stands.

import { ask, element, mayAct, say, sayChanges, sayCode, sayFault, sayFound, sayWait, send } from "./api.js";
import { filter, linkFilters } from "./filters.js";
import { Follower } from "./following.js";
import { placesIn } from "./offsets.js";

const task = document.getElementById("beside").dataset.task;
const beside = document.getElementById("beside");
const paper = document.getElementById("paper");
const list = document.getElementById("issues");
const more = document.getElementById("more");
const state = document.getElementById("state");
const bar = document.getElementById("bar");
const told = document.getElementById("told");
const problem = document.getElementById("problem");
const follower = new Follower({ moved: move, look });
const onlyFixed = filter.get("change") === "fixed";
const issues = []; // those that are listed and stand in this version
const marks = new Map();
const pieces = []; // {start, end, node}: the text nodes of the document, in order
let cursor = "";
let chosen = null; // {issue, item}
let shown = null; // the task
let opened = false;

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
      sheets.add(element("p", "page-number", sayPage(page)));
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
  issues.forEach(mark);
  if (chosen) reveal();
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
  chosen?.item.classList.remove("chosen");
  chosen = { issue, item };
  item.classList.add("chosen");
  reveal();
}

/** Show the chosen issue's quote. At once: a smooth scroll would end where guessed heights say. */
function reveal() {
  paper.querySelectorAll("mark.chosen").forEach((box) => box.classList.remove("chosen"));
  const boxes = marks.get(chosen.issue.id) ?? [];
  boxes.forEach((box) => box.classList.add("chosen"));
  boxes[0]?.scrollIntoView({ block: "center" });
}

function card(issue) {
  const head = element("button", "plain issue-head", element("span", `tag ${issue.severity}`, say(issue.severity)), element("span", "", issue.message));
  head.type = "button";
  const quote = element("blockquote", "", issue.quote);
  const where = [...placesOf(issue), issue.rule, issue.change === "new" && !onlyFixed && say("new")].filter(Boolean).join(" · ");
  const actions = element("div", "actions");
  const item = element("li", "issue", head, quote, element("p", "suggestion", issue.suggestion), element("p", "soft", where), actions);
  item.dataset.issue = issue.id;
  head.addEventListener("click", () => choose(issue, item));
  if (!onlyFixed) drawReview(issue, item, actions);
  return item;
}

/** Where a reader of the file finds an issue: its cell; else its slide, page or line, if it has any, and its section. */
function placesOf({ location: { cell, page, line, section } }) {
  if (cell) return [cell];
  const lined = ["text/markdown", "text/plain", "text/x-rst"].includes(shown.document.media_type);
  return [page ? sayPage(page) : lined && say("at line", { line }), section.join(" › ")];
}

function sayPage(page) {
  return say(shown.document.media_type.endsWith(".presentation") ? "at slide" : "at page", { page });
}

function drawReview(issue, item, actions) {
  item.dataset.status = issue.status;
  const refused = element("p", "notice");
  refused.role = "alert";
  refused.hidden = true;
  const review = async (content) => {
    try {
      const { status } = issue;
      Object.assign(issue, await send("PATCH", `/issues/${issue.id}`, content));
      count(issue.severity, (issue.status === "dismissed") - (status === "dismissed"));
    } catch (error) {
      refused.textContent = error.message;
      refused.hidden = false;
      return;
    }
    const hadFocus = actions.contains(document.activeElement);
    drawReview(issue, item, actions);
    if (hadFocus) actions.querySelector("button").focus();
  };
  if (issue.status !== "open") {
    const verdict = element("span", "verdict", [say(issue.status), issue.reason].filter(Boolean).join(": "));
    actions.replaceChildren(verdict, ...(mayAct ? [button("reopen", () => review({ status: "open", reason: "" })), refused] : []));
    return;
  }
  if (!mayAct) return;
  const reason = element("input");
  reason.placeholder = say("reason");
  reason.setAttribute("aria-label", say("reason"));
  reason.maxLength = 2000;
  actions.replaceChildren(
    button("accept", () => review({ status: "accepted", reason: reason.value })),
    button("dismiss", () => review({ status: "dismissed", reason: reason.value })),
    reason,
    refused,
  );
}

/** Somebody dismissed an issue, or takes that back: the head counts it as the report does. */
function count(severity, more) {
  shown.dismissed[severity] += more;
  drawState(shown);
}

function button(word, press) {
  const made = element("button", "small", say(word));
  made.type = "button";
  made.dataset.verb = word;
  made.addEventListener("click", press);
  return made;
}

async function loadIssues() {
  if (onlyFixed) return loadFixed();
  const query = new URLSearchParams({ limit: 200, severity: filter.get("severity") ?? "", status: filter.get("status") ?? "", change: filter.get("change") ?? "" });
  if (cursor) query.set("cursor", cursor);
  const page = await ask(`/tasks/${task}/issues?${query}`);
  for (const issue of page.items) {
    if (pieces.length) mark(issue);
    issues.push(issue);
    list.append(card(issue));
  }
  cursor = page.next ?? "";
  more.hidden = !cursor;
}

/** Issues of the version before that this one has no more: they stand nowhere in this text. */
async function loadFixed() {
  const page = await ask(`/tasks/${task}/changes?${new URLSearchParams({ limit: 200, cursor })}`);
  const wanted = (issue) => ["severity", "status"].every((name) => [issue[name], "", null].includes(filter.get(name)));
  list.append(...page.items.filter(wanted).map(card));
  cursor = page.next ?? "";
  more.hidden = !cursor;
}

function drawState(found) {
  name(found.document.name);
  document.getElementById("since").hidden = !found.changes;
  const parts = [say(found.status)];
  if (found.status === "queued") parts.push(sayWait(found));
  if (found.status === "running") parts.push(found.step ? say(found.step) : "", `${Math.round(found.percent)} %`);
  if (found.status === "completed") parts.push(sayFound(found));
  if (found.error) parts.push(sayFault(found.error));
  parts.push(...found.warnings.map(sayCode));
  const text = parts.filter(Boolean).join(" · ");
  // each percent is seen, but only a new status is read out
  if (state.dataset.status && state.dataset.status !== found.status) told.textContent = found.status === "running" ? say("running") : text;
  state.replaceChildren(...linked(text, found.changes));
  state.dataset.status = found.status;
  bar.hidden = found.status !== "running";
  bar.value = found.percent;
}

/** In the text of the head, the words that tell of fixed issues lead to these. */
function linked(text, changes) {
  const words = changes?.fixed ? say("fixed ones", changes) : "";
  const from = words ? text.indexOf(sayChanges(changes)) : -1;
  if (from < 0) return [text];
  const at = text.indexOf(words, from);
  const link = element("a", "", words);
  link.href = "?change=fixed";
  return [text.slice(0, at), link, text.slice(at + words.length)];
}

function name(text) {
  document.getElementById("name").textContent = text;
  document.title = `${text} · Paperlane`;
}

linkFilters();

/** Do this; where it fails, say there why, and offer to try again. */
async function attempt(work, place = problem) {
  place.hidden = true;
  try {
    await work();
  } catch (error) {
    place.replaceChildren(error.message, " ", button("again", () => attempt(work, place)));
    place.hidden = false;
  }
}

/** Show what a frame of the WebSocket tells; when the task stops running, ask for the rest. */
function move(frame) {
  if (frame.seq <= shown.seq) return;
  if (frame.status === "running") drawState(Object.assign(shown, frame));
  else attempt(show);
}

/** Ask for the task's state, and follow it until its document can be shown. */
async function look() {
  shown = await ask(`/tasks/${task}`);
  drawState(shown);
  if (["queued", "running"].includes(shown.status)) follower.follow(`task=${task}`);
  if (shown.status === "completed") await attempt(open);
}

async function show() {
  try {
    await look();
  } catch (error) {
    if (error.status !== 404) throw error;
    name(say("no such"));
  }
}

/** Show the document and its issues, once; the issues can be read before all of a long document is drawn. */
async function open() {
  if (opened) return;
  opened = true;
  beside.hidden = false;
  document.getElementById("reports").hidden = false;
  try {
    const [found] = await Promise.all([ask(`/tasks/${task}/document`), list.childElementCount ? null : attempt(loadIssues, document.getElementById("cut"))]);
    drawPaper(found);
  } catch (error) {
    opened = false;
    throw error;
  }
}

paper.addEventListener("click", (event) => {
  const box = event.target.closest("mark");
  const item = box && list.querySelector(`[data-issue="${CSS.escape(box.dataset.issue)}"]`);
  if (!item) return;
  item.querySelector(".issue-head").click();
  item.scrollIntoView({ block: "nearest" });
});
more.addEventListener("click", () => attempt(loadIssues, document.getElementById("cut")));
attempt(show);
