// Signing in by token.

import { sayCode, send } from "./api.js";

const form = document.getElementById("sign-in");
const problem = document.getElementById("problem");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await send("POST", "/session", { token: form.elements.token.value });
    location.reload();
  } catch (error) {
    problem.textContent = error.problem?.code === "unknown_token" ? sayCode(error.problem) : error.message; // the form says how to get one
    problem.hidden = false;
    form.elements.token.select();
  }
});
