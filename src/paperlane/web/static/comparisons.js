// The page of comparisons: one takes seconds, so it is asked for when the page is there, and waited for in sight.

import { rest, sayCode } from "./api.js";

const TRIES = 5; // where too many requests come
const place = document.getElementById("told");
const telling = document.getElementById("telling");

/** What was asked for, as a part of this page, also where it cannot be told; null where no page came. */
async function part(tries) {
  const answer = await fetch(place.dataset.from, { headers: { "HX-Request": "true" } });
  if (answer.status === 401) {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
    return new Promise(() => {}); // the page is left
  }
  if (!answer.headers.get("Content-Type")?.startsWith("text/html")) return null;
  const told = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!told.querySelector("header")) return told.body;
  if (tries <= 1) return null; // a whole page: who asks too often is told to wait
  await rest(Number(answer.headers.get("Retry-After")) || 1);
  return part(tries - 1);
}

async function show() {
  const told = await part(TRIES).catch(() => null);
  place.removeAttribute("aria-busy");
  if (!told) {
    telling.className = "notice";
    telling.textContent = sayCode({ code: "unreachable" });
    return;
  }
  telling.className = "unseen"; // said once, and in sight below
  telling.textContent = told.querySelector("#verdict")?.textContent ?? "";
  place.replaceChildren(...told.childNodes);
}

show();
