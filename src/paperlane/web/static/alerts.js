// The alerts that are open, on the overview: acknowledged and silenced there.

import { ask, element, say, sayTime, send } from "./api.js";

const EVERY = 10_000;
const AT_ONCE = 50;
const list = document.getElementById("alerts");
const HOURS = list.dataset.silences.split(" ").map(Number);
const more = document.getElementById("more-alerts");
const none = document.getElementById("no-alerts");
const problem = document.getElementById("problem");
const acts = document.body.dataset.role === "admin";
const items = new Map();

class Item {
  constructor() {
    this.severity = element("span", "tag");
    this.message = element("strong");
    this.hint = element("p", "soft");
    this.when = element("p", "soft");
    this.acknowledge = button("acknowledge", () => send("POST", `/alerts/${this.alert.id}/acknowledge`, {}));
    this.silences = HOURS.map((hours) =>
      button(say("silence for", { hours }), () => send("POST", "/alerts/silences", { alert: this.alert.alert, subject: this.alert.subject, hours })));
    this.root = element("li", "", element("p", "", this.severity, " ", this.message), this.hint, this.when);
    if (acts) this.root.append(element("div", "actions", this.acknowledge, ...this.silences));
  }

  /** Only what is other than before is written, so that nobody's focus moves. */
  show(alert) {
    this.alert = alert;
    const { severity, message, hint, opened_at, acknowledged_at, acknowledged_by, silenced_until } = alert;
    const isSilent = Date.parse(silenced_until) > Date.now();
    this.severity.className = `tag ${severity === "critical" ? "error" : "warning"}`;
    write(this.severity, say(severity));
    write(this.message, message);
    write(this.hint, hint ?? "");
    const parts = [say("alert since", { time: sayTime(new Date(opened_at)) })];
    if (acknowledged_at) parts.push(say("acknowledged by", { name: acknowledged_by ?? say("command line") }));
    if (isSilent) parts.push(say("silenced until", { time: sayTime(new Date(silenced_until)) }));
    write(this.when, parts.join(" · "));
    this.acknowledge.hidden = Boolean(acknowledged_at);
    this.silences.forEach((each) => (each.hidden = isSilent));
  }
}

function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function button(word, act) {
  const made = element("button", "small", say(word));
  made.type = "button";
  made.addEventListener("click", async () => {
    try {
      await act();
      problem.hidden = true;
      await look();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  });
  return made;
}

async function look() {
  const page = await ask(`/alerts?state=open&limit=${AT_ONCE}`);
  const open = new Set(page.items.map(({ id }) => id));
  for (const [id, item] of items) {
    if (open.has(id)) continue;
    item.root.remove();
    items.delete(id);
  }
  for (const alert of page.items) {
    if (!items.has(alert.id)) {
      items.set(alert.id, new Item());
      list.append(items.get(alert.id).root);
    }
    items.get(alert.id).show(alert);
  }
  write(more, say("more alerts", { n: AT_ONCE }));
  more.hidden = page.next === null;
  none.textContent = say("no alerts");
  none.hidden = items.size > 0;
}

async function watch() {
  try {
    if (!document.hidden) await look();
  } catch (error) {
    none.textContent = error.message;
    none.hidden = false;
  }
  setTimeout(watch, EVERY);
}

watch();
