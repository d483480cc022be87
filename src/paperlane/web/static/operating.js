// The operators' pages: forms that call the service, and looks that are taken again and again.

import { ask, say, sayFault, sayTime, send } from "./api.js";

const live = document.getElementById("live");
export const problem = document.getElementById("problem");
export const done = document.getElementById("done");
const lost = document.getElementById("lost");
let insists = false; // this look is taken for what was just done

/** What a form says to the service; of one that changes something, only what is other than it was. */
function contentOf(form) {
  const content = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || ("changed" in form.dataset && !isChanged(field))) continue;
    if (field.type === "checkbox") content[field.name] = field.checked;
    else if (field.dataset.kind === "json") content[field.name] = JSON.parse(field.value);
    else if (field.dataset.kind === "quota") content[field.name] = field.value ? Number(field.value) : null;
    else if (field.type === "number" && field.value) content[field.name] = Number(field.value);
    else if (field.value || "changed" in form.dataset) content[field.name] = field.value;
  }
  return content;
}

function isChanged(field) {
  if (field.type === "checkbox") return field.checked !== field.defaultChecked;
  if (field.type === "select-one") return !field.selectedOptions[0].defaultSelected;
  return field.value !== field.defaultValue;
}

/** Tell this in its place, and nothing else. */
export function tell(place, ...words) {
  problem.hidden = true;
  done.hidden = true;
  place.replaceChildren(...words);
  place.hidden = false;
}

/** Ask for the page's figures now, also where somebody is in a form of theirs. */
export async function look() {
  insists = true;
  await htmx.ajax("GET", `${location.pathname}${location.search}`, { source: live, target: live, swap: "innerMorph" });
}

/** Call the service; what it does in pages, until the last one. */
async function call(verb, path, content) {
  let answer = await send(verb, path, content);
  if (!path.startsWith("/dead/")) return answer;
  const all = { replayed: 0, discarded: 0, left: [] };
  for (;;) {
    all.replayed += answer.replayed ?? 0;
    all.discarded += answer.discarded ?? 0;
    all.left.push(...answer.left);
    if (!answer.next) return all;
    answer = await send(verb, path, { ...content, cursor: answer.next });
  }
}

/** What became of it, in words. */
function sayDone(path, answer) {
  if (path === "/dead/replay") return sayHandled(say("replayed", { n: answer.replayed }), answer.left);
  if (path === "/dead/discard") return sayHandled(say("discarded", { n: answer.discarded }), answer.left);
  if (path.endsWith("/revoke")) return say("revoked", { n: answer.revoked });
  return say("changed");
}

function sayHandled(what, left) {
  return [what, ...left.map((one) => `${say("left over", { n: one.count })} ${sayFault(one)}`)].join(" ");
}

/** A token is shown this once, to be copied. */
function showToken(token, name) {
  const field = document.createElement("input");
  field.readOnly = true;
  field.value = token;
  field.setAttribute("aria-label", say("token"));
  tell(done, name ? say("token of", { name }) : say("token once"), " ", field);
  field.focus();
  field.select();
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-call]");
  if (!form) return;
  event.preventDefault();
  const [verb, path] = form.dataset.call.split(" ");
  const content = contentOf(form);
  if ("changed" in form.dataset && !Object.keys(content).length) return tell(done, say("nothing changed"));
  if (form.dataset.ask && !confirm(form.dataset.ask)) return;
  const button = form.querySelector("button");
  button.setAttribute("aria-busy", "true");
  try {
    const answer = verb === "DELETE" ? await ask(path, { method: verb }) : await call(verb, path, content);
    if ("token" in form.dataset) showToken(answer.token, answer.name);
    else tell(done, sayDone(path, answer));
    if ("token" in form.dataset && path === "/users") form.reset();
    await look();
  } catch (error) {
    tell(problem, error.message);
  } finally {
    button.removeAttribute("aria-busy");
  }
});

/** Times in the reader's own. */
function localize() {
  for (const time of document.querySelectorAll("time[datetime]")) time.textContent = sayTime(new Date(time.dateTime));
}

function tellLost(isLost) {
  lost.textContent = say("connection lost");
  lost.hidden = !isLost;
}

// who writes in a form, or looks at another page, is not disturbed
document.addEventListener("htmx:before:request", (event) => {
  const writes = live.contains(document.activeElement) && document.activeElement.matches("input, select");
  if (!insists && (document.hidden || writes)) event.preventDefault();
  insists = false;
});
document.addEventListener("htmx:error", () => tellLost(true));
document.addEventListener("htmx:after:request", ({ detail }) => tellLost(detail.ctx.response.status >= 500));
document.addEventListener("htmx:after:swap", localize);
localize();
