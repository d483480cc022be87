// What every page can do: sign out.

import { ask } from "./api.js";

document.getElementById("sign-out")?.addEventListener("click", async () => {
  await ask("/session", { method: "DELETE" });
  location.assign("/sign-in");
});
