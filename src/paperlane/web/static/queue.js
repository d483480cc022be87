// The queue page tells when its figures cannot be asked for.

import { say } from "./api.js";

const lost = document.getElementById("lost");

function tell(isLost) {
  lost.textContent = say("connection lost");
  lost.hidden = !isLost;
}

document.addEventListener("htmx:error", () => tell(true));
document.addEventListener("htmx:after:request", ({ detail }) => tell(detail.ctx.response.status >= 500));
