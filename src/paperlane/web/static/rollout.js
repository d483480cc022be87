// The page of roll-outs: what will be done is said first, then done, then told.

import { ask, say, sayCode, send } from "./api.js";
import { done, look, problem, tell } from "./operating.js";

const form = document.getElementById("rule");
const slider = document.getElementById("slider");
const percent = document.getElementById("percent");
const now = document.getElementById("now");
const sure = document.getElementById("sure");
const asked = document.getElementById("sure-words");
const refused = document.getElementById("sure-problem");
const busy = document.getElementById("sure-busy");
const yes = document.getElementById("sure-yes");
const force = document.getElementById("sure-force");
const no = document.getElementById("sure-no");
let change = null; // what the dialog asks about
let opening = 0; // how often somebody wanted a change

const whose = (group) => (group ? say("whose group", { group }) : say("whose all"));

/** What each change sends, the sentences that ask whether it is meant, and the one that tells that it is done. */
const CHANGES = {
  rule({ elements }, state) {
    const [engine, group, guard] = ["engine", "group", "guard"].map((name) => elements[name].value);
    const share = Number(percent.value);
    const before = state.rules.find((one) => one.engine === engine && (one.group ?? "") === group);
    const said = { engine, percent: share, whose: whose(group) };
    const isAsBefore = before?.guard.mode === guard; // it stays, also where it is known that it does worse
    const isKnown = isAsBefore && before.guard.state === "acknowledged";
    return {
      content: {
        engine,
        percent: share,
        newest: state.rules[0]?.id ?? 0,
        ...(!isAsBefore && { guard }),
        ...(group && { group }),
      },
      words: [
        say("rule will", said),
        sayBefore(before?.percent),
        say(`rule guard ${isKnown ? "acknowledged" : guard}`),
        ...(state.flags.use_database_queue ? [] : [say("rollout unqueued")]),
      ],
      done: (n) => say("rule done", { ...said, n }),
    };
  },
  flag({ dataset: { flag, on } }) {
    const to = on === "true" ? "on" : "off";
    return {
      content: { flags: { [flag]: on === "true" } },
      words: [say(`flag will ${to}`, { flag }), say(`flag ${to} ${flag}`)],
      done: (n) => say(`flag done ${to}`, { flag, n }),
    };
  },
  rollback({ dataset: { rule, engine, percent, group } }) {
    return {
      content: { rollback: true, rule: Number(rule) },
      words: [say("rollback will", { rule, engine, percent, whose: whose(group) }), say("rollback then")],
      done: (n) => say("rollback done", { rule, n }),
    };
  },
  retreat({ dataset: { engine } }, state) {
    const rules = state.rules.filter((one) => one.engine === engine);
    return {
      content: { rollback: true, engine },
      words: [
        say("retreat will", { engine, n: rules.length }),
        ...rules.map(({ id, percent, group }) => say("retreat from", { rule: id, percent, whose: whose(group) })),
        say("retreat then"),
      ],
      done: (n) => say("retreat done", { engine, n }),
    };
  },
  acknowledge({ dataset: { rule, engine, percent, group } }) {
    return {
      content: { acknowledge: Number(rule) },
      words: [say("acknowledge will", { engine, percent, whose: whose(group) }), say("acknowledge then")],
      done: () => say("acknowledge done", { rule }),
    };
  },
};

function sayBefore(before) {
  return before === undefined ? say("rule was none") : say("rule was", { percent: before });
}

function paragraph(words) {
  return Object.assign(document.createElement("p"), { textContent: words });
}

function show(element, isShown) {
  element.hidden = !isShown;
}

/** Ask whether this is meant, by what was rolled out until now; of several that were wanted meanwhile the last one. */
async function open(place) {
  const mine = ++opening;
  const meant = { elements: place.elements, dataset: { ...place.dataset } }; // the row may be another's by then
  let state;
  place.setAttribute("aria-busy", "true");
  try {
    state = await ask("/rollout");
  } catch (error) {
    tell(problem, error.message);
    return;
  } finally {
    place.removeAttribute("aria-busy");
  }
  if (mine !== opening || sure.open) return;
  change = CHANGES[meant.dataset.change](meant, state);
  asked.replaceChildren(...change.words.map(paragraph));
  show(refused, false);
  show(yes, true);
  show(force, false);
  sure.showModal();
}

function setBusy(isBusy) {
  show(busy, isBusy);
  sure.setAttribute("aria-busy", String(isBusy));
  for (const button of [yes, force, no]) button.disabled = isBusy;
}

/** Of what the service refuses, what it does where one insists: the sentence that says what comes of it. */
function hintOf(code) {
  if (code === "engine_unserved") return say("force hint");
  return code === "rollout_held" && change.content.rollback ? say("held hint") : "";
}

/** Do it, however long that takes; some of it is done by `insists` only. */
async function put(insists) {
  setBusy(true);
  show(refused, false);
  try {
    const answer = await send("PUT", "/rollout", insists ? { ...change.content, force: true } : change.content);
    sure.close();
    tell(done, sayDone(answer));
    look().then(showAnew, () => {}); // it looks again by itself
  } catch (error) {
    const hint = insists ? "" : hintOf(error.problem?.code);
    if (hint && sure.open) {
      refused.textContent = [sayCode(error.problem), hint].join(" ");
      show(refused, true);
      show(yes, false);
      show(force, true);
    } else {
      sure.close();
      tell(problem, error.message);
      if (error.problem?.code === "rollout_changed") look().then(showNow, () => {});
    }
  } finally {
    setBusy(false);
    if (sure.open) no.focus();
  }
}

function sayDone({ moved, settled, unserved }) {
  const parts = [change.done(moved)];
  if (!settled) parts.push(say("rollout moving"));
  parts.push(...unserved.map((engine) => say("rollout unserved", { engine })));
  return parts.join(" ");
}

document.addEventListener("submit", (event) => {
  const place = event.target.closest("form[data-change]");
  if (!place) return;
  event.preventDefault();
  open(place);
});
yes.addEventListener("click", () => put(false));
force.addEventListener("click", () => put(true));
no.addEventListener("click", () => sure.close());
sure.addEventListener("cancel", (event) => {
  if (no.disabled) event.preventDefault(); // it is being done
});

/** The rule that holds for the engine and the group in the form. */
function ruleNow() {
  const { engine, group } = form.elements;
  const rows = [...document.querySelectorAll("tr[data-engine]")];
  return rows.find(({ dataset }) => dataset.engine === engine.value && dataset.group === group.value);
}

function showNow() {
  now.textContent = sayBefore(ruleNow()?.dataset.percent);
}

function showAnew() {
  showNow();
  if (document.activeElement !== document.body) return;
  done.tabIndex = -1;
  done.focus(); // the button of what was taken back is no more
}

function slide() {
  slider.value = percent.value || 0;
  slider.setAttribute("aria-valuetext", `${percent.value || 0} %`);
}

/** The form as that rule is now, to be changed from there. */
function prefill() {
  const rule = ruleNow();
  percent.value = rule?.dataset.percent ?? 0;
  form.elements.guard.value = rule?.dataset.guard ?? "act";
  slide();
  showNow();
}

for (const name of ["engine", "group"]) form.elements[name].addEventListener("change", prefill);
slider.addEventListener("input", () => {
  percent.value = slider.value;
  slide();
});
percent.addEventListener("input", slide);
document.addEventListener("htmx:after:swap", showNow);
prefill();
