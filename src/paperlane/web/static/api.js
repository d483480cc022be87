// The service's interface, and the page's words.

export const words = JSON.parse(document.getElementById("words").textContent);

/** May who is signed in change anything? The service refuses it anyway. */
export const mayAct = document.body.dataset.role !== "viewer";

/** A word of the page with its {parameters} filled in; `fallback` where the page has none. */
export function say(key, parameters = {}, fallback = key) {
  return (words[key] ?? fallback).replace(/\{(\w+)\}/g, (whole, name) => parameters[name] ?? whole);
}

const english = document.documentElement.lang === "en";

/** An error or warning: in English as it was raised, which has the details; else in the page's words for its code. */
export function sayCode({ code, message = "", detail = "", params = {} }) {
  const raised = message || detail;
  if (english && raised) return raised;
  const key = [`fuller ${code}`, `filled ${code}`].find((each) => {
    const wanted = [...(words[each] ?? "").matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    return wanted.length && wanted.every((name) => params[name]);
  });
  if (key) {
    const told = (name, value) => (name === "why" ? say(`why ${value}`, {}, value) : value).replaceAll(", ", "、");
    const given = Object.entries(params).map(([name, value]) => [name, told(name, value)]);
    return say(key, Object.fromEntries(given));
  }
  return say(`code ${code}`, {}, raised);
}

/** The same, and what can be done about it where that was raised. */
export function sayFault(fault) {
  const { code, hint = "" } = fault;
  const advice = english || !hint ? hint : say(`hint ${code}`, {}, hint);
  return [sayCode(fault), advice].filter(Boolean).join(english ? " " : "");
}

/** How far a step is; the service says it in English, as in "page 3 of 8". */
export function sayProgress(message) {
  const [, what, at, all] = /^(\w+) (\d+) of (\d+)$/.exec(message) ?? [];
  return say(what ? `progress ${what}` : message, { at, all }, message);
}

/** What the service refused, and why. */
export class Problem extends Error {
  constructor(status, problem, retryAfter) {
    super(sayFault(problem));
    Object.assign(this, { status, problem, retryAfter });
  }
}

const TRIES = 5; // of one request, where too many come
const lost = document.getElementById("lost");

/** Wait until the service takes requests again, and say so; the bucket it counts with has room for one then. */
export async function rest(seconds) {
  const told = say("slow down", { seconds });
  Object.assign(lost, { textContent: told, hidden: false });
  await new Promise((over) => setTimeout(over, seconds * 1_000));
  if (lost.textContent === told) lost.hidden = true;
}

/**
 * Ask the service; the answer as JSON, or a Problem, of status 0 when no answer came. What is refused because too many
 * requests came was not done: it is asked for again a little later.
 */
export async function ask(path, options = {}, tries = TRIES) {
  const unreachable = () => {
    throw new Problem(0, { code: "unreachable" });
  };
  const answer = await fetch(`/api/v1${path}`, options).catch(unreachable);
  if (answer.status === 401 && location.pathname !== "/sign-in") location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  if (answer.ok) return answer.status === 204 ? null : answer.json().catch(unreachable);
  const problem = await answer.json().catch(() => ({ code: "internal_error" }));
  if (problem.code === "too_many_requests" && tries > 1) {
    await rest(Number(answer.headers.get("Retry-After")) || 1);
    return ask(path, options, tries - 1);
  }
  throw new Problem(answer.status, problem, answer.headers.get("Retry-After"));
}

/** Send JSON. */
export function send(method, path, content) {
  return ask(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });
}

/** An element with a class, text or children: never markup from outside. */
export function element(name, className = "", ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** How much was found that nobody dismissed, and how much was dismissed, beside how much was tested; never plainly "no issues" for what was not wholly tested. */
export function sayFound(task) {
  const { by = {} } = task.coverage;
  const rules = by.rules ?? task.coverage;
  if (rules.tested === 0) return say("nothing tested");
  const severities = ["error", "warning", "info"];
  const counts = severities
    .map((severity) => [severity, task.issues[severity] - task.dismissed[severity]])
    .filter(([, count]) => count)
    .map(([severity, count]) => `${count} ${say(count === 1 ? `one ${severity}` : `${severity}s`)}`);
  const n = severities.reduce((sum, severity) => sum + task.dismissed[severity], 0);
  const broken = task.warnings.some(({ code }) => code === "check_failed");
  const isWhole = isTested(task.coverage) && !broken;
  const each = Object.entries(by).map(([judge, reach]) =>
    judge === "rules" ? `${say("rules")}${say(": ")}${sayReach(reach, broken)}` : `${judge}${say(": ")}${sayReach(reach)}`);
  const coverage = isWhole || !each.length ? sayReach(task.coverage, broken) : each.join(say(", "));
  const none = isWhole ? "no issues" : "no issues in part";
  const changes = task.changes ? ` · ${sayChanges(task.changes)}` : "";
  const found = [...(counts.length ? counts : [say(none)]), ...(n ? [say("and dismissed", { n })] : [])];
  return `${found.join(say(", "))}${changes} · ${coverage}`;
}

/** What changed since the version before. */
export function sayChanges(changes) {
  return say("changes", { ...changes, solved: say("fixed ones", changes) });
}

const isTested = ({ failed, skipped }) => failed + skipped === 0;

/** How many passages were tested; a check that is `broken` did not test all that it should have. */
function sayReach(reach, broken = false) {
  const { tested, failed, skipped } = reach;
  const all = tested + failed + skipped;
  return isTested(reach) && !broken ? say(all === 1 ? "whole one" : "whole", { all }) : say("tested", { tested, all });
}

/** When a waiting task starts, if not as soon as there is room; and how often it was tried. */
export function sayWait({ attempt, run_at }) {
  const parts = [];
  if (attempt) parts.push(say(attempt === 1 ? "tried once" : "tried", { attempt }));
  if (Date.parse(run_at) > Date.now()) parts.push(say(attempt ? "tries again at" : "starts at", { time: sayTime(new Date(run_at)) }));
  else if (attempt) parts.push(say("tries again soon"));
  return parts.join(", ");
}

/** How the reader of this page writes times and numbers. */
export function locale() {
  const language = document.documentElement.lang.slice(0, 2);
  return navigator.languages.find((one) => one.startsWith(language)) ?? language;
}

/** A time as the reader writes it; the day only where it is another. */
export function sayTime(at) {
  const today = at.toDateString() === new Date().toDateString();
  return at.toLocaleString(locale(), today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
}
