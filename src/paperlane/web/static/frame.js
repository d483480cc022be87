// What every page can do: sign out.

import { ask } from "./api.js";

const lost = document.getElementById("lost");

document.getElementById("sign-out")?.addEventListener("click", async () => {
  try {
    await ask("/session", { method: "DELETE" });
    location.assign("/sign-in");
  } catch (error) {
    lost.textContent = error.message;
    lost.hidden = false;
  }
});
